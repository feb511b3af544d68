/**
 * A plain account of what a correct pool may do, kept beside the real one and fed by its callbacks and by the
 * fake server only. It throws as soon as the two disagree.
 */
import { AppProcess } from '../../src/pool/app-process.js';
import { PoolDialError, type PoolError, PoolPauseError, PoolTimeoutError } from '../../src/pool/errors.js';
import { AFFINITY_REACH } from '../../src/pool/fair-queue.js';
import { TICK_MS } from '../../src/pool/session-pools.js';
import { AGEING_MS } from '../../src/pool/waiting-lines.js';
import { type FakeSession, settle, TestRequest, World } from './support.js';

export const KEYS = ['a', 'b', 'c'] as const;
/** The processes of the clients: one with many of them, and others with few. */
const PROCESS_OF = [0, 0, 0, 1, 1, 2, 0, 0, 2, 0, 3, 3];

export const WAIT_TIMEOUT_MS = 3_000;

/** What a client does with a session it is granted, from inside the callback. */
export const REACTIONS = [
  'keep',
  'checkin',
  'retire',
  'checkin, ask again',
  'checkin, next is cancelled',
  'checkin, session dies',
] as const;
export type Reaction = (typeof REACTIONS)[number];
type Whereabouts = 'arriving' | 'free' | 'idle' | 'closing' | Client;

export class Client {
  readonly key: string;
  readonly request: TestRequest;
  session: FakeSession | null = null;
  /** Outcomes owed: 1 while pending. */
  owed = 0;
  reaction: Reaction = 'keep';
  holds = false;

  constructor(key: string, request: TestRequest) {
    this.key = key;
    this.request = request;
  }
}

export class FatalError extends Error {
  readonly fatalToWaiters = true;
}

export class Model {
  readonly world: World;
  readonly clients: Client[] = [];
  /** Who waits, in order, by key. */
  readonly lines = new Map<string, Client[]>(KEYS.map((key) => [key, []]));
  /** Most recently used first, by key. */
  readonly idle = new Map<string, FakeSession[]>(KEYS.map((key) => [key, []]));
  readonly whereabouts = new Map<FakeSession, Whereabouts>();
  readonly #idleSince = new Map<FakeSession, number>();
  readonly closedOnce = new Set<FakeSession>();
  /** Until when dialling may pause; by key, and '' for all. */
  readonly pauses = new Map<string, number>();
  usedBefore = 0;
  /** The first complaint of a callback: thrown there, it would not reach the test. */
  #complaint: unknown = null;
  /** When a hold last changed who comes first. */
  #reordered = Number.NEGATIVE_INFINITY;
  served = 0;
  /** Checkouts that had several idle sessions to choose from. */
  chosen = 0;
  refused = 0;
  /** Sessions granted ahead of a turn, to processes that held one. */
  ahead = 0;
  /** How often a process has got a session in its turn while a client of another waited: by key and other process. */
  readonly #passed = new Map<string, Map<AppProcess, number>>();
  /** Since the last check, callbacks have done something: decisions may be older than what clients know. */
  #nested = false;
  /** Pools that are paused; and the pauses that are not over, by key, '' for all of them. */
  readonly paused = new Set<string>();
  allPaused = false;
  mayPause = false;
  readonly pausing = new Map<string, { readonly giveUp: () => void; readonly own: readonly string[] }>();
  /** Pauses that came to their end. */
  pausesOver = 0;
  /** Sessions handed over out of order, because they suited somebody else better. */
  overtook = 0;

