import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { outcomeOf, type StatementOutcome } from '../servers/statement-outcome.js';
import { Flag, StatementKind, type StatementTraits } from '../sql/traits.js';
import { clientError } from './client-errors.js';
import type { LosableWork } from './lost-command.js';
import type { Work } from './work.js';

/**
 * Statements that a server refuses before they do anything, if it refuses them for what it is itself. What runs other statements
 * (CALL, EXECUTE, a block) may be refused half-way; COMMIT and XA end what cannot be begun anew elsewhere.
 */
const REFUSED_WHOLE: ReadonlySet<StatementKind> = new Set([
  StatementKind.Select,
  StatementKind.Insert,
  StatementKind.Replace,
  StatementKind.Update,
  StatementKind.Delete,
  StatementKind.Load,
  StatementKind.Do,
  StatementKind.Use,
  StatementKind.Begin,
  StatementKind.Rollback,
  StatementKind.LockTables,
  StatementKind.UnlockTables,
  StatementKind.CreateTemporary,
  StatementKind.Ddl,
  StatementKind.Show,
  StatementKind.Explain,
]);

/** The first statement of a text; null where nobody can tell. */
function firstOf({
  statements,
  each,
  ...traits
}: StatementTraits): Pick<StatementTraits, 'first' | 'flags'> | null {
  return statements === 1 ? traits : (each[0] ?? null);
}

/**
 * Whether a command that was answered with an ERR and nothing else, because of what its server is, has left nothing behind, so
 * that it may be run once more. Of several statements none has run then: the first one has been refused.
 */
export function hasDoneNothing({
  canRepeat,
  effects,
  traits,
  isPrepare,
  choosesSchema,
}: LosableWork): boolean {
  if (!canRepeat) return false;
  if (isPrepare || choosesSchema) return true;
  // Those of an EXECUTE are its statement's.
  const run = effects.traits ?? traits;
  const first = run === null ? null : firstOf(run);
  if (first === null || (first.flags & (Flag.MayRunRoutine | Flag.Undecidable)) !== 0) return false;
  return REFUSED_WHOLE.has(first.first);
}

/** A command that was answered with an ERR. */
export type AnsweredWork = Pick<Work, 'traits' | 'sql'>;

/**
 * Begins a transaction with no word of what it may do. Both servers commit the one before by it, and refuse nothing else of it, so
 * that such a refusal has rolled that one back. With READ WRITE it may be committed already: then nobody can tell.
 */
const PLAIN_BEGIN =
  /^\s*(?:BEGIN(?:\s+WORK)?|START\s+TRANSACTION(?:\s+WITH\s+CONSISTENT\s+SNAPSHOT)?)\s*;?\s*$/i;

/** Whether it was the transaction's COMMIT that was refused, if anything was. */
function onlyCommits({ traits, sql }: AnsweredWork): boolean {
  if (traits === null) return false;
  switch (firstOf(traits)?.first) {
    case StatementKind.Commit:
      return true;
    case StatementKind.Begin:
      return sql !== null && PLAIN_BEGIN.test(sql.toString('latin1'));
    default:
      return false;
  }
}

/** What an ERR tells of the server that has sent it; null, as mostly, where it tells nothing. `isLone`: the reply is nothing else. */
export function outcomeFor(err: ErrPacket, work: AnsweredWork, isLone: boolean): StatementOutcome | null {
  return outcomeOf(err, isLone && onlyCommits(work));
}

/** A number that clients answer by beginning their transaction anew, in place of one that tells them nothing of it. */
export function rolledBackBy(
  { errno, message }: ErrPacket,
  { traits }: Pick<AnsweredWork, 'traits'>,
): ErrPacket {
  const what =
    traits !== null && firstOf(traits)?.first === StatementKind.Begin ? 'BEGIN, which commits it,' : 'COMMIT';
  return clientError(
    ServerError.LockDeadlock,
    `the server takes no writes any more, and has rolled the transaction back; try restarting transaction ` +
      `(${what} was answered with ${errno}: ${message})`,
  );
}
