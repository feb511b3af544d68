import { Gate, type LexerContext } from './lexer-context.js';
import { SHORT_RUN } from './string-end.js';
import { VersionComment } from './version-comment.js';

const BANG = 0x21;
const NEWLINE = 0x0a;
const SLASH = 0x2f;
const STAR = 0x2a;
const UPPER_M = 0x4d;

const Step = {
  /** Up to the end of the line. */
  Line: 0,
  /** After slash and star. */
  Start: 1,
  /** After slash, star and `M`, on MariaDB. */
  AfterM: 2,
  /** After the `!` of a comment that may be code. */
  Version: 3,
  Block: 4,
  /** In the code of another version: one level of comments inside it is skipped with it. */
  SkippedCode: 5,
} as const;
type Step = (typeof Step)[keyof typeof Step];

/** What began as a comment is. */
export const CommentEnd = {
  /** Not at its end yet. */
  Open: 0,
  /** A comment, and it has ended. */
  Comment: 1,
  /** Code up to the next star and slash: see {@link CommentReader.rest}. */
  Code: 2,
} as const;
export type CommentEnd = (typeof CommentEnd)[keyof typeof CommentEnd];

/** Skips comments, and finds those that are code. */
export class CommentReader {
  /** Why {@link read} stopped. */
  end: CommentEnd = CommentEnd.Open;
  /** False: it depends on more than is known of the server whether it is code. */
  certain = true;
  #step: Step = Step.Line;
  /** The byte before, when it may be half of a delimiter. */
  #previous = 0;
  #isNested = false;
  readonly #version = new VersionComment();

  /** After `#` or `--`. */
  beginLine(): void {
    this.#begin(Step.Line);
  }

  /** After slash and star. */
  beginBlock(): void {
    this.#begin(Step.Start);
  }

  #begin(step: Step): void {
    this.end = CommentEnd.Open;
    this.certain = true;
    this.#step = step;
    this.#previous = 0;
    this.#isNested = false;
  }

  /** Whether it began as one that is code for some server. */
  get isVersioned(): boolean {
    return this.#step === Step.SkippedCode || this.#step === Step.Version;
  }

  /** Bytes that were taken for the version of the code, but are part of it. A copy. */
  get rest(): Buffer {
    return Buffer.from(this.#version.rest);
  }

  /** @returns the position of the first byte that it did not take */
  read(buf: Buffer, start: number, end: number, context: LexerContext): number {
    let pos = start;
    while (pos < end && this.end === CommentEnd.Open) {
      switch (this.#step) {
        case Step.Line:
          pos = this.#readLine(buf, pos, end);
          break;
        case Step.Block:
        case Step.SkippedCode:
          pos = this.#readBlock(buf, pos, end);
          break;
        case Step.Version:
          if (this.#version.take(buf[pos++] as number, context)) this.#endVersion();
          break;
        default:
          pos = this.#start(buf[pos] as number, pos, context);
      }
    }
    return pos;
  }

  /** At the end of the text. @returns whether the comment may end there */
  finish(): boolean {
    return this.#step === Step.Line;
  }

  #start(c: number, pos: number, context: LexerContext): number {
    if (c === BANG) {
      this.#version.begin(this.#step === Step.AfterM);
      this.#step = Step.Version;
      return pos + 1;
    }
    if (c === UPPER_M && context.mariadb && this.#step === Step.Start) {
      this.#step = Step.AfterM;
      return pos + 1;
    }
    this.#step = Step.Block;
    return pos;
  }

  #endVersion(): void {
    const { gate, rest } = this.#version;
    if (gate === Gate.Comment) {
      this.#step = Step.SkippedCode;
      this.#readBlock(rest, 0, rest.length);
    } else {
      this.certain = gate === Gate.Code;
      this.end = CommentEnd.Code;
    }
  }

  #readLine(buf: Buffer, start: number, end: number): number {
    const found = buf.indexOf(NEWLINE, start);
    if (found < 0 || found >= end) return end;
    this.end = CommentEnd.Comment;
    return found + 1;
  }

  #readBlock(buf: Buffer, start: number, end: number): number {
    const skipsCode = this.#step === Step.SkippedCode;
    let plain = 0;
    for (let pos = start; pos < end; pos++) {
      const c = buf[pos] as number;
      if (c === SLASH && this.#previous === STAR) {
        this.#previous = 0;
        if (!this.#isNested) {
          this.end = CommentEnd.Comment;
          return pos + 1;
        }
        this.#isNested = false;
      } else if (c === STAR && this.#previous === SLASH && skipsCode && !this.#isNested) {
        this.#isNested = true;
        this.#previous = 0;
      } else if (c === STAR || c === SLASH) {
        this.#previous = c;
      } else {
        this.#previous = 0;
        if (skipsCode || ++plain < SHORT_RUN) continue;
        plain = 0;
        const found = buf.indexOf(STAR, pos);
        if (found < 0 || found >= end) return end;
        pos = found - 1;
      }
    }
    return end;
  }
}
