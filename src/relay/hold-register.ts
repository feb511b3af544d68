import { ENDS_BY_ITSELF, HOLD_WORDS, HoldReason, holdWords } from '../session/hold-reason.js';
import type { LexerContext } from '../sql/lexer-context.js';
import { TurnoverMap } from '../turnover-map.js';

/** Bytes of a statement that are kept, at most: enough to tell which one it is. */
export const KEPT_TEXT = 1024;

/** Reasons that last until the client does something about them; those of pool mode `session` are none of its doing. */
export const LASTING = ~(ENDS_BY_ITSELF | HoldReason.SessionMode);

/** A client, as far as it concerns the session that it holds. */
export interface Holder {
  /** What the greeting said. */
  readonly connectionId: number;
  readonly userName: string;
  /** The account on the server. */
  readonly serverUser: string;
  /** The server's own id of the session it holds; null when it holds none. */
  readonly serverConnectionId: number | null;
  /** What it does between two commands: the last one it has run, another object for each; null while one is at work. */
  readonly pause?: HolderPause | null;
}

/** A client does nothing at this moment. */
export interface HolderPause {
  /** Of the command before; null where that was no SQL, or is no longer at hand. */
  readonly text: StatementText | null;
  /** Of {@link text}; undefined until it is looked at. */
  digest: string | null | undefined;
}

/** The text of a statement, and how it is to be read. */
export interface StatementText {
  readonly sql: Buffer;
  readonly context: LexerContext;
}

/** A statement's text without its literals. */
export type Digest = (text: StatementText) => string;

/** One reason why a client holds its session. */
export interface Hold {
  readonly reason: string;
  /** Ms since the epoch. */
  readonly since: number;
  /** Digest of the statement that began it; null where it was no SQL, or one of more than 1 MiB. */
  readonly statement: string | null;
}

/** A client that holds a session, at the moment of the snapshot. */
export interface HeldSession {
  readonly clientId: number;
  readonly user: string;
  readonly serverUser: string;
  readonly serverConnectionId: number | null;
  /** Words; the oldest hold first. */
  readonly reasons: readonly string[];
  /** Of the oldest hold that has not ended: ms since the epoch, and the digest of its statement. */
  readonly since: number;
  readonly statement: string | null;
  /** Reason by reason; the oldest first. */
  readonly holds: readonly Hold[];
}

/** Holds that one statement began. */
export interface Origin {
  /** Those that have not ended: `HoldReason` bits. */
  bits: number;
  /** Those that it began. */
  readonly begun: number;
  readonly since: number;
  /** A copy: the client's buffer is used again. */
  readonly text: StatementText | null;
  /** Of {@link text}, once somebody has asked for it. */
  digest: string | null | undefined;
  /** Of the client that ran it, as they were then. */
  readonly client: number;
  readonly user: string;
  readonly serverUser: string;
}

interface Entry {
  readonly holder: Holder;
  bits: number;
  /** In the order in which they began. */
  origins: Origin[];
}

/** Who looks at all holders at regular moments. */
export type HoldVisitor = (holder: Holder, bits: number, origins: readonly Origin[]) => void;

/** Holds begun since somebody looked, of which the statement is kept for that, at most. */
const FRESH = 64;

/**
 * Which clients hold a server session now, why, since when and by which statement. It is told of changes only, so that
 * statements which change nothing cost nothing; digests are computed when somebody looks.
 */
export class HoldRegister {
  /** Statements under way that may make one more client hold a session for a lasting reason. */
  expected = 0;
  /** By the client's id. */
  readonly #entries = new TurnoverMap<number, Entry>();
  readonly #begun = new Float64Array(32);
  readonly #digest: Digest;
  readonly #now: () => number;
  #lasting = 0;
  #fresh: Origin[] = [];

  constructor(digest: Digest, now: () => number = Date.now) {
    this.#digest = digest;
    this.#now = now;
  }

  /** Clients that hold a session. */
  get size(): number {
    return this.#entries.size;
  }

  /** Clients that hold a session for a reason that does not end by itself. */
  get lasting(): number {
    return this.#lasting;
  }

  /** Holds begun since the start, by reason. */
  begun(): ReadonlyMap<string, number> {
    const counts = new Map(HOLD_WORDS.map((word) => [word, 0]));
    for (const [bit, count] of this.#begun.entries()) {
      for (const word of holdWords(1 << bit)) counts.set(word, count);
    }
    return counts;
  }

