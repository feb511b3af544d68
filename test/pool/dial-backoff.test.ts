import fc from 'fast-check';
import t from 'tap';

import { DialBackoff, FIRST_PAUSE_MS } from '../../src/pool/dial-backoff.js';

t.test('doubles up to its cap and starts over after a success', async (t) => {
  const backoff = new DialBackoff(1_000, () => 1);
  t.ok(backoff.ready(0), 'the first dial needs no pause');
  const pauses = Array.from({ length: 7 }, () => backoff.failed(0, 'x'));
  t.same(pauses, [50, 100, 200, 400, 800, 1_000, 1_000]);
  t.notOk(backoff.ready(999));
  t.ok(backoff.ready(1_000));
  backoff.succeeded();
  t.ok(backoff.ready(0));
  t.equal(backoff.failed(0, 'x'), FIRST_PAUSE_MS);
});

t.test('jitter keeps a pause between half and the whole', async () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.integer({ min: 1, max: 2_000 }),
      (random, failures) => {
        const backoff = new DialBackoff(1_000, () => random);
        let pause = 0;
        for (let i = 0; i < failures; i++) pause = backoff.failed(0, 'x');
        const whole = Math.min(1_000, FIRST_PAUSE_MS * 2 ** (failures - 1));
        return pause >= whole / 2 && pause <= whole;
      },
    ),
  );
});

t.test('tells an error only to those whose wait it explains', async (t) => {
  const backoff = new DialBackoff(1_000, () => 1);
  const error = new Error('refused');
  t.equal(backoff.errorSince(0), null);
  backoff.failed(100, error);
  t.equal(backoff.errorSince(20), error, 'waited when it failed');
  t.equal(backoff.errorSince(120), error, 'came while dialling paused');
  t.equal(backoff.errorSince(151), null, 'came later');
  backoff.succeeded();
  t.equal(backoff.errorSince(20), null);
});
