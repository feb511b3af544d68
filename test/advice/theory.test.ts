import assert from 'node:assert/strict';
import t from 'tap';
import { adviseSize } from '../../src/advice/pool-size.js';
import { fc } from '../support/properties.js';
import { recorded } from './support/record.js';
import { type Clients, simulate } from './support/simulate.js';

/*
 * Loads of which queueing theory says without any chance in it how many sessions they need. What the pool's log records of them,
 * with however many sessions there were, has to be advised exactly that.
 */

const REQUESTS = 400;

/** What is advised to who has seen the load with `present` sessions. */
function advised(load: Clients, present: number, targetMs: number): number {
  const advice = adviseSize(recorded(simulate(load, present)), present, targetMs);
  assert.ok(advice !== null, 'enough was seen');
  assert.ok(advice.needed.p99 <= targetMs);
  assert.ok(advice.fewer === null || advice.fewer.p99 > targetMs, 'one fewer would not do');
  return advice.needed.sessions;
}

t.test('D/D/c: one every a ms, each for s ms, needs s/a sessions, rounded up', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 12 }),
      fc.integer({ min: 1, max: 80 }),
      fc.integer({ min: 1, max: 12 }),
      (a, s, present) => {
        const load = Array.from({ length: REQUESTS }, (_, i) => [{ pause: i * a, service: s }]);
        assert.equal(advised(load, present, 1), Math.ceil(s / a));
      },
    ),
    {
      numRuns: 25,
      examples: [
        [10, 35, 2],
        [10, 40, 2],
        [10, 41, 9],
        [2, 1, 1],
      ],
    },
  );
});

t.test('b at a time: the last of them waits for as many rounds as b is larger than the pool', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 0, max: 8 }),
      fc.integer({ min: 1, max: 20 }),
      (b, s, rounds, present) => {
        // Far enough apart for one session to be done with all of them.
        const batches = Math.ceil(REQUESTS / b);
        const load = Array.from({ length: batches * b }, (_, i) => [
          { pause: Math.floor(i / b) * (b * s + 1), service: s },
        ]);
        assert.equal(
          advised(load, present, Math.max(rounds * s, 1)),
          sessionsFor(b, s, Math.max(rounds * s, 1)),
        );
      },
    ),
    {
      numRuns: 25,
      examples: [
        [8, 10, 0, 8],
        [8, 10, 1, 1],
        [9, 10, 1, 1],
        [8, 10, 7, 3],
      ],
    },
  );
});

/** The k-th of b waits for floor(k / c) rounds of s ms; none may wait for more than the target. */
function sessionsFor(b: number, s: number, targetMs: number): number {
  let c = 1;
  while (Math.floor((b - 1) / c) * s > targetMs) c++;
  return c;
}

t.test('n clients that ask again at once: with c sessions all wait for n/c - 1 rounds', async () => {
  fc.assert(
    fc.property(
      fc.constantFrom([6, 3], [8, 4], [8, 2], [12, 4], [12, 6], [10, 5]),
      fc.integer({ min: 10, max: 40 }),
      fc.integer({ min: 1, max: 12 }),
      ([n = 1, c = 1], s, present) => {
        const turns = Math.ceil(REQUESTS / n);
        const load = Array.from({ length: n }, () =>
          Array.from({ length: turns }, () => ({ pause: 0, service: s })),
        );
        // With one session fewer, some wait for a round more; and that is more often than one in a hundred.
        assert.equal(advised(load, present, (n / c - 1) * s), c);
      },
    ),
    { numRuns: 25 },
  );
});
