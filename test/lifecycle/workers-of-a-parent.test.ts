import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Coordinator } from '../../src/lifecycle/coordinator.js';
import { askForPlan, Worker } from '../../src/lifecycle/worker.js';
import { WorkerGeneration } from '../../src/lifecycle/worker-generation.js';
import type { PermitChange } from '../../src/workers/permit-ledger.js';
import { GONE_SESSIONS, Permits } from '../../src/workers/permits.js';
import { eventually } from '../support/proxied.js';

/* What a parent makes of its workers, with processes that only say what workers say. */

const log = { info: () => {}, error: () => {} };
const program = {
  execPath: process.execPath,
  execArgv: [],
  main: fileURLToPath(new URL('support/half-ready.js', import.meta.url)),
  words: [],
  env: process.env,
};

t.test('a generation that does not come to serve: those of it that have clients finish', async (t) => {
  const generation = new WorkerGeneration({
    ...{ program, sockets: [], count: 2, takesOver: true, watchdogMs: null, log, said: () => {} },
    coordinator: new Coordinator(),
  });
  const [first, second] = generation.workers;
  await first?.ready;
  generation.abandon(null);
  t.same(await first?.ended, { code: 0, signal: null });
  t.same(await second?.ended, { code: null, signal: 'SIGKILL' });
  t.same(await generation.over, { code: null, signal: 'SIGKILL' }, 'none is started anew');
});

/** Longer than anybody waits. */
const FOR_EVER = 2 ** 30;

t.test('an end does not wait until one that has died would be started anew', async (t) => {
  const died: object[] = [];
  const generation = new WorkerGeneration({
    ...{ program, sockets: [], count: 1, takesOver: false, watchdogMs: null, said: () => {} },
    log: { ...log, error: (fields: object) => died.push(fields) },
    coordinator: new Coordinator(),
    firstPauseMs: FOR_EVER,
  });
  const [worker] = generation.workers;
  await worker?.ready;
  worker?.signal('SIGKILL');
  await eventually('it has died', () => died.length === 1);
  generation.end('SIGTERM');
  t.same(await generation.over, { code: 0, signal: null });
});

t.test('a process that is told to end before it can hear of it has served nobody', async (t) => {
  const assignment = { takesOver: false, watchdogMs: null, worker: 1, count: 1, idSpace: 0 };
  const worker = new Worker(program, [], assignment, () => {});
  worker.signal('SIGTERM');
  t.same(await worker.ended, { code: 0, signal: null });
});

t.test('a configuration that cannot be read to its end: nobody waits for ever', async (t) => {
  const mute = { ...program, main: fileURLToPath(new URL('support/mute.js', import.meta.url)) };
  const { signal } = new AbortController();
  t.equal(await askForPlan(mute, 100, signal), null, 'for so long');
  const stopping = new AbortController();
  const plan = askForPlan(mute, FOR_EVER, stopping.signal);
  stopping.abort();
  t.equal(await plan, null, 'or until the proxy ends');
});

t.test('a process that the system cannot start has ended', async (t) => {
  // Too long for any program: the runtime throws at once, as where there is no memory.
  const env = { TOO_LONG: 'x'.repeat(4 << 20) };
  const assignment = { takesOver: false, watchdogMs: null, worker: 1, count: 1, idSpace: 0 };
  const worker = new Worker({ ...program, env }, [], assignment, () => t.fail('it has said something'));
  t.same(await worker.ended, { code: null, signal: null });
  worker.signal('SIGTERM');
});

/** Gives back at once what it is asked for. */
class Obedient {
  readonly idSpace = 0;
  readonly hasEnded = false;
  readonly wasReady = true;
  readonly number: number;
  has = 0;
  most = 0;
  readonly #coordinator: Coordinator;

  constructor(number: number, coordinator: Coordinator) {
    this.number = number;
    this.#coordinator = coordinator;
  }

  get worker(): Worker {
    return this as unknown as Worker;
  }

