import { Outcome } from './history.js';

/** How a command failed, as its client was told. */
export class CommandFailed extends Error {
  /** MySQL's number; 0 where the connection was lost without a word. */
  readonly errno: number;
  /** The driver's word. */
  readonly code: string;
  /** Nothing more can be sent over the connection. */
  readonly isLost: boolean;

  constructor(message: string, { errno, code, isLost }: Pick<CommandFailed, 'errno' | 'code' | 'isLost'>) {
    super(message);
    this.errno = errno;
    this.code = code;
    this.isLost = isLost;
  }
}

/**
 * Errors that prove that what was sent has changed nothing. 1205 and 1213 take back the statement or all of its transaction,
 * and a COMMIT that waits in vain for a global lock is rolled back; a server that is read-only (1290, 1836) rolls a COMMIT
 * with changes back; the others come before anything is run.
 */
const NOT_DONE: ReadonlySet<number> = new Set([
  // Too many connections, of a user or in all; the proxy had no session in time.
  1040, 1203, 1226,
  // Galera's "not yet prepared to be used".
  1047, 1205, 1213, 1290, 1836,
  // The proxy did not reach the server in time.
  1429,
  // Group Replication has rolled the transaction back at its COMMIT, after a conflict.
  3101,
  // Group Replication takes nothing SERIALIZABLE while it moves its primary; told before the statement is run.
  3098,
]);

/** Those that say nothing, but that faults explain. */
const EXPLAINED: ReadonlySet<number> = new Set([
  // The server or the proxy shuts down; a session was killed; the reply was lost; the statement was interrupted.
  1053,
  1927, 1158, 1160, 1161, 1317, 2006, 2013,
  // MySQL: the session was killed because the server goes offline, or by somebody.
  3169, 4031,
  // Galera and Group Replication: the node left the others as it committed, which may have got the transaction.
  1180,
  3100,
]);

/** Of the driver, when the connection has ended or was never there. */
const GONE: ReadonlySet<string> = new Set([
  'PROTOCOL_CONNECTION_LOST',
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
]);

/** The proxy's own words, which are a promise. */
const NEVER_RUN = /This statement was not executed|was not committed/;

/** @param decides whether the command alone decides: it is a COMMIT, or no part of a transaction */
export function outcomeOf({ errno, message, isLost }: CommandFailed, decides: boolean): Outcome {
  // Nothing is committed of a transaction that has not been told to.
  if (!decides) return Outcome.Fail;
  if (!isLost && (NOT_DONE.has(errno) || NEVER_RUN.test(message))) return Outcome.Fail;
  return Outcome.Info;
}

/** Whether the faults of a run explain it; else something is wrong. */
export function isExplained({ errno, code }: CommandFailed): boolean {
  return (errno === 0 && GONE.has(code)) || NOT_DONE.has(errno) || EXPLAINED.has(errno);
}
