/** What is known of the statements with one digest. Times in ms, since the proxy has started or since the digest came in last. */
export interface DigestRow {
  /** 16 hexadecimal digits. */
  readonly id: string;
  readonly text: string;
  readonly count: number;
  readonly errors: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Sums over all of them. */
  readonly serverMs: number;
  readonly waitMs: number;
  /** Rows sent, and rows changed. */
  readonly rows: number;
  /** Of the server's replies. */
  readonly bytes: number;
  /** Reasons to keep a session that they began. */
  readonly holds: number;
}

/** Where numbers about statements with one digest are added. */
export interface StatementDigest {
  readonly id: string;
  readonly text: string;
  /** It is not kept any more: {@link DigestTable.again} says where to add instead. */
  readonly isEvicted: boolean;
  holds: number;
  add(serverMs: number, waitMs: number, rows: number, bytes: number, failed: boolean): void;
}

/** The digests that are kept. */
export interface DigestTable {
  /** For what belongs to none that is kept. */
  readonly others: StatementDigest;
  /** The one with this text; another one may have to go for it. */
  enter(text: string): StatementDigest;
  /** For a statement whose digest has been evicted. */
  again(evicted: StatementDigest): StatementDigest;
  /** The `n` with the most time on the server, that one first; last of all what is left of all others, if there are any. */
  top(n: number): readonly DigestRow[];
}
