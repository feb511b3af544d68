import type { Findings } from './findings.js';

/** What a client knows of something that it has tried to store. */
export type Fate = 'stored' | 'unknown' | 'absent';

/** Rows that each token has when it is stored. */
export interface Entry {
  /** Clock time (ms) at which it was begun. */
  readonly at: number;
  readonly parts: number;
  fate: Fate;
}

interface LockInterval {
  readonly owner: string;
  readonly from: number;
  readonly to: number;
}

/** Releases of the same lock that may overlap one to come: the longest that a client keeps one, in ms, and more. */
const LOCK_MEMORY_MS = 60_000;

const PORTION = 1000;

/** What all clients know together, to be compared with what the server has in the end. */
export class Journal {
  readonly #entries = new Map<string, Entry>();
  readonly #locks = new Map<string, LockInterval[]>();
  readonly #findings: Findings;
  #serial = 0;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  /** A text that is no one else's. */
  token(client: number): string {
    return `c${client}-${++this.#serial}`;
  }

  /** To be called before anything of it is sent; nothing of it is stored until {@link Entry.fate} says otherwise. */
  begin(token: string, parts: number): Entry {
    const entry: Entry = { at: Date.now(), parts, fate: 'absent' };
    this.#entries.set(token, entry);
    return entry;
  }

  /**
   * A client had a user lock for sure all that time (ms of one clock), since it was given it before and has given it back
   * after: nobody else can have had it.
   */
  locked(name: string, owner: string, from: number, to: number): void {
    const intervals = (this.#locks.get(name) ?? []).filter((one) => one.to > to - LOCK_MEMORY_MS);
    for (const other of intervals)
      if (other.from < to && other.to > from)
        this.#findings.violated(`${owner} and ${other.owner} had lock ${name} at once`);
    intervals.push({ owner, from, to });
    this.#locks.set(name, intervals);
  }

  /** Tokens begun so long ago (ms), in portions. */
  settled(ms: number): string[][] {
    const before = Date.now() - ms;
    const portions: string[][] = [];
    for (const [token, { at }] of this.#entries) {
      // In the order in which they were begun.
      if (at > before) break;
      const last = portions.at(-1);
      if (last === undefined || last.length >= PORTION) portions.push([token]);
      else last.push(token);
    }
    return portions;
  }

  forget(tokens: readonly string[]): void {
    for (const token of tokens) this.#entries.delete(token);
  }

  /** All that there are. */
  get tokens(): string[] {
    return [...this.#entries.keys()];
  }

  /** `rows`: how many each of the `tokens` has on the server; what has none is not in it. */
  compare(rows: ReadonlyMap<string, number>, tokens: readonly string[]): void {
    for (const token of tokens) this.#compare(token, rows.get(token) ?? 0);
    for (const token of rows.keys())
      if (!this.#entries.has(token)) this.#findings.violated(`${token} is there, and nobody has stored it`);
  }

  #compare(token: string, found: number): void {
    const entry = this.#entries.get(token);
    if (entry === undefined) return;
    const { parts, fate } = entry;
    const inFact = fate === 'unknown' ? `, in fact ${found > 0 ? 'stored' : 'not'}` : '';
    this.#findings.count(`fate ${fate}${inFact}`);
    if (found !== 0 && found !== parts)
      this.#findings.violated(`${token} has ${found} rows, not all or nothing of ${parts}`);
    else if (fate === 'stored' && found === 0)
      this.#findings.violated(`${token} was confirmed and is not there`);
    else if (fate === 'absent' && found > 0)
      this.#findings.violated(`${token} is there, though its client was told that it is not`);
  }
}
