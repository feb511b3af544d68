import type { Flavor } from '../support/servers.js';
import type { Random } from './random.js';

/** How a client speaks. */
export const ClientStyle = {
  /** Texts only, and EOF packets as most drivers want them. */
  Text: 'text',
  /** As `text`, and binary prepared statements. */
  Binary: 'binary',
  /** As `binary`, with DEPRECATE_EOF. */
  Modern: 'modern',
  /** The driver mysql2. */
  Driver: 'mysql2',
} as const;
export type ClientStyle = (typeof ClientStyle)[keyof typeof ClientStyle];

/** A value of a binary parameter. */
export type Parameter =
  | number
  | bigint
  | string
  | null
  | { readonly double: number }
  | { readonly blob: string };

/**
 * What one client does in one step. `{db}`, `{alt}`, `{tag}` and `{id}` in texts stand for what differs between the two sides: the
 * client's schema, its other schema, what both are named after, and the id of its greeting; `{shared}` and `{role}` for a schema that
 * all clients read and a role that they have.
 */
export type Operation =
  | { readonly do: 'query'; readonly sql: string; readonly infile?: string }
  | { readonly do: 'init_db'; readonly schema: string }
  | { readonly do: 'set_option'; readonly multiStatements: boolean }
  | { readonly do: 'reset' }
  | { readonly do: 'ping' }
  | { readonly do: 'change_user'; readonly schema: string }
  | { readonly do: 'reconnect'; readonly schema: string }
  | { readonly do: 'prepare'; readonly name: string; readonly sql: string }
  | {
      readonly do: 'execute';
      readonly name: string;
      readonly values: readonly Parameter[];
      readonly cursor?: boolean;
      /** Without the types, which the server has from the last execute. */
      readonly withoutTypes?: boolean;
    }
  | { readonly do: 'fetch'; readonly name: string; readonly rows: number }
  | { readonly do: 'long_data'; readonly name: string; readonly parameter: number; readonly data: string }
  | { readonly do: 'statement_reset'; readonly name: string }
  | { readonly do: 'close'; readonly name: string };

export type OperationName = Operation['do'];

export interface Step {
  readonly client: number;
  readonly kind: string;
  readonly operation: Operation;
  /** The next step does not wait for this one's reply. */
  readonly race: boolean;
  /** The connection's id is in the result. */
  readonly showsId: boolean;
}

/** What may tie a client to its session from one step to the next; each has its own way to end. */
export const Hold = {
  Transaction: 'transaction',
  Autocommit: 'autocommit',
  Tables: 'tables',
  Locks: 'locks',
  Temporary: 'temporary',
  Prepared: 'prepared',
  Handler: 'handler',
  Role: 'role',
  Cursor: 'cursor',
  LongData: 'long_data',
  OneShot: 'one_shot',
  /** Only a reset ends it. */
  Session: 'session',
} as const;
export type Hold = (typeof Hold)[keyof typeof Hold];

/** A kind of statement: how to make one, and what the plan must know of it. */
export interface Kind {
  readonly name: string;
  readonly weight: number;
  readonly only: Flavor | null;
  readonly styles: readonly ClientStyle[];
  /** Holds that it may begin. */
  readonly opens: readonly Hold[];
  readonly showsId: boolean;
  make(random: Random): readonly Operation[];
  /** What another client does meanwhile, given what the first one does; null where it takes only one. */
  readonly meanwhile: ((random: Random, own: readonly Operation[]) => readonly Operation[]) | null;
}

export interface Plan {
  readonly flavor: Flavor;
  readonly seed: number;
  readonly styles: readonly ClientStyle[];
  readonly steps: readonly Step[];
}
