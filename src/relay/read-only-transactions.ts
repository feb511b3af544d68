import { ServerError } from '../protocol/constants.js';
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

/** Whether a command is run on the session of the transaction; else the transaction is over, and the command for the client's own pool. */
export function belongsThere(
  { traits, statement }: Pick<Work, 'traits' | 'statement'>,
  holds: number,
): boolean {
  // Rows of a cursor, and the like.
  if ((holds & HoldReason.Transaction) === 0) return statement !== null && traits === null;
  return traits === null || !commitsFirst(traits.each[0] ?? traits);
}

/** What a client is told of a command that belongs there and would do more than can be undone with the transaction; else null. */
export function refusalThere(
  { traits, effects }: Pick<Work, 'traits' | 'effects'>,
  holds: number,
): ErrPacket | null {
  const begun = holdsBegunBy(effects) & LASTING & ~holds;
  if (begun !== 0) return refused(`what it makes would outlast it there: ${holdWords(begun).join(', ')}`);
  if (traits !== null && goesOn(traits))
    return refused('what follows its end is not for the replica: send it as a text of its own');
  return null;
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

function commitsFirst({ first, flags }: StatementTraits): boolean {
  return COMMIT_FIRST.has(first) && (flags & Flag.EndsTransaction) !== 0;
}

/** Whether statements of a text may come behind the end of the transaction that is open before it. */
function goesOn({ statements, each, flags }: StatementTraits): boolean {
  if (statements < 2) return false;
  // Too many to be listed.
  if (each.length === 0) return (flags & Flag.EndsTransaction) !== 0;
  return each.some(
    (one, i) =>
      commitsFirst(one) ||
      (i < each.length - 1 && (one.first === StatementKind.Commit || one.first === StatementKind.Rollback)),
  );
}
