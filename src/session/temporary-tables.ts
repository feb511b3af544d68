/** A temporary table by its full name. */
export interface TableKey {
  readonly schema: string;
  readonly name: string;
}

interface Known extends TableKey {
  /** Whether the server may have dropped it meanwhile, or may never have made it. */
  doubtful: boolean;
}

/** More temporary tables than this are not told apart. */
const MAX_TABLES = 1000;

/** Names that read the same in every character set a client may have. */
const PLAIN = /^[\x20-\x7e]+$/;

/**
 * The temporary tables of a session, by name. A statement that failed may have made or dropped some of its tables, and a
 * name may stand for a temporary table or another one: such names are in doubt until the server was asked.
 */
export class TemporaryTables {
  #tables = NONE;
  #unnamed = false;

  /** Whether there may be any. */
  get any(): boolean {
    return this.#unnamed || this.#tables.size > 0;
  }

  /** Whether there is one for certain: as far as is known, asking the server would not change that. */
  get certain(): boolean {
    if (this.#unnamed) return true;
    for (const table of this.#tables.values()) if (!isAskable(table)) return true;
    return false;
  }

  /** Tables of which the server must say whether they are there. */
  get askable(): TableKey[] {
    return [...this.#tables.values()].filter(isAskable).map(({ schema, name }) => ({ schema, name }));
  }

  /** @param schema null where it can't be told, as `name` */
  created(schema: string | null, name: string | null, doubtful = false): void {
    if (schema === null || name === null || this.#tables.size >= MAX_TABLES) {
      this.#unnamed = true;
      return;
    }
    const key = keyOf(schema, name);
    const known = this.#tables.get(key);
    if (known === undefined) {
      if (this.#tables === NONE) this.#tables = new Map();
      this.#tables.set(key, { schema, name, doubtful });
    } else if (!doubtful) known.doubtful = false;
  }

  /** DROP TABLE has succeeded: whatever the name stood for, no temporary table has it now. */
  dropped(schema: string | null, name: string | null): void {
    if (schema !== null && name !== null) this.#tables.delete(keyOf(schema, name));
    // Whether names differ by case depends on the server's file system.
    const same = schema === null || name === null ? null : fold(schema, name);
    for (const table of this.#tables.values()) {
      if (same === null || fold(table.schema, table.name) === same) table.doubtful = true;
    }
  }

  /** Whether the new name is a temporary table's depends on the statement and on the server (RENAME TABLE). */
  renamed(
    from: { readonly schema: string | null; readonly name: string | null },
    to: { readonly schema: string | null; readonly name: string | null },
  ): void {
    if (!this.any) return;
    if (from.schema !== null && from.name !== null && !this.#unnamed) {
      const before = fold(from.schema, from.name);
      if (![...this.#tables.values()].some(({ schema, name }) => fold(schema, name) === before)) return;
    }
    this.created(to.schema, to.name, true);
    this.doubt();
  }

  /** Any of them may be gone. */
  doubt(): void {
    for (const table of this.#tables.values()) table.doubtful = true;
  }

  /** The server has said whether a temporary table is there. */
  told({ schema, name }: TableKey, there: boolean | null): void {
    const table = this.#tables.get(keyOf(schema, name));
    if (table === undefined) return;
    if (there === false) this.#tables.delete(keyOf(schema, name));
    else table.doubtful = false;
  }

  clear(): void {
    this.#tables.clear();
    this.#unnamed = false;
  }
}

function isAskable({ schema, name, doubtful }: Known): boolean {
  return doubtful && PLAIN.test(schema) && PLAIN.test(name);
}

function keyOf(schema: string, name: string): string {
  return `${schema}\0${name}`;
}

function fold(schema: string, name: string): string {
  return keyOf(schema, name).toLowerCase();
}

/** Nearly all clients have none: it stays empty. */
const NONE = new Map<string, Known>();
