/** What became of an operation, as far as its client knows. */
export const Outcome = {
  /** It has happened. */
  Ok: 'ok',
  /** It has not happened and never will. */
  Fail: 'fail',
  /** Nobody knows: it may have happened, or may yet. */
  Info: 'info',
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/**
 * One operation of a logical process. `invoked` and `completed` are places in the order of all beginnings and ends: what was
 * completed before another one was invoked has come before it for everybody. One whose outcome nobody knows has no end that counts.
 */
export interface Operation {
  readonly process: number;
  readonly invoked: number;
  readonly completed: number;
  readonly outcome: Outcome;
  /** As the client was told. */
  readonly error?: string;
  /** It was done where the engine may lose it, with its own leave. */
  readonly mayBeLost?: true;
}

export const IsolationLevel = { Serializable: 'SERIALIZABLE', RepeatableRead: 'REPEATABLE READ' } as const;
export type IsolationLevel = (typeof IsolationLevel)[keyof typeof IsolationLevel];

/** A part of a transaction over lists: a value is put at the end of one, or all of one is read (`null`: not read, or not there). */
export type ListStep =
  | { readonly do: 'append'; readonly key: number; readonly value: number }
  | { readonly do: 'read'; readonly key: number; readonly values: readonly number[] | null };

export interface ListOperation extends Operation {
  readonly workload: 'append';
  readonly level: IsolationLevel;
  readonly steps: readonly ListStep[];
  /** Reads everything when all is over, and its reads are the last word. */
  readonly final?: true;
}

export interface Transfer {
  readonly id: string;
  readonly from: number;
  readonly to: number;
  readonly amount: number;
}

export interface BankOperation extends Operation {
  readonly workload: 'bank';
  readonly body:
    | ({ readonly do: 'transfer' } & Transfer)
    /** All balances, by account. */
    | { readonly do: 'read'; readonly balances: readonly number[] }
    /** When all is over: balances, and the transfers that are in the books. */
    | { readonly do: 'final'; readonly balances: readonly number[]; readonly transfers: readonly Transfer[] };
}

export interface OnceOperation extends Operation {
  readonly workload: 'once';
  readonly body:
    | { readonly do: 'insert'; readonly mark: string }
    | { readonly do: 'count'; readonly counter: number }
    | {
        readonly do: 'read';
        readonly counter: number;
        readonly count: number;
        /** From a replica that was to have what its own process had written. */
        readonly own?: true;
      }
    /** When all is over: how many rows each mark has, and what the counters are at. */
    | {
        readonly do: 'final';
        readonly rows: ReadonlyMap<string, number>;
        readonly counts: ReadonlyMap<number, number>;
      };
}

/** Each answer carries the tag that was asked for with it. */
export interface TagOperation extends Operation {
  readonly workload: 'tags';
  readonly asked: string;
  readonly got: readonly string[];
}

export type AnyOperation = ListOperation | BankOperation | OnceOperation | TagOperation;
export type WorkloadName = AnyOperation['workload'];

/** Something that must never be. */
export interface Anomaly {
  /** A word for its kind, as the literature has it where it has one. */
  readonly type: string;
  readonly what: string;
}

/** Anomalies of one kind that are told one by one. */
const TOLD_OF_A_KIND = 5;

/** Gathers anomalies: of a kind the first ones, and how many there were. */
export class Anomalies {
  readonly #told: Anomaly[] = [];
  readonly #counts = new Map<string, number>();

  add(type: string, what: string): void {
    const count = (this.#counts.get(type) ?? 0) + 1;
    this.#counts.set(type, count);
    if (count <= TOLD_OF_A_KIND) this.#told.push({ type, what });
  }

  get list(): readonly Anomaly[] {
    const more = [...this.#counts]
      .filter(([, count]) => count > TOLD_OF_A_KIND)
      .map(([type, count]) => ({ type, what: `and ${count - TOLD_OF_A_KIND} more` }));
    return [...this.#told, ...more];
  }
}
