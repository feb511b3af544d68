import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { Doubts } from '../../src/fork-guard/doubts.js';
import type { Resolved } from '../../src/fork-guard/messages.js';

/** Longer than all that is remembered of it. */
const LONG_MS = 1_500;
/** What would be remembered of that takes 14 s to be forgotten. */
const FORGOTTEN_WITHIN_MS = 10_000;

t.test('what doubts have cost is forgotten', async (t) => {
  let resolved: ((resolved: Resolved) => void) | null = null;
  const tables = {
    resolve: (done: (resolved: Resolved) => void) => {
      resolved = done;
    },
  };
  const doubts = new Doubts(tables, () => {});
  t.teardown(() => doubts.close());
  t.notOk(doubts.areSlow);
  doubts.add(['an image'], 1);
  await setTimeout(LONG_MS);
  t.ok(doubts.areSlow, 'the tables are being read for long');
  const done: unknown = resolved;
  if (typeof done !== 'function') throw new Error('nobody has asked for the tables');
  done({ inherited: [], innocent: ['an image'] });
  const begun = performance.now();
  while (doubts.areSlow && performance.now() - begun < FORGOTTEN_WITHIN_MS) await setTimeout(50);
  t.notOk(doubts.areSlow, 'and what comes later has to wait again');
});
