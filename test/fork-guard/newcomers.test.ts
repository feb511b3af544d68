import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { describeForkGuard } from '../../src/fork-guard/capabilities.js';
import { BootClock, Newcomers, originOf } from '../../src/fork-guard/newcomers.js';
import { openForkGuard } from '../../src/fork-guard/open-fork-guard.js';
import { LastProcessId } from '../../src/fork-guard/process-ids.js';
import { readStat } from '../../src/fork-guard/process-stat.js';

const options = process.platform === 'linux' ? {} : { skip: 'needs Linux' };

function opened(t: Test): LastProcessId {
  const ids = LastProcessId.open();
  if (ids === null) throw new Error('the last process id cannot be read');
  t.teardown(() => ids.close());
  return ids;
}

async function sleeper(t: Test): Promise<number> {
  const child = spawn('sleep', ['60']);
  t.teardown(() => child.kill());
  await once(child, 'spawn');
  return child.pid ?? 0;
}

t.test('ids that are new', options, async (t) => {
  const ids = opened(t);
  const old = await sleeper(t);
  const newcomers = new Newcomers(ids, new BootClock(), originOf(ids));
  const before = ids.read();
  const fresh = await sleeper(t);
  t.not(ids.read(), before, 'the number has moved');
  const first = newcomers.next();
  t.ok(first.range.ordered);
  t.ok(first.ids.includes(fresh), 'a new process is among them');
  t.notOk(first.ids.includes(old), 'an old one is not');
  const second = newcomers.next();
  t.equal(second.range.from, first.range.upTo);
  t.notOk(second.ids.includes(fresh), 'each is new once');
});

t.test('where the numbers may have gone round, the time of birth tells', options, async (t) => {
  const ids = opened(t);
  const old = await sleeper(t);
  await setTimeout(100);
  const newcomers = new Newcomers(ids, new BootClock(), { ...originOf(ids), forks: null });
  const fresh = await sleeper(t);
  const { range, ids: found } = newcomers.next();
  t.notOk(range.ordered);
  t.ok(found.includes(fresh));
  t.notOk(found.includes(old));
  t.notOk(found.includes(process.pid), 'nor are we');
});

t.test('the numbers begin again', options, async (t) => {
  const ids = opened(t);
  const origin = originOf(ids);
  const limit = new Newcomers(ids, new BootClock(), origin).next().range.limit;
  const from = limit - 3;
  const { range, ids: found } = new Newcomers(ids, new BootClock(), { ...origin, id: from }).next();
  t.equal(range.from, from);
  // So many are looked for in the list of all processes; on a machine that has just started there may be few.
  if (range.upTo < 2_000) t.same(found.slice(0, 3), [limit - 2, limit - 1, 1]);
  else t.notOk(found.includes(process.pid));
});

/** What a clock says in a thread of its own. */
async function clockOfThread(): Promise<number> {
  const url = new URL('../../src/fork-guard/newcomers.js', import.meta.url).href;
  const code = `import(${JSON.stringify(url)}).then(({ BootClock }) => {
    require('node:worker_threads').parentPort.postMessage(new BootClock().now());
  })`;
  const worker = new Worker(code, { eval: true });
  const [ticks] = await once(worker, 'message');
  await worker.terminate();
  return ticks;
}

t.test('a clock is never ahead', options, async (t) => {
  // Neither of the time since the process began, nor of that since the thread did.
  await setTimeout(1_000);
  const earlier = [new BootClock().now(), await clockOfThread()];
  const born = readStat(await sleeper(t))?.startTicks ?? 0;
  for (const ticks of earlier) t.ok(ticks <= born, `${ticks} <= ${born}`);
});

t.test('ages', options, async (t) => {
  const clock = new BootClock();
  const begun = performance.now();
  const pid = await sleeper(t);
  const age = clock.ageMs(readStat(pid)?.startTicks ?? 0);
  t.ok(age >= 0 && age <= performance.now() - begun + 20, `${age} ms`);
  t.equal(clock.ageMs(clock.now() + 500), 0, 'a birth to come sets the clock right');
  t.equal(clock.ageMs(clock.now() - 5), 50);
});

t.test('fork_guard', async (t) => {
  const lines: string[] = [];
  const log = {
    info: (_: object, message: string): void => void lines.push(message),
    error: (_: object, message: string): void => void lines.push(message),
  };
  t.equal(openForkGuard({ mode: false, ports: () => [], log }), null);
  t.same(lines, []);
  const { unable } = describeForkGuard();
  if (unable === null) {
    const guard = openForkGuard({ mode: true, ports: () => [], log });
    t.ok(guard, 'it can look here');
    guard?.close();
  } else {
    t.throws(() => openForkGuard({ mode: true, ports: () => [], log }), { code: 'FORK_GUARD_UNABLE' });
    t.equal(openForkGuard({ mode: 'auto', ports: () => [], log }), null);
    t.match(lines, [/cannot look/]);
  }
});
