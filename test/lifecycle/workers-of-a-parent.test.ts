import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Coordinator } from '../../src/lifecycle/coordinator.js';
import type { FromWorker } from '../../src/lifecycle/messages.js';
import type { Team } from '../../src/lifecycle/server-budget.js';
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

/** Gives back at once what it is asked for. Has a part of one server, or of more, by what it calls that. */
class Obedient {
  readonly idSpace = 0;
  readonly hasEnded = false;
  readonly wasReady = true;
  readonly number: number;
  /** Of which servers it was asked what they are rid of. */
  readonly asked: string[] = [];
  readonly #has = new Map<number, number>();
  most = 0;
  readonly #coordinator: Coordinator;

  constructor(number: number, coordinator: Coordinator) {
    this.number = number;
    this.#coordinator = coordinator;
  }

  get worker(): Worker {
    return this as unknown as Worker;
  }

  get has(): number {
    return this.of(FIRST);
  }

  of(join: number): number {
    return this.#has.get(join) ?? 0;
  }

  says(message: FromWorker): void {
    this.#coordinator.said(this.worker, message);
  }

  joins(size: number | null, server = 'db1', join = FIRST): void {
    this.says({ kind: 'join', join, server, size });
  }

  permits(join: number, { granted, recalled }: PermitChange): void {
    this.#has.set(join, this.of(join) + granted - recalled);
    this.most = Math.max(this.most, this.has);
    if (recalled > 0) setImmediate(() => this.says({ kind: 'release', join, count: recalled }));
  }

  /** It finds out that the server is rid of all of them. */
  question(id: number, topic: string, question: unknown): void {
    if (topic !== GONE_SESSIONS) throw new Error(topic);
    const { ids, server } = question as { ids: string[]; server: string };
    this.asked.push(`${server} ${ids}`);
    this.says({ kind: 'answer', id, value: ids });
  }

  wants(demand: number, join = FIRST): void {
    this.says({ kind: 'wish', join, wish: { demand, lately: demand, most: null } });
  }
}

/** Its joining of the only server. */
const FIRST = 1;

function teamOf(coordinator: Coordinator, members: readonly Obedient[]): Team {
  const team = { workers: members.map(({ worker }) => worker) };
  coordinator.joined(team, team.workers);
  return team;
}

t.test('a pool that becomes smaller than its workers: they take turns', async (t) => {
  const coordinator = new Coordinator();
  const members = [1, 2, 3, 4].map((number) => new Obedient(number, coordinator));
  teamOf(coordinator, members);
  for (const member of members) member.joins(8);
  await eventually('each has as many', () => members.every(({ has }) => has === 2));
  for (const member of members) member.wants(2);
  t.same(
    members.map((member) => member.has),
    [2, 2, 2, 2],
  );
  members[0]?.says({ kind: 'total', join: FIRST, size: 3, shared: false });
  await eventually('the others are given up', () => members.reduce((sum, { has }) => sum + has, 0) === 3);
  for (const member of members) member.most = member.has;
  await eventually('each has had one', () => members.every(({ most }) => most > 0));
});

t.test('what a worker had that has died is there again when the server is rid of its sessions', async (t) => {
  const coordinator = new Coordinator();
  const [dead, other] = [new Obedient(1, coordinator), new Obedient(2, coordinator)];
  teamOf(coordinator, [dead, other]);
  for (const member of [dead, other]) member.joins(4);
  dead.wants(4);
  await eventually('one has all of them', () => dead.has === 4);
  for (const id of ['1', '2', '3', '4', '5'])
    dead.says({ kind: 'session_opened', join: FIRST, id, user: 'app' });
  dead.says({ kind: 'session_gone', join: FIRST, id: '3' });
  other.wants(4);
  coordinator.gone(dead.worker);
  t.ok(other.has < 4);
  await eventually('the other one has them', () => other.has === 4);
  t.same(other.asked, ['db1 1,2,4,5']);
});

t.test('each server has a budget of its own, whatever a session is called on another one', async (t) => {
  const coordinator = new Coordinator();
  const [dead, other] = [new Obedient(1, coordinator), new Obedient(2, coordinator)];
  teamOf(coordinator, [dead, other]);
  // In another order: each calls its parts as it likes.
  const [a, b] = [
    { dead: 1, other: 2 },
    { dead: 2, other: 1 },
  ];
  dead.joins(4, 'a', a.dead);
  dead.joins(4, 'b', b.dead);
  other.joins(4, 'b', b.other);
  other.joins(4, 'a', a.other);
  t.same(coordinator.servers, ['a', 'b']);
  dead.wants(4, a.dead);
  other.wants(4, b.other);
  await eventually('each has all of one server', () => dead.of(a.dead) === 4 && other.of(b.other) === 4);
  t.same([dead.of(b.dead), other.of(a.other)], [0, 0]);
  dead.says({ kind: 'total', join: a.dead, size: 5, shared: false });
  t.same(
    [dead.of(a.dead), other.of(a.other), other.of(b.other)],
    [4, 1, 4],
    'the size is that of one server',
  );
  for (const join of [a.dead, b.dead])
    dead.says({ kind: 'session_opened', join, id: '7', user: `user_${join}` });
  dead.says({ kind: 'session_gone', join: b.dead, id: '7' });
  coordinator.gone(dead.worker);
  other.wants(5, a.other);
  await eventually('what it had is there again', () => other.of(a.other) === 5);
  t.same(other.asked, ['a 7'], 'asked for of the server that has had it');
  t.equal(other.of(b.other), 4);
});

