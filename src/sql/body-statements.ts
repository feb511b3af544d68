import { SqlLexer } from './lexer.js';
import type { LexerContext } from './lexer-context.js';
import { Token, type TokenSink } from './tokens.js';

/** What a stored program's text begins with. */
export const ProgramText = {
  /** The statement that made it, as SHOW CREATE PROCEDURE and SHOW CREATE FUNCTION show it. */
  Routine: 'routine',
  /** As SHOW CREATE TRIGGER shows it. */
  Trigger: 'trigger',
  /** The query of a view, and nothing before it. */
  Query: 'query',
} as const;
export type ProgramText = (typeof ProgramText)[keyof typeof ProgramText];

/** What a stored program's body is made of. */
export interface BodyStatements {
  /** Each as a text of its own; the expressions of IF, CASE, RETURN and the like as a SELECT of them. */
  readonly statements: readonly Buffer[];
  /** Names in the body, in lower case: of whatever it uses, variables and keywords among them. */
  readonly names: ReadonlySet<string>;
}

/**
 * Takes a stored program's body apart into its statements.
 * @returns null when it is written in another language or syntax, or not as the server shows such a text
 */
export function bodyStatements(
  text: Buffer,
  program: ProgramText,
  context: LexerContext,
): BodyStatements | null {
  const reader = new BodyReader(text, program, context);
  return reader.read();
}

const Place = {
  /** Before PROCEDURE or FUNCTION, or a trigger's FOR EACH ROW. */
  Head: 0,
  /** Between PROCEDURE or FUNCTION and the end of the parameters. */
  Parameters: 1,
  Characteristics: 2,
  /** After FOR EACH ROW. */
  TriggerOrder: 3,
  Start: 4,
  /** In a statement, up to its semicolon. */
  Statement: 5,
  /** In an expression, up to the word that ends it or a semicolon. */
  Expression: 6,
  /** In what has no effect, up to its semicolon. */
  Skipped: 7,
  Declare: 8,
  /** In the list of what a handler is for. */
  Conditions: 9,
  Foreign: 10,
} as const;
type Place = (typeof Place)[keyof typeof Place];

/** Begin what runs statements after a condition or a value, up to the given word. */
const EXPRESSIONS: Readonly<Record<string, string>> = {
  if: 'then',
  elseif: 'then',
  case: 'when',
  when: 'then',
  while: 'do',
  for: 'do',
  until: 'end',
  // Up to the semicolon; OPEN may give parameters to its cursor.
  return: '',
  open: '',
};

/** After these a statement begins. */
const OPENERS = new Set(['begin', 'not', 'atomic', 'loop', 'repeat', 'else']);

/** They change nothing but local variables and the flow. */
const HARMLESS = new Set(['end', 'leave', 'iterate', 'goto', 'fetch', 'close']);

/** Words between the parameters and the body of a routine, but for those with an argument. */
const CHARACTERISTICS = new Set(
  (
    'unsigned signed zerofill binary ascii unicode byte national varying precision not deterministic sql contains no reads ' +
    'modifies data security definer invoker comment'
  ).split(' '),
);
/** The word after them is a name. */
const WITH_ARGUMENT = new Set(['returns', 'charset', 'collate', 'character']);

const SELECT = Buffer.from('SELECT ');

class BodyReader implements TokenSink {
  readonly #text: Buffer;
  readonly #program: ProgramText;
  readonly #lexer: SqlLexer;
  readonly #statements: Buffer[] = [];
  readonly #names = new Set<string>();
  #place: Place = Place.Head;
  /** Position of the byte that is being read. */
  #at = 0;
  /** Where the token before ended. */
  #lastEnd = 0;
  #last: Token = Token.None;
  #lastWord = '';
  /** Where the statement or expression under way began. */
  #from = 0;
  #depth = 0;
  /** CASEs open in an expression. */
  #cases = 0;
  /** What ends the expression. */
  #until = '';
  /** A statement has only its first token so far: a colon makes a label of it. */
  #isFirst = false;
  #takesArgument = false;
  /** Of a DECLARE: it is of a handler, or of a cursor. */
  #declares = '';
  #needsCondition = false;

