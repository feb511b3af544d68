import t from 'tap';
import { InvalidValue } from '../../src/config/problem.js';
import {
  DURATION_PATTERN,
  formatDuration,
  formatSize,
  LONGEST_DURATION,
  parseDuration,
  parseSize,
  SIZE_PATTERN,
} from '../../src/config/units.js';
import { fc } from '../support/properties.js';

t.test('durations', async (t) => {
  const good: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['0s', 0],
    ['250ms', 250],
    ['5s', 5_000],
    ['1.5s', 1_500],
    ['1.001s', 1_001],
    ['0.5m', 30_000],
    ['1m', 60_000],
    ['1m30s', 90_000],
    ['1h', 3_600_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['24d', 2_073_600_000],
    ['2147483647ms', LONGEST_DURATION],
  ];
  for (const [text, milliseconds] of good) t.equal(parseDuration(text), milliseconds, text);
  const bad: readonly (readonly [string, RegExp])[] = [
    ['', /is not a duration/],
    ['5', /did you mean 5s\?/],
    ['1.5', /did you mean 1.5s\?/],
    ['5 s', /is not a duration/],
    ['5S', /is not a duration/],
    ['-5s', /is not a duration/],
    ['5sec', /is not a duration/],
    ['s', /is not a duration/],
    ['.5s', /is not a duration/],
    ['5s ', /is not a duration/],
    ['1e3s', /is not a duration/],
    ['Infinity', /is not a duration/],
    ['0.5ms', /whole number of milliseconds/],
    ['1.0001s', /whole number of milliseconds/],
    ['5s1m', /largest first/],
    ['1s1s', /each unit once/],
    ['25d', /too long/],
    ['2147483648ms', /too long/],
    [`${'9'.repeat(400)}d`, /too long/],
  ];
  for (const [text, message] of bad)
    t.throws(() => parseDuration(text), { name: 'InvalidValue', message }, text);
});

t.test('sizes', async (t) => {
  const good: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['1B', 1],
    ['1024b', 1_024],
    ['64KiB', 65_536],
    ['64kib', 65_536],
    ['64k', 65_536],
    ['16M', 16_777_216],
    ['16MiB', 16_777_216],
    ['16 MiB', 16_777_216],
    ['16MB', 16_000_000],
    ['1.5GiB', 1_610_612_736],
    ['1G', 1_073_741_824],
    ['2KB', 2_000],
  ];
  for (const [text, bytes] of good) t.equal(parseSize(text), bytes, text);
  const bad: readonly (readonly [string, RegExp])[] = [
    ['', /is not a size/],
    ['1024', /did you mean 1024B\?/],
    ['1.5', /is not a size/],
    ['1TiB', /is not a size/],
    ['16  MiB', /is not a size/],
    ['-1B', /is not a size/],
    ['MiB', /is not a size/],
    ['1.5B', /whole number of bytes/],
    ['0.0001KiB', /whole number of bytes/],
    [`${'9'.repeat(30)}GiB`, /too large/],
  ];
  for (const [text, message] of bad) t.throws(() => parseSize(text), { name: 'InvalidValue', message }, text);
});

t.test('every duration survives being written and read', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: LONGEST_DURATION }), (milliseconds) => {
      const text = formatDuration(milliseconds);
      return (
        parseDuration(text) === milliseconds && (text === '0' || new RegExp(DURATION_PATTERN).test(text))
      );
    }),
  );
});

t.test('every size survives being written and read', async () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 40 }), fc.constantFrom(1, 1024, 1024 ** 2), (amount, factor) => {
      const bytes = amount * factor;
      if (!Number.isSafeInteger(bytes)) return true;
      const text = formatSize(bytes);
      return parseSize(text) === bytes && (text === '0' || new RegExp(SIZE_PATTERN).test(text));
    }),
  );
});

t.test('decimals are exact', async () => {
  fc.assert(
    fc.property(fc.nat({ max: 100_000 }), fc.nat({ max: 999 }), (whole, thousandths) => {
      const decimals = String(thousandths).padStart(3, '0');
      return parseDuration(`${whole}.${decimals}s`) === whole * 1_000 + thousandths;
    }),
  );
});

t.test(
  'any other text is refused as such, and the pattern of the schema agrees with the parser',
  async (t) => {
    const piece = fc.constantFrom(
      '0',
      '1',
      '9',
      '24',
      '.',
      's',
      'm',
      'ms',
      'h',
      'd',
      'K',
      'iB',
      'B',
      'G',
      ' ',
      '-',
      'x',
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join('')),
      fc.string(),
    );
    const accepts = (parse: (text: string) => number, given: string): boolean => {
      try {
        return Number.isSafeInteger(parse(given));
      } catch (error) {
        if (!(error instanceof InvalidValue)) throw error;
        return false;
      }
    };
    let accepted = 0;
    fc.assert(
      fc.property(text, (given) => {
        const duration = accepts(parseDuration, given);
        const size = accepts(parseSize, given);
        if (duration || size) accepted++;
        return (
          (!duration || given === '0' || new RegExp(DURATION_PATTERN).test(given)) &&
          (!size || given === '0' || new RegExp(SIZE_PATTERN).test(given))
        );
      }),
      { numRuns: 2_000 },
    );
    t.ok(accepted > 0, 'some of the texts are values');
  },
);
