/** What became of a statement that was answered with an error which tells of the server's state, not of the statement's fault. */
export const Outcome = {
  /** It was refused before it did anything; where a transaction was open, it still is. */
  Refused: 'refused',
  /** The whole transaction was rolled back, here and everywhere: nothing of it remains. */
  RolledBack: 'rolled_back',
  /** It may have been done, on another server if not on this one. */
  Unknown: 'unknown',
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** What the error tells of the server. */
export const ServerHint = {
  /** It takes no writes (any more). */
  ReadOnly: 'read_only',
  /** It takes no statements. */
  NotReady: 'not_ready',
  /** It is on its way out, or out of its group. */
  Leaving: 'leaving',
} as const;
export type ServerHint = (typeof ServerHint)[keyof typeof ServerHint];

export interface StatementOutcome {
  readonly outcome: Outcome;
  /** Null where the server is as it was: another client was faster. */
  readonly hint: ServerHint | null;
}

export interface ServerErrorText {
  readonly errno: number;
  readonly message: string;
}

/** The same number is used for other options, such as --secure-file-priv and --skip-grant-tables. */
const READ_ONLY_OPTION = /--(?:super-)?read-only\b/;
const NOT_PREPARED = /^WSREP has not yet prepared node/;
const GALERA_STATUS = /\(provider status: /;

/**
 * What an error tells of the server that has sent it, and whether the statement may be sent again, to another server; null for any
 * error that is the statement's own. Brought about on real servers, but for 1836, 1053, 1927 and 1792 (test/servers/truth has most):
 *
 * | error | where | the statement | an open transaction |
 * |---|---|---|---|
 * | 1290 `--read-only`, `--super-read-only` | any | refused | goes on; **but COMMIT with it has rolled back, and so have BEGIN and START TRANSACTION, which commit it**; after LOCK TABLES and START TRANSACTION READ WRITE it may be committed or rolled back |
 * | 1836 | InnoDB read-only: Aurora's readers, innodb_force_recovery | refused | goes on |
 * | 1047 "WSREP has not yet prepared" | Galera, not ready or wsrep_reject_queries | refused | goes on when the node is ready again, **also after a refused COMMIT** |
 * | 1180 "(provider status: ...)" | Galera, COMMIT or autocommit while the node is cut off or shut down | **may be in the group**: 2 of 30 were | over |
 * | 1180 "Lock deadlock" | Group Replication with many primaries | rolled back | over |
 * | 1213 | a conflict with another node's transaction | rolled back | over |
 * | 3100 | Group Replication, COMMIT or autocommit while the member is put out | unknown | over |
 * | 3101 | Group Replication, a conflict with another primary | rolled back | over |
 * | 3098 | Group Replication, SERIALIZABLE while `group_replication_set_as_primary()` is at work (0.3 to 0.7 s). By its manual the same number is for tables without a primary key, always, and with cascading foreign keys: so it is taken for the statement's own fault | refused | |
 * | 1792 | the transaction was begun READ ONLY: the statement's own fault | | |
 * | 1053, 1927, connection lost | shutdown, SIGKILL | unknown, but for what has not been sent | over |
 *
 * A text with several statements, a CALL, and whatever runs routines or triggers may have done something before the part that was
 * refused: who asks must know that it was one statement alone.
 *
 * @param commits - the statement was a COMMIT, or is refused for the one in it alone
 */
export function outcomeOf({ errno, message }: ServerErrorText, commits: boolean): StatementOutcome | null {
  switch (errno) {
    case 1290:
      if (!READ_ONLY_OPTION.test(message)) return null;
      return { outcome: commits ? Outcome.RolledBack : Outcome.Refused, hint: ServerHint.ReadOnly };
    case 1836:
      return { outcome: commits ? Outcome.RolledBack : Outcome.Refused, hint: ServerHint.ReadOnly };
    case 1047:
      return NOT_PREPARED.test(message) ? { outcome: Outcome.Refused, hint: ServerHint.NotReady } : null;
    case 1180:
      if (GALERA_STATUS.test(message)) return { outcome: Outcome.Unknown, hint: ServerHint.Leaving };
      return /deadlock/i.test(message) ? { outcome: Outcome.RolledBack, hint: null } : null;
    case 1213:
    case 3101:
      return { outcome: Outcome.RolledBack, hint: null };
    case 3100:
      return { outcome: Outcome.Unknown, hint: ServerHint.Leaving };
    case 1053:
    case 1927:
      return { outcome: Outcome.Unknown, hint: ServerHint.Leaving };
    default:
      return null;
  }
}
