import type { SessionProfile } from './profile.js';

/** What was prepared: names and literals in it mean what they did then. */
export interface TextStatement {
  /** Bytes as latin1. */
  readonly text: string;
  /** The client's when it was prepared. */
  readonly profile: SessionProfile;
}

/** More prepared statements than this are not told apart. */
const MAX_STATEMENTS = 256;

/** Statements that a client prepared as SQL text, by name in lower case, and what is known of each one's own text. */
export class TextStatements {
  #statements = NONE;
  #unnamed = false;

  get any(): boolean {
    return this.#unnamed || this.#statements.size > 0;
  }

  /** @param statement null where the text is not known */
  prepared(name: string | null, statement: TextStatement | null): void {
    if (name === null || (this.#statements.size >= MAX_STATEMENTS && !this.#statements.has(name))) {
      this.#unnamed = true;
      this.#forgetTexts();
    } else {
      if (this.#statements === NONE) this.#statements = new Map();
      this.#statements.set(name, statement);
    }
  }

  /** What EXECUTE of that name runs; null where that is not known. */
  get(name: string): TextStatement | null {
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

/** Nearly all clients have none: it stays empty. */
const NONE = new Map<string, TextStatement | null>();
