import { takeAnywhere } from './expression.js';
import { SqlLexer } from './lexer.js';
import type { LexerContext } from './lexer-context.js';
import { endsAtSemicolon, takeInert } from './routine-body.js';
import { beginUnknown, STEPS } from './statement-grammar.js';
import { IMPURE, Inert, StatementState, Step } from './statement-state.js';
import { changesQuoting } from './system-variables.js';
import { Token, type TokenSink } from './tokens.js';
import {
  Flag,
  Hold,
  MAX_LISTED_STATEMENTS,
  StatementKind,
  type StatementTraits,
  UNKNOWN_FLAGS,
  UNKNOWN_HOLDS,
} from './traits.js';
import { EMPTY_TRAITS, traitsOf } from './traits-table.js';

/** Never added to. */
const NONE: never[] = [];

/** Finds the traits of one text at a time, from its bytes. */
export class StatementScanner implements TokenSink {
  readonly #lexer: SqlLexer;
  readonly #statement: StatementState;
  #context: LexerContext;

  // Of the text.
  #count = 0;
  #holds = 0;
  #flags = 0;
  #each: StatementTraits[] = NONE;
  #only: StatementTraits = EMPTY_TRAITS;
  /** A statement so far may have changed how the next ones are read. */
  #quotingMayDiffer = false;
  #charsetMayDiffer = false;
  #undecidable = false;

  constructor(context: LexerContext) {
    this.#context = context;
    this.#lexer = new SqlLexer(this, context);
    this.#statement = new StatementState(context, this.#lexer.text);
  }

  /** Starts a text; whatever came before is forgotten. */
  begin(context: LexerContext): void {
    this.#context = context;
    this.#lexer.reset(context);
    this.#statement.reset(context);
    this.#count = 0;
    this.#holds = 0;
    this.#flags = 0;
    this.#each = NONE;
    this.#only = EMPTY_TRAITS;
    this.#quotingMayDiffer = false;
    this.#charsetMayDiffer = false;
    this.#undecidable = false;
  }

  /** Takes the text's next bytes, cut anywhere. */
  push(buf: Buffer, start: number, end: number): void {
    this.#lexer.push(buf, start, end);
  }

  /** Ends the text. */
  finish(): StatementTraits {
    const certain = this.#lexer.finish();
    this.#endStatement();
    if (!certain || this.#undecidable) return this.#untold();
    if (this.#count <= 1) return this.#only;
    return traitsOf({
      statements: this.#count,
      first: this.#only.first,
      holds: this.#holds,
      flags: this.#flags | Flag.Multi,
      assignments: this.#each.flatMap((one) => one.assignments),
      changes: this.#each.flatMap((one) => one.changes),
      lockColumns: null,
      sessionValues: NONE,
      routines: this.#each.flatMap((one) => one.routines),
      use: null,
      kill: null,
      each: this.#count <= MAX_LISTED_STATEMENTS ? this.#each : NONE,
    });
  }

  /** What is to be said when the text cannot be told apart into tokens. */
  #untold(): StatementTraits {
    return traitsOf({
      statements: Math.max(this.#count, 1),
      first: this.#only.first,
      holds: this.#holds | UNKNOWN_HOLDS,
      flags: (this.#flags & ~Flag.PlainRead) | UNKNOWN_FLAGS | Flag.Undecidable,
      assignments: [],
      changes: [],
      lockColumns: null,
      sessionValues: [],
      routines: [],
      use: null,
      kill: null,
      each: NONE,
    });
  }

  /** For the lexer. */
  token(kind: Token, word: number): void {
    const s = this.#statement;
    if (kind === Token.Semicolon && endsAtSemicolon(s)) {
      this.#endStatement();
      return;
    }
    if (s.inert !== Inert.No) takeInert(s, kind, word);
    else if (s.step === Step.Done || !(STEPS[s.step] as (typeof STEPS)[0])(s, kind, word))
      takeAnywhere(s, kind, word);
    s.before = s.last;
    s.beforeWord = s.lastWord;
    s.last = kind;
    s.lastWord = word;
  }

  #endStatement(): void {
    const s = this.#statement;
    if (s.last === Token.None) return;
    if (s.kind === StatementKind.Empty) beginUnknown(s);
    this.#watchReading(s);
    const reads = s.flags === 0 && s.holds === 0;
    const flags = reads ? Flag.PlainRead : s.flags & ~IMPURE;
    this.#count++;
    this.#holds |= s.holds;
    this.#flags = (this.#flags | flags) & ~Flag.PlainRead;
    const { kind: first, holds, assignments, changes, lockColumns, sessionValues, routines, use, kill } = s;
    if (this.#count <= MAX_LISTED_STATEMENTS) {
      const traits = traitsOf({
        statements: 1,
        first,
        holds,
        flags,
        assignments,
        changes,
        lockColumns,
        sessionValues,
        routines,
        use,
        kill,
        each: NONE,
      });
      if (this.#count === 1) this.#only = traits;
      else if (this.#count === 2) this.#each = [this.#only, traits];
      else this.#each.push(traits);
    } else if (assignments.length > 0) {
      // Too many statements to list them, and so their assignments.
      this.#holds |= Hold.Unknown;
    }
    s.reset(this.#context);
  }

  /** The server reads a statement after running those before it: their sql_mode and character set count. */
  #watchReading(s: StatementState): void {
    const quoting = this.#quotingMayDiffer && this.#lexer.seesQuotingMode;
    const charset = this.#charsetMayDiffer && this.#lexer.seesCharset;
    if (quoting || charset) this.#undecidable = true;
    const anything = (s.flags & Flag.MayRunRoutine) !== 0 || (s.holds & Hold.Unknown) !== 0;
    if (anything || s.assignments.some(({ name, scope }) => changesQuoting(name, scope)))
      this.#quotingMayDiffer = true;
    if (anything || (s.flags & Flag.SetsCharset) !== 0) this.#charsetMayDiffer = true;
    this.#lexer.forgetSensitivity();
  }
}
