import t from 'tap';
import {
  DialBackoff,
  FIRST_PAUSE_MS,
  PROBE_PAUSE_MS,
  REFUSED_PAUSE_MS,
} from '../../src/pool/dial-backoff.js';
import { fc } from '../support/properties.js';

t.test('doubles up to its cap and starts over after a success', async (t) => {
  const backoff = new DialBackoff(
    () => 1_000,
    () => 1,
  );
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
        const backoff = new DialBackoff(
          () => 1_000,
          () => random,
        );
        let pause = 0;
        for (let i = 0; i < failures; i++) pause = backoff.failed(0, 'x');
        const whole = Math.min(1_000, FIRST_PAUSE_MS * 2 ** (failures - 1));
        return pause >= whole / 2 && pause <= whole;
      },
    ),
  );
});

t.test('where nobody answers, pauses stay short', async (t) => {
  const nobody = Object.assign(new Error('connect ECONNREFUSED'), { nobodyThere: true });
  const backoff = new DialBackoff(
    () => 1_000,
    () => 1,
  );
  t.same(
    Array.from({ length: 4 }, () => backoff.failed(0, nobody)),
    [50, 100, 100, PROBE_PAUSE_MS],
  );
  const refused = new Error('too many connections');
  t.same(
    Array.from({ length: 4 }, () => backoff.failed(0, refused)),
    [50, 100, 200, 400],
    'somebody answers, who has just come up',
  );
  t.equal(backoff.troubleSince(0, 0)?.attempts, 8, 'all were in a row');
  t.same([backoff.failed(0, nobody), backoff.failed(0, nobody)], [50, 100]);
  const idle = new DialBackoff(
    () => 1_000,
    () => 1,
  );
  t.same(
    Array.from({ length: 6 }, () => idle.failed(0, nobody, false)),
    [50, 100, 200, 400, 800, 1_000],
    'nobody waits',
  );
  t.equal(idle.failed(0, nobody), PROBE_PAUSE_MS, 'somebody has come');
  const quick = new DialBackoff(
    () => 20,
    () => 1,
  );
  t.equal(quick.failed(0, nobody), 20, 'the cap holds for these, too');
});

t.test('tells what is wrong only to those whose wait it explains', async (t) => {
  const backoff = new DialBackoff(
    () => 1_000,
    () => 1,
  );
  const error = new Error('refused');
  t.equal(backoff.troubleSince(0, 0), null);
  backoff.failed(100, error);
  const first = { error, attempts: 1, lastedMs: 20 };
  t.same(backoff.troubleSince(20, 120), first, 'waited when it failed');
  t.same(backoff.troubleSince(120, 120), first, 'came while dialling paused');
  t.equal(backoff.troubleSince(151, 160), null, 'came later');
  const other = new Error('too many connections');
  backoff.failed(300, other);
  t.same(
    backoff.troubleSince(301, 350),
    { error: other, attempts: 2, lastedMs: 250 },
    'since the first failed',
  );
  backoff.succeeded();
  t.equal(backoff.troubleSince(20, 350), null);
});

t.test('what will be the same next time is asked ever more seldom', async (t) => {
  const denied = Object.assign(new Error('Access denied'), { fatalToWaiters: true });
  const backoff = new DialBackoff(
    () => 1_000,
    () => 1,
  );
  const pauses: number[] = [];
  let now = 0;
  for (let i = 0; i < 12; i++) {
    const pause = backoff.failed(now, denied);
    pauses.push(pause);
    t.equal(backoff.standingRefusal(now), pause > 1_000 ? denied : null, `${pause} ms`);
    t.equal(backoff.standingRefusal(now + pause - 1_000), null, 'the next try can be waited for');
    now += pause;
  }
  t.same(pauses.slice(-3), [REFUSED_PAUSE_MS, REFUSED_PAUSE_MS, REFUSED_PAUSE_MS]);
  t.same(pauses.slice(0, 7), [50, 100, 200, 400, 800, 1_600, 3_200]);
  backoff.failed(now, denied);
  backoff.succeeded();
  t.equal(backoff.standingRefusal(now), null);
});
