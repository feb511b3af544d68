/** A statement prepared on one server session. */
export interface ServerStatement {
  /** The server's statement id, valid on this session only. */
  readonly id: number;
  /** What determines the statement's meaning: its SQL, what the server bound at prepare, and later at executes. */
  key: string;
  /**
   * Parameter types the server has bound by the last execute (the bytes of the type block), or null when none was
   * executed yet. An execute without types means these, whoever sent them.
   */
  boundTypes: Buffer | null;
  /** The cache's: a number that grows with each use. */
  usedAt?: number;
}

/**
 * Statements prepared on one server session. The caller sends COM_STMT_CLOSE for those that {@link add} pushes out: the least
 * recently used, which is looked for only then. (To keep the map in that order cost each execute 0.4 us.)
 */
export class StatementCache {
  readonly #limit: number;
  readonly #byKey = new Map<string, ServerStatement>();
  #uses = 0;

  /** @param limit - how many statements may stay prepared, at least 1 */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#byKey.size;
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** The statement with this key, now the most recently used. */
  get(key: string): ServerStatement | undefined {
    const statement = this.#byKey.get(key);
    if (statement !== undefined) statement.usedAt = ++this.#uses;
    return statement;
  }

  /** Adds a statement; returns those that are no longer wanted: one with the same key, or the least recently used. */
  add(statement: ServerStatement): ServerStatement[] {
    const superseded: ServerStatement[] = [];
    const same = this.#byKey.get(statement.key);
    if (same !== undefined) {
      this.#byKey.delete(statement.key);
      superseded.push(same);
    }
    statement.usedAt = ++this.#uses;
    this.#byKey.set(statement.key, statement);
    while (this.#byKey.size > this.#limit) {
      const oldest = this.#oldest(statement);
      this.#byKey.delete(oldest.key);
      superseded.push(oldest);
    }
    return superseded;
  }

  #oldest(newest: ServerStatement): ServerStatement {
    let oldest = newest;
    for (const statement of this.#byKey.values())
      if ((statement.usedAt ?? 0) < (oldest.usedAt ?? 0)) oldest = statement;
    return oldest;
  }

  /** Whether there is a statement with this key which was not executed yet. */
  isUnused(key: string): boolean {
    return this.#byKey.get(key)?.boundTypes === null;
  }

  /** Gives a statement a key that none has. @returns false where there is none with the key `from` */
  rename(from: string, to: string): boolean {
    const statement = this.#byKey.get(from);
    if (statement === undefined) return false;
    if (this.#byKey.has(to)) throw new RangeError('two statements would have one key');
    this.#byKey.delete(from);
    statement.key = to;
    statement.usedAt = ++this.#uses;
    this.#byKey.set(to, statement);
    return true;
  }

  /** Forgets a statement that must be prepared anew; returns it so that it can be closed. */
  remove(key: string): ServerStatement | undefined {
    const statement = this.#byKey.get(key);
    this.#byKey.delete(key);
    return statement;
  }

  /** After a reset the server has closed them all. */
  clear(): void {
    this.#byKey.clear();
  }
}
