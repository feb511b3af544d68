import type { LoanWindow } from '../pool/loan-log.js';

/** What a pool is set to, and how its sessions were used. */
export interface PoolObservation {
  /** Sessions at most, now. */
  readonly size: number;
  /** As `pool_size` has it. */
  readonly configured: number | 'auto';
  /** Pools that share the size: sessions of one are of no use to another. */
  readonly pools: number;
  /** Requests that got a session, since the start. */
  readonly loans: number;
  /** Sessions lent and requests waiting at the same time, at most, since the start. */
  readonly peak: number;
  readonly windows: readonly LoanWindow[];
}

/** Numbers of something that was counted at regular moments: averages are over time. */
export interface Sampled {
  readonly mean: number;
  readonly peak: number;
}

/** Sessions that were held for one reason. */
export interface ReasonObservation extends Sampled {
  readonly reason: string;
  /** Since the start; each one, however short. */
  readonly begun: number;
}

/** Holds that one kind of statement began. */
export interface StatementObservation {
  readonly reason: string;
  /** Without literals; null where it was no SQL, or one of more than 1 MiB. */
  readonly statement: string | null;
  readonly count: number;
  /** Seconds of sessions that were held by it. */
  readonly seconds: number;
}

/** Gaps within transactions in which the client did nothing, by the statement before. */
export interface GapObservation {
  readonly statement: string | null;
  readonly count: number;
  readonly seconds: number;
}

/** What would have happened in pool mode `transaction`, while each client had a session of its own. */
export interface DryRunObservation {
  /** Commands after which the session could have gone to anybody. */
  readonly shared: number;
  /** Statements that `on_unsafe` would have refused, by reason. */
  readonly refused: readonly StatementObservation[];
  /** Sessions that are open for clients now, each with its own. */
  readonly sessions: number;
}

/** All that advice is made of, as plain data. */
export interface Observation {
  /** For how long. */
  readonly seconds: number;
  readonly mode: 'transaction' | 'session' | 'dry_run';
  /** Commands since the start. */
  readonly commands: number;
  readonly pool: PoolObservation;
  /** Sessions lent and requests waiting, counted at regular moments; one number for each. */
  readonly demand: { readonly moments: number; readonly mean: number; readonly p99: number };
  readonly holds: {
    /** Clients that held one for a reason that does not end by itself. */
    readonly lasting: Sampled;
    readonly reasons: readonly ReasonObservation[];
    readonly statements: readonly StatementObservation[];
  };
  readonly gaps: readonly GapObservation[];
  /** By key of the configuration. */
  readonly timeLimits: ReadonlyMap<string, number>;
  /** Requests that got no session, by error code. */
  readonly refusals: ReadonlyMap<string, number>;
  /** Client connections that two processes used, by how it came out. */
  readonly sharedSockets: ReadonlyMap<string, number>;
  /** Loans by how the client came by the session. */
  readonly checkouts: ReadonlyMap<string, number>;
  /** In what the states of the clients of this moment differ: a variable (or the schema), and how many values it has. */
  readonly differences: readonly { readonly name: string; readonly values: number }[];
  /** States that clients of this moment are in. */
  readonly profiles: number;
  /** Null unless it is one. */
  readonly dryRun: DryRunObservation | null;
}
