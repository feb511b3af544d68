import { type InternalCommand, PING, queryCommand, runInternal } from '../backend/internal-commands.js';
import { FLUSH_TRACKERS } from '../backend/server-facts.js';
import type { ServerSession } from '../backend/server-session.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { SessionLedger } from '../session/session-ledger.js';
import { SCHEMA_CHANGE, type StatementEffects } from '../session/statement-effects.js';

/** How {@link settleSession} ended. */
export interface Settlement {
  /** The server refused to answer: nothing is known of the session any more. */
  readonly refused: ErrPacket | null;
  readonly lost: boolean;
}

/** Whether the server knows of changes that it has not told, so that the session can't be given away yet. */
export function isSettled(ledger: SessionLedger): boolean {
  return !ledger.reportsOutstanding && ledger.readBack.size === 0;
}

/**
 * Asks the server for what it has not told: changes made by a statement that failed, and variables whose final value no
 * tracker reports. The ledger takes the answers in; it may hold the session afterwards.
 */
export function settleSession(
  session: ServerSession,
  ledger: SessionLedger,
  lastEffects: StatementEffects,
  done: (settlement: Settlement) => void,
): void {
  const commands: InternalCommand[] = [];
  const mariadb = session.info.flavor === 'mariadb';
  // MySQL tells late changes with any OK, MariaDB with one of a statement that itself changes something.
  if (ledger.reportsOutstanding) commands.push(mariadb ? FLUSH_TRACKERS : PING);
  if (ledger.readBack.size > 0) commands.push(readBackCommand(ledger.readBack));
  // On MariaDB the question itself raises the flag.
  const effects = mariadb ? SCHEMA_CHANGE : lastEffects;
  session.lastBorrower = null;
  runInternal(session, commands, (replies, lost) => {
    let refused: ErrPacket | null = null;
    for (const { ok, err, rows } of replies) {
      refused ??= err;
      if (ok !== null) ledger.ok({ ...ok, warnings: 0 }, effects);
      for (const [name, value] of rows) ledger.wasReadBack(name ?? '', value ?? '');
    }
    if (refused === null && lost === null) {
      ledger.settled();
      session.profile = ledger.profile;
    }
    done({ refused, lost: lost !== null });
  });
}

function readBackCommand(names: ReadonlySet<string>): InternalCommand {
  const list = [...names].map((name) => `'${name}'`).join(',');
  return queryCommand(`SHOW SESSION VARIABLES WHERE Variable_name IN (${list})`);
}