  /** Clients that hold a session for a lasting reason, by reason; one client may count for several. */
  lastingReasons(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { bits } of this.#entries.values()) {
      for (const word of holdWords(bits & LASTING)) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    return counts;
  }

  /** Who has held a session longest for a lasting reason. */
  longestLasting(): { readonly holder: Holder; readonly since: number } | null {
    let found: { readonly holder: Holder; readonly since: number } | null = null;
    for (const { holder, origins } of this.#entries.values()) {
      const first = origins.find(({ bits }) => (bits & LASTING) !== 0);
      if (first !== undefined && (found === null || first.since < found.since))
        found = { holder, since: first.since };
    }
    return found;
  }

  /**
   * The holder now holds its session for these reasons, as `HoldReason` bits; 0 for none, or no session. `text`: the
   * statement that made the difference; it is copied.
   * @returns the reasons that are new
   */
  changed(holder: Holder, bits: number, text: StatementText | null): number {
    const entry = this.#entries.get(holder.connectionId);
    const before = entry?.bits ?? 0;
    const added = bits & ~before;
    if ((before & LASTING) === 0) this.#lasting += (bits & LASTING) !== 0 ? 1 : 0;
    else this.#lasting -= (bits & LASTING) === 0 ? 1 : 0;
    if (bits === 0) {
      this.#entries.delete(holder.connectionId);
      return 0;
    }
    let origins = entry?.origins ?? [];
    if ((before & ~bits) !== 0) {
      for (const origin of origins) origin.bits &= bits;
      origins = origins.filter((origin) => origin.bits !== 0);
    }
    if (added !== 0) {
      const origin = {
        bits: added,
        begun: added,
        since: this.#now(),
        text: text === null ? null : copyOf(text),
        digest: undefined,
        client: holder.connectionId,
        user: holder.userName,
        serverUser: holder.serverUser,
      };
      origins.push(origin);
      if ((added & LASTING) !== 0 && this.#fresh.length < FRESH) this.#fresh.push(origin);
      this.#count(added);
    }
    if (entry === undefined) {
      this.#entries.set(holder.connectionId, { holder, bits, origins });
    } else {
      entry.bits = bits;
      entry.origins = origins;
    }
    return added;
  }

  /** Calls `visitor` for each client that holds a session. */
  visit(visitor: HoldVisitor): void {
    for (const { holder, bits, origins } of this.#entries.values()) visitor(holder, bits, origins);
  }

  /** The lasting holds begun since the last call, however short they were; of very many, the first. */
  takeFresh(): readonly Origin[] {
    const fresh = this.#fresh;
    if (fresh.length > 0) this.#fresh = [];
    return fresh;
  }

  /** Computed once. */
  digestOf(origin: Origin): string | null {
    origin.digest ??= this.digestOfText(origin.text);
    return origin.digest;
  }

  digestOfText(text: StatementText | null): string | null {
    return text === null ? null : this.#digest(text);
  }

  /** Plain frozen data; whoever has held a session longest comes first. */
  snapshot(): readonly HeldSession[] {
    const found = Array.from(this.#entries.values(), (entry) => this.#describe(entry));
    return Object.freeze(found.sort((a, b) => a.since - b.since || a.clientId - b.clientId));
  }

  #describe({ holder, origins }: Entry): HeldSession {
    const holds = origins.flatMap(({ bits, since, text }) => {
      const statement = text === null ? null : this.#digest(text);
      return holdWords(bits).map((reason): Hold => Object.freeze({ reason, since, statement }));
    });
    const [first] = holds;
    return Object.freeze({
      clientId: holder.connectionId,
      user: holder.userName,
      serverUser: holder.serverUser,
      serverConnectionId: holder.serverConnectionId,
      reasons: Object.freeze(holds.map(({ reason }) => reason)),
      since: first?.since ?? this.#now(),
      statement: first?.statement ?? null,
      holds: Object.freeze(holds),
    });
  }

  #count(added: number): void {
    for (let rest = added; rest !== 0; rest &= rest - 1) {
      const bit = 31 - Math.clz32(rest & -rest);
      this.#begun[bit] = (this.#begun[bit] ?? 0) + 1;
    }
  }
}

function copyOf({ sql, context }: StatementText): StatementText {
  return { sql: Buffer.from(sql.subarray(0, KEPT_TEXT)), context };
}
