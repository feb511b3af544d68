import { CommentEnd, CommentReader } from './comment-reader.js';
import { DollarEnd, DollarReader } from './dollar-reader.js';
import { ByteClass, Gate, type LexerContext } from './lexer-context.js';
import { type ListSink, LiteralLists } from './literal-lists.js';
import { NO_NAME_BYTE } from './name-trie.js';
import { NumberEnd, NumberReader } from './number-reader.js';
import { QuotedReader } from './quoted-reader.js';
import { Token, type TokenSink, TokenText } from './tokens.js';
import { WordReader } from './word-reader.js';
import { FOREIGN_WORD, PLAIN_WORD } from './words.js';

/** What the lexer is in the middle of. */
const State = {
  Between: 0,
  Word: 1,
  Number: 2,
  /** After a dot that may start a number. */
  Dot: 3,
  Quoted: 4,
  At: 5,
  /** In a bare user variable or host name. */
  AtName: 6,
  Dash: 7,
  TwoDashes: 8,
  Comment: 9,
  Slash: 10,
  /** After a star in a comment that is code. */
  Star: 11,
  Colon: 12,
  Dollar: 13,
} as const;
type State = (typeof State)[keyof typeof State];

/** What stands right before, with nothing in between. */
const Beside = {
  Other: 0,
  /** A bare word: a dot after it makes a name of what follows that, even of digits. */
  Word: 1,
  /** Such a dot, or `@@`. */
  Qualifier: 2,
} as const;

const BACKTICK = 0x60;
const DOT = 0x2e;
const DOUBLE_QUOTE = 0x22;
const EQUAL = 0x3d;
const SLASH = 0x2f;
const STAR = 0x2a;
const CLOSING_BRACKET = 0x5d;
const DOT_BYTES = Buffer.from('.');
const DASH_BYTES = Buffer.from('-');

/**
 * Splits SQL text into tokens by the servers' own rules, chunk by chunk: a token may be cut anywhere, and what is carried from
 * one chunk to the next is a few numbers and at most {@link MAX_TOKEN_TEXT} bytes of a name. Long literals and comments are
 * searched for their end, not stepped through.
 *
 * Where the servers' rules differ the context decides. What a server rejects may be read in any way that misses nothing
 * before it: the server runs nothing from that statement on.
 */
export class SqlLexer {
  /** Of the last word, name, number, operator or literal, while it is {@link TokenText.wanted}. */
  readonly text = new TokenText();
  /** Offset from the text's first byte of the last token's first byte. Of two dashes it is the first one's for both. */
  tokenStart = 0;
  /** There was a comment that is code for some server. */
  seesCode = false;
  readonly #sink: TokenSink;
  /** Null where each of their tokens is wanted. */
  readonly #lists: LiteralLists | null;
  #context: LexerContext;
  #state: State = State.Between;
  /** White space or a comment lies since the last token. */
  #gap = false;
  #beside: number = Beside.Other;
  /** Bytes taken before this chunk, less the index of the chunk's first. */
  #base = 0;
  #taken = 0;
  /** In a comment that is read as code. */
  #inCode = false;
  #certain = true;
  #seesCharset = false;
  /** What the quoted text is to be reported as. */
  #quotedAs: Token = Token.String;

  readonly #word = new WordReader(this.text);
  readonly #quoted: QuotedReader;
  readonly #number = new NumberReader();
  readonly #comment = new CommentReader();
  readonly #dollar = new DollarReader();

  constructor(sink: TokenSink, context: LexerContext, listSink: ListSink | null = null) {
    this.#sink = sink;
    this.#lists = listSink === null ? null : new LiteralLists(listSink);
    this.#context = context;
    this.#quoted = new QuotedReader(this.text, context);
    this.reset(context);
  }

