import t from 'tap';
import { bytes, duration, NOTHING, number, short, span } from '../../../src/admin/page/client/format.js';

const spaced = (text: string): string => text.replaceAll('\u00a0', ' ');

t.test('numbers', async (t) => {
  t.same([0, 7, 0.123, 12.34, 123.4, 1_234_567].map(number), ['0', '7', '0.12', '12.3', '123', '1,234,567']);
  t.equal(number(null), NOTHING);
  t.same([0, 0.25, 1_500, 15_000, 2_500_000].map(short), ['0', '0.25', '1,500', '15K', '2.5M']);
});

t.test('durations', async (t) => {
  t.same([0, 0.0123, 0.456, 4.87, 48.7, 999, 1_000, 12_340, 59_900, 61_000].map(duration).map(spaced), [
    '0 ms',
    '0.012 ms',
    '0.46 ms',
    '4.9 ms',
    '49 ms',
    '999 ms',
    '1 s',
    '12.3 s',
    '59.9 s',
    '1 min 1 s',
  ]);
  t.equal(duration(null), NOTHING);
  t.same([0, 59, 60, 3_599, 3_600, 86_400, 90_061].map(span).map(spaced), [
    '0 s',
    '59 s',
    '1 min',
    '59 min 59 s',
    '1 h',
    '1 d',
    '1 d 1 h',
  ]);
});

t.test('bytes', async (t) => {
  t.same([0, 1_023, 1_024, 1_572_864, 2 ** 50].map(bytes).map(spaced), [
    '0 B',
    '1,023 B',
    '1 KiB',
    '1.5 MiB',
    '1,024 TiB',
  ]);
});
