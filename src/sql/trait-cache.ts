import { ITEM_FLAGS, ITEM_HOLDS } from './item-words.js';
import type { LexerContext } from './lexer-context.js';
import { areNameable } from './select-items.js';
import { Details, type Hazards, NO_HAZARDS, StatementScanner } from './statement-scanner.js';
import { Flag, type StatementTraits } from './traits.js';
import { traitsOf } from './traits-table.js';

/** Longer statements, in bytes, are looked at anew each time. */
export const MAX_CACHED_STATEMENT = 1024;

interface Entry {
  readonly hash: number;
  readonly context: LexerContext;
  readonly bytes: Buffer;
  readonly traits: StatementTraits;
}

/** Entries that may hold a statement with a given hash. */
const WAYS = 2;
/** Up to here comparing byte by byte is faster than a call. */
const SHORT = 96;

function hashOf(buf: Buffer, start: number, end: number): number {
  let hash = end - start;
  let pos = start;
  for (const whole = end - 3; pos < whole; pos += 4) {
    const four =
      (buf[pos] as number) |
      ((buf[pos + 1] as number) << 8) |
      ((buf[pos + 2] as number) << 16) |
      ((buf[pos + 3] as number) << 24);
    hash = Math.imul(hash ^ four, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (; pos < end; pos++) hash = Math.imul(hash ^ (buf[pos] as number), 0x01000193);
  return (hash ^ (hash >>> 13)) | 0;
}

function isSame(entry: Entry, buf: Buffer, start: number, end: number): boolean {
  const { bytes } = entry;
  if (bytes.length !== end - start) return false;
  if (bytes.length > SHORT) return buf.compare(bytes, 0, bytes.length, start, end) === 0;
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== buf[start + i]) return false;
  return true;
}

/** A copy with memory of its own: one from a shared pool would keep the whole pool. */
function copyOf(buf: Buffer, start: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(end - start);
  buf.copy(bytes, 0, start, end);
  return bytes;
}

/** Most statements call nothing of which there is more to be told. */
function asksForDetails({ flags, holds }: StatementTraits): boolean {
  if ((flags & Flag.Undecidable) !== 0) return false;
  return (flags & (ITEM_FLAGS | Flag.MayRunRoutine)) !== 0 || (holds & ITEM_HOLDS) !== 0;
}

/** A statement that comes in pieces. */
export interface StatementReading {
  /** Takes the next bytes of its text, cut anywhere: `buf[start]` up to `buf[end]`, which are not kept. */
  push(buf: Buffer, start: number, end: number): void;
  /** To be called once. */
  finish(): StatementTraits;
}

/**
 * Tells the traits of statements, and remembers those of short statements that come again, by their exact bytes and context.
 * Bounded: a set of two entries for each hash, the older one is replaced. A statement enters on its second appearance,
 * so that statements with literals, which never come again, neither allocate nor drive out those that do.
 */
export class StatementClassifier {
  readonly #entries: (Entry | null)[];
  /** The hash that came last in each set, and found no entry. */
  readonly #seen: Int32Array;
  readonly #mask: number;
  #scanner: StatementScanner | null = null;
  #hazards: Hazards = NO_HAZARDS;

  /** @param limit most statements to remember, each up to 1 KiB; rounded down to a power of two, 0 for none */
  constructor(limit: number) {
    const sets = limit < WAYS ? 0 : 2 ** Math.floor(Math.log2(limit / WAYS));
    this.#entries = new Array<Entry | null>(sets * WAYS).fill(null);
    this.#seen = new Int32Array(sets);
    this.#mask = sets - 1;
  }

  /**
   * Names in lower case of routines, views, and tables with triggers whose use does to a session what no tracker shows, and the
   * bits of {@link Hold} that it amounts to. A statement with such a name in it, whatever the name's schema and place, has
   * these bits and is no plain read. All that is remembered is forgotten; statements under way know the old names.
   */
  set hazards(hazards: Hazards) {
    this.#hazards = new Map(hazards);
    this.#entries.fill(null);
    this.#seen.fill(0);
  }

  get hazards(): Hazards {
    return this.#hazards;
  }

  /** The traits of the text `buf[start]` up to, not including, `buf[end]`. */
  classify(buf: Buffer, start: number, end: number, context: LexerContext): StatementTraits {
    if (end - start > MAX_CACHED_STATEMENT || this.#seen.length === 0)
      return this.#scan(buf, start, end, context);
    const hash = hashOf(buf, start, end);
    const set = hash & this.#mask;
    const at = set * WAYS;
    for (let i = at; i < at + WAYS; i++) {
      const entry = this.#entries[i] as Entry | null;
      if (entry === null || entry.hash !== hash || entry.context !== context) continue;
      if (!isSame(entry, buf, start, end)) continue;
      if (i !== at) this.#promote(at, entry);
      return entry.traits;
    }
    const traits = this.#scan(buf, start, end, context);
    if (this.#seen[set] === hash)
      this.#promote(at, { hash, context, bytes: copyOf(buf, start, end), traits });
    else this.#seen[set] = hash;
    return traits;
  }

  /**
   * For a statement that is not at hand as a whole. Any number of them may be under way. Their traits list neither
   * {@link StatementTraits.sessionValues} nor {@link StatementTraits.lockColumns}.
   */
  begin(context: LexerContext): StatementReading {
    const scanner = new StatementScanner(context);
    scanner.begin(context, Details.Names, this.#hazards);
    return scanner;
  }

  /** Puts an entry first in its set. */
  #promote(at: number, entry: Entry): void {
    this.#entries[at + 1] = this.#entries[at] as Entry | null;
    this.#entries[at] = entry;
  }

  #scan(buf: Buffer, start: number, end: number, context: LexerContext): StatementTraits {
    this.#scanner ??= new StatementScanner(context);
    const scanner = this.#scanner;
    const details = this.#hazards.size > 0 ? Details.Names : Details.None;
    scanner.begin(context, details, this.#hazards);
    scanner.push(buf, start, end);
    const traits = scanner.finish();
    if (!asksForDetails(traits)) return traits;
    scanner.begin(context, Details.All, this.#hazards);
    scanner.push(buf, start, end);
    const all = scanner.finish();
    return areNameable(all.sessionValues, buf, start) ? all : traitsOf({ ...all, sessionValues: [] });
  }
}
