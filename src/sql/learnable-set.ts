import { SqlLexer } from './lexer.js';
import type { LexerContext } from './lexer-context.js';
import { assignmentEffect } from './system-variables.js';
import { Token, type TokenSink } from './tokens.js';
import { AssignmentScope, Flag, Hold } from './traits.js';

/** Longer texts are no preamble of a driver. In bytes. */
export const MAX_LEARNABLE = 4096;

/** A token. */
interface Piece {
  readonly kind: Token;
  /** Of a word or name, in lower case; of an operator its character. Null for others, and for names that are not ASCII. */
  readonly text: string | null;
}

const SCOPES: ReadonlyMap<string | null, AssignmentScope> = new Map([
  ['session', AssignmentScope.Session],
  ['local', AssignmentScope.Session],
]);

/** Not variables, or not of the session, in `SET name = ...`. */
const NO_VARIABLES: ReadonlySet<string> = new Set(
  'default global names password persist persist_only resource role statement transaction'.split(' '),
);

/** Beside those that hold a session or are carried in another way: values of the moment, or of replication. */
const UNLEARNABLE = /^(rand_seed|pseudo_|gtid_|session_track_|sql_log_|wsrep_)/;

/** Words that are no constants. */
const FUNCTION_WORDS = /^(default|current_.*|local.*|utc_.*|sysdate|rownum|nextval|lastval)$/;

const LEVELS: ReadonlySet<string> = new Set([
  'read uncommitted',
  'read committed',
  'repeatable read',
  'serializable',
]);

