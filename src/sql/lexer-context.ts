import { type CharsetBytes, charsetBytes, PairByte } from './charset-bytes.js';
import {
  NAME_GROUPS,
  NAMES_KNOWN_SINCE,
  NameClass,
  REMOVED_FROM_MYSQL,
  YOUNGER_NAMES,
} from './function-names.js';
import { FOREIGN_BYTE, nameCode } from './name-trie.js';
import { NAMES, WORD_LIMIT } from './words.js';

/** What of a session decides how the server reads a statement's bytes. */
export interface LexerOptions {
  /** `character_set_client`, as the server names it. */
  readonly charset: string;
  /** ANSI_QUOTES is in sql_mode. */
  readonly ansiQuotes: boolean;
  /** NO_BACKSLASH_ESCAPES is in sql_mode. */
  readonly noBackslashEscapes: boolean;
  readonly mariadb: boolean;
  /** Two digits each for minor and patch, as in version comments: 101119 is 10.11.19, 90704 is 9.7.4. */
  readonly serverVersion: number;
}

/** What a byte starts when it stands between tokens. */
export const ByteClass = {
  Operator: 0,
  Space: 1,
  Word: 2,
  Digit: 3,
  SingleQuote: 4,
  DoubleQuote: 5,
  Backtick: 6,
  Bracket: 7,
  Dollar: 8,
  At: 9,
  Dot: 10,
  Comma: 11,
  LeftParen: 12,
  RightParen: 13,
  Semicolon: 14,
  Equal: 15,
  Colon: 16,
  Dash: 17,
  Hash: 18,
  Slash: 19,
  Star: 20,
} as const;

const PUNCTUATION: Readonly<Record<string, number>> = {
  "'": ByteClass.SingleQuote,
  '"': ByteClass.DoubleQuote,
  '`': ByteClass.Backtick,
  '@': ByteClass.At,
  '.': ByteClass.Dot,
  ',': ByteClass.Comma,
  '(': ByteClass.LeftParen,
  ')': ByteClass.RightParen,
  ';': ByteClass.Semicolon,
  '=': ByteClass.Equal,
  ':': ByteClass.Colon,
  '-': ByteClass.Dash,
  '#': ByteClass.Hash,
  '/': ByteClass.Slash,
  '*': ByteClass.Star,
};

const MYSQL_8 = 80000;
const MYSQL_9 = 90000;

/** Whether a version comment's content is code. `Unsure` is read as code, and nothing about the text is certain. */
export const Gate = { Code: 0, Comment: 1, Unsure: 2 } as const;
export type Gate = (typeof Gate)[keyof typeof Gate];

/** Galera runs its comments, elsewhere they are skipped. */
const WSREP_VERSION = 99997;

function nameClasses(mariadb: boolean, version: number): Uint8Array {
  const classes = new Uint8Array(WORD_LIMIT);
  const flavor = mariadb ? 'mariadb' : 'mysql';
  const old = version < NAMES_KNOWN_SINCE[flavor];
  const set = (names: string, value: NameClass): void => {
    for (const name of names.trim().split(/\s+/)) classes[NAMES.get(name) ?? 0] = value;
  };
  for (const group of NAME_GROUPS) {
    const onlyHere = group.mariadb === NameClass.None || group.mysql === NameClass.None;
    set(group.names, old && onlyHere ? NameClass.None : group[flavor]);
  }
  for (const { since, names } of YOUNGER_NAMES[flavor]) if (version < since) set(names, NameClass.None);
  if (!mariadb && version < REMOVED_FROM_MYSQL.before) set(REMOVED_FROM_MYSQL.names, NameClass.Native);
  return classes;
}

/**
 * {@link LexerOptions} compiled into tables. There is one object for equal options, so contexts are compared by `===`;
 * take it from {@link lexerContext} when the session's state changes, not for every statement.
 */
export class LexerContext implements LexerOptions {
  readonly charset: string;
  readonly ansiQuotes: boolean;
  readonly noBackslashEscapes: boolean;
  readonly mariadb: boolean;
  readonly serverVersion: number;
  /** False: nothing may be relied on, whatever the text looks like. */
  readonly certain: boolean;
  readonly utf8: boolean;
  /** {@link ByteClass} by byte. */
  readonly classes: Uint8Array;
  /** The name trie's codes by byte: 0 for what ends a word. */
  readonly codes: Uint8Array;
  /** By byte: 1 where `--` before it starts a comment. */
  readonly endsDashes: Uint8Array;
  /** See {@link CharsetBytes.pairs}. */
  readonly pairs: Uint8Array | null;
  /** {@link NameClass} by word number. */
  readonly nameClasses: Uint8Array;

