import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { HoldReason, holdWords } from '../session/hold-reason.js';
import { clientError } from './client-errors.js';
import {
  type Digest,
  type Holder,
  type HoldRegister,
  KEPT_TEXT,
  LASTING,
  type StatementText,
} from './hold-register.js';

export type UnsafeAction = 'hold' | 'warn' | 'error';

/** What is said of a statement that holds its session. */
export interface UnsafeStatement {
  readonly client: number;
  readonly user: string;
  readonly reasons: readonly string[];
  /** Digest; null where it was no SQL, or one of more than 1 MiB. */
  readonly statement: string | null;
}

export type UnsafeActions = Readonly<Record<string, UnsafeAction>>;

export interface UnsafePolicyOptions {
  /** By the word of the reason; those not named hold. */
  readonly actions: UnsafeActions;
  /** Share of `poolSize` that may be held for lasting reasons, from 0 to 1. */
  readonly maxHeld: () => number;
  readonly poolSize: () => number;
  readonly register: HoldRegister;
  readonly digest: Digest;
  readonly warn: (statement: UnsafeStatement) => void;
}

/** Digests of which it is known that they were warned of; beyond these the oldest are forgotten. */
export const REMEMBERED_DIGESTS = 1_000;

/** What is said and done about statements that tie a client to its session: `on_unsafe` and `max_held`. */
export class UnsafePolicy {
  /** `HoldReason` bits of which a statement's text is refused. */
  refused = 0;
  /** Those of which one line is logged when they begin. */
  watched = 0;
  readonly #options: UnsafePolicyOptions;
  readonly #warned = new Set<string>();

  constructor(options: UnsafePolicyOptions) {
    this.#options = options;
    this.apply(options.actions);
  }

  /** Takes others, for statements to come. */
  apply(actions: UnsafeActions): void {
    const having = (...wanted: readonly UnsafeAction[]): number =>
      bitsOf(Object.keys(actions).filter((word) => wanted.includes(actions[word] ?? 'hold')));
    this.refused = having('error');
    this.watched = having('error', 'warn');
    this.#warned.clear();
  }

  /** The error for a statement whose text says that it begins holds `begins`, when one of them is refused; else null. */
  refusal(holder: Holder, begins: number): ErrPacket | null {
    const [word] = holdWords(begins & this.refused);
    if (word === undefined) return null;
    return clientError(
      ServerError.OptionPreventsStatement,
      `on_unsafe refuses ${word}: this statement would tie ${nameOf(holder)} to its server session ` +
        `${UNTIL[word] ?? 'until it disconnects'}. It was not executed. Do without it, connect to the server itself ` +
        `for it, or allow it: on_unsafe: {${word}: hold}`,
    );
  }

  /**
   * The error for a statement that begins lasting holds `begins` for a client that has none, when `max_held` sessions
   * are held already; else null.
   */
  tooMany(poolKey: string, begins: number): ErrPacket | null {
    const { register } = this.#options;
    const maxHeld = this.#options.maxHeld();
    if (maxHeld >= 1 || (begins & LASTING) === 0) return null;
    const size = this.#options.poolSize();
    const allowed = maxHeld === 0 ? 0 : Math.max(1, Math.floor(maxHeld * size + ROUNDING));
    if (register.lasting + register.expected < allowed) return null;
    const reasons = [...register.lastingReasons()].map(([word, count]) => `${word} ${count}`);
    const longest = register.longestLasting();
    const since =
      longest === null
        ? ''
        : `, the longest by ${nameOf(longest.holder)} since ${new Date(longest.since).toISOString()}`;
    return clientError(
      ServerError.ConCount,
      `too many held server sessions in pool ${poolKey}: of ${size} sessions ${allowed} may be held (max_held ` +
        `${Math.round(maxHeld * 100)}%) and ${register.lasting} are: ${reasons.join(', ')}${since}. This statement, ` +
        `which would hold one more (${holdWords(begins & LASTING).join(', ')}), was not executed`,
    );
  }

  /** Holds have begun that are watched: says so, once for each digest. */
  began(holder: Holder, holds: number, text: StatementText | null): void {
    const reasons = holdWords(holds & this.watched);
    if (reasons.length === 0) return;
    const { digest, warn } = this.#options;
    const statement =
      text === null ? null : digest({ sql: text.sql.subarray(0, KEPT_TEXT), context: text.context });
    const key = `${reasons.join()} ${statement}`;
    if (this.#warned.has(key)) return;
    if (this.#warned.size >= REMEMBERED_DIGESTS) {
      const [oldest] = this.#warned;
      if (oldest !== undefined) this.#warned.delete(oldest);
    }
    this.#warned.add(key);
    warn({ client: holder.connectionId, user: holder.userName, reasons, statement });
  }
}

/** 80% of 10 is 8, whatever floating point says. */
const ROUNDING = 1e-9;

/** What ends a hold, by its word. */
const UNTIL: Readonly<Record<string, string>> = {
  temporary_table: 'until its temporary tables are dropped',
  user_lock: 'until RELEASE_LOCK',
  table_lock: 'until UNLOCK TABLES',
  user_variable: 'until its connection is reset',
  text_prepare: 'until DEALLOCATE PREPARE',
  handler: 'until HANDLER ... CLOSE',
  xa: 'until the XA transaction has ended',
  role: 'until SET ROLE DEFAULT or NONE',
  sequence: 'until its connection is reset',
  one_shot_variable: 'until the variable is used up, or its connection reset',
  session_tracking: 'until its connection is reset',
  unknown: 'until its connection is reset',
};

function nameOf({ connectionId, userName }: Holder): string {
  return `client ${connectionId} (user ${userName})`;
}

function bitsOf(words: readonly string[]): number {
  return Object.values(HoldReason)
    .filter((bit) => holdWords(bit).some((word) => words.includes(word)))
    .reduce((all, bit) => all | bit, 0);
}
