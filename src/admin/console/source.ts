import { BouncerError } from '../../errors.js';
import type { Later } from './later.js';
import type { Cell } from './table.js';

type Row<Name extends string> = { readonly [K in Name]: Cell };

/** Of whom several processes have some (`workers`): which of them this one belongs to. */
type OfWorker = { readonly worker?: Cell };

/** SHOW POOLS, in PgBouncer's words where it has them: `cl_` are clients, `sv_` server sessions. */
export type PoolRow = Row<
  | 'pool'
  | 'user'
  | 'cl_waiting'
  | 'sv_active'
  | 'sv_held'
  | 'sv_idle'
  | 'sv_login'
  | 'sv_closing'
  | 'maxwait'
  | 'maxwait_us'
  | 'pool_mode'
  | 'paused'
>;

/** `link` is the other side's `id`: a server session's for a client that has one, and the reverse. */
export type ClientRow = OfWorker &
  Row<
    | 'id'
    | 'user'
    | 'database'
    | 'state'
    | 'addr'
    | 'port'
    | 'connect_time'
    | 'wait'
    | 'wait_us'
    | 'link'
    | 'holds'
    | 'remote_pid'
    | 'application_name'
  >;

export type ServerRow = OfWorker &
  Row<'id' | 'pool' | 'user' | 'state' | 'link' | 'holds' | 'prepared_statements'>;

/** One of the servers of the configuration; `servers` are sessions there, as PgBouncer calls them. */
export type UpstreamRow = Row<
  | 'server'
  | 'state'
  | 'role'
  | 'gets_writes'
  | 'lag'
  | 'reasons'
  | 'seconds'
  | 'weight'
  | 'paused'
  | 'sv_lent'
  | 'cl_waiting'
  | 'pool_size'
>;

export type HoldRow = OfWorker &
  Row<'client' | 'user' | 'server' | 'reason' | 'since' | 'seconds' | 'statement'>;

export type StatRow = Row<'name' | 'kind' | 'value'>;

export type UserRow = Row<'name' | 'server_user' | 'pool_mode' | 'max_client_conn' | 'clients' | 'admin'>;

export type ConfigRow = Row<'key' | 'value' | 'default' | 'changeable' | 'source'>;

/** What RELOAD has changed, or would if the process were started anew. */
export type ChangeRow = Row<'key' | 'old' | 'new' | 'effect'>;

export type ProfileRow = Row<'profile' | 'schema' | 'sessions' | 'clients' | 'variables'>;

export type TopQueryRow = Row<
  | 'digest'
  | 'count'
  | 'errors'
  | 'p50_ms'
  | 'p95_ms'
  | 'p99_ms'
  | 'server_ms'
  | 'wait_ms'
  | 'rows'
  | 'bytes'
  | 'holds'
  | 'statement'
>;

export type FleetRow = Row<'members' | 'share' | 'pool_size' | 'max_connections'>;

export type AdviceRow = Row<'severity' | 'about' | 'what' | 'why' | 'to_do'>;

/** Rows that each process has a part of, by what they are of. */
export interface ConsoleRows {
  readonly pools: PoolRow;
  readonly clients: ClientRow;
  readonly servers: ServerRow;
  readonly upstreams: UpstreamRow;
  readonly holds: HoldRow;
  readonly stats: StatRow;
  readonly users: UserRow;
  readonly profiles: ProfileRow;
  readonly fleet: FleetRow;
}

/** The rows of this process. */
export type OwnRows = { readonly [K in keyof ConsoleRows]: () => readonly ConsoleRows[K][] };

/** The rows of all processes. */
type AllRows = { readonly [K in keyof ConsoleRows]: () => Later<readonly ConsoleRows[K][]> };

/** A command that takes its time. */
export interface Underway {
  /** @throws CommandRefused */
  readonly done: Promise<void>;
  /** Who asked has gone. */
  giveUp(): void;
}

/** What the console shows and does: told at the moment when it is asked. */
export interface ConsoleSource extends AllRows {
  readonly version: string;
  /** Processes that serve clients. */
  readonly workers: number;
  /** Of the server, as greetings say it. */
  readonly serverVersion: string;
  config(): readonly ConfigRow[];
  /** The `n` statements that have taken most time on the server, and all others together. */
  topQueries(n: number): Later<readonly TopQueryRow[]>;
  advice(): Later<readonly AdviceRow[]>;
  /** Closes the client's connection. @returns false where there is no such client */
  killClient(id: number): Later<boolean>;
  /** Server sessions are closed, each as soon as nobody needs it, and opened anew when they are wanted. */
  /** @param server - null for all @throws CommandRefused where there is none of that name */
  reconnect(server: string | null): Later<void>;
  /**
   * The pool, as SHOW POOLS names it, or all of them (null) lend nothing; done when all sessions are closed.
   * @throws CommandRefused
   */
  pause(pool: string | null): Underway;
  /** @throws CommandRefused */
  resume(pool: string | null): Later<void>;
  /** Reads the configuration anew, and takes all of it or nothing. @throws CommandRefused */
  reload(): Later<readonly ChangeRow[]>;
  /** The keys that SET may change, each with what makes a text its new value. @throws InvalidSetting */
  readonly settings: ReadonlyMap<string, (text: string) => Later<void>>;
  /** `wait`: clients may finish, as after SIGTERM. */
  shutdown(wait: boolean): void;
  /** A new process takes over; null where there is no parent process that could start it. */
  readonly restart: (() => void) | null;
}

/** A value that a key cannot have; the text says which ones it can. */
export class InvalidSetting extends BouncerError {
  readonly code = 'INVALID_SETTING';
}

/** A command that cannot be done now; the text says why. */
export class CommandRefused extends BouncerError {
  readonly code = 'COMMAND_REFUSED';
}
