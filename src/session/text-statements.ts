import type { StatementTraits } from '../sql/traits.js';

/** More prepared statements than this are not told apart. */
const MAX_STATEMENTS = 256;

/** Statements that a client prepared as SQL text, by name in lower case, and what is known of each one's own text. */
export class TextStatements {
  readonly #statements = new Map<string, StatementTraits | null>();
  #unnamed = false;

  get any(): boolean {
    return this.#unnamed || this.#statements.size > 0;
  }

  /** @param traits null where the text is not known */
  prepared(name: string | null, traits: StatementTraits | null): void {
    if (name === null || (this.#statements.size >= MAX_STATEMENTS && !this.#statements.has(name))) {
      this.#unnamed = true;
      this.#forgetTexts();
    } else {
      this.#statements.set(name, traits);
    }
  }

  /** What EXECUTE of that name runs; null where that is not known. */
  textOf(name: string): StatementTraits | null {
    return this.#statements.get(name) ?? null;
  }

  deallocated(name: string | null): void {
    if (name !== null) this.#statements.delete(name);
  }

  clear(): void {
    this.#statements.clear();
    this.#unnamed = false;
  }

  /** A statement whose name could not be told may have replaced any of them. */
  #forgetTexts(): void {
    for (const name of this.#statements.keys()) this.#statements.set(name, null);
  }
}
