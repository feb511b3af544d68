import { inspect } from 'node:util';

const MASK = '[secret]';

/**
 * A password that cannot be printed by accident: every way of turning it into text (string conversion, JSON, inspection
 * for a log line or a crash) gives a mask. Only `reveal()` gives the text itself.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The clear text. Call it where the bytes are needed, and keep them no longer than that. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}

/**
 * The password of a connection URL anywhere in a text: from the colon behind the user to the last @ before white space or a
 * quote. Greedy on purpose: a raw @ in a password must not let its second half through.
 */
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s"/:@]*:)[^\s"]*@/gi;

/** The text with the passwords of connection URLs taken out. */
export function maskUrlPasswords(text: string): string {
  return text.includes('://') ? text.replace(URL_PASSWORD, `$1${MASK}@`) : text;
}
