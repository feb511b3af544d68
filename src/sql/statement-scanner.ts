import { isProcedure, recordRoutine, takeAnywhere } from './expression.js';
import { SqlLexer } from './lexer.js';
import type { LexerContext } from './lexer-context.js';
import type { ListSink } from './literal-lists.js';
import { isName } from './name-reader.js';
import { endsAtSemicolon, takeInert } from './routine-body.js';
import { SelectItems } from './select-items.js';
import { beginUnknown, endStatement, STEPS } from './statement-grammar.js';
import { IMPURE, Inert, NO_LIST, StatementState, Step } from './statement-state.js';
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
import { Word } from './words.js';

/** Never added to. */
const NONE: never[] = [];

/** What is looked for beside that which costs nothing. */
export const Details = {
  None: 0,
  /** {@link StatementTraits.routines}, and hazards. */
  Names: 1,
  /** Also {@link StatementTraits.sessionValues} and {@link StatementTraits.lockColumns}. */
  All: 2,
} as const;
export type Details = (typeof Details)[keyof typeof Details];

/**
 * Bits of {@link Hold} by the names of objects, in lower case (a routine's with `()` behind it), whose use does to a session what no tracker shows; above them, by
 * {@link CHANGING_ROWS}, the bits for statements that change rows.
 */
export type Hazards = ReadonlyMap<string, number>;

/** How far the bits of {@link Hazards} for statements that change rows are shifted to the left. */
export const CHANGING_ROWS = 16;
const HOLD_BITS = (1 << CHANGING_ROWS) - 1;

export const NO_HAZARDS: Hazards = new Map();

/** Words that are taken for literals in lists, though something may have such a name. */
const LIST_WORDS = ['null', '_binary'];

/** Finds the traits of one text at a time, from its bytes. */
export class StatementScanner implements TokenSink, ListSink {
  readonly #lexer: SqlLexer;
  readonly #statement: StatementState;
  #context: LexerContext;
  #details: Details = Details.None;
  #hazards: Hazards = NO_HAZARDS;
  /** Those of the names in the statement so far. */
  #named = 0;
  readonly #items = new SelectItems();
  /** No literal of a list means anything. */
  #passesLists = false;

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
    this.#lexer = new SqlLexer(this, context, this);
    this.#statement = new StatementState(context, this.#lexer.text);
  }

  /** Starts a text; whatever came before is forgotten. Without {@link Details.Names} there are no hazards. */
  begin(context: LexerContext, details: Details = Details.None, hazards: Hazards = NO_HAZARDS): void {
    this.#context = context;
    this.#details = details;
    this.#hazards = hazards;
    this.#named = 0;
    this.#lexer.reset(context);
    this.#lexer.text.wantsNames = details !== Details.None;
    this.#lexer.watchesReading = false;
    this.#passesLists = details !== Details.All && !LIST_WORDS.some((word) => hazards.has(word));
    this.#statement.reset(context);
    if (details === Details.All) this.#items.reset();
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
    if (this.#details !== Details.None) this.#takeDetail(s, kind);
    if (s.inert !== Inert.No) {
      takeInert(s, kind, word);
    } else if (s.step === Step.Done || !(STEPS[s.step] as (typeof STEPS)[0])(s, kind, word)) {
      if (this.#details === Details.All) this.#items.take(s, kind, word);
      takeAnywhere(s, kind, word);
    }
    s.before = s.last;
    s.beforeWord = s.lastWord;
    s.last = kind;
    s.lastWord = word;
  }

  /** For the lexer: nothing is waited for that may stand in a list of literals. */
  get takesLists(): boolean {
    const s = this.#statement;
    if (!this.#passesLists || this.#quotingMayDiffer || this.#charsetMayDiffer) return false;
    if (s.step !== Step.Done || s.inert !== Inert.No) return false;
    return s.listDepth === NO_LIST && !s.inLastInsertId && !s.text.wanted;
  }

  /** For the lexer. */
  lists(depth: number, before: Token, beforeWord: number): void {
    const s = this.#statement;
    s.depth += depth;
    s.before = before;
    s.beforeWord = beforeWord;
    s.last = Token.Comma;
    s.lastWord = 0;
    s.inSystemVariable = false;
  }

  #takeDetail(s: StatementState, kind: Token): void {
    if (this.#details === Details.All) this.#items.move(this.#lexer.tokenStart);
    if ((isName(kind) || kind === Token.Dot) && s.inert === Inert.No) this.#takeName(s, kind);
  }

  /** Looks at what a name is, apart from its place in the statement. */
  #takeName(s: StatementState, kind: Token): void {
    if (kind === Token.Dot) {
      // Of what stands before the dot and is no name, the text is not known.
      const isQualifier = isName(s.last) && s.before !== Token.Dot;
      s.qualifier = isQualifier ? s.text.read(s.context.utf8) : null;
    } else {
      if (isProcedure(s) && (s.isAfter(Word.call) || s.last === Token.Dot)) {
        s.procedure = s.text.read(s.context.utf8);
        s.isQualified = s.last === Token.Dot;
      }
      if (this.#hazards.size > 0) this.#takeHazard(s, s.text.read(s.context.utf8));
    }
  }

  #takeHazard(s: StatementState, name: string | null): void {
    const hazards = name === null ? undefined : this.#hazards.get(name.toLowerCase());
    if (hazards === undefined) return;
    this.#named |= hazards;
    s.flags |= IMPURE;
  }

  /** A definition runs nothing of what it names, but for the query that fills a table; nor does SHOW. */
  #endHazards(s: StatementState): void {
    for (const name of s.routines) this.#takeHazard(s, `${name.slice(name.indexOf('.') + 1)}()`);
    const named = this.#named;
    if (named === 0) return;
    this.#named = 0;
    const fillsTable = (s.flags & Flag.WritesLastInsertId) !== 0;
    if (s.kind === StatementKind.Show || (s.kind === StatementKind.Ddl && !fillsTable)) return;
    s.holds |= named & HOLD_BITS;
    if ((s.flags & Flag.Dml) !== 0) s.holds |= named >>> CHANGING_ROWS;
  }

  /** At the end of a statement, before the state is looked at. */
  #finishDetails(s: StatementState): void {
    if (this.#details === Details.None) return;
    if (s.kind === StatementKind.Call) recordRoutine(s, s.isQualified, s.procedure);
    if (this.#details !== Details.All) return;
    this.#items.finish(s);
    if (!this.#lexer.seesCode) {
      s.lockColumns = this.#items.lockColumns(s);
      if (this.#count === 0) s.sessionValues = this.#items.values(s);
    }
    this.#items.reset();
  }

  #endStatement(): void {
    const s = this.#statement;
    if (s.last === Token.None) return;
    if (s.kind === StatementKind.Empty) beginUnknown(s);
    endStatement(s);
    this.#finishDetails(s);
    if (this.#hazards.size > 0) this.#endHazards(s);
    this.#watchReading(s);
    const reads = (s.flags & ~Flag.CountsOtherRows) === 0 && s.holds === 0;
    const flags = reads ? s.flags | Flag.PlainRead : s.flags & ~IMPURE;
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
      else if (this.#count === 2) this.#each = [traitsOf({ ...this.#only, sessionValues: NONE }), traits];
      else this.#each.push(traits);
    } else if (assignments.length > 0 || changes.length > 0) {
      // Too many statements to list them, and so what they assign and change.
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
    this.#lexer.watchesReading = this.#quotingMayDiffer || this.#charsetMayDiffer;
  }
}
