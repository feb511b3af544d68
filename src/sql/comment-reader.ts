import { SHORT_RUN } from './quoted-reader.js';

const NEWLINE = 0x0a;
const SLASH = 0x2f;
const STAR = 0x2a;

const Kind = {
  /** Up to the end of the line. */
  Line: 0,
  Block: 1,
  /** The code of another version: one level of comments inside it is skipped with it. */
  SkippedCode: 2,
} as const;
type Kind = (typeof Kind)[keyof typeof Kind];

/** Skips comments. */
export class CommentReader {
  /** The end has not been seen yet. */
  open = false;
  #kind: Kind = Kind.Line;
  /** The byte before, when it may be half of a delimiter. */
  #previous = 0;
  #nested = false;

  beginLine(): void {
    this.#begin(Kind.Line);
  }

  beginBlock(): void {
    this.#begin(Kind.Block);
  }

  beginSkippedCode(): void {
    this.#begin(Kind.SkippedCode);
  }

  #begin(kind: Kind): void {
    this.open = true;
    this.#kind = kind;
    this.#previous = 0;
    this.#nested = false;
  }

  /** @returns the position behind the comment, or `end` */
  read(buf: Buffer, start: number, end: number): number {
    return this.#kind === Kind.Line ? this.#readLine(buf, start, end) : this.#readBlock(buf, start, end);
  }

  /** At the end of the text. @returns whether the comment may end there */
  finish(): boolean {
    this.open = false;
    return this.#kind === Kind.Line;
  }

  #readLine(buf: Buffer, start: number, end: number): number {
    const found = buf.indexOf(NEWLINE, start);
    if (found < 0 || found >= end) return end;
    this.open = false;
    return found + 1;
  }

  #readBlock(buf: Buffer, start: number, end: number): number {
    let plain = 0;
    for (let pos = start; pos < end; pos++) {
      const c = buf[pos] as number;
      if (c === SLASH && this.#previous === STAR) {
        this.#previous = 0;
        if (!this.#nested) {
          this.open = false;
          return pos + 1;
        }
        this.#nested = false;
      } else if (c === STAR && this.#previous === SLASH && this.#kind === Kind.SkippedCode && !this.#nested) {
        this.#nested = true;
        this.#previous = 0;
      } else if (c === STAR || c === SLASH) {
        this.#previous = c;
      } else {
        this.#previous = 0;
        if (++plain < SHORT_RUN || this.#kind === Kind.SkippedCode) continue;
        plain = 0;
        const found = buf.indexOf(STAR, pos);
        if (found < 0 || found >= end) return end;
        pos = found - 1;
      }
    }
    return end;
  }
}
