import type { LexerContext } from './lexer-context.js';
import { StatementScanner } from './statement-scanner.js';
import type { StatementTraits } from './traits.js';

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

  /** @param limit most statements to remember, each up to 1 KiB; rounded down to a power of two, 0 for none */
  constructor(limit: number) {
    const sets = limit < WAYS ? 0 : 2 ** Math.floor(Math.log2(limit / WAYS));
    this.#entries = new Array<Entry | null>(sets * WAYS).fill(null);
    this.#seen = new Int32Array(sets);
    this.#mask = sets - 1;
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

  /** For a statement that is not at hand as a whole. Any number of them may be under way. */
  begin(context: LexerContext): StatementReading {
    const scanner = new StatementScanner(context);
    scanner.begin(context);
    return scanner;
  }

  /** Puts an entry first in its set. */
  #promote(at: number, entry: Entry): void {
    this.#entries[at + 1] = this.#entries[at] as Entry | null;
    this.#entries[at] = entry;
  }

  #scan(buf: Buffer, start: number, end: number, context: LexerContext): StatementTraits {
    this.#scanner ??= new StatementScanner(context);
    this.#scanner.begin(context);
    this.#scanner.push(buf, start, end);
    return this.#scanner.finish();
  }
}
