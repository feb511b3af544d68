import type { LexerContext } from './lexer-context.js';
import type { StatementTraits } from './traits.js';

/** A statement that is remembered, and what others keep about it for as long as it is. */
export interface RememberedStatement<D> {
  digest: D | null;
}

interface Entry<D> extends RememberedStatement<D> {
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

function isSame(entry: Entry<unknown>, buf: Buffer, start: number, end: number): boolean {
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

/**
 * The traits of what has come again, by its exact bytes and context. Bounded: a set of two entries for each hash, the older one
 * is replaced. What comes once only neither allocates nor drives out what comes again: it enters on its second appearance.
 */
export class StatementMemory<D> {
  readonly #entries: (Entry<D> | null)[];
  /** The hash that came last in each set, and found no entry. */
  readonly #seen: Int32Array;
  readonly #mask: number;
  /** Of what {@link find} has looked for last. */
  #hash = 0;

  /** @param limit entries at most; rounded down to a power of two, 0 for none */
  constructor(limit: number) {
    const sets = limit < WAYS ? 0 : 2 ** Math.floor(Math.log2(limit / WAYS));
    this.#entries = new Array<Entry<D> | null>(sets * WAYS).fill(null);
    this.#seen = new Int32Array(sets);
    this.#mask = sets - 1;
  }

  /** It remembers nothing. */
  get isOff(): boolean {
    return this.#mask < 0;
  }

  clear(): void {
    this.#entries.fill(null);
    this.#seen.fill(0);
  }

  /** The entry of `buf[start]` up to, not including, `buf[end]`. */
  find(buf: Buffer, start: number, end: number, context: LexerContext): Entry<D> | null {
    const hash = hashOf(buf, start, end);
    this.#hash = hash;
    const at = (hash & this.#mask) * WAYS;
    for (let i = at; i < at + WAYS; i++) {
      const entry = this.#entries[i] as Entry<D> | null;
      if (entry === null || entry.hash !== hash || entry.context !== context) continue;
      if (!isSame(entry, buf, start, end)) continue;
      if (i !== at) this.#promote(at, entry);
      return entry;
    }
    return null;
  }

  /** What {@link find} has just not found has these traits. @returns its entry, from its second appearance on */
  enter(
    buf: Buffer,
    start: number,
    end: number,
    context: LexerContext,
    traits: StatementTraits,
  ): Entry<D> | null {
    const hash = this.#hash;
    const set = hash & this.#mask;
    if (this.#seen[set] !== hash) {
      this.#seen[set] = hash;
      return null;
    }
    const entry: Entry<D> = { digest: null, hash, context, bytes: copyOf(buf, start, end), traits };
    this.#promote(set * WAYS, entry);
    return entry;
  }

  /** Puts an entry first in its set. */
  #promote(at: number, entry: Entry<D>): void {
    this.#entries[at + 1] = this.#entries[at] as Entry<D> | null;
    this.#entries[at] = entry;
  }
}
