/** More names than this are not told apart. */
const MAX_NAMES = 256;

/** State of one kind that is made and ended by name. What has no name that can be told is there until a reset. */
export class NameSet {
  #names = NONE;
  #unnamed = false;

  get any(): boolean {
    return this.#unnamed || this.#names.size > 0;
  }

  /** How many there are at least. */
  get size(): number {
    return this.#names.size + (this.#unnamed ? 1 : 0);
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Whether it may be among them. */
  mayHave(name: string | null): boolean {
    return this.#unnamed || name === null || this.#names.has(name);
  }

  add(name: string | null): void {
    if (name === null || (this.#names.size >= MAX_NAMES && !this.#names.has(name))) this.#unnamed = true;
    else this.#own.add(name);
  }

  delete(name: string | null): void {
    if (name !== null) this.#names.delete(name);
  }

  clear(): void {
    this.#names = NONE;
    this.#unnamed = false;
  }

  get #own(): Set<string> {
    if (this.#names === NONE) this.#names = new Set();
    return this.#names;
  }
}

/** Most have none for as long as they are there, and there are many: it stays empty. */
const NONE = new Set<string>();