t.test(
  'a server that a worker leaves is for the others, and nobody knows one that all have left',
  async (t) => {
    const coordinator = new Coordinator();
    const [one, other] = [new Obedient(1, coordinator), new Obedient(2, coordinator)];
    teamOf(coordinator, [one, other]);
    one.joins(4);
    other.joins(4);
    await eventually('each has its part', () => one.has === 2 && other.has === 2);
    one.says({ kind: 'leave', join: FIRST });
    t.equal(other.has, 4, 'at once: it has said that it has no session there');
    one.wants(4);
    one.says({ kind: 'release', join: FIRST, count: 2 });
    t.equal(other.has, 4, 'what it says of that part is of none any more');
    one.joins(6, 'db1', 2);
    await eventually('it has a part again', () => one.of(2) === 2);
    t.equal(one.has, 2, 'under another number');
    t.equal(other.has, 2, 'of as many as before: the others may know better than its configuration');
    one.says({ kind: 'leave', join: 2 });
    t.same(coordinator.servers, ['db1']);
    coordinator.gone(other.worker);
    await eventually('those of the dead one are waited for, and then it is over', () => {
      return coordinator.servers.length === 0;
    });
  },
);

t.test('the size is found out: until then there is one session', async (t) => {
  const coordinator = new Coordinator();
  const [leader, other] = [new Obedient(1, coordinator), new Obedient(2, coordinator)];
  teamOf(coordinator, [leader, other]);
  other.joins(null);
  t.equal(other.has, 1, 'the leader may not know the server yet');
  leader.joins(null);
  leader.says({ kind: 'total', join: FIRST, size: 6, shared: false });
  await eventually('each has its part', () => leader.has === 3 && other.has === 3);
});

t.test('generations share what both have; each has what only its configuration names', async (t) => {
  const coordinator = new Coordinator();
  const [old, next] = [new Obedient(1, coordinator), new Obedient(1, coordinator)];
  const before = teamOf(coordinator, [old]);
  old.joins(4, 'a', 1);
  old.joins(4, 'b', 2);
  old.wants(4, 1);
  old.wants(4, 2);
  teamOf(coordinator, [next]);
  next.joins(6, 'b', 1);
  next.joins(6, 'c', 2);
  next.wants(6, 1);
  next.wants(6, 2);
  await eventually('both have b, of the new size', () => old.of(2) === 3 && next.of(1) === 3);
  t.same([old.of(1), next.of(2)], [4, 6]);
  // Later than the new one has joined, and of no more weight for that.
  old.joins(9, 'c', 3);
  old.wants(9, 3);
  await eventually('c is for both', () => old.of(3) === 3 && next.of(2) === 3);
  for (const join of [1, 2, 3]) old.says({ kind: 'leave', join });
  coordinator.gone(old.worker);
  coordinator.over(before);
  t.same([next.of(1), next.of(2)], [6, 6]);
  t.same(coordinator.servers, ['b', 'c']);
});

t.test('the share of a generation that is over does not count', async (t) => {
  const coordinator = new Coordinator();
  const [old, next] = [new Obedient(1, coordinator), new Obedient(1, coordinator)];
  const before = teamOf(coordinator, [old]);
  old.joins(null);
  old.says({ kind: 'total', join: FIRST, size: 20, shared: true });
  t.equal(old.has, 20);
  teamOf(coordinator, [next]);
  next.joins(null);
  next.says({ kind: 'total', join: FIRST, size: 5, shared: true });
  next.wants(100);
  await eventually('both shares are for both', () => old.has + next.has === 25);
  old.says({ kind: 'leave', join: FIRST });
  coordinator.gone(old.worker);
  coordinator.over(before);
  await eventually('it is left with its own', () => next.has === 5);
});

t.test('a share among proxies stands for a while without the worker that looks after it', async (t) => {
  for (const leaves of [true, false]) {
    const coordinator = new Coordinator();
    const [leader, other] = [new Obedient(1, coordinator), new Obedient(2, coordinator)];
    teamOf(coordinator, [leader, other]);
    for (const member of [leader, other]) member.joins(null);
    leader.says({ kind: 'total', join: FIRST, size: 4, shared: true });
    await eventually('each has its part', () => leader.has === 2 && other.has === 2);
    for (const id of ['1', '2']) leader.says({ kind: 'session_opened', join: FIRST, id, user: 'app' });
    other.wants(4);
    if (leaves) leader.says({ kind: 'leave', join: FIRST });
    else coordinator.gone(leader.worker);
    await eventually('the other one has all of it', () => other.most === 4);
    await eventually('and then one', () => other.has === 1);
  }
  t.pass('whether it has left the server, or died');
});

t.test('what a worker says that has died comes too late', async (t) => {
  const coordinator = new Coordinator();
  const dead = new Obedient(1, coordinator);
  teamOf(coordinator, [dead]);
  coordinator.gone(dead.worker);
  dead.joins(4);
  dead.wants(4);
  t.equal(dead.has, 0);
  t.same(coordinator.servers, []);
});

t.test('a worker that ends says that it leaves, and that is its last word', async (t) => {
  const said: string[] = [];
  const pool = { limit: 0, used: 0, demand: () => ({ lent: 0, waiting: 0, checkouts: 1 }) };
  const permits = new Permits(pool, (message) => said.push(message.kind));
  permits.changed({ granted: 3, recalled: 0, total: 3 });
  said.length = 0;
  permits.stop();
  t.same(said, ['leave']);
});
