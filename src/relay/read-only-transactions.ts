import { ServerError, Status } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { HoldReason, holdWords } from '../session/hold-reason.js';
import { Flag, StatementKind, type StatementTraits } from '../sql/traits.js';
import { holdsBegunBy } from './begun-holds.js';
import { clientError } from './client-errors.js';
import { LASTING } from './hold-register.js';
import type { Work } from './work.js';

/*
 * Read-only transactions of a primary's clients that replicas serve (`read_only_transactions`). On such a session nothing is run
 * but what belongs to the transaction: all else is the business of the client's own pool. That it could be written there is not
 * for the server to prevent, which may be a node that takes writes, or a replica that nobody has made read-only.
 */

/** Why state is gone that was made in the transaction and was to outlast it. */
export const LEFT_BEHIND = 'it was on the replica that has served its read-only transaction, which is over';

/** START TRANSACTION READ ONLY as a text of its own. */
export function beginsReadOnly({ traits, statement }: Pick<Work, 'traits' | 'statement'>): boolean {
  if (traits === null || traits.first !== StatementKind.Begin || statement !== null) return false;
  return (
    traits.statements === 1 &&
    (traits.flags & (Flag.BeginsReadOnly | Flag.Undecidable)) === Flag.BeginsReadOnly
  );
}

/** What tells whether the transaction is still open there. */
export interface OpenThere {
  /** `HoldReason` bits. */
  readonly holds: number;
  /** Status flags, as the session told them last. */
  readonly status: number;
}

/** Whether a command is run on the session of the transaction; else the transaction is over, and the command for the client's own pool. */
export function belongsThere(
  { traits, effects, statement }: Pick<Work, 'traits' | 'effects' | 'statement'>,
  { holds, status }: OpenThere,
): boolean {
  // Rows of a cursor, and the like.
  if ((holds & HoldReason.Transaction) === 0) return statement !== null && traits === null;
  if (!isReadOnly(status)) return false;
  const run = whatRuns({ traits, effects });
  return run === null || !commitsFirst(run.each[0] ?? run);
}

/** Else a procedure has ended it, and begun another one. */
function isReadOnly(status: number): boolean {
  return (status & Status.InTransactionReadonly) !== 0;
}

/** Those of an EXECUTE are its statement's. */
function whatRuns({ traits, effects }: Pick<Work, 'traits' | 'effects'>): StatementTraits | null {
  return effects.traits ?? traits;
}

/** Of what is left behind there, the `HoldReason` bits of which the client is told in place of the command that comes next. */
export function lostThere({ isBound }: Pick<Work, 'isBound'>, { holds, status }: OpenThere): number {
  // Nothing is written in the transaction; whoever goes on to read from a cursor is told then that there is none; and both servers
  // leave it to the next transaction to be READ ONLY where this one was ended by a deadlock, or by `SET autocommit`.
  const unmissed =
    HoldReason.Cursor | HoldReason.NextTransaction | (isReadOnly(status) ? HoldReason.Transaction : 0);
  return (holds & ~unmissed) | (isBound ? HoldReason.LongData : 0);
}

/** What a client is told of a command that belongs there and would do more than can be undone with the transaction; else null. */
export function refusalThere(work: Pick<Work, 'traits' | 'effects'>, holds: number): ErrPacket | null {
  const run = whatRuns(work);
  const begun = (holdsBegunBy(work.effects) & LASTING & ~holds) | (runsUnknown(run) ? HoldReason.Unknown : 0);
  if (begun !== 0) return refused(`what it makes would outlast it there: ${holdWords(begun).join(', ')}`);
  if (run !== null && goesOn(run))
    return refused('what follows its end is not for the replica: send it as a text of its own');
  return null;
}

/** An EXECUTE of a text that is not known: it may commit the transaction, and do anything. */
function runsUnknown(run: StatementTraits | null): boolean {
  return run !== null && partsOf(run).some(({ first }) => first === StatementKind.Execute);
}

function partsOf(traits: StatementTraits): readonly StatementTraits[] {
  return traits.each.length === 0 ? [traits] : traits.each;
}

function refused(why: string): ErrPacket {
  return clientError(
    ServerError.ReadOnlyTransaction,
    `Cannot execute statement in a READ ONLY transaction that a replica may serve (read_only_transactions): ${why}`,
  );
}

/**
 * Kinds of which both servers run those with {@link Flag.EndsTransaction} in a READ ONLY transaction, too: they commit it first.
 * (Tables that are created as temporary ones they refuse.)
 */
const COMMIT_FIRST: ReadonlySet<StatementKind> = new Set([
  StatementKind.Begin,
  StatementKind.Ddl,
  StatementKind.Admin,
  StatementKind.Flush,
  StatementKind.LockTables,
  StatementKind.BackupStage,
  StatementKind.BackupLock,
  StatementKind.SetPassword,
  StatementKind.SetDefaultRole,
]);

/** Kinds of which those with that flag end it and do no more. SET: of `autocommit`. */
const ENDS_ITSELF: ReadonlySet<StatementKind> = new Set([
  StatementKind.Commit,
  StatementKind.Rollback,
  StatementKind.Set,
]);

function commitsFirst({ first, flags }: StatementTraits): boolean {
  return COMMIT_FIRST.has(first) && (flags & Flag.EndsTransaction) !== 0;
}

/** Whether statements of a text may come behind the end of the transaction that is open before it. */
function goesOn({ statements, each, flags }: StatementTraits): boolean {
  if (statements < 2) return false;
  // Too many to be listed.
  if (each.length === 0) return (flags & Flag.EndsTransaction) !== 0;
  return each.some((one, i) => commitsFirst(one) || (i < each.length - 1 && endsItself(one)));
}

function endsItself({ first, flags }: StatementTraits): boolean {
  return ENDS_ITSELF.has(first) && (flags & Flag.EndsTransaction) !== 0;
}
