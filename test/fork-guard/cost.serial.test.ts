import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate, setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { SocketWatch } from '../../src/fork-guard/socket-watch.js';
import { ask, canFork, ForkingClient, GuardedServer } from './support/forking-client.js';

/*
 * What the guard costs with 2,000 clients, for the record: it prints, and asserts nothing about time.
 */

const PROCESSES = 8;
const CLIENTS = 2_000;
const PER_PROCESS = CLIENTS / PROCESSES;
/** Commands that one turn of the event loop serves. */
const BATCH = 64;
const PHASE_MS = 1_000;

const options = canFork ? { timeout: 300_000 } : { skip: 'needs Linux and Python 3' };

interface Phase {
  commands: number;
  waited: number;
  /** Within check() itself, in ms. */
  checkMs: number;
  readonly waits: number[];
}

async function run(watches: readonly SocketWatch[], lasting: Promise<unknown>): Promise<Phase> {
  const phase: Phase = { commands: 0, waited: 0, checkMs: 0, waits: [] };
  const asked = new Set<SocketWatch>();
  let running = true;
  void lasting.then(() => {
    running = false;
  });
  const command = (watch: SocketWatch): void => {
    if (asked.has(watch)) return;
    const begun = performance.now();
    const free = watch.check(() => {
      asked.delete(watch);
      phase.waits.push(performance.now() - begun);
    });
    phase.checkMs += performance.now() - begun;
    phase.commands++;
    if (free) return;
    phase.waited++;
    asked.add(watch);
  };
  for (let next = 0; running; ) {
    for (let i = 0; i < BATCH; i++) command(watches[next++ % watches.length] as SocketWatch);
    await setImmediate();
  }
  while (asked.size > 0) await setTimeout(1);
  return phase;
}

async function measure(
  t: Test,
  server: GuardedServer,
  watches: readonly SocketWatch[],
  what: string,
  lasting: Promise<unknown>,
): Promise<void> {
  const before = server.guard.surveys;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const { commands, waited, checkMs, waits } = await run(watches, lasting);
  delay.disable();
  waits.sort((a, b) => a - b);
  const wait = (share: number): string => (waits[Math.floor(waits.length * share)] ?? 0).toFixed(1);
  t.comment(
    `${what}: ${commands} commands, ${((checkMs * 1_000) / commands).toFixed(2)} µs in each; ${waited} waited ` +
      `(p50 ${wait(0.5)} ms, p99 ${wait(0.99)} ms, longest ${wait(1 - Number.EPSILON)} ms); ` +
      `${server.guard.surveys - before} surveys; longest stall of the event loop ${(delay.max / 1e6).toFixed(1)} ms`,
  );
}

t.test('2,000 clients of 8 processes', options, async (t) => {
  const server = await GuardedServer.start(t);
  const clients: ForkingClient[] = [];
  const watches: SocketWatch[] = [];
  const begun = performance.now();
  for (let i = 0; i < PROCESSES; i++) {
    const client = await ForkingClient.start(t, server.address);
    clients.push(client);
    const address = JSON.stringify(server.address);
    await client.run(`connections += [connect(${address}) for _ in range(${PER_PROCESS - 1})]`);
    for (let n = 0; n < PER_PROCESS; n++) {
      const watch = server.guard.watch(await server.accept(), new Map([['_pid', String(client.pid)]]));
      if (watch !== null) watches.push(watch);
    }
  }
  t.equal(watches.length, CLIENTS, `all are watched, after ${(performance.now() - begun).toFixed(0)} ms`);
  await setTimeout(1_500);
  t.equal(server.guard.blindClients, 0, 'and all can be looked at');

  await measure(t, server, watches, 'nothing is forked', setTimeout(PHASE_MS));
  const programs = clients.map((client) => client.run("for _ in range(25): subprocess.run(['true'])"));
  await measure(t, server, watches, '200 programs are run', Promise.all(programs));
  const workers = clients.slice(1).map((client) => client.run('[child(linger) for _ in range(4)]'));
  await measure(t, server, watches, '28 workers are forked', Promise.all([...workers, setTimeout(PHASE_MS)]));
  let shared = 0;
  for (const watch of watches) {
    const finding = await ask(watch);
    if (finding.kind === 'shared') shared++;
  }
  t.equal(shared, CLIENTS - PER_PROCESS, 'all clients of those that forked, and no other');
});
