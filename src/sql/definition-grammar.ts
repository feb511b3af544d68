import { addChange, giveTable, isCondition, readName, takeTable } from './name-reader.js';
import type { StepFunction } from './statement-grammar.js';
import { Inert, type StatementState, Step } from './statement-state.js';
import { Token } from './tokens.js';
import { Flag, Hold, StatementKind } from './traits.js';
import { Word } from './words.js';

/** What may call, or be called by, something that a statement runs. */
const ROUTINES: ReadonlySet<number> = new Set([
  Word.procedure,
  Word.function,
  Word.trigger,
  Word.event,
  Word.package,
  Word.library,
  Word.view,
]);

/** Goes on to a name. */
function awaitName(s: StatementState, step: Step): true {
  s.text.wanted = true;
  s.table = null;
  s.step = step;
  return true;
}

/** CREATE, up to the word for what it is about. */
function create(s: StatementState, kind: Token, word: number): boolean {
  if (kind !== Token.Word || s.last === Token.Equal) return false;
  switch (word) {
    case Word.or:
    case Word.replace:
    case Word.algorithm:
    case Word.definer:
    case Word.sql:
    case Word.security:
    case Word.invoker:
    case Word.aggregate:
      return true;
    case Word.temporary:
      s.kind = StatementKind.CreateTemporary;
      s.holds |= Hold.TemporaryTable;
      s.flags &= ~Flag.EndsTransaction;
      return true;
    case Word.table:
    case Word.sequence:
      if (s.kind === StatementKind.CreateTemporary) return beginTable(s, Step.CreateName);
      if (word === Word.table) return beginTable(s, Step.CreateTable);
      break;
    case Word.view:
      s.inert = Inert.View;
      break;
    case Word.procedure:
    case Word.function:
    case Word.trigger:
    case Word.event:
    case Word.package:
      s.inert = Inert.RoutineHead;
      s.routineWord = word;
      break;
    default:
      break;
  }
  if (ROUTINES.has(word)) s.flags |= Flag.ChangesRoutines;
  s.step = Step.Done;
  return true;
}

function beginTable(s: StatementState, step: Step): true {
  s.hasAccounts = false;
  if (step === Step.CreateTable) s.step = step;
  else awaitName(s, step);
  return true;
}

function createName(s: StatementState, kind: Token, word: number): boolean {
  if (isCondition(s, kind, word) || takeTable(s, kind)) return true;
  endCreateName(s);
  s.text.wanted = false;
  s.step = Step.CreateTable;
  return createTable(s, kind, word);
}

function endCreateName(s: StatementState): void {
  addChange(s, { kind: 'create_temporary', table: giveTable(s) });
}

/** Waits for the query that fills the table. */
function createTable(s: StatementState, kind: Token, word: number): boolean {
  if (kind !== Token.Word) return false;
  if (word === Word.select || word === Word.values) {
    s.isHeader = false;
    s.flags |= Flag.WritesLastInsertId;
  } else if (s.isAfter(Word.values) && (word === Word.less || word === Word.in)) {
    // VALUES LESS THAN (...) of a partition.
    s.isHeader = true;
  }
  return false;
}

/** ALTER, up to the word for what it is about. */
function alter(s: StatementState, kind: Token, word: number): boolean {
  if (kind !== Token.Word || word !== Word.table) {
    const introduces = word === Word.online || word === Word.ignore;
    return (kind === Token.Word && introduces) || create(s, kind, word);
  }
  // Its triggers may move along.
  s.flags |= Flag.ChangesRoutines;
  return beginTable(s, Step.AlterName);
}

function alterName(s: StatementState, kind: Token, word: number): boolean {
  if (isCondition(s, kind, word) || takeTable(s, kind)) return true;
  s.from = giveTable(s);
  s.text.wanted = false;
  s.step = Step.AlterTable;
  return alterTable(s, kind, word);
}

function alterTable(s: StatementState, kind: Token, word: number): boolean {
  // A reserved word.
  const renames = kind === Token.Word && word === Word.rename && s.depth === 0 && s.last !== Token.Dot;
  return renames ? awaitName(s, Step.AlterRename) : createTable(s, kind, word);
}

/** RENAME [TO | AS | =] table, RENAME {COLUMN | INDEX | KEY} a TO b. */
function alterRename(s: StatementState, kind: Token, word: number): boolean {
  if (s.table === null && s.last !== Token.Dot) {
    if (kind === Token.Equal) return true;
    if (kind === Token.Word && (word === Word.to || word === Word.as)) return true;
    if (kind === Token.Word && (word === Word.column || word === Word.index || word === Word.key)) {
      s.text.wanted = false;
      s.step = Step.AlterTable;
      return true;
    }
  }
  if (takeTable(s, kind)) return true;
  s.to = giveTable(s);
  s.text.wanted = false;
  s.step = Step.AlterTable;
  return alterTable(s, kind, word);
}

