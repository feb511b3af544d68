import { ServerEngine, ServerRole } from '../servers/server-report.js';
import { type ServerState, ServerStatus } from '../servers/server-state.js';
import type { ServerUse } from './server.js';

/** What a choice among servers goes by. */
export interface RoutedServer {
  readonly name: string;
  readonly use: ServerUse;
  /** Null where it is not given: it counts as 1. */
  readonly weight: number | null;
  /** Sessions that are lent, and requests that wait for one. */
  readonly load: number;
  /** By PAUSE: it lends nothing. */
  readonly isPaused: boolean;
  /** Null: it is always up. */
  readonly state: ServerState | null;
}

/** What clients are told apart by: they want writes done, or answers from whoever has them. */
export interface PoolRule {
  readonly name: string;
  readonly role: 'primary' | 'replica';
  /** Replicas whose data may be older than this are left out, in s; null: however old. */
  readonly maxLagSeconds: number | null;
  /** While no replica will do. */
  readonly fallbackToPrimary: boolean;
  readonly readYourWrites: boolean;
}

/** Whether it takes writes now, as far as is known. */
export function takesWrites({ use, isPaused, state }: RoutedServer): boolean {
  if (use === 'replica' || isPaused) return false;
  if (state === null) return true;
  return state.isUp && (use === 'primary' || state.role === ServerRole.Primary);
}

/**
 * Whether it gets what is written from another server, a little later, and can be waited for. What Galera's nodes may lack is theirs
 * to wait for (`wsrep_sync_wait`).
 */
export function mayLackWrites(server: RoutedServer, writer: RoutedServer | null): boolean {
  const { use, state } = server;
  if (server === writer || state?.engine === ServerEngine.Galera) return false;
  if (state === null) return use === 'replica';
  // Several members of a group may take writes.
  return state.role === ServerRole.Replica || state.engine === ServerEngine.GroupReplication;
}

/** Engines in which each node has what any of them has taken. */
const ALIKE: ReadonlySet<ServerEngine | null> = new Set([ServerEngine.Galera, ServerEngine.GroupReplication]);

/**
 * Of several servers those that a client of one kind may use, and which of them is the next one.
 *
 * Of several that take writes only one gets them: the first of the list that is up, and then that one until it is down, also
 * when one before it comes back. Nodes of a cluster that write the same rows at the same time refuse each other's transactions
 * at their COMMIT, which hardly any application reckons with; and each change of the writer costs those who are in a
 * transaction. Whoever gives each of them a weight has said that they are to share the writes.
 */
export class NamedPool<S extends RoutedServer> {
  readonly rule: PoolRule;
  #servers: readonly S[];
  /** Where clients of replicas go that may not wait for one; also whose writer is not to be used for reads. */
  readonly primary: NamedPool<S> | null;
  #writer: S | null = null;
  /** Not empty where several are to share the writes. */
  #writers: readonly S[] = [];
  #turn = 0;

  /** @param servers - in the order of the configuration */
  constructor(rule: PoolRule, servers: readonly S[], primary: NamedPool<S> | null = null) {
    this.rule = rule;
    this.#servers = servers;
    this.primary = primary;
    this.refresh();
  }

  /** In the order of the configuration. There are others now: {@link refresh} is to be called then. */
  set servers(servers: readonly S[]) {
    this.#servers = servers;
  }

  /** Of servers that take writes the one that gets them; null where there is none, or several do. */
  get writer(): S | null {
    return this.#writer;
  }

  getsWrites(server: S): boolean {
    return this.#writer === server || this.#writers.includes(server);
  }

  /** To be called when any of the servers has changed: those of {@link PoolRule.role} `primary` first. */
  refresh(): void {
    if (this.rule.role === 'replica') return;
    const able = this.#servers.filter(takesWrites);
    const share = able.length > 1 && able.every(({ weight }) => weight !== null);
    this.#writers = share ? able : [];
    if (share) this.#writer = null;
    else if (this.#writer === null || !able.includes(this.#writer)) this.#writer = this.#firstOf(able);
  }

  /** None while one before it has not been heard of yet, since the proxy started: it would have been the one. */
  #firstOf(able: readonly S[]): S | null {
    for (const server of this.#servers) {
      if (able.includes(server)) return server;
      if (server.use !== 'replica' && server.state?.status === ServerStatus.Unknown) return null;
    }
    return null;
  }

  /** Several that take writes, none of which is known to pass them on to the others: some writes will be lost. */
  get torn(): readonly S[] {
    const able = this.#servers.filter(takesWrites);
    return able.length > 1 && able.some(({ state }) => !ALIKE.has(state?.engine ?? null)) ? able : [];
  }

  /**
   * The server for the next session of a client; null while there is none.
   * @param last - of its session before
   * @param now - in ms, of the clock of the servers' states
   */
  choose(last: S | null, now: number): S | null {
    if (this.rule.role === 'primary') {
      return this.#writers.length === 0 ? this.#writer : this.#least(this.#writers, last, now, null);
    }
    const writer = this.primary?.writer ?? null;
    const found = this.#least(this.#servers, last, now, writer);
    if (found !== null || !this.rule.fallbackToPrimary) return found;
    return this.primary?.choose(last, now) ?? null;
  }

  #least(servers: readonly S[], last: S | null, now: number, writer: S | null): S | null {
    let found: S | null = null;
    let least = Number.POSITIVE_INFINITY;
    // Where all are alike, each is the first one in its turn.
    const first = this.#turn++ % servers.length;
    for (let i = 0; i < servers.length; i++) {
      const server = servers[(first + i) % servers.length] as S;
      if (this.rule.role === 'replica' && !this.#answersReads(server, writer)) continue;
      const share = server.state?.share(now) ?? 1;
      if (share <= 0) continue;
      // One more: else weights would mean nothing where nobody is at work.
      const load = (server.load + 1) / ((server.weight ?? 1) * share);
      // What is in the client's own state is on the server that it was on last.
      if (load < least || (load === least && server === last)) {
        found = server;
        least = load;
      }
    }
    return found;
  }

  #answersReads(server: S, writer: S | null): boolean {
    const { use, state } = server;
    const { maxLagSeconds } = this.rule;
    if (use === 'primary' || server === writer || server.isPaused) return false;
    if (state === null) return true;
    // Nodes of a cluster may all take writes; those that do not get any are for reads.
    if (use !== 'replica' && state.role !== ServerRole.Replica && !ALIKE.has(state.engine)) return false;
    if (maxLagSeconds === null) return true;
    return state.lagSeconds !== null && state.lagSeconds <= maxLagSeconds;
  }
}