  permits({ granted, recalled }: PermitChange): void {
    this.has += granted - recalled;
    this.most = Math.max(this.most, this.has);
    if (recalled > 0)
      setImmediate(() => this.#coordinator.said(this.worker, { kind: 'release', count: recalled }));
  }

  /** It finds out that the server is rid of all of them. */
  question(id: number, topic: string, question: unknown): void {
    if (topic !== GONE_SESSIONS) throw new Error(topic);
    const value = (question as { ids: string[] }).ids;
    this.#coordinator.said(this.worker, { kind: 'answer', id, value });
  }

  wants(demand: number): void {
    this.#coordinator.said(this.worker, { kind: 'wish', wish: { demand, lately: demand, most: null } });
  }
}

t.test('a pool that becomes smaller than its workers: they take turns', async (t) => {
  const coordinator = new Coordinator();
  const members = [1, 2, 3, 4].map((number) => new Obedient(number, coordinator));
  const workers = members.map(({ worker }) => worker);
  const team = { workers };
  coordinator.joined(team, workers, true);
  coordinator.claim(team, 8);
  for (const member of members) member.wants(2);
  t.same(
    members.map((member) => member.has),
    [2, 2, 2, 2],
  );
  coordinator.claim(team, 3);
  await sleep(20);
  for (const member of members) member.most = member.has;
  await eventually('each has had one', () => members.every(({ most }) => most > 0));
});

t.test('what a worker had that has died is there again when the server is rid of its sessions', async (t) => {
  const coordinator = new Coordinator();
  const [dead, other] = [new Obedient(1, coordinator), new Obedient(2, coordinator)];
  const team = { workers: [dead.worker, other.worker] };
  coordinator.joined(team, team.workers, true);
  coordinator.claim(team, 4);
  dead.wants(4);
  await eventually('one has all of them', () => dead.has === 4);
  for (const id of ['1', '2', '3', '4', '5'])
    coordinator.said(dead.worker, { kind: 'session_opened', id, user: 'app' });
  coordinator.said(dead.worker, { kind: 'session_gone', id: '3' });
  other.wants(4);
  coordinator.gone(dead.worker);
  t.ok(other.has < 4);
  await eventually('the other one has them', () => other.has === 4);
});

t.test('the share of a generation that is over does not count', async (t) => {
  const coordinator = new Coordinator();
  const [old, next] = [new Obedient(1, coordinator), new Obedient(1, coordinator)];
  const [before, after] = [{ workers: [old.worker] }, { workers: [next.worker] }];
  coordinator.joined(before, before.workers, true);
  coordinator.claim(before, 20, true);
  coordinator.said(old.worker, { kind: 'wish', wish: { demand: 0, lately: 0, most: 0 } });
  await eventually('it has given back what it had', () => old.has === 0);
  await sleep(20);
  coordinator.gone(old.worker);
  coordinator.over(before);
  coordinator.joined(after, after.workers, true);
  coordinator.claim(after, 20, true);
  next.wants(100);
  t.equal(next.has, 20);
});

t.test('a worker that ends wants nothing before it gives back what it has', async (t) => {
  const said: string[] = [];
  const pool = { limit: 0, used: 0, demand: () => ({ lent: 0, waiting: 0, checkouts: 1 }) };
  const permits = new Permits(pool, (message) =>
    said.push(message.kind === 'wish' ? `wish ${message.wish.most}` : message.kind),
  );
  permits.changed({ granted: 3, recalled: 0, total: 3 });
  said.length = 0;
  permits.stop();
  t.same(said, ['wish 0', 'release']);
  permits.changed({ granted: 0, recalled: 3, total: 3 });
  t.same(said, ['wish 0', 'release'], 'what it is asked for after that, it has given back');
  permits.changed({ granted: 1, recalled: 0, total: 3 });
  t.same(said, ['wish 0', 'release', 'release'], 'and what it is given, it does not want');
});
