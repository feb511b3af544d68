import { createHash } from 'node:crypto';
import type { DigestRow, DigestTable, StatementDigest } from '../relay/digest-table.js';
import { type HistogramParts, LatencyHistogram } from './latency-histogram.js';

export type { DigestRow } from '../relay/digest-table.js';

/** Text of the row for all that is not kept digest by digest. */
export const OTHERS = '(others)';
const OTHERS_ID = '0'.repeat(16);

/** Each time that so many statements have come whose digests were evicted, that of the last one is taken in again. */
const READMITTED = 16;

/** Names a digest: 16 hexadecimal digits. */
export function digestId(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, OTHERS_ID.length);
}

/** One digest's numbers as JSON. */
export interface DigestParts {
  readonly id: string;
  readonly text: string;
  readonly count: number;
  readonly errors: number;
  readonly serverMs: number;
  readonly waitMs: number;
  readonly rows: number;
  readonly bytes: number;
  readonly holds: number;
  readonly times: HistogramParts;
}

/** One digest's numbers. */
class KeptDigest implements StatementDigest {
  readonly id: string;
  readonly text: string;
  isEvicted = false;
  /** What it is taken to have had before it came in: that of the one which went for it (Space-Saving). */
  readonly credit: number;
  /** {@link weight} when it was looked at last. */
  lastWeight: number;
  count = 0;
  errors = 0;
  serverMs = 0;
  waitMs = 0;
  rows = 0;
  bytes = 0;
  holds = 0;
  readonly histogram: LatencyHistogram;

  constructor(id: string, text: string, credit: number, histogram: LatencyHistogram) {
    this.id = id;
    this.text = text;
    this.credit = credit;
    this.lastWeight = credit;
    this.histogram = histogram;
  }

  /** By what it is kept, or has to go. It never falls. */
  get weight(): number {
    return this.credit + this.serverMs;
  }

  add(serverMs: number, waitMs: number, rows: number, bytes: number, failed: boolean): void {
    this.count++;
    if (failed) this.errors++;
    this.serverMs += serverMs;
    this.waitMs += waitMs;
    this.rows += rows;
    this.bytes += bytes;
    this.histogram.record(serverMs);
  }

  parts(): DigestParts {
    const { id, text, count, errors, serverMs, waitMs, rows, bytes, holds, histogram } = this;
    return { id, text, count, errors, serverMs, waitMs, rows, bytes, holds, times: histogram.parts() };
  }

  merge(other: Numbers): void {
    this.count += other.count;
    this.errors += other.errors;
    this.serverMs += other.serverMs;
    this.waitMs += other.waitMs;
    this.rows += other.rows;
    this.bytes += other.bytes;
    this.holds += other.holds;
    this.histogram.merge(other.histogram);
  }

  row(): DigestRow {
    const { id, text, count, errors, serverMs, waitMs, rows, bytes, holds, histogram } = this;
    const [p50Ms, p95Ms, p99Ms] = [0.5, 0.95, 0.99].map((share) => histogram.percentile(share)) as [
      number,
      number,
      number,
    ];
    return Object.freeze({
      id,
      text,
      count,
      errors,
      p50Ms,
      p95Ms,
      p99Ms,
      serverMs,
      waitMs,
      rows,
      bytes,
      holds,
    });
  }
}

type Numbers = Pick<
  KeptDigest,
  'count' | 'errors' | 'serverMs' | 'waitMs' | 'rows' | 'bytes' | 'holds' | 'histogram'
>;

/**
 * The digests that take most of the server's time, in bounded memory (about 4 KiB each, besides their texts): a new one takes the place of the one
 * with the least, whose weight it inherits (Space-Saving, Metwally et al. 2005), so that whatever has more than its fair share of
 * all time is kept. What goes is added to the row of all others: the sums over all rows are those of all statements.
 */
export class QueryDigests implements DigestTable {
  readonly others: KeptDigest = new KeptDigest(OTHERS_ID, OTHERS, 0, new LatencyHistogram());
  readonly #limit: number;
  readonly #byText = new Map<string, KeptDigest>();
  /** A heap by {@link KeptDigest.lastWeight}, the least first; since weights only grow, it need not hear of it. */
  readonly #heap: KeptDigest[] = [];
  #refused = 0;

