import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { CommandRefused } from '../../src/admin/console/source.js';
import { AllPauses } from '../../src/views/all-pauses.js';
import { ANSWER_MS } from '../../src/views/topic.js';
import type { EveryAnswer } from '../../src/workers/bus.js';
import { eventually } from '../support/proxied.js';
import { memoryBus } from './support/memory-bus.js';
import { Pools } from './support/rows.js';

function world(...named: string[][]) {
  const buses = memoryBus(named.length);
  const pools = named.map((names) => new Pools(...names)) as [Pools, Pools];
  const all = buses.map((bus, i) => new AllPauses(bus, pools[i] as Pools)) as [AllPauses, AllPauses];
  return { buses, pools, all };
}

const message = (error: unknown) => (error as CommandRefused).message;

t.test('PAUSE is done when all workers have paused, RESUME ends it everywhere', async (t) => {
  const { pools, all } = world(['a'], ['a', 'b']);
  let isDone = false;
  const { done } = all[0].pause(null);
  const over = done.then(() => {
    isDone = true;
  });
  await eventually('both pause', () => pools.every(({ isPausing }) => isPausing));
  pools[0].emptied();
  await new Promise((resolve) => setImmediate(resolve));
  t.notOk(isDone, 'the other one has sessions yet');
  pools[1].emptied();
  await over;
  t.same(
    pools.map((one) => one.all),
    [true, true],
  );
  t.equal(await all[1].pause(null).done.catch(message), 'all pools paused already');
  await all[1].resume(null);
  t.same(
    pools.map((one) => one.all),
    [false, false],
  );
  t.equal(await all[0].resume(null).catch(message), 'no pool is paused');
});

t.test('a worker that stands still has not paused', async (t) => {
  const { buses, pools, all } = world(['a'], ['a']);
  const [, other] = buses;
  if (other !== undefined) other.isBusy = true;
  let isDone = false;
  const over = all[0].pause(null).done.then(() => {
    isDone = true;
  });
  await eventually('one pauses', () => pools[0].isPausing);
  pools[0].emptied();
  // Longer than anybody waits for an answer.
  await sleep(ANSWER_MS + 500);
  t.notOk(isDone);
  if (other !== undefined) other.isBusy = false;
  await eventually('the other one pauses, too', () => pools[1].isPausing);
  pools[1].emptied();
  await over;
  t.same(
    pools.map((one) => one.all),
    [true, true],
  );
});

t.test('one pool, that some workers do not have yet', async (t) => {
  const { pools, all } = world(['a'], ['a', 'b']);
  t.match(await all[0].pause('c').done.catch(message), "Unknown pool 'c': there are a, b");
  const { done } = all[0].pause('b');
  await eventually('it pauses', () => pools[1].isPausing);
  t.same([...pools[0].coming], ['b'], 'should it come, it is paused');
  pools[1].emptied();
  await done;
  t.equal(await all[0].resume('a').catch(message), 'pool a is not paused');
  await all[0].resume('b');
  t.same(
    pools.map((one) => one.paused()),
    [
      { all: false, pools: [] },
      { all: false, pools: [] },
    ],
  );
});

t.test('RESUME ends a PAUSE that waits; so does the going of who asked for it', async (t) => {
  const { pools, all } = world(['a'], ['a']);
  const first = all[0].pause(null).done.catch(message);
  await eventually('both pause', () => pools.every(({ isPausing }) => isPausing));
  await all[1].resume(null);
  t.equal(await first, 'RESUME has ended the pause');
  const { done, giveUp } = all[0].pause('a');
  done.catch(() => {});
  await eventually('both pause', () => pools.every(({ isPausing }) => isPausing));
  giveUp();
  await eventually('none is paused', () => pools.every((one) => !one.isPausing && one.pausedNow.size === 0));
});

t.test('a PAUSE that is given up is none, also where it is over', async (t) => {
  const { pools, all } = world(['a', 'b'], ['a']);
  for (const [pool, emptied] of [
    [null, 1],
    [null, 0],
    ['b', null],
  ] as const) {
    const { done, giveUp } = all[0].pause(pool);
    done.catch(() => {});
    await eventually('it pauses', () => pools[0].isPausing && (pool !== null || pools[1].isPausing));
    if (emptied === null) await eventually('the other one expects it', () => pools[1].coming.size === 1);
    else pools[emptied]?.emptied();
    await new Promise((resolve) => setImmediate(resolve));
    giveUp();
    await eventually('nothing is paused', () =>
      pools.every((one) => !one.all && one.paused().pools.length === 0),
    );
    t.same(
      pools.map((one) => one.isPausing),
      [false, false],
    );
  }
});

t.test(
  'a worker dies while all are paused: the next one in its place is, too, and a PAUSE waits for no dead one',
  async (t) => {
    const { buses, pools, all } = world(['a'], ['a', 'b']);
    const { done } = all[0].pause(null);
    await eventually('both pause', () => pools.every(({ isPausing }) => isPausing));
    pools[0].emptied();
    const heir = buses[1]?.replaced();
    if (heir === undefined) throw new Error('there is one');
    const next = new Pools();
    await new AllPauses(heir, next).adopt();
    t.ok(next.all);
    await done;
    await all[0].resume(null);
    t.notOk(next.all);
    await Promise.all([
      all[0].pause('a').done,
      eventually('it pauses', () => pools[0].isPausing).then(() => pools[0].emptied()),
    ]);
    const another = buses[1]?.replaced();
    if (another === undefined) throw new Error('there is one');
    const last = new Pools();
    await new AllPauses(another, last).adopt();
    t.same(last.paused(), { all: false, pools: ['a'] });
  },
);

t.test(
  'those that another generation has taken over from pause as well, and the new ones adopt their pause',
  async (t) => {
    const [old, next] = memoryBus(1, 1);
    if (old === undefined || next === undefined) throw new Error('there are two');
    const pools = [new Pools('a'), new Pools('b')] as const;
    const [before, after] = [new AllPauses(old, pools[0]), new AllPauses(next, pools[1])];
    let isDone = false;
    const over = after.pause(null).done.then(() => {
      isDone = true;
    });
    await eventually('both pause', () => pools.every(({ isPausing }) => isPausing));
    pools[1].emptied();
    await new Promise((resolve) => setImmediate(resolve));
    t.notOk(isDone, 'the old one has sessions yet');
    pools[0].emptied();
    await over;
    const heir = next.replaced();
    const inherited = new Pools();
    await new AllPauses(heir, inherited).adopt();
    t.ok(inherited.all);
    await before.resume(null);
    t.same([pools[0].all, inherited.all], [false, false]);
  },
);

t.test('RESUME while a new process adopts the pause', async (t) => {
  const [bus] = memoryBus(1);
  if (bus === undefined) throw new Error('there is one');
  let answered: (answer: EveryAnswer) => void = () => {};
  bus.askEveryone = () =>
    new Promise((resolve) => {
      answered = resolve;
    });
  const handlers = new Map<string, (question: unknown) => unknown>();
  bus.answer = (topic, handler) => void handlers.set(topic, handler);
  const pools = new Pools('a');
  const adopted = new AllPauses(bus, pools).adopt();
  // The others have said that they pause before they were told to go on.
  const resumed = handlers.get('console.resume')?.(null);
  answered({ answers: [{ worker: 2, answer: { all: true, pools: ['a'] } }], asked: 1 });
  await adopted;
  t.match(await resumed, { kind: 'done' });
  t.same(pools.paused(), { all: false, pools: ['a'] });
});
