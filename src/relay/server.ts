import type { ServerSession } from '../backend/server-session.js';
import type { Upstream } from '../backend/upstream.js';
import { ServerRole } from '../servers/server-report.js';
import { type ServerState, ServerStatus } from '../servers/server-state.js';
import { ServerHint } from '../servers/statement-outcome.js';
import { AppliedWrites } from '../writes/applied-writes.js';
import type { Killer } from './killer.js';
import type { RefusedCommand, ServerHints } from './server-hints.js';
import type { ServerRecheck } from './server-recheck.js';
import type { ServerPools, SessionCleaner } from './session-cleaner.js';

/** What the configuration says that a server is; `auto`: what it says itself. */
export type ServerUse = 'auto' | 'primary' | 'replica';

/** What is known of one of several servers, and who asks it. */
export interface ServerHealth {
  readonly state: ServerState;
  /** There is reason to believe that something has changed: it is asked now. */
  ask(): void;
  stop(): void;
}

/** What belongs to one server, and to no other one: whoever has a session has its server besides. */
export class Server implements ServerHints {
  /** As logs, metrics and commands call it. */
  readonly name: string;
  /** Of no other server at the same time, from 0; not much higher than there are servers. */
  readonly index: number;
  /** What the configuration calls it; where an entry stands for all addresses of its host, they have this in common. */
  readonly entry: string;
  /** Of the entry, from 0. */
  readonly position: number;
  /** It has come while others of its entry were in use: it begins with less than its share. */
  readonly startsSlowly: boolean;
  readonly use: ServerUse;
  /** Null where it is not given. */
  readonly weight: number | null;
  readonly upstream: Upstream;
  readonly pools: ServerPools;
  readonly killer: Killer;
  readonly cleaner: SessionCleaner;
  /** Null for one server alone: there is no other one to go to, whatever is known of it. */
  health: ServerHealth | null = null;
  /** Null where there are several. */
  recheck: ServerRecheck | null = null;
  /** Who is known to find its writes there. */
  applied = new AppliedWrites(false);

  /** {@link Servers.leave} */
  isLeaving = false;

  /** Of clients of a primary, that it has served (`read_only_transactions`); since the start. */
  readOnlyTransactions = 0;
  /** Since the start, by what its state was afterwards. */
  readonly changes = new Map<ServerStatus, number>(Object.values(ServerStatus).map((status) => [status, 0]));

  constructor(parts: ServerParts) {
    const { name, index, entry, position, startsSlowly, use, weight, upstream, pools, killer, cleaner } =
      parts;
    this.name = name;
    this.index = index;
    this.entry = entry;
    this.position = position;
    this.startsSlowly = startsSlowly;
    this.use = use;
    this.weight = weight;
    this.upstream = upstream;
    this.pools = pools;
    this.killer = killer;
    this.cleaner = cleaner;
  }

  /** Sessions that are lent, and requests that wait for one. */
  get load(): number {
    return this.pools.lent + this.pools.waiting;
  }

  get isPaused(): boolean {
    return this.pools.allPaused;
  }

  get state(): ServerState | null {
    return this.health?.state ?? null;
  }

  /**
   * {@link ServerHints.told}. Where there are several servers, a refused command is run once more on the one that is chosen then, or
   * waits there for one to be had (`failover_timeout`): this one is not chosen before it has answered what it is.
   */
  told(session: ServerSession, hint: ServerHint, refused: RefusedCommand | null): boolean {
    if (this.health === null) return this.recheck?.told(session, hint, refused) ?? false;
    if (hint === ServerHint.Leaving) this.troubled();
    else if (this.#isKnown(hint)) {
      // By the configuration it would be the same one again.
      if (this.use !== 'auto') return false;
    } else this.doubted();
    if (refused === null) return false;
    // Not from within the call: the session is still the client's.
    queueMicrotask(() => refused.known(true));
    return true;
  }

  /** It has said so itself. */
  #isKnown(hint: ServerHint): boolean {
    const role = this.state?.role ?? null;
    return role === (hint === ServerHint.NotReady ? ServerRole.Unusable : ServerRole.Replica);
  }

  /** A reply speaks against it: nothing more is sent there until it has been asked. */
  doubted(): void {
    const { health } = this;
    if (health === null) return;
    health.state.doubted(performance.now());
    health.ask();
  }

  /** Something has gone wrong that its end would explain. */
  troubled(): void {
    this.health?.ask();
  }

  /** It has not answered for too long: whoever waits for it is told, and goes elsewhere where that is safe. */
  desert(): void {
    const why = 'the server does not answer';
    this.killer.desert(why);
    for (const { session } of [...this.pools.sessions()]) session.desert(why);
  }
}

/** What a server is made of. */
export type ServerParts = Pick<
  Server,
  | 'name'
  | 'index'
  | 'entry'
  | 'position'
  | 'startsSlowly'
  | 'use'
  | 'weight'
  | 'upstream'
  | 'pools'
  | 'killer'
  | 'cleaner'
>;