  /** @param limit how many are kept at most, at least 1 */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#heap.length;
  }

  enter(text: string): KeptDigest {
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    return this.#admit(digestId(text), text);
  }

  /** Mostly {@link others}: those that were evicted do not drive each other out with every statement. */
  again({ id, text }: StatementDigest): KeptDigest {
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    this.#refused++;
    if (this.#refused < READMITTED) return this.others;
    this.#refused = 0;
    return this.#admit(id, text);
  }

  top(n: number): readonly DigestRow[] {
    const sorted = [...this.#heap].sort((a, b) => b.serverMs - a.serverMs);
    const rest = new KeptDigest(OTHERS_ID, OTHERS, 0, new LatencyHistogram());
    for (const digest of [this.others, ...sorted.slice(n)]) rest.merge(digest);
    const rows = sorted.slice(0, n).map((digest) => digest.row());
    return Object.freeze(rest.count > 0 ? [...rows, rest.row()] : rows);
  }

  /** Of each digest that is kept: its id, and its time on the server. */
  weights(): readonly (readonly [string, number])[] {
    return this.#heap.map(({ id, serverMs }) => [id, serverMs] as const);
  }

  /** Those with these ids, and last what is left of all others. */
  partsOf(ids: readonly string[]): readonly DigestParts[] {
    const wanted = new Set(ids);
    const rest = new KeptDigest(OTHERS_ID, OTHERS, 0, new LatencyHistogram());
    rest.merge(this.others);
    for (const digest of this.#heap) if (!wanted.has(digest.id)) rest.merge(digest);
    return [...this.#heap.filter(({ id }) => wanted.has(id)), rest].map((digest) => digest.parts());
  }

  #admit(id: string, text: string): KeptDigest {
    const evicted = this.#heap.length < this.#limit ? null : this.#evict();
    const histogram = evicted?.histogram ?? new LatencyHistogram();
    histogram.reset();
    const digest = new KeptDigest(id, text, evicted?.weight ?? 0, histogram);
    this.#byText.set(text, digest);
    if (evicted === null) {
      this.#heap.push(digest);
      this.#rise(this.#heap.length - 1);
    } else {
      this.#heap[0] = digest;
      this.#sink();
    }
    return digest;
  }

  /** Takes the one with the least weight out of all but the first place of the heap, which the next one gets. */
  #evict(): KeptDigest {
    let first = this.#heap[0] as KeptDigest;
    while (first.weight > first.lastWeight) {
      first.lastWeight = first.weight;
      this.#sink();
      first = this.#heap[0] as KeptDigest;
    }
    this.#byText.delete(first.text);
    first.isEvicted = true;
    this.others.merge(first);
    return first;
  }

  #rise(from: number): void {
    const heap = this.#heap;
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!isLighter(heap[at], heap[parent])) return;
      swap(heap, at, parent);
      at = parent;
    }
  }

  /** Moves the first one to where it belongs. */
  #sink(): void {
    const heap = this.#heap;
    for (let at = 0; ; ) {
      let least = at;
      if (isLighter(heap[2 * at + 1], heap[least])) least = 2 * at + 1;
      if (isLighter(heap[2 * at + 2], heap[least])) least = 2 * at + 2;
      if (least === at) return;
      swap(heap, at, least);
      at = least;
    }
  }
}

function isLighter(a: KeptDigest | undefined, b: KeptDigest | undefined): boolean {
  return a !== undefined && b !== undefined && a.lastWeight < b.lastWeight;
}

function swap(heap: KeptDigest[], a: number, b: number): void {
  const [one, other] = [heap[a], heap[b]];
  if (one === undefined || other === undefined) return;
  heap[a] = other;
  heap[b] = one;
}

/** What several processes have counted as one list, as {@link QueryDigests.top} has it. */
export function mergedDigests(parts: readonly DigestParts[]): readonly DigestRow[] {
  const byId = new Map<string, KeptDigest>();
  for (const { id, text, times, ...numbers } of parts) {
    let digest = byId.get(id);
    if (digest === undefined) {
      digest = new KeptDigest(id, text, 0, new LatencyHistogram());
      byId.set(id, digest);
    }
    digest.merge({ ...numbers, histogram: LatencyHistogram.of(times) });
  }
  const others = byId.get(OTHERS_ID);
  byId.delete(OTHERS_ID);
  const rows = [...byId.values()].sort((a, b) => b.serverMs - a.serverMs).map((digest) => digest.row());
  return others === undefined || others.count === 0 ? rows : [...rows, others.row()];
}