  /** Forgets the text so far. */
  reset(context: LexerContext): void {
    this.#context = context;
    this.#state = State.Between;
    this.#gap = false;
    this.#beside = Beside.Other;
    this.#inCode = false;
    this.#certain = context.certain;
    this.#seesCharset = false;
    this.text.wanted = false;
    this.text.wantsNames = false;
    this.#base = 0;
    this.#taken = 0;
    this.tokenStart = 0;
    this.seesCode = false;
    this.#quoted.reset(context);
  }

  /** Whether all tokens so far are certain. */
  get certain(): boolean {
    return this.#certain;
  }

  /** Whether the next two are wanted, from the next token on; they cost time. */
  set watchesReading(watches: boolean) {
    this.#quoted.watchesReading = watches;
  }

  /** Something since {@link forgetSensitivity} would be read in another way under other quoting rules in sql_mode. */
  get seesQuotingMode(): boolean {
    return this.#quoted.seesQuotingMode;
  }

  /** Something since {@link forgetSensitivity} would be read in another way in another character set. */
  get seesCharset(): boolean {
    return this.#seesCharset || this.#quoted.seesCharset;
  }

  forgetSensitivity(): void {
    this.#seesCharset = false;
    this.#quoted.seesQuotingMode = false;
    this.#quoted.seesCharset = false;
  }

  /** Takes the next bytes of the text: `buf[start]` up to, not including, `buf[end]`. They are not kept. */
  push(buf: Buffer, start: number, end: number): void {
    this.#base = this.#taken - start;
    this.#taken += end - start;
    this.#run(buf, start, end);
  }

