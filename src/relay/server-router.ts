import type { ServerSession } from '../backend/server-session.js';
import { systemClock } from '../pool/clock.js';
import { PoolError } from '../pool/errors.js';
import { Ticker } from '../pool/ticker.js';
import { fullBy, ServerStatus, type StateChange } from '../servers/server-state.js';
import { AppliedWrites } from '../writes/applied-writes.js';
import { mayLackWrites, type NamedPool } from './named-pool.js';
import type { Server } from './server.js';
import { CloseReason } from './session-cleaner.js';

/** How often the servers are asked while somebody waits for one, in ms: an election may be over at any moment. */
const ASK_MS = 200;

/** How often it is looked whether somebody has waited for too long, in ms; only while anybody waits. */
const TICK_MS = 50;

/** None of the servers that would do is up. */
export class NoServerError extends PoolError {
  readonly code = 'NO_SERVER';

  constructor(pool: string, waitedMs: number, known: readonly string[]) {
    super(
      `no server for pool ${pool} after ${Math.round(waitedMs)} ms (failover_timeout): ${known.join('; ')}`,
    );
  }
}

/** As many wait for a server already as may: one more would only be refused later. */
export class ServersOverloadedError extends PoolError {
  readonly code = 'NO_SERVER_OVERLOADED';

  constructor(pool: string, waiting: number, known: readonly string[]) {
    super(
      `pool ${pool} is overloaded: ${waiting} requests wait for a server already, which is max_waiting; ` +
        `waited 0 ms: ${known.join('; ')}`,
    );
  }
}

/** A request for a session, as far as the choice of its server goes. */
export interface RoutedRequest {
  readonly namedPool: NamedPool<Server>;
  /** Of the last session. */
  readonly server: Server;
  /** Since when it waits, on the scale of performance.now(). */
  enqueuedAt: number;
  grantedAt: number;
  /** Asks that server: a session at once, or null, and it is called back. */
  askAt(server: Server): ServerSession | null;
  granted(session: ServerSession): void;
  refused(error: PoolError): void;
}

export interface RouterOptions {
  /** Those that get work now. */
  readonly servers: readonly Server[];
  /** Those of role primary first. */
  readonly pools: readonly NamedPool<Server>[];
  readonly failoverTimeoutMs: () => number;
  /** So many may wait for a server; 0: any number. */
  readonly maxWaiting: () => number;
  /** A request is refused. */
  readonly refused: (error: PoolError) => void;
  readonly log: RouterLog;
}

export interface RouterLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/**
 * Which server each request for a session goes to, and the line of those for whom there is none now. Whoever waits for a
 * server that goes is sent to the next one; sessions of a server that goes serve no further client.
 */
export class ServerRouter {
  readonly #options: RouterOptions;
  /** Each with when it came here, by performance.now(): before that it may have waited in the line of a server. */
  readonly #line = new Map<RoutedRequest, number>();
  /** Refused, and not told yet. */
  readonly #shed = new Map<RoutedRequest, PoolError>();
  readonly #ticker = new Ticker(systemClock, TICK_MS, () => this.#tick());
  #toldTorn = false;
  #askedAt = 0;

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  /** Requests that wait for a server. */
  get waiting(): number {
    return this.#line.size;
  }

