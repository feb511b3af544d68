import { SqlLexer } from './lexer.js';
import type { LexerContext } from './lexer-context.js';
import { Token, type TokenSink } from './tokens.js';
import { FOREIGN_WORD, PLAIN_WORD, Word } from './words.js';

/** Bytes of a statement that are looked at: what comes later makes no new digest. */
const MAX_READ = 64 * 1024;
/** Bytes given to the lexer at a time. */
const SLICE = 4096;

const LITERAL = '?';
const LIST = '(...)';
const MORE = '...';
const COMMA = ',';

const BACKTICK = 0x60;
const DOLLAR = 0x24;
const NINE = 0x39;
const UPPER_A = 0x41;
const ZERO = 0x30;

/** Words that are literals where a value is expected. */
const VALUE_WORDS: ReadonlySet<number> = new Set([Word.true, Word.false, Word.null]);

/** A sign behind them is a number's. */
const BEFORE_VALUES: ReadonlySet<string> = new Set(
  'ALL AND BETWEEN BY CASE DISTINCT DIV ELSE HAVING IN INTERVAL LIKE LIMIT MOD NOT ON OR SELECT THEN VALUES WHEN WHERE XOR'.split(
    ' ',
  ),
);

/** Letters that make a literal of the string right after them: N'a', X'41', B'1'. */
const PREFIXES: ReadonlySet<string> = new Set(['n', 'x', 'b']);

function isLiteralOrMore(part: string | undefined): boolean {
  return part === LITERAL || part === MORE;
}

/** What of a name may be shown: no control characters, which would forge lines of a log. */
function shown(name: string): string {
  return name.replace(/\p{Cc}/gu, LITERAL);
}

/** Writes the tokens of a statement down without its literals. */
class DigestWriter implements TokenSink {
  readonly #lexer: SqlLexer;
  readonly #bytes: Uint8Array;
  readonly #utf8: boolean;
  readonly #most: number;
  readonly #isCut: boolean;
  /** One for each token, except that what was taken together is one. */
  readonly #parts: string[] = [];
  /** Where the parentheses open that are not closed. */
  readonly #open: number[] = [];
  /** Characters of {@link #parts}. */
  #length = 0;
  #last: Token = Token.None;
  #lastStart = -1;
  /** The last part is an operator or comma, so that a sign after it is a number's. */
  #mayBeSigned = true;
  /** The last part is such a sign. */
  #isSigned = false;

  constructor(bytes: Uint8Array, context: LexerContext, most: number, isCut: boolean) {
    this.#bytes = bytes;
    this.#isCut = isCut;
    this.#utf8 = context.utf8;
    this.#most = most;
    this.#lexer = new SqlLexer(this, context);
    this.#lexer.text.wanted = true;
    this.#lexer.watchesReading = false;
  }

  /** Reads as much of the text as makes a difference. @returns whether its tokens are certain */
  read(): boolean {
    const bytes = Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
    const end = Math.min(bytes.length, MAX_READ);
    let pos = 0;
    for (; pos < end && !this.#isFull; pos += SLICE) this.#lexer.push(bytes, pos, Math.min(end, pos + SLICE));
    if (pos >= bytes.length && !this.#isCut) return this.#lexer.finish();
    this.#dropHalfList();
    return this.#lexer.certain;
  }

  get isWhole(): boolean {
    return this.#bytes.length <= MAX_READ && !this.#isFull && !this.#isCut;
  }

  get #isFull(): boolean {
    return this.#length > this.#most;
  }

  /** Where the text was cut is no part of the digest, if it was in a list of literals. */
  #dropHalfList(): void {
    const from = this.#open.at(-1);
    const inside = from === undefined ? [] : this.#parts.slice(from + 1);
    if (inside.every((part) => part === COMMA || isLiteralOrMore(part)))
      this.#drop(this.#parts.length - (from ?? this.#parts.length));
    while (this.#parts.at(-1) === COMMA || this.#parts.at(-1) === MORE) this.#drop(1);
    if (isLiteralOrMore(this.#parts.at(-1)) || this.#parts.at(-1) === LIST) this.#add(COMMA);
  }

  get first(): string {
    return this.#parts[0] ?? '';
  }

  get text(): string {
    const parts = this.#parts;
    let text = '';
    let before = '';
    for (const part of parts) {
      text += text === '' || isTight(before, part) ? part : ` ${part}`;
      before = part;
    }
    return text.replace(/[; ]+$/, '');
  }

  token(kind: Token, word: number): void {
    if (this.#isFull) return;
    const start = this.#lexer.tokenStart;
    switch (kind) {
      case Token.String:
      case Token.Number:
        this.#literal(kind, start);
        break;
      case Token.Word:
        this.#word(word, start);
        break;
      case Token.QuotedName:
        this.#add(`\`${this.#name()}\``);
        break;
      case Token.UserVariable:
        this.#add(this.#variable(start));
        break;
      case Token.LeftParen:
      case Token.SpacedLeftParen:
        this.#open.push(this.#parts.length);
        this.#add('(');
        this.#mayBeSigned = true;
        break;
      case Token.RightParen:
        this.#close();
        break;
      default:
        this.#punctuation(kind, start);
    }
    this.#last = kind;
    this.#lastStart = start;
  }

  #add(part: string): void {
    this.#parts.push(part);
    this.#length += part.length + 1;
    this.#mayBeSigned = false;
    this.#isSigned = false;
  }

  #drop(count: number): void {
    for (const part of this.#parts.splice(this.#parts.length - count)) this.#length -= part.length + 1;
  }

  #name(): string {
    const name = this.#lexer.text.read(this.#utf8);
    return name === null ? LITERAL : shown(name);
  }

  #word(word: number, start: number): void {
    const name = this.#name();
    const before = this.#parts.at(-1);
    const isValue = before === COMMA || before === '(' || before === '=';
    // A name, but maybe a number in which somebody erred.
    const isOdd = this.#isDigit(start) || (this.#bytes[start] === DOLLAR && this.#isDigit(start + 1));
    if (isOdd || (VALUE_WORDS.has(word) && isValue)) {
      this.#addLiteral();
    } else if (word === PLAIN_WORD || word === FOREIGN_WORD) {
      this.#add(name);
    } else {
      const known = name.toUpperCase();
      this.#add(known);
      this.#mayBeSigned = BEFORE_VALUES.has(known);
    }
  }

  #isDigit(at: number): boolean {
    const byte = this.#bytes[at] ?? 0;
    return byte >= ZERO && byte <= NINE;
  }