  constructor(limit: number, closesAtOnce: boolean) {
    this.world = new World({
      limit,
      waitTimeoutMs: WAIT_TIMEOUT_MS,
      distance,
      dial: (key, signal) => {
        this.#guard(() => {
          if (this.paused.has(key)) throw new Error('a dial for a paused pool');
        });
        return this.world.server.dial(key, signal);
      },
      close: (session, reason) => {
        if (this.closedOnce.has(session)) throw new Error('closed twice');
        this.closedOnce.add(session);
        this.#leaveIdle(session);
        this.whereabouts.set(session, 'closing');
        return this.world.server.close(session, reason);
      },
      observer: {
        dialFailed: (pool, error, retryInMs) => {
          const scope = error instanceof FatalError ? pool.key : '';
          this.pauses.delete('');
          this.pauses.set(scope, this.world.clock.time + retryInMs);
        },
        opened: (pool) => {
          this.pauses.delete('');
          this.pauses.delete(pool.key);
        },
      },
    });
    this.world.server.closesAtOnce = closesAtOnce;
    const processes = Array.from({ length: 4 }, (_, i) => new AppProcess(`process ${i}`));
    for (const [i, key] of ['a', 'a', 'b', 'a', 'b', 'c', 'a', 'b', 'a', 'a', 'a', 'c'].entries()) {
      const request = new TestRequest(this.world.pool(key), processes[PROCESS_OF[i] ?? 0]);
      const client = new Client(key, request);
      request.onGranted = (session) => this.#guard(() => this.#granted(client, session));
      request.onRefused = (error) => this.#guard(() => this.#refused(client, error));
      this.clients.push(client);
    }
  }

  line(key: string): Client[] {
    return this.lines.get(key) ?? [];
  }

  idleOf(key: string): FakeSession[] {
    return this.idle.get(key) ?? [];
  }

  /** Clients that neither have nor await a session; await one; have one. */
  get strollers(): Client[] {
    return this.clients.filter((client) => client.owed === 0 && client.session === null);
  }

  get waiters(): Client[] {
    return this.clients.filter((client) => client.owed === 1);
  }

  get borrowers(): Client[] {
    return this.clients.filter((client) => client.session !== null);
  }

  /** Opens as many sessions as the limit allows, and leaves them idle. */
  async warmUp(): Promise<void> {
    const clients = this.clients.slice(0, this.world.pools.limit);
    for (const client of clients) {
      this.checkout(client, null, 'clean');
      await this.dialSucceeds(false);
    }
    for (const client of clients) this.checkin(client);
    this.check();
  }

  checkout(client: Client, preferred: FakeSession | null, fingerprint: unknown): void {
    const { request } = client;
    request.preferred = preferred;
    request.fingerprint = fingerprint;
    const idle = this.idleOf(client.key);
    const expected =
      idle.find((session) => session === preferred && session.fingerprint === fingerprint) ??
      idle.find((session) => session.fingerprint === fingerprint) ??
      nearest(idle, preferred, fingerprint);
    if (idle.length > 1) this.chosen++;
    const session = this.world.pools.checkout(request);
    if (session !== expected) throw new Error(`gave ${session?.id} in place of ${expected?.id}`);
    if (session === null) {
      client.owed = 1;
      this.line(client.key).push(client);
    } else {
      this.#leaveIdle(session);
      client.session = session;
      this.whereabouts.set(session, client);
    }
  }

  cancel(client: Client): void {
    const wasPending = client.owed === 1;
    client.owed = 0;
    const line = this.line(client.key);
    const at = line.indexOf(client);
    if (at >= 0) line.splice(at, 1);
    this.#passed.delete(laneName(client));
    if (this.world.pools.cancel(client.request) !== wasPending) throw new Error('cancel lied');
    this.#settleFree(client.key);
  }

  /** Its client keeps the session between statements, or ceases to. */
  hold(client: Client, holds: boolean): void {
    const { process } = client.request;
    const { urgent } = process;
    this.#setHold(client, holds);
    if (process.urgent !== urgent) this.#reordered = this.world.clock.time;
  }

  #setHold(client: Client, holds: boolean): void {
    client.holds = holds;
    client.request.holding(holds);
  }

  checkin(client: Client): void {
    const session = this.#giveUp(client);
    this.whereabouts.set(session, 'free');
    this.world.pools.checkin(session);
    this.#settleFree(session.key);
  }

  retire(client: Client): void {
    const session = this.#giveUp(client);
    this.whereabouts.set(session, 'free');
    if (!this.world.pools.retire(session, 'test')) throw new Error('would not retire');
  }

  /** '' for all. */
  pause(key: string): void {
    const keys = key === '' ? KEYS : [key];
    const refused = this.allPaused || (key !== '' && this.paused.has(key));
    const own = keys.filter((one) => !this.paused.has(one));
    let isOver = false;
    const over = (error: PoolPauseError | null): void =>
      this.#guard(() => {
        if (isOver) throw new Error('a pause ended twice');
        isOver = true;
        this.pausing.delete(key);
        if (error !== null) return;
        this.pausesOver++;
        for (const one of keys)
          if (this.#left(one) > 0) throw new Error(`${one} has sessions, and its pause is over`);
      });
    try {
      const giveUp = this.world.pools.pause(key === '' ? null : key, over);
      if (giveUp === null || refused) throw new Error('paused what cannot be');
      for (const one of keys) this.paused.add(one);
      if (key === '') this.allPaused = true;
      if (!isOver) this.pausing.set(key, { giveUp, own });
    } catch (error) {
      if (!(error instanceof PoolPauseError) || !refused) throw error;
    }
  }

  resume(key: string): void {
    const refused = key === '' ? this.paused.size === 0 : this.allPaused || !this.paused.has(key);
    const keys = key === '' ? KEYS : [key];
    try {
      for (const one of refused ? [] : keys) this.paused.delete(one);
      if (key === '' && !refused) this.allPaused = false;
      if (!this.world.pools.resume(key === '' ? null : key)) throw new Error('there is such a pool');
      if (refused) throw new Error('resumed what is not paused');
      if (keys.some((one) => this.pausing.has(one)) || (key === '' && this.pausing.size > 0))
        throw new Error('a pause was resumed and goes on');
    } catch (error) {
      if (!(error instanceof PoolPauseError) || !refused) throw error;
    }
  }

  /** Whoever waits for a pause goes away. */
  giveUpPause(key: string): void {
    const pausing = this.pausing.get(key);
    if (pausing === undefined) return;
    this.pausing.delete(key);
    if (key === '') this.allPaused = false;
    if (!this.allPaused) for (const one of pausing.own) this.paused.delete(one);
    pausing.giveUp();
  }

  /** Sessions of the pool that it says it has, in whatever state. */
  #left(key: string): number {
    const pool = this.world.pools.snapshot().pools.find((one) => one.key === key);
    return pool === undefined ? 0 : pool.idle + pool.active + pool.dialing + pool.retiring;
  }

  #checkPauses(): void {
    for (const { key, paused, idle } of this.world.pools.snapshot().pools) {
      if (paused !== this.paused.has(key)) throw new Error(`${key}: paused is ${paused}`);
      if (paused && idle > 0) throw new Error(`${key} is paused and has idle sessions`);
    }
    for (const key of this.pausing.keys()) {
      const keys = key === '' ? KEYS : [key];
      if (keys.every((one) => this.#left(one) === 0)) throw new Error(`the pause of ${key} should be over`);
    }
  }

  idleDies(index: number): void {
    const all = [...this.idle.values()].flat();
    const session = all[index % all.length];
    if (session !== undefined && !this.world.pools.sessionDied(session)) throw new Error('would not die');
  }

  async dialSucceeds(stillborn: boolean): Promise<void> {
    const session = this.world.server.dials[0]?.succeed();
    if (session === undefined) return;
    this.whereabouts.set(session, 'arriving');
    if (stillborn) this.world.pools.sessionDied(session);
    await settle();
    if (this.whereabouts.get(session) === 'arriving') this.#becameIdle(session);
    if (stillborn && this.whereabouts.get(session) !== 'closing') throw new Error('a dead session is in use');
  }

  async dialFails(error: Error): Promise<void> {
    this.world.server.dials[0]?.fail(error);
    await settle();
  }

  async closeEnds(index: number, fails: boolean): Promise<void> {
    const { closes } = this.world.server;
    const close = closes[index % Math.max(1, closes.length)];
    if (fails) close?.fail(new Error('close failed'));
    else close?.done();
    await settle();
  }

  /** Everything that must hold between two events. */
  check(): void {
    if (this.#complaint !== null) throw this.#complaint;
    const { pools, server, clock } = this.world;
    const snapshot = pools.snapshot();
    const used = snapshot.idle + snapshot.active + snapshot.dialing + snapshot.retiring;
    const allowed = Math.max(pools.limit, this.usedBefore);
    if (used > allowed) throw new Error(`${used} sessions, ${allowed} allowed`);
    this.usedBefore = used;
    equal('dials under way', snapshot.dialing, server.dials.length);
    if (snapshot.dialing > 1) throw new Error('more than one dial at a time');
    const lent = this.clients.filter((client) => client.session !== null);
    equal('active sessions', snapshot.active, lent.length);
    equal('distinct lent sessions', new Set(lent.map((client) => client.session)).size, lent.length);
    if (server.closesAtOnce) equal('live on the server', server.live.size, snapshot.idle + snapshot.active);
    if (used - snapshot.retiring > pools.limit && snapshot.idle > 0) throw new Error('surplus kept idle');
    for (const key of KEYS) this.#checkKey(key);
    for (const client of this.clients) {
      if (client.request.pending !== (client.owed === 1)) throw new Error('pending disagrees');
      if (client.owed === 1 && clock.time - client.request.enqueuedAt > WAIT_TIMEOUT_MS + TICK_MS) {
        throw new Error('waits beyond the timeout');
      }
    }
    this.#checkProcesses();
    this.#checkPauses();
    this.#checkProgress(snapshot.idle, snapshot.retiring, used);
    this.#nested = false;
  }

  #checkProcesses(): void {
    for (const process of new Set(this.clients.map(({ request }) => request.process))) {
      const own = this.clients.filter(({ request }) => request.process === process);
      equal('holds', process.held, own.filter(({ holds }) => holds).length);
      const ahead = own.filter(({ request }) => request.isAhead);
      for (const { session } of ahead) if (session === null) throw new Error('ahead without a session');
      if (own.every(({ holds }) => !holds) && process.urgent) throw new Error('urgent for no reason');
    }
  }

  #checkKey(key: string): void {
    const pool = this.world.pool(key);
    const idle = this.idleOf(key);
    const active = this.clients.filter((client) => client.key === key && client.session !== null).length;
    equal(`idle ${key}`, pool.idle, idle.length);
    equal(`active ${key}`, pool.active, active);
    equal(`waiting ${key}`, pool.waiting, this.line(key).length);
    // generic-pool's own counters.
    equal('generic-pool size', pool.store.size, idle.length + active);
    equal('generic-pool available', pool.store.available, idle.length);
    equal('generic-pool borrowed', pool.store.borrowed, active);
    equal('generic-pool pending', pool.store.pending, 0);
    if (pool.waiting > 0 && pool.idle > 0) throw new Error(`${key} has waiters and idle sessions`);
    const order = [...pool.store.idle].map((slot) => slot.session.id);
    equal('idle order', order.join(), idle.map((session) => session.id).join());
  }

  /** Whoever waits has something to wait for. */
  #checkProgress(idle: number, retiring: number, used: number): void {
    const { pools, server, clock } = this.world;
    const paused = (scope: string): boolean => (this.pauses.get(scope) ?? 0) + TICK_MS > clock.time;
    const hopeful = KEYS.filter((key) => this.line(key).length > 0 && !paused(key) && !this.paused.has(key));
    if (hopeful.length === 0 || paused('') || server.dials.length > 0) return;
    if (used < pools.limit) throw new Error(`${hopeful} wait, there is room, and nobody dials`);
    if (retiring > 0 || idle === 0) return;
    // A hold changes who is first, and frees nothing: the tick looks whether anything is to be evicted for that one.
    if (clock.time < this.#reordered + TICK_MS) return;
    // It is up to whoever came first of all.
    const waiters = this.waiters.filter(({ key }) => !this.paused.has(key));
    const first = waiters.reduce((a, b) => (rank(a) <= rank(b) ? a : b));
    const head = this.world.pool(first.key).waiters.head;
    if (paused(first.key)) return;
    const longAgo = clock.time - AGEING_MS - TICK_MS;
    const idleSince = [...this.idle.values()].flat().map((session) => this.#idleSince.get(session) ?? 0);
    const pool = this.world.pool(first.key);
    if (
      pool.active + pool.idle === 0 ||
      (head?.enqueuedAt ?? 0) < longAgo ||
      Math.min(...idleSince) < longAgo
    ) {
      throw new Error(`${first.key} waits, others are idle, and nobody is evicted`);
    }
  }

  #guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#complaint ??= error;
    }
  }

  #granted(client: Client, session: FakeSession): void {
    if (client.owed !== 1) throw new Error('granted without asking, or twice');
    if (this.paused.has(client.key)) throw new Error('granted while paused');
    const line = this.line(client.key);
    const at = line.indexOf(client);
    if (at < 0) throw new Error('granted out of line');
    const { process } = client.request;
    const overtaken = line.slice(0, at).filter(({ request }) => request.process === process);
    if (overtaken.length > 0) this.#checkOvertaking(client, session, overtaken);
    const from = this.whereabouts.get(session);
    if (from !== 'free' && from !== 'arriving') throw new Error('granted what was not free');
    if (session.key !== client.key) throw new Error('granted a session of another key');
    this.#checkTurn(client, line);
    line.splice(at, 1);
    client.owed = 0;
    client.session = session;
    this.whereabouts.set(session, client);
    this.served++;
    this.#react(client);
  }

  /** No process gets a third session in its turn while a client of another one has waited for its first for long. */
  #checkTurn(client: Client, line: readonly Client[]): void {
    const { process, isAhead } = client.request;
    this.#passed.delete(laneName(client));
    if (isAhead) {
      this.ahead++;
      return;
    }
    for (const other of line) {
      if (other.request.process === process) continue;
      if (other.request.process.urgent && !this.#nested)
        throw new Error('passed over a process that holds a session');
      const first = line.find(({ request }) => request.process === other.request.process);
      if (first !== other || this.world.clock.time - other.request.enqueuedAt < AGEING_MS) continue;
      const passed = this.#passed.get(laneName(other)) ?? new Map<AppProcess, number>();
      this.#passed.set(laneName(other), passed);
      const times = (passed.get(process) ?? 0) + 1;
      passed.set(process, times);
      if (times > 2) throw new Error(`${process.label} was served ${times} times before another process was`);
    }
  }

  /** Only by whom the session suits as it is, only a few places, and nobody who has waited for long. */
  #checkOvertaking(client: Client, session: FakeSession, overtaken: readonly Client[]): void {
    const suits = ({ request }: Client): boolean => request.fingerprint === session.fingerprint;
    if (this.whereabouts.get(session) === 'arriving')
      throw new Error('a new session is for the first in line');
    if (!suits(client)) throw new Error('granted out of order');
    if (overtaken.some(suits)) throw new Error('granted out of order among those it suits');
    if (overtaken.length >= AFFINITY_REACH) throw new Error('overtook too many');
    for (const { request } of overtaken) {
      if (this.world.clock.time - request.enqueuedAt >= AGEING_MS) throw new Error('overtook an old waiter');
    }
    this.overtook++;
  }

  #react(client: Client): void {
    const { reaction } = client;
    if (reaction !== 'keep') this.#nested = true;
    switch (reaction) {
      case 'keep':
        return;
      case 'checkin':
        this.checkin(client);
        return;
      case 'retire':
        this.retire(client);
        return;
      case 'checkin, ask again':
        client.reaction = 'keep';
        this.checkin(client);
        this.checkout(client, null, 'clean');
        return;
      case 'checkin, next is cancelled': {
        this.checkin(client);
        // The next in line may have been promised the session, but has not been told.
        const next = this.line(client.key)[0];
        if (next !== undefined) this.cancel(next);
        return;
      }
      case 'checkin, session dies': {
        const { session } = client;
        this.checkin(client);
        // Promised to the next in line, who keeps its place, or idle, or closed already.
        if (session !== null) this.world.pools.sessionDied(session);
        if (session !== null && this.whereabouts.get(session) !== 'closing') throw new Error('would not die');
        return;
      }
      default:
        reaction satisfies never;
    }
  }

  #refused(client: Client, error: PoolError): void {
    if (client.owed !== 1) throw new Error('refused without asking, or twice');
    client.owed = 0;
    const line = this.line(client.key);
    if (line[0] !== client) throw new Error('refused out of order');
    line.shift();
    this.#passed.delete(laneName(client));
    this.refused++;
    const waited = this.world.clock.time - client.request.enqueuedAt;
    if (error instanceof PoolTimeoutError) {
      if (waited < WAIT_TIMEOUT_MS) throw new Error('timed out early');
    } else if (!(error instanceof PoolDialError && error.cause instanceof FatalError)) {
      throw new Error('refused for no reason', { cause: error });
    }
  }

  #giveUp(client: Client): FakeSession {
    const { session } = client;
    if (session === null) throw new Error('nothing to give up');
    this.#setHold(client, false);
    client.session = null;
    return session;
  }

  /**
   * Inside a callback, a session that was given back may be promised to the first in line, who is told later.
   * If there are fewer in line than sessions given back, then one has become idle.
   */
  #settleFree(key: string): void {
    const free = [...this.whereabouts].filter(([session, where]) => where === 'free' && session.key === key);
    const [first] = free[0] ?? [];
    if (first !== undefined && free.length > this.line(key).length) this.#becameIdle(first);
  }

  #becameIdle(session: FakeSession): void {
    this.whereabouts.set(session, 'idle');
    this.#idleSince.set(session, this.world.clock.time);
    this.idleOf(session.key).unshift(session);
  }

  #leaveIdle(session: FakeSession): void {
    const idle = this.idleOf(session.key);
    const at = idle.indexOf(session);
    if (at >= 0) idle.splice(at, 1);
  }
}

function laneName({ key, request }: Client): string {
  return `${key} ${request.process.label}`;
}

/** The order of turns. */
function rank({ request }: Client): number {
  return (request.process.urgent ? 0 : 1e9) + (request.lane?.turn ?? 0);
}

/** How far apart the fingerprints are: an arbitrary measure. */
export function distance(from: unknown, to: unknown): number {
  return Math.abs(String(from).length - String(to).length);
}

function nearest(
  idle: readonly FakeSession[],
  preferred: FakeSession | null,
  fingerprint: unknown,
): FakeSession | null {
  const of = (session: FakeSession): number => distance(session.fingerprint, fingerprint);
  const least = Math.min(...idle.map(of));
  const near = idle.filter((session) => of(session) === least);
  return near.find((session) => session === preferred) ?? near[0] ?? null;
}

function equal(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${what}: ${actual}, expected ${expected}`);
}
