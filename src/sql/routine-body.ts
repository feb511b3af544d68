import { Inert, type StatementState } from './statement-state.js';
import { LEADS } from './statement-table.js';
import { Token } from './tokens.js';
import { Word } from './words.js';

/**
 * Follows the definition of a routine, trigger or event to its end, so that neither its statements count (they do not run
 * now) nor what stands behind it is missed. A semicolon ends it when no block is open. The count of open blocks is a lower
 * bound: where a word might not open one it is not counted, and whatever might close one is. The error is then to take
 * a part of the body for a statement that runs.
 */
export function takeInert(s: StatementState, kind: Token, word: number): void {
  switch (s.inert) {
    case Inert.RoutineHead:
      takeHead(s, kind, word);
      break;
    case Inert.RoutineBody:
      takeBody(s, kind, word);
      break;
    default:
      break;
  }
}

/** Whether a semicolon here ends the statement. */
export function endsAtSemicolon(s: StatementState): boolean {
  return s.inert !== Inert.Rest && s.blocks <= 0;
}

function countParen(s: StatementState, kind: Token): void {
  if (kind === Token.LeftParen || kind === Token.SpacedLeftParen) s.depth++;
  else if (kind === Token.RightParen) s.depth--;
}

function takeHead(s: StatementState, kind: Token, word: number): void {
  countParen(s, kind);
  let isBody: boolean;
  if (s.routineWord === Word.trigger) isBody = word === Word.row && s.isAfter(Word.each);
  else if (s.routineWord === Word.event) isBody = kind === Token.Word && word === Word.do && s.depth === 0;
  else isBody = kind === Token.RightParen && s.depth === 0;
  if (isBody) s.inert = Inert.RoutineBody;
}

function takeBody(s: StatementState, kind: Token, word: number): void {
  countParen(s, kind);
  if (kind !== Token.Word || s.last === Token.Dot) return;
  const isEnd = s.isAfter(Word.end);
  switch (word) {
    case Word.end:
      s.blocks--;
      return;
    case Word.begin:
      if (s.inHandler || startsStatement(s)) s.blocks++;
      break;
    case Word.case:
      // A reserved word: always a CASE, of either kind.
      if (!isEnd) s.blocks++;
      break;
    case Word.for:
      if (!isEnd && startsStatement(s)) s.blocks++;
      // As in DECLARE ... HANDLER FOR.
      s.bodyStarted = true;
      return;
    case Word.if:
    case Word.loop:
    case Word.repeat:
    case Word.while:
      // They are not counted, so neither is their END.
      if (isEnd) s.blocks++;
      break;
    case Word.handler:
      if (s.isAfter(Word.continue) || s.isAfter(Word.exit) || s.isAfter(Word.undo)) {
        s.inHandler = true;
        return;
      }
      break;
    default:
      break;
  }
  if (LEADS[word] !== undefined) {
    s.bodyStarted = true;
    s.inHandler = false;
  }
}

/** Where a word is sure to begin a statement of the body, and is no alias or column. */
function startsStatement(s: StatementState): boolean {
  if (s.last === Token.Semicolon || s.last === Token.Colon || s.isAfter(Word.begin)) return true;
  return !s.bodyStarted && s.depth === 0 && !s.isAfter(Word.follows) && !s.isAfter(Word.precedes);
}