  constructor(text: Buffer, program: ProgramText, context: LexerContext) {
    this.#text = text;
    this.#program = program;
    this.#lexer = new SqlLexer(this, context);
    this.#lexer.text.wanted = true;
    if (program === ProgramText.Query) this.#place = Place.Start;
  }

  read(): BodyStatements | null {
    const { length } = this.#text;
    // Byte by byte: the lexer does not tell where its tokens stand.
    for (; this.#at < length; this.#at++) this.#lexer.push(this.#text, this.#at, this.#at + 1);
    const certain = this.#lexer.finish();
    this.#endStatement(length);
    if (!certain || !ENDS.has(this.#place)) return null;
    return { statements: this.#statements, names: this.#names };
  }

  /** For the lexer. */
  token(kind: Token): void {
    let word = '';
    if (kind === Token.Word || kind === Token.QuotedName) {
      const name = this.#lexer.text.read(true)?.toLowerCase() ?? '';
      if (this.#place >= Place.Start) this.#names.add(name);
      if (kind === Token.Word && this.#last !== Token.Dot) word = name;
    }
    this.#take(kind, word);
    this.#last = kind;
    this.#lastWord = word;
    this.#lastEnd = this.#at + (ENDS_WITH_ITS_BYTE.has(kind) ? 1 : 0);
    // The statement that begins here begins behind this token.
    if (this.#place === Place.Start) this.#from = this.#lastEnd;
  }

  #take(kind: Token, word: string): void {
    switch (this.#place) {
      case Place.Head:
        this.#head(word);
        return;
      case Place.Parameters:
        this.#countParen(kind);
        if (kind === Token.RightParen && this.#depth === 0) this.#place = Place.Characteristics;
        return;
      case Place.Characteristics:
        this.#characteristic(kind, word);
        return;
      case Place.TriggerOrder:
        this.#triggerOrder(kind, word);
        return;
      case Place.Start:
        this.#start(kind, word);
        return;
      case Place.Statement:
        if (kind === Token.Semicolon) this.#endStatement(this.#at);
        else if (this.#isFirst && kind === Token.Colon) this.#place = Place.Start;
        this.#isFirst = false;
        return;
      case Place.Expression:
        this.#expression(kind, word);
        return;
      case Place.Skipped:
        if (kind === Token.Semicolon) this.#place = Place.Start;
        return;
      case Place.Declare:
        this.#declare(kind, word);
        return;
      case Place.Conditions:
        this.#condition(kind, word);
        return;
      case Place.Foreign:
    }
  }

  #head(word: string): void {
    if (this.#program === ProgramText.Trigger) {
      if (word === 'row' && this.#lastWord === 'each') this.#place = Place.TriggerOrder;
    } else if (word === 'procedure' || word === 'function') {
      this.#place = Place.Parameters;
    }
  }

  #characteristic(kind: Token, word: string): void {
    this.#countParen(kind);
    if (kind === Token.String || (kind !== Token.Word && kind !== Token.QuotedName) || this.#depth > 0)
      return;
    if (this.#takesArgument) {
      // CHARACTER SET name
      this.#takesArgument = this.#lastWord === 'character';
    } else if (word === 'language') {
      this.#takesArgument = false;
    } else if (this.#lastWord === 'language') {
      if (word !== 'sql') this.#place = Place.Foreign;
    } else if (word === 'as' || word === 'is' || word === 'using') {
      this.#place = Place.Foreign;
    } else if (WITH_ARGUMENT.has(word)) {
      this.#takesArgument = true;
    } else if (!CHARACTERISTICS.has(word)) {
      this.#begin(kind, word);
    }
  }

  /** FOLLOWS and PRECEDES name another trigger. */
  #triggerOrder(kind: Token, word: string): void {
    if (this.#takesArgument) this.#takesArgument = false;
    else if (word === 'follows' || word === 'precedes') this.#takesArgument = true;
    else this.#begin(kind, word);
  }

  /** The body begins with this token. */
  #begin(kind: Token, word: string): void {
    this.#place = Place.Start;
    this.#from = this.#lastEnd;
    if (word !== '') this.#names.add(word);
    this.#start(kind, word);
  }

  #start(kind: Token, word: string): void {
    if (kind === Token.Semicolon || OPENERS.has(word)) return;
    const until = EXPRESSIONS[word];
    if (until !== undefined) {
      this.#beginExpression(until);
    } else if (HARMLESS.has(word)) {
      this.#place = Place.Skipped;
    } else if (word === 'declare') {
      this.#place = Place.Declare;
      this.#declares = '';
    } else {
      this.#place = Place.Statement;
      this.#isFirst = true;
    }
  }

  /** Behind the word that was just read. */
  #beginExpression(until: string): void {
    this.#place = Place.Expression;
    this.#until = until;
    this.#cases = 0;
    this.#from = this.#at;
  }

  #expression(kind: Token, word: string): void {
    if (kind === Token.Semicolon) {
      this.#endExpression(this.#at);
      this.#place = Place.Start;
    } else if (word === this.#until && word !== '' && this.#cases === 0) {
      this.#endExpression(this.#lastEnd);
      if (word === 'when') this.#beginExpression('then');
      else this.#place = word === 'end' ? Place.Skipped : Place.Start;
    } else if (word === 'case') {
      this.#cases++;
    } else if (word === 'end' && this.#cases > 0) {
      this.#cases--;
    }
  }

  /** DECLARE names type DEFAULT expression; name CURSOR FOR query; name CONDITION FOR ...; CONTINUE HANDLER FOR ... */
  #declare(kind: Token, word: string): void {
    if (kind === Token.Semicolon) {
      this.#place = Place.Start;
    } else if (word === 'default') {
      this.#beginExpression('');
    } else if (
      word === 'cursor' ||
      word === 'condition' ||
      (word === 'handler' && HANDLERS.has(this.#lastWord))
    ) {
      this.#declares = word;
    } else if (word === 'for') {
      if (this.#declares === 'handler') {
        this.#place = Place.Conditions;
        this.#needsCondition = true;
      } else if (this.#declares === 'cursor') {
        this.#place = Place.Statement;
        this.#isFirst = false;
        this.#from = this.#at;
      } else {
        this.#place = Place.Skipped;
      }
    }
  }

  /** FOR SQLSTATE VALUE 'x', NOT FOUND, 1062, name statement */
  #condition(kind: Token, word: string): void {
    if (kind === Token.Comma) {
      this.#needsCondition = true;
    } else if (this.#needsCondition) {
      const goesOn =
        word === 'sqlstate' || word === 'not' || (word === 'value' && this.#lastWord === 'sqlstate');
      this.#needsCondition = goesOn;
    } else {
      this.#begin(kind, word);
    }
  }

  #endStatement(end: number): void {
    if (this.#place === Place.Expression) this.#endExpression(end);
    else if (this.#place === Place.Statement) this.#statements.push(this.#text.subarray(this.#from, end));
    else return;
    this.#place = Place.Start;
  }

  #endExpression(end: number): void {
    const text = this.#text.subarray(this.#from, end);
    if (text.toString('latin1').trim() !== '') this.#statements.push(Buffer.concat([SELECT, text]));
  }

  #countParen(kind: Token): void {
    if (kind === Token.LeftParen || kind === Token.SpacedLeftParen) this.#depth++;
    else if (kind === Token.RightParen) this.#depth--;
  }
}

/** Where a whole text may end. */
const ENDS: ReadonlySet<Place> = new Set([Place.Start, Place.Skipped]);

const HANDLERS = new Set(['continue', 'exit', 'undo']);

/** Tokens that the lexer reports with their last byte; others it reports at the byte behind them. */
const ENDS_WITH_ITS_BYTE: ReadonlySet<Token> = new Set([
  Token.Comma,
  Token.LeftParen,
  Token.SpacedLeftParen,
  Token.RightParen,
  Token.Equal,
  Token.Assign,
  Token.Semicolon,
]);
