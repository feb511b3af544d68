import { addChange, giveTable, isName, lowerName, readName, takeTable } from './name-reader.js';
import type { StepFunction } from './statement-grammar.js';
import { type StatementState, Step } from './statement-state.js';
import { decodeString } from './string-literal.js';
import { Token } from './tokens.js';
import { StatementKind } from './traits.js';
import { Word } from './words.js';

/** The longest text of a statement in a string literal that is told, in bytes. */
export const MAX_PREPARED = 8192;

/** Goes on to what is prepared; its source may be twice as long as what it says. */
function awaitText(s: StatementState, step: Step): true {
  s.text.wanted = true;
  s.text.sourceLimit = 2 * MAX_PREPARED + 2;
  s.literal.reset();
  s.step = step;
  return true;
}

/** The prepared text; null when it is anything but one string literal, or too long. */
function preparedText(s: StatementState): string | null {
  const source = s.literal.stringSource;
  const text = source === null ? null : decodeString(source, s.context);
  return text === null || text.length > MAX_PREPARED ? null : text;
}

/** PREPARE name */
function prepare(s: StatementState, kind: Token): boolean {
  s.name = readName(s, kind);
  s.step = Step.PrepareFrom;
  return true;
}

function prepareFrom(s: StatementState, kind: Token, word: number): boolean {
  return kind === Token.Word && word === Word.from && awaitText(s, Step.PrepareText);
}

function prepareText(s: StatementState, kind: Token, word: number): boolean {
  s.literal.take(kind, word, s.text);
  return false;
}

function endPrepare(s: StatementState): void {
  addChange(s, { kind: 'prepare', name: s.name, text: preparedText(s) });
}

/** EXECUTE name, EXECUTE IMMEDIATE. */
function execute(s: StatementState, kind: Token, word: number): boolean {
  s.name = readName(s, kind);
  if (kind === Token.Word && word === Word.immediate && s.context.mariadb)
    return awaitText(s, Step.ExecuteText);
  endExecute(s);
  return true;
}

function endExecute(s: StatementState): void {
  addChange(s, { kind: 'execute', name: s.name });
  s.step = Step.Done;
}

/** What is to be executed at once, or what follows the name IMMEDIATE. */
function executeText(s: StatementState, kind: Token, word: number): boolean {
  if (kind === Token.Word && word === Word.using && s.depth === 0) {
    endExecuteText(s);
    return true;
  }
  s.literal.take(kind, word, s.text);
  return false;
}

function endExecuteText(s: StatementState): void {
  if (s.literal.isEmpty) endExecute(s);
  else addChange(s, { kind: 'execute_immediate', text: preparedText(s) });
  s.step = Step.Done;
}

/** HANDLER table */
function handler(s: StatementState, kind: Token, word: number): boolean {
  if (kind === Token.Word && s.table !== null && s.last !== Token.Dot) {
    s.step = Step.Done;
    if (word === Word.read) s.kind = StatementKind.HandlerRead;
    if (word === Word.close) {
      s.kind = StatementKind.HandlerClose;
      addChange(s, { kind: 'handler_close', name: lowerName(s, giveTable(s).name) });
    }
    if (word === Word.open) s.step = Step.HandlerAlias;
    return true;
  }
  return takeTable(s, kind);
}

/** [AS] alias */
function handlerAlias(s: StatementState, kind: Token, word: number): boolean {
  if (isName(kind) && !(kind === Token.Word && word === Word.as)) {
    s.table = null;
    takeTable(s, kind);
  }
  return true;
}

function endHandlerOpen(s: StatementState): void {
  addChange(s, { kind: 'handler_open', name: lowerName(s, giveTable(s).name) });
}

/** The part of the table of steps for what a session keeps under a name. */
export const NAMED_STEPS = {
  [Step.Prepare]: prepare,
  [Step.PrepareFrom]: prepareFrom,
  [Step.PrepareText]: prepareText,
  [Step.Execute]: execute,
  [Step.ExecuteText]: executeText,
  [Step.Handler]: handler,
  [Step.HandlerAlias]: handlerAlias,
} satisfies Partial<Record<Step, StepFunction>>;

/** What is still to be said at the statement's end, by the step it has got to. */
export const NAMED_ENDS: Partial<Record<Step, (s: StatementState) => void>> = {
  [Step.PrepareText]: endPrepare,
  [Step.ExecuteText]: endExecuteText,
  [Step.HandlerAlias]: endHandlerOpen,
};