  #literal(kind: Token, start: number): void {
    const isString = kind === Token.String;
    if (isString && this.#last === Token.String) return;
    if (this.#isSigned || (isString && this.#isIntroduced(start))) this.#drop(1);
    this.#addLiteral();
  }

  /** Whether the word before a string belongs to it. */
  #isIntroduced(start: number): boolean {
    if (this.#last !== Token.Word) return false;
    const before = this.#parts.at(-1) ?? '';
    return before.startsWith('_') || (start === this.#lastStart + 1 && PREFIXES.has(before.toLowerCase()));
  }

  /** A literal, unless it only makes a list of them longer. */
  #addLiteral(): void {
    const parts = this.#parts;
    const isListed = parts.at(-1) === COMMA && isLiteralOrMore(parts.at(-2));
    if (isListed && parts.at(-3) === COMMA && parts.at(-4) === LITERAL) {
      this.#drop(2);
      this.#add(MORE);
    } else {
      this.#add(LITERAL);
    }
  }

  #variable(start: number): string {
    const first = this.#bytes[start + 1] ?? 0;
    const isName = first >= UPPER_A && first < 0x7f && first !== BACKTICK;
    return isName ? `@${shown(this.#lexer.text.read(this.#utf8) ?? LITERAL)}` : `@${LITERAL}`;
  }

  #close(): void {
    const from = this.#open.pop();
    if (from === undefined) {
      this.#add(')');
      return;
    }
    const inside = this.#parts.slice(from + 1);
    const isList =
      inside.length === 3 && inside[0] === LITERAL && inside[1] === COMMA && isLiteralOrMore(inside[2]);
    const isOne = inside.length === 1 && inside[0] === LITERAL;
    if (!isList && !isOne) {
      this.#add(')');
      return;
    }
    this.#drop(inside.length + 1);
    this.#addList(isOne ? `(${LITERAL})` : LIST);
  }

  /** A row of literals, unless it only makes a list of rows longer. */
  #addList(list: string): void {
    const parts = this.#parts;
    const [before, comma] = [parts.at(-2), parts.at(-1)];
    if (comma === COMMA && before === MORE && parts.at(-4) === list) this.#drop(1);
    else if (comma === COMMA && before === list) this.#add(MORE);
    else this.#add(list);
  }

  #punctuation(kind: Token, start: number): void {
    const part = this.#symbol(kind, start);
    const before = this.#parts.at(-1) ?? '';
    const isSign = part === '-' || part === '+';
    const isSigned = isSign && (this.#mayBeSigned || this.#parts.length === 0);
    const goesOn = isOperator(part) && isOperator(before) && start === this.#lastStart + 1 && !isSigned;
    if (goesOn) {
      this.#drop(1);
      this.#add(before + part);
    } else {
      this.#add(part);
    }
    this.#isSigned = isSigned;
    this.#mayBeSigned = kind !== Token.Dot && part !== LITERAL;
    if (part === LITERAL) {
      this.#drop(1);
      this.#addLiteral();
    }
  }

  #symbol(kind: Token, start: number): string {
    switch (kind) {
      case Token.Comma:
        return COMMA;
      case Token.Dot:
        return '.';
      case Token.Equal:
        return '=';
      case Token.Assign:
        return ':=';
      case Token.Semicolon:
        return ';';
      case Token.Colon:
        return ':';
      case Token.SystemVariable:
        return '@@';
      default: {
        // Of `1e+` only the start of what is a name and a sign is known.
        if (this.#isDigit(start)) return '+';
        const byte = this.#bytes[start] ?? 0;
        return byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : LITERAL;
      }
    }
  }
}

function isOperator(part: string): boolean {
  return /^[-+*/%<>=!|&^~:]+$/.test(part);
}

/** Whether nothing is to stand between two parts. */
function isTight(before: string, part: string): boolean {
  return (
    part === COMMA ||
    part === ')' ||
    part === '.' ||
    part === ';' ||
    before === '(' ||
    before === '.' ||
    before === '@@'
  );
}

/**
 * What a statement is apart from its literals, as a line for logs and counters: literals are `?`, lists of them `(...)`,
 * comments and line breaks are gone, known words are in capitals. Nothing of a literal is in it. Of a text that cannot be told
 * apart into tokens it is the first word only, of one longer than 64 KiB what that tells.
 *
 * @param maxLength in UTF-16 units, at least 3; a longer digest ends in `...`
 * @param isCut more of the text follows, which is not at hand
 */
export function digestText(
  bytes: Uint8Array,
  context: LexerContext,
  maxLength = 1024,
  isCut = false,
): string {
  const writer = new DigestWriter(bytes, context, 2 * maxLength, isCut);
  const isCertain = writer.read();
  const text = isCertain ? writer.text : writer.first;
  if (isCertain && writer.isWhole && text.length <= maxLength) return text;
  // Half a character may be left.
  const cut = `${text} `.slice(0, maxLength - MORE.length).replace(/[\ud800-\udbff]$/, '');
  return cut + MORE;
}
