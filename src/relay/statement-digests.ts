import { lexerContextOf } from '../session/lexer-context.js';
import type { ServerInfo } from '../session/server-info.js';
import { digestText } from '../sql/digest.js';
import { Fingerprint } from '../sql/fingerprint.js';
import type { LexerContext } from '../sql/lexer-context.js';
import type { AskedText } from './asked-text.js';
import type { DigestRow, DigestTable, StatementDigest } from './digest-table.js';

/** Characters of a digest, at most: what differs only behind that is counted together. */
const DIGEST_LENGTH = 2_048;

/** Fingerprints that are remembered: a power of two. */
const REMEMBERED = 4_096;

/** Bytes of SQL that are made into digests within a second, and at once: about a hundredth of a core. */
const BYTES_A_SECOND = 256 * 1024;
const BYTES_AT_ONCE = 1024 * 1024;
/** What each costs besides its bytes, and how many of those count at most: no digest is made of more. */
const BASE_COST = 256;
const MAX_COST = 64 * 1024;

/**
 * Finds the digest of what a client has sent, at next to no cost: it hangs on the statement where that is remembered, else on the text's
 * fingerprint. Texts that have neither are made into digests as long as that takes a hundredth of the time; the rest is counted
 * with {@link DigestTable.others}.
 */
export class StatementDigests {
  readonly #table: DigestTable;
  readonly #fingerprint = new Fingerprint();
  readonly #highs = new Int32Array(REMEMBERED);
  readonly #contexts = new Array<LexerContext | null>(REMEMBERED).fill(null);
  readonly #digests = new Array<StatementDigest | null>(REMEMBERED).fill(null);
  #budget = BYTES_AT_ONCE;
  #budgetAt = 0;

  constructor(table: DigestTable) {
    this.#table = table;
  }

  /** {@link DigestTable.top} */
  top(n: number): readonly DigestRow[] {
    return this.#table.top(n);
  }

  /** Where the command's numbers belong; null where it runs no statement. @param now in ms, monotonic */
  of(asked: AskedText, info: ServerInfo, now: number): StatementDigest | null {
    if (asked.isNone) return null;
    const { statement } = asked;
    const slot = statement ?? asked.remembered;
    const known = slot === null ? null : slot.digest;
    if (known !== null && !known.isEvicted) return known;
    const digest = known === null ? this.#find(asked, info, now) : this.#table.again(known);
    if (slot !== null && digest !== this.#table.others) slot.digest = digest;
    return digest;
  }

  #find(asked: AskedText, info: ServerInfo, now: number): StatementDigest {
    const { statement } = asked;
    if (statement !== null) {
      const { sql, profile } = statement;
      return this.#look(sql, 0, sql.length, lexerContextOf(profile, info), false, now);
    }
    const { buf, start, end, context, isCut } = asked;
    return context === null ? this.#table.others : this.#look(buf, start, end, context, isCut, now);
  }

  #look(
    buf: Buffer,
    start: number,
    end: number,
    context: LexerContext,
    isCut: boolean,
    now: number,
  ): StatementDigest {
    const { others } = this.#table;
    const fingerprint = this.#fingerprint;
    if (!fingerprint.take(buf, start, end, context))
      return this.#read(buf, start, end, context, isCut, now) ?? others;
    const at = fingerprint.low & (REMEMBERED - 1);
    const { high } = fingerprint;
    const isThere = this.#contexts[at] === context && this.#highs[at] === high;
    const known = isThere ? (this.#digests[at] ?? null) : null;
    if (known !== null && !known.isEvicted) return known;
    const digest =
      known === null ? this.#read(buf, start, end, context, isCut, now) : this.#table.again(known);
    if (digest === null || digest === others) return others;
    this.#highs[at] = high;
    this.#contexts[at] = context;
    this.#digests[at] = digest;
    return digest;
  }

  /** Null where that would take too much of the time. */
  #read(
    buf: Buffer,
    start: number,
    end: number,
    context: LexerContext,
    isCut: boolean,
    now: number,
  ): StatementDigest | null {
    const gained = ((now - this.#budgetAt) / 1_000) * BYTES_A_SECOND;
    this.#budget = Math.min(BYTES_AT_ONCE, this.#budget + gained);
    this.#budgetAt = now;
    const cost = Math.min(end - start, MAX_COST) + BASE_COST;
    if (this.#budget < cost) return null;
    this.#budget -= cost;
    return this.#table.enter(digestText(buf.subarray(start, end), context, DIGEST_LENGTH, isCut));
  }
}

/** A statement without its literals, whether or not it is counted. */
export function digestOf(
  { statement, buf, start, end, context, isCut }: AskedText,
  info: ServerInfo,
): string {
  if (statement !== null)
    return digestText(statement.sql, lexerContextOf(statement.profile, info), DIGEST_LENGTH);
  if (context === null) return '';
  return digestText(buf.subarray(start, end), context, DIGEST_LENGTH, isCut);
}