function endAlterTable(s: StatementState): void {
  // The last one counts.
  if (s.from !== null && s.to !== null) addChange(s, { kind: 'rename_table', from: s.from, to: s.to });
}

/** DROP, up to the word for what it is about. */
function drop(s: StatementState, kind: Token, word: number): boolean {
  s.step = Step.Done;
  if (kind !== Token.Word) return true;
  switch (word) {
    case Word.temporary:
      s.kind = StatementKind.DropTemporary;
      s.flags &= ~Flag.EndsTransaction;
      s.step = Step.Drop;
      return true;
    case Word.prepare:
      s.kind = StatementKind.Deallocate;
      s.holds |= Hold.TextPrepare;
      s.flags &= ~Flag.EndsTransaction;
      return awaitName(s, Step.Deallocate);
    case Word.table:
    case Word.tables:
    case Word.sequence:
      return awaitName(s, Step.DropNames);
    case Word.database:
    case Word.schema:
      s.flags |= Flag.ChangesRoutines;
      s.name = null;
      return awaitName(s, Step.DropSchema);
    default:
      if (ROUTINES.has(word)) s.flags |= Flag.ChangesRoutines;
      return true;
  }
}

/** [IF EXISTS] a, b, ... */
function dropNames(s: StatementState, kind: Token, word: number): boolean {
  if (isCondition(s, kind, word) || takeTable(s, kind)) return true;
  if (kind === Token.Comma) endDropName(s);
  return false;
}

function endDropName(s: StatementState): void {
  addChange(s, { kind: 'drop_table', table: giveTable(s) });
}

function dropSchema(s: StatementState, kind: Token, word: number): boolean {
  return isCondition(s, kind, word) || takeTable(s, kind);
}

function endDropSchema(s: StatementState): void {
  addChange(s, { kind: 'drop_schema', schema: giveTable(s).name });
}

/** RENAME TABLE a TO b, ...; RENAME USER */
function rename(s: StatementState, kind: Token, word: number): boolean {
  s.step = Step.Done;
  if (kind !== Token.Word || (word !== Word.table && word !== Word.tables)) return false;
  s.flags |= Flag.ChangesRoutines;
  // MySQL's is blind to temporary tables: it renames what one of them hides.
  return s.context.mariadb ? awaitName(s, Step.RenameFrom) : true;
}

function renameFrom(s: StatementState, kind: Token, word: number): boolean {
  if (isCondition(s, kind, word)) return true;
  if (kind === Token.Word && word === Word.to && s.last !== Token.Dot) {
    s.from = giveTable(s);
    s.step = Step.RenameTo;
    return true;
  }
  // What else stands here is how long to wait.
  return takeTable(s, kind);
}

function renameTo(s: StatementState, kind: Token): boolean {
  if (takeTable(s, kind)) return true;
  if (kind === Token.Comma) {
    endRename(s);
    s.step = Step.RenameFrom;
  }
  return false;
}

function endRename(s: StatementState): void {
  const to = giveTable(s);
  if (s.from !== null) addChange(s, { kind: 'rename_table', from: s.from, to });
  s.from = null;
}

/** DEALLOCATE PREPARE name, and DROP PREPARE name from its name on. */
function deallocate(s: StatementState, kind: Token, word: number): boolean {
  if (kind === Token.Word && word === Word.prepare && s.isAfter(Word.deallocate)) return true;
  addChange(s, { kind: 'deallocate', name: readName(s, kind) });
  s.step = Step.Done;
  return true;
}

/** The part of the table of steps for what is defined, renamed and dropped. */
export const DEFINITION_STEPS = {
  [Step.Create]: create,
  [Step.CreateName]: createName,
  [Step.CreateTable]: createTable,
  [Step.Alter]: alter,
  [Step.AlterName]: alterName,
  [Step.AlterTable]: alterTable,
  [Step.AlterRename]: alterRename,
  [Step.Drop]: drop,
  [Step.DropNames]: dropNames,
  [Step.DropSchema]: dropSchema,
  [Step.Rename]: rename,
  [Step.RenameFrom]: renameFrom,
  [Step.RenameTo]: renameTo,
  [Step.Deallocate]: deallocate,
} satisfies Partial<Record<Step, StepFunction>>;

/** What is still to be said at the statement's end, by the step it has got to. */
export const DEFINITION_ENDS: Partial<Record<Step, (s: StatementState) => void>> = {
  [Step.CreateName]: endCreateName,
  [Step.AlterTable]: endAlterTable,
  [Step.AlterRename]: (s) => {
    s.to = giveTable(s);
    endAlterTable(s);
  },
  [Step.DropNames]: endDropName,
  [Step.DropSchema]: endDropSchema,
  [Step.RenameTo]: endRename,
};