  /** How long the first of them has waited, in ms; 0 while none does. */
  get oldestWaitMs(): number {
    for (const { enqueuedAt } of this.#line.keys()) return performance.now() - enqueuedAt;
    return 0;
  }

  /** A session at once, or null: then the request is called back. */
  ask(request: RoutedRequest): ServerSession | null {
    const server = request.namedPool.choose(request.server, performance.now());
    if (server !== null) return request.askAt(server);
    if (!this.#isShed(request)) this.#wait(request, performance.now());
    return null;
  }

  /** The server that it waited for serves nobody any more. */
  askAgain(request: RoutedRequest): void {
    // Told as ever, after whoever has called this has returned.
    this.#wait(request, request.enqueuedAt);
    queueMicrotask(() => this.#serve());
  }

  /** The client has gone. @returns whether it waited here */
  cancel(request: RoutedRequest): boolean {
    return this.#line.delete(request) || this.#shed.delete(request);
  }

  /** Whether clients that write are sent there now. */
  getsWrites(server: Server): boolean {
    return this.#options.pools.some((pool) => pool.getsWrites(server));
  }

  /** For what any server can do that takes writes, or at least is up. */
  get any(): Server {
    const { pools, servers } = this.#options;
    const now = performance.now();
    for (const pool of pools) {
      const server = pool.choose(null, now);
      if (server !== null) return server;
    }
    return (servers.find(({ state }) => state?.isUp) ?? servers[0]) as Server;
  }

  /** What is known of a server is another thing now. */
  changed(server: Server, { from, to, fromRole, role, reasons, lastedMs }: StateChange): void {
    const { log } = this.#options;
    const fields = { server: server.name, from, to, role, reasons, lastedMs: Math.round(lastedMs) };
    if (from === to && fromRole === role) {
      // It is of the same use as before.
      if (fullBy(reasons) === null) log.info(fields, 'server is not full any more');
      else log.warn(fields, 'server is full');
      return;
    }
    server.changes.set(to, (server.changes.get(to) ?? 0) + 1);
    const isUp = server.state?.isUp === true;
    if (isUp) log.info(fields, 'server is up');
    else log.warn(fields, to === ServerStatus.Down ? 'server is down' : 'server is suspected');
    // It may come back with less than it had.
    if (!isUp) server.applied = new AppliedWrites(server.applied.isReplica);
    this.#refreshPools();
    this.#tellTorn();
    const changesRole = fromRole !== null && fromRole !== role;
    if (to === ServerStatus.Down) {
      server.pools.retireAll(() => true, CloseReason.ServerDown);
      if (reasons.includes('no_answer')) server.desert();
    } else if (changesRole) {
      server.pools.retireAll(() => true, CloseReason.RoleChanged);
    }
    if (!isUp || changesRole) server.pools.turnAway();
    this.#serve();
  }

  /** The servers are asked from now on, or one is paused, or not any more. */
  refresh(): void {
    const { servers } = this.#options;
    this.#refreshPools();
    for (const server of servers) if (server.isPaused) server.pools.turnAway();
    this.#serve();
  }

  /** Whoever waits is refused: the proxy stops. */
  close(error: (pool: string) => PoolError): void {
    this.#ticker.stop();
    for (const request of [...this.#line.keys()]) this.#refuse(request, error(request.namedPool.rule.name));
  }

  #refreshPools(): void {
    const { pools, servers } = this.#options;
    for (const pool of pools) pool.refresh();
    const writer = pools[0]?.writer ?? null;
    for (const server of servers) server.applied.isReplica = mayLackWrites(server, writer);
  }

  /** Whoever waited elsewhere before (`askAgain`) was let in there. */
  #isShed(request: RoutedRequest): boolean {
    const most = this.#options.maxWaiting();
    const waiting = this.#line.size;
    if (most === 0 || waiting < most) return false;
    const { name } = request.namedPool.rule;
    this.#shed.set(request, new ServersOverloadedError(name, waiting, this.#options.servers.map(described)));
    // As ever, after whoever has asked has returned.
    queueMicrotask(() => {
      const error = this.#shed.get(request);
      if (error === undefined) return;
      this.#shed.delete(request);
      this.#tellRefused(request, error);
    });
    return true;
  }

  #wait(request: RoutedRequest, since: number): void {
    request.enqueuedAt = since;
    this.#line.set(request, performance.now());
    this.#ticker.keep();
  }

  #serve(): void {
    const now = performance.now();
    for (const request of [...this.#line.keys()]) {
      // Somebody before it may have sent it away.
      if (!this.#line.has(request)) continue;
      const server = request.namedPool.choose(request.server, now);
      if (server === null) continue;
      this.#line.delete(request);
      const since = request.enqueuedAt;
      const session = request.askAt(server);
      if (session === null) continue;
      request.enqueuedAt = since;
      request.grantedAt = performance.now();
      request.granted(session);
    }
  }

  #tick(): boolean {
    const now = performance.now();
    this.#serve();
    if (this.#line.size > 0 && now - this.#askedAt >= ASK_MS) {
      this.#askedAt = now;
      for (const server of this.#options.servers) server.troubled();
    }
    for (const [request, since] of [...this.#line]) {
      const waitedMs = now - since;
      // In the order in which they came.
      if (waitedMs < this.#options.failoverTimeoutMs()) break;
      const { name } = request.namedPool.rule;
      this.#refuse(request, new NoServerError(name, waitedMs, this.#options.servers.map(described)));
    }
    return this.#line.size > 0;
  }

  #refuse(request: RoutedRequest, error: PoolError): void {
    if (this.#line.delete(request)) this.#tellRefused(request, error);
  }

  #tellRefused(request: RoutedRequest, error: PoolError): void {
    this.#options.refused(error);
    request.refused(error);
  }

  /** Nobody but its operators can mend that. */
  #tellTorn(): void {
    const torn = this.#options.pools[0]?.torn ?? [];
    if (torn.length > 0 && !this.#toldTorn)
      this.#options.log.warn(
        { servers: torn.map(({ name }) => name) },
        'several servers take writes, and do not pass them on to each other: only one of them gets any from here; make the others read-only',
      );
    this.#toldTorn = torn.length > 0;
  }
}

/** As errors have it. */
export function described({ name, isPaused, state }: Server): string {
  if (isPaused) return `${name} is paused`;
  if (state === null) return name;
  const { status, role, reasons, forMs } = state.snapshot(performance.now());
  const why = reasons.length === 0 ? '' : ` (${reasons.join(', ')})`;
  return `${name} is ${status}${role === null ? '' : `, ${role}`}${why} for ${(forMs / 1000).toFixed(1)} s`;
}