class PieceReader implements TokenSink {
  readonly pieces: Piece[] = [];
  readonly #lexer: SqlLexer;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, context: LexerContext) {
    this.#bytes = bytes;
    this.#lexer = new SqlLexer(this, context);
    this.#lexer.text.wantsNames = true;
  }

  /** The tokens of each statement; null when they are uncertain, or depend on the version of the server. */
  read(): Piece[][] | null {
    this.#lexer.push(this.#bytes, 0, this.#bytes.length);
    if (!this.#lexer.finish() || this.#lexer.seesCode) return null;
    const statements: Piece[][] = [[]];
    for (const piece of this.pieces) {
      if (piece.kind === Token.Semicolon) statements.push([]);
      else statements.at(-1)?.push(piece);
    }
    if (statements.at(-1)?.length === 0) statements.pop();
    // The first may change how the second is read.
    const isSensitive = this.#lexer.seesQuotingMode || this.#lexer.seesCharset;
    return statements.length > 1 && isSensitive ? null : statements;
  }

  token(kind: Token): void {
    let text: string | null = null;
    if (kind === Token.Word || kind === Token.QuotedName) text = this.#lexer.text.readAscii();
    if (kind === Token.Operator) text = String.fromCharCode(this.#bytes[this.#lexer.tokenStart] ?? 0);
    this.pieces.push({ kind, text });
  }
}

/** Reads one SET; each method takes what it is named for, or tells that it is not there. */
class SetReader {
  readonly #pieces: readonly Piece[];
  readonly #mariadb: boolean;
  #at = 0;
  /** Named last, and meant until another one is named. */
  #scope: AssignmentScope = AssignmentScope.None;

  constructor(pieces: readonly Piece[], mariadb: boolean) {
    this.#pieces = pieces;
    this.#mariadb = mariadb;
  }

  statement(): boolean {
    if (!this.#word('set')) return false;
    if (this.#isTransaction()) return this.#isEnd;
    do {
      if (!this.#assignment()) return false;
    } while (this.#take(Token.Comma));
    return this.#isEnd;
  }

  get #isEnd(): boolean {
    return this.#at === this.#pieces.length;
  }

  #peek(ahead = 0): Piece {
    return this.#pieces[this.#at + ahead] ?? { kind: Token.None, text: null };
  }

  #take(kind: Token): boolean {
    if (this.#peek().kind !== kind) return false;
    this.#at++;
    return true;
  }

  #word(text: string): boolean {
    const { kind, text: found } = this.#peek();
    if (kind !== Token.Word || found !== text) return false;
    this.#at++;
    return true;
  }

  #open(): boolean {
    return this.#take(Token.LeftParen) || this.#take(Token.SpacedLeftParen);
  }

  /** SESSION TRANSACTION ISOLATION LEVEL ... */
  #isTransaction(): boolean {
    const { kind, text } = this.#peek();
    if (kind !== Token.Word || !SCOPES.has(text) || this.#peek(1).text !== 'transaction') return false;
    const from = this.#at;
    this.#at += 2;
    if (this.#word('isolation') && this.#word('level') && this.#level()) return true;
    this.#at = from;
    return false;
  }

  #level(): boolean {
    const words = this.#pieces.slice(this.#at, this.#at + 2);
    this.#at += words.length;
    return (
      words.every(({ kind }) => kind === Token.Word) && LEVELS.has(words.map(({ text }) => text).join(' '))
    );
  }

  #assignment(): boolean {
    if (this.#word('names')) return this.#charset() && (!this.#word('collate') || this.#charset());
    if (this.#word('charset')) return this.#charset();
    if (this.#peek().text === 'character' && this.#peek(1).text === 'set') {
      this.#at += 2;
      return this.#charset();
    }
    const variable = this.#take(Token.SystemVariable) ? this.#systemName() : this.#name();
    if (variable === null || !isLearnableVariable(variable.name, variable.scope, this.#mariadb)) return false;
    if (!this.#take(Token.Equal) && !this.#take(Token.Assign)) return false;
    return this.#literal() || (variable.name === 'sql_mode' && this.#mode());
  }

  /** The name of a character set or collation. */
  #charset(): boolean {
    const { kind, text } = this.#peek();
    if (kind !== Token.String && (kind !== Token.Word || text === 'default')) return false;
    this.#at++;
    return true;
  }

  /** `name`, `SESSION name` */
  #name(): { name: string; scope: AssignmentScope } | null {
    const scope = SCOPES.get(this.#peek().text);
    if (scope !== undefined && this.#take(Token.Word)) this.#scope = scope;
    const { kind, text: name } = this.#peek();
    if ((kind !== Token.Word && kind !== Token.QuotedName) || name === null || NO_VARIABLES.has(name))
      return null;
    this.#at++;
    return { name, scope: this.#scope };
  }

  /** After `@@`: `name`, `session.name` */
  #systemName(): { name: string; scope: AssignmentScope } | null {
    let scope: AssignmentScope = AssignmentScope.AtNone;
    const named = SCOPES.get(this.#peek().text);
    if (named !== undefined && this.#peek(1).kind === Token.Dot) {
      scope = named;
      this.#at += 2;
    }
    const { kind, text: name } = this.#peek();
    if ((kind !== Token.Word && kind !== Token.QuotedName) || name === null) return null;
    this.#at++;
    return { name, scope };
  }

  /** A number, a string or a word, with nothing behind it. */
  #literal(): boolean {
    const from = this.#at;
    const { kind, text } = this.#peek();
    if (kind === Token.Operator && (text === '-' || text === '+')) {
      this.#at++;
      if (this.#take(Token.Number) && this.#isValueEnd) return true;
    } else {
      const isWord = kind === Token.Word && text !== null && !FUNCTION_WORDS.test(text);
      this.#at++;
      if ((isWord || kind === Token.Number || kind === Token.String) && this.#isValueEnd) return true;
    }
    this.#at = from;
    return false;
  }

  get #isValueEnd(): boolean {
    return this.#isEnd || this.#peek().kind === Token.Comma;
  }

  /** The variable itself, or with literals added or replaced. */
  #mode(): boolean {
    if (this.#take(Token.SystemVariable)) {
      const variable = this.#systemName();
      return variable?.name === 'sql_mode';
    }
    const isConcat = this.#word('concat');
    const isReplace = !isConcat && this.#word('replace');
    if ((!isConcat && !isReplace) || !this.#open() || !this.#mode()) return false;
    let literals = 0;
    for (; this.#take(Token.Comma); literals++) if (!this.#take(Token.String)) return false;
    return this.#take(Token.RightParen) && (isReplace ? literals === 2 : literals > 0);
  }
}

function isLearnableVariable(name: string, scope: AssignmentScope, mariadb: boolean): boolean {
  if (UNLEARNABLE.test(name)) return false;
  const { holds, flags } = assignmentEffect(name, scope, mariadb);
  return (holds & ~Hold.UnscopedSystemVariable) === 0 && (flags & Flag.WritesLastInsertId) === 0;
}

/**
 * Whether a text does nothing but set variables of its session to what the text itself says, so that its effect and its
 * reply are the same whenever the session is the same: one SET or several, of literals (or literals added to or replaced
 * in sql_mode), SET NAMES, SET CHARACTER SET, SET SESSION TRANSACTION ISOLATION LEVEL. The text is `bytes[start]` up to, not
 * including, `bytes[end]`.
 */
export function isLearnable(bytes: Buffer, start: number, end: number, context: LexerContext): boolean {
  if (end - start > MAX_LEARNABLE) return false;
  const statements = new PieceReader(bytes.subarray(start, end), context).read();
  if (statements === null || statements.length === 0) return false;
  return statements.every((pieces) => new SetReader(pieces, context.mariadb).statement());
}
