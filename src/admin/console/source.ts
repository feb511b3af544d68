import { BouncerError } from '../../errors.js';
import type { Cell } from './table.js';

type Row<Name extends string> = { readonly [K in Name]: Cell };

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
>;

/** `link` is the other side's `id`: a server session's for a client that has one, and the reverse. */
export type ClientRow = Row<
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

export type ServerRow = Row<'id' | 'pool' | 'user' | 'state' | 'link' | 'holds' | 'prepared_statements'>;

export type HoldRow = Row<'client' | 'user' | 'server' | 'reason' | 'since' | 'seconds' | 'statement'>;

export type StatRow = Row<'name' | 'kind' | 'value'>;

export type UserRow = Row<'name' | 'server_user' | 'pool_mode' | 'max_client_conn' | 'clients' | 'admin'>;

export type ConfigRow = Row<'key' | 'value' | 'default' | 'changeable'>;

export type ProfileRow = Row<'profile' | 'schema' | 'sessions' | 'clients' | 'variables'>;

export type FleetRow = Row<'members' | 'share' | 'pool_size' | 'max_connections'>;

/** What the console shows and does: told at the moment when it is asked. */
export interface ConsoleSource {
  readonly version: string;
  /** Of the server, as greetings say it. */
  readonly serverVersion: string;
  pools(): readonly PoolRow[];
  clients(): readonly ClientRow[];
  servers(): readonly ServerRow[];
  holds(): readonly HoldRow[];
  stats(): readonly StatRow[];
  users(): readonly UserRow[];
  config(): readonly ConfigRow[];
  profiles(): readonly ProfileRow[];
  fleet(): readonly FleetRow[];
  /** Closes the client's connection. @returns false where there is no such client */
  killClient(id: number): boolean;
  /** Server sessions are closed, each as soon as nobody needs it, and opened anew when they are wanted. */
  reconnect(): void;
  /** The keys that SET may change, each with what makes a text its new value. @throws InvalidSetting */
  readonly settings: ReadonlyMap<string, (text: string) => void>;
  /** `wait`: clients may finish, as after SIGTERM. */
  shutdown(wait: boolean): void;
}

/** A value that a key cannot have; the text says which ones it can. */
export class InvalidSetting extends BouncerError {
  readonly code = 'INVALID_SETTING';
}