  constructor(options: LexerOptions) {
    const charset = charsetBytes(options.charset);
    this.charset = charset.name;
    this.ansiQuotes = options.ansiQuotes;
    this.noBackslashEscapes = options.noBackslashEscapes;
    this.mariadb = options.mariadb;
    this.serverVersion = options.serverVersion;
    this.certain = charset.known;
    this.utf8 = charset.utf8;
    this.pairs = charset.pairs;
    this.codes = Uint8Array.from({ length: 256 }, (_, byte) => nameCode(byte));
    for (const byte of charset.letters) this.codes[byte] = FOREIGN_BYTE;
    for (const byte of charset.spaces) this.codes[byte] = 0;
    this.classes = this.#byteClasses(charset);
    this.endsDashes = this.#dashEnds(charset);
    this.nameClasses = nameClasses(options.mariadb, options.serverVersion);
  }

  #byteClasses(charset: CharsetBytes): Uint8Array {
    const classes = this.codes.map((code) => (code === 0 ? ByteClass.Operator : ByteClass.Word));
    for (let digit = 0x30; digit <= 0x39; digit++) classes[digit] = ByteClass.Digit;
    for (const byte of [0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, ...charset.spaces])
      classes[byte] = ByteClass.Space;
    for (const [char, value] of Object.entries(PUNCTUATION)) classes[char.charCodeAt(0)] = value;
    // In sql_mode MSSQL this quotes a name. In any other mode, and on MySQL, it is a syntax error wherever it stands, so
    // the mode need not be known.
    if (this.mariadb) classes[0x5b] = ByteClass.Bracket;
    if (!this.mariadb && this.serverVersion >= MYSQL_8) classes[0x24] = ByteClass.Dollar;
    return classes;
  }

  #dashEnds(charset: CharsetBytes): Uint8Array {
    const ends = this.classes.map((value) => (value === ByteClass.Space ? 1 : 0));
    ends.fill(1, 0, 0x20);
    for (const byte of charset.controls) ends[byte] = 1;
    return ends;
  }

  /** Whether `$tag$` quotes a text (the body of a routine in another language): MySQL 9 does it, 8 did at some point. */
  get dollarQuotes(): Gate {
    return this.serverVersion >= MYSQL_9 ? Gate.Code : Gate.Unsure;
  }

  isLead(byte: number): boolean {
    return this.pairs !== null && ((this.pairs[byte] ?? 0) & PairByte.Lead) !== 0;
  }

  isTrail(byte: number): boolean {
    return this.pairs !== null && ((this.pairs[byte] ?? 0) & PairByte.Trail) !== 0;
  }

  /**
   * How many digits of a version comment are its version. Before MySQL 9 six digits always were one.
   * @param sixth whether a sixth digit follows @param spaced whether white space follows that
   * @returns null when it depends on the exact version
   */
  versionDigits(sixth: boolean, spaced: boolean): 5 | 6 | null {
    if (!sixth) return 5;
    if (spaced || this.mariadb) return 6;
    return this.serverVersion >= MYSQL_9 ? 5 : null;
  }

  /** @param ofMariadb the comment starts with `M!` */
  gate(version: number, ofMariadb: boolean): Gate {
    if (this.serverVersion === 0) return Gate.Unsure;
    if (this.mariadb && !ofMariadb && version === WSREP_VERSION) return Gate.Unsure;
    // MariaDB skips what is meant for MySQL 5.7 and later.
    const forMysql = this.mariadb && !ofMariadb && version >= 50700 && version <= 99999;
    return version <= this.serverVersion && !forMysql ? Gate.Code : Gate.Comment;
  }
}

const contexts = new Map<string, LexerContext>();

/** The context of these options, always the same object. */
export function lexerContext(options: LexerOptions): LexerContext {
  const { charset, ansiQuotes, noBackslashEscapes, mariadb, serverVersion } = options;
  const key = `${charset.toLowerCase()} ${ansiQuotes} ${noBackslashEscapes} ${mariadb} ${serverVersion}`;
  let context = contexts.get(key);
  if (context === undefined) {
    context = new LexerContext(options);
    contexts.set(key, context);
  }
  return context;
}