  #run(buf: Buffer, start: number, end: number): void {
    this.#quoted.newChunk();
    let pos = start;
    while (pos < end) {
      pos = this.#state === State.Between ? this.#between(buf, pos, end) : this.#resume(buf, pos, end);
    }
  }

  /** Ends the text. @returns whether the tokens are certain; they are not after an open quote or comment */
  finish(): boolean {
    switch (this.#state) {
      case State.Between:
      case State.TwoDashes:
        break;
      case State.Word:
        this.#emitWord();
        break;
      case State.Number:
        this.#emit(this.#number.finish() ? Token.Word : Token.Number, PLAIN_WORD);
        break;
      case State.Quoted:
        if (this.#quoted.finish()) this.#emit(this.#quotedAs, this.#quoted.word);
        else this.#certain = false;
        break;
      case State.At:
      case State.AtName:
        this.#emit(Token.UserVariable, 0);
        break;
      case State.Comment:
        if (!this.#comment.finish()) this.#certain = false;
        break;
      case State.Dollar:
        if (this.#dollar.finish()) this.#emit(Token.Word, PLAIN_WORD);
        else this.#certain = false;
        break;
      default:
        this.#emitLone(this.#state);
    }
    this.#state = State.Between;
    return this.#certain && !this.#inCode;
  }

  #emit(kind: Token, word: number): void {
    this.#gap = false;
    this.#sink.token(kind, word);
  }

  /** What turned out to be no part of anything longer. */
  #emitLone(state: State): void {
    if (state === State.Dash && this.text.wanted) this.#keepOperator(DASH_BYTES, 0);
    this.#emit(lone(state), 0);
  }

  /** Reads on until a token is cut off by the end or is more than this knows. @returns the position it got to */
  #between(buf: Buffer, start: number, end: number): number {
    const { classes } = this.#context;
    const base = this.#base;
    let pos = start;
    while (pos < end && this.#state === State.Between) {
      const c = buf[pos] as number;
      this.tokenStart = base + pos;
      switch (classes[c]) {
        case ByteClass.Space:
          this.#gap = true;
          this.#beside = Beside.Other;
          pos++;
          break;
        case ByteClass.Word:
          this.#word.begin();
          pos = this.#readWord(buf, pos, end);
          break;
        case ByteClass.Comma:
          pos = this.#single(Token.Comma, pos);
          if (this.#lists !== null && pos < end) pos = this.#lists.skip(buf, pos, end, this.#context);
          break;
        case ByteClass.LeftParen:
          pos = this.#single(this.#gap ? Token.SpacedLeftParen : Token.LeftParen, pos);
          if (this.#lists !== null && pos < end) pos = this.#lists.skip(buf, pos, end, this.#context);
          break;
        case ByteClass.RightParen:
          pos = this.#single(Token.RightParen, pos);
          break;
        case ByteClass.Equal:
          pos = this.#single(Token.Equal, pos);
          break;
        case ByteClass.SingleQuote:
          pos = this.#beginQuoted(buf, pos, end, c, Token.String);
          break;
        case ByteClass.Digit:
          pos = this.#beginDigits(buf, pos, end, c);
          break;
        case ByteClass.Dot:
          pos = this.#beginDot(pos);
          break;
        default:
          pos = this.#rare(buf, pos, end, c);
      }
    }
    return pos;
  }

  #single(kind: Token, pos: number): number {
    this.#beside = Beside.Other;
    this.#emit(kind, 0);
    return pos + 1;
  }

  #wait(state: State, pos: number): number {
    this.#beside = Beside.Other;
    this.#state = state;
    return pos + 1;
  }

  #rare(buf: Buffer, pos: number, end: number, c: number): number {
    switch (this.#context.classes[c]) {
      case ByteClass.Backtick:
        return this.#beginQuoted(buf, pos, end, c, Token.QuotedName);
      case ByteClass.DoubleQuote:
        return this.#beginQuoted(buf, pos, end, c, this.#doubleQuoted);
      case ByteClass.Bracket:
        return this.#beginQuoted(buf, pos, end, CLOSING_BRACKET, Token.QuotedName);
      case ByteClass.Semicolon:
        return this.#single(Token.Semicolon, pos);
      case ByteClass.At:
        this.text.clear();
        return this.#wait(State.At, pos);
      case ByteClass.Colon:
        return this.#wait(State.Colon, pos);
      case ByteClass.Dash:
        return this.#wait(State.Dash, pos);
      case ByteClass.Slash:
        return this.#wait(State.Slash, pos);
      case ByteClass.Star:
        return this.#inCode ? this.#wait(State.Star, pos) : this.#single(Token.Operator, pos);
      case ByteClass.Hash:
        this.#comment.beginLine();
        return this.#wait(State.Comment, pos);
      case ByteClass.Dollar:
        if (this.#beside === Beside.Qualifier) return this.#beginDigits(buf, pos, end, c);
        this.#dollar.begin();
        this.text.clear();
        if (this.text.keepsNames) this.text.append(buf, pos, pos + 1);
        return this.#wait(State.Dollar, pos);
      default:
        if (this.text.wanted) this.#keepOperator(buf, pos);
        return this.#single(Token.Operator, pos);
    }
  }

  #keepOperator(buf: Buffer, pos: number): void {
    this.text.clear();
    this.text.append(buf, pos, pos + 1);
  }

  get #doubleQuoted(): Token {
    return this.#context.ansiQuotes ? Token.QuotedName : Token.String;
  }

  /** Goes on with what an earlier byte began. */
  #resume(buf: Buffer, pos: number, end: number): number {
    switch (this.#state) {
      case State.Between:
        return pos;
      case State.Word:
        return this.#readWord(buf, pos, end);
      case State.Number:
        return this.#readNumber(buf, pos, pos, end);
      case State.Quoted:
        return this.#readQuoted(buf, pos, end);
      case State.AtName:
        return this.#readAtName(buf, pos, end);
      case State.Comment:
        return this.#readComment(buf, pos, end);
      case State.Dollar:
        return this.#readDollar(buf, pos, end);
      case State.At:
        return this.#afterAt(buf, pos, end);
      default:
        return this.#afterPunctuation(buf[pos] as number, pos);
    }
  }

  /** Decides by the next character what the one before is. */
  #afterPunctuation(c: number, pos: number): number {
    const state = this.#state;
    this.#state = State.Between;
    switch (state) {
      case State.Dot:
        if (this.#context.classes[c] !== ByteClass.Digit) break;
        this.text.clear();
        this.text.append(DOT_BYTES, 0, 1);
        this.#number.begin(DOT);
        this.#state = State.Number;
        return pos;
      case State.Colon:
        if (c !== EQUAL) break;
        return this.#single(Token.Assign, pos);
      case State.Dash:
        if (this.#context.classes[c] !== ByteClass.Dash) break;
        return this.#wait(State.TwoDashes, pos);
      case State.TwoDashes:
        return this.#afterTwoDashes(c, pos);
      case State.Slash:
        if (c !== STAR) break;
        this.#comment.beginBlock();
        return this.#wait(State.Comment, pos);
      case State.Star:
        if (c !== SLASH) break;
        this.#inCode = false;
        this.#gap = true;
        return pos + 1;
      default:
        break;
    }
    this.#emitLone(state);
    // Also where it is not right behind a name: what follows is one, and so no dollar quote.
    if (state === State.Dot) this.#beside = Beside.Qualifier;
    return pos;
  }

  /** `--` starts a comment before white space or a control character; `5--1` is two operators. */
  #afterTwoDashes(c: number, pos: number): number {
    if (this.#context.endsDashes[c] === 1) {
      this.#comment.beginLine();
      this.#state = State.Comment;
      return pos;
    }
    if (c >= 0x80) this.#seesCharset = true;
    this.#emitLone(State.Dash);
    this.#state = State.Dash;
    return pos;
  }

  #readWord(buf: Buffer, start: number, end: number): number {
    const pos = this.#word.read(buf, start, end, this.#context);
    this.#state = State.Word;
    if (!this.#word.open) this.#emitWord();
    return pos;
  }

  #emitWord(): void {
    const { word } = this.#word;
    if (word === FOREIGN_WORD) this.#seesCharset = true;
    this.#state = State.Between;
    this.#beside = Beside.Word;
    this.#emit(Token.Word, word);
  }

  #beginDigits(buf: Buffer, pos: number, end: number, c: number): number {
    if (this.#beside === Beside.Qualifier) {
      this.#word.begin();
      this.#word.continueName();
      return this.#readWord(buf, pos, end);
    }
    this.text.clear();
    this.#number.begin(c);
    this.#state = State.Number;
    return this.#readNumber(buf, pos, pos + 1, end);
  }

  /** Reads on from `start`; the number has what stands from `from` on. */
  #readNumber(buf: Buffer, from: number, start: number, end: number): number {
    const pos = this.#number.read(buf, start, end, this.#context.codes);
    // Where only names are wanted it counts if it may yet be one.
    const isNumber = this.#number.end === NumberEnd.Number;
    if (isNumber ? this.text.wanted : this.text.keepsNames) this.text.append(buf, from, pos);
    switch (this.#number.end) {
      case NumberEnd.Open:
        return pos;
      case NumberEnd.Word:
        this.#word.continueName();
        return this.#readWord(buf, pos, end);
      case NumberEnd.Number:
        this.#emit(Token.Number, 0);
        break;
      case NumberEnd.WordAndSign:
        this.#emit(Token.Word, PLAIN_WORD);
        this.#emit(Token.Operator, 0);
        break;
      case NumberEnd.WordAndMinus:
        this.#emit(Token.Word, PLAIN_WORD);
        this.tokenStart = this.#base + pos - 1;
        this.#state = State.Dash;
        this.#beside = Beside.Other;
        return pos;
      case NumberEnd.Broken:
        this.#certain = false;
        this.#emit(Token.Number, 0);
        break;
    }
    this.#state = State.Between;
    this.#beside = Beside.Other;
    return pos;
  }

  #beginDot(pos: number): number {
    if (this.#beside !== Beside.Word) return this.#wait(State.Dot, pos);
    this.#beside = Beside.Qualifier;
    this.#emit(Token.Dot, 0);
    return pos + 1;
  }

  #beginQuoted(buf: Buffer, pos: number, end: number, quote: number, as: Token): number {
    this.#quotedAs = as;
    this.#quoted.begin(quote, as === Token.QuotedName);
    if (this.text.sourceLimit > 0 && as === Token.String) this.text.quote = quote;
    return this.#readQuoted(buf, pos + 1, end);
  }

  #readQuoted(buf: Buffer, start: number, end: number): number {
    const pos = this.#quoted.read(buf, start, end);
    if (this.text.quote !== 0) this.text.append(buf, start, pos);
    this.#state = State.Quoted;
    if (!this.#quoted.open) {
      this.#state = State.Between;
      this.#beside = Beside.Other;
      this.#emit(this.#quotedAs, this.#quoted.word);
    }
    return pos;
  }

  #afterAt(buf: Buffer, pos: number, end: number): number {
    const c = buf[pos] as number;
    switch (this.#context.classes[c]) {
      case ByteClass.At:
        this.#state = State.Between;
        this.#beside = Beside.Qualifier;
        this.#emit(Token.SystemVariable, 0);
        return pos + 1;
      case ByteClass.SingleQuote:
      case ByteClass.DoubleQuote:
      case ByteClass.Backtick: {
        const isName = c === BACKTICK || (c === DOUBLE_QUOTE && this.#context.ansiQuotes);
        this.#quotedAs = Token.UserVariable;
        this.#quoted.begin(c, isName);
        if (this.text.sourceLimit > 0 && !isName) this.text.quote = c;
        return this.#readQuoted(buf, pos + 1, end);
      }
      default:
        return this.#readAtName(buf, pos, end);
    }
  }

  /** A bare user variable may have dots in it, and be empty. */
  #readAtName(buf: Buffer, start: number, end: number): number {
    const { codes } = this.#context;
    this.#state = State.AtName;
    for (let pos = start; pos < end; pos++) {
      const c = buf[pos] as number;
      if (c >= 0x80) this.#seesCharset = true;
      if (codes[c] !== NO_NAME_BYTE || c === DOT) continue;
      if (this.text.wanted) this.text.append(buf, start, pos);
      this.#state = State.Between;
      this.#emit(Token.UserVariable, 0);
      return pos;
    }
    if (this.text.wanted) this.text.append(buf, start, end);
    return end;
  }

  #readComment(buf: Buffer, start: number, end: number): number {
    const pos = this.#comment.read(buf, start, end, this.#context);
    if (this.#comment.end === CommentEnd.Open) return pos;
    this.#state = State.Between;
    this.#beside = Beside.Other;
    this.#gap = true;
    if (this.#comment.isVersioned) this.seesCode = true;
    if (this.#comment.end === CommentEnd.Code) {
      this.#inCode = true;
      if (!this.#comment.certain) this.#certain = false;
      const { rest } = this.#comment;
      const base = this.#base;
      this.#base = base + pos - rest.length;
      this.#run(rest, 0, rest.length);
      this.#base = base;
      // The other chunk goes on.
      this.#quoted.newChunk();
    }
    return pos;
  }

  #readDollar(buf: Buffer, start: number, end: number): number {
    const pos = this.#dollar.read(buf, start, end, this.#context);
    if (this.text.keepsNames) this.text.append(buf, start, pos);
    if (this.#dollar.end === DollarEnd.Open) return pos;
    this.#state = State.Between;
    if (this.#dollar.end === DollarEnd.Word) {
      this.#beside = Beside.Word;
      this.#emit(Token.Word, PLAIN_WORD);
      return pos;
    }
    if (!this.#dollar.certain || this.#context.dollarQuotes === Gate.Unsure) this.#certain = false;
    this.#emit(Token.String, 0);
    return pos;
  }
}

/** What a character is that has nothing to do with the one after it. */
function lone(state: State): Token {
  if (state === State.Dot) return Token.Dot;
  return state === State.Colon ? Token.Colon : Token.Operator;
}
