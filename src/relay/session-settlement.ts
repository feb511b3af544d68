import {
  ANY_STATEMENT,
  type InternalCommand,
  type InternalReply,
  PING,
  queryCommand,
  resultsCollation,
  runInternal,
} from '../backend/internal-commands.js';
import { ARM_GTIDS, ARM_TRACKERS, FLUSH_TRACKERS, readVariables } from '../backend/server-facts.js';
import type { ServerSession } from '../backend/server-session.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { HoldReason } from '../session/hold-reason.js';
import type { SessionProfile } from '../session/profile.js';
import type { SessionLedger } from '../session/session-ledger.js';
import { SCHEMA_CHANGE, type StatementEffects } from '../session/statement-effects.js';
import type { TableKey } from '../session/temporary-tables.js';
import { GTID_TRACKER, isTrackerVariable, OWN_GTIDS } from '../session/variables.js';
import { readLeftovers } from './leftovers.js';

/** How {@link settleSession} ended. */
export interface Settlement {
  /** The server refused to answer: nothing is known of the session any more. */
  readonly refused: ErrPacket | null;
  readonly lost: boolean;
}

/** Whether the server knows of nothing that it has not told, so that the session can be given away as it is. */
export function isSettled(session: ServerSession, ledger: SessionLedger): boolean {
  return session.trackersArmed && !ledger.isUntold && ledger.doubtful === 0;
}

/** Whether the session's trackers must be switched on again before anything else runs, whoever has it. */
export function isBlind(session: ServerSession, ledger: SessionLedger): boolean {
  return !session.trackersArmed || ledger.trackersLost;
}

/** A question to the server, and who takes in the answer. */
interface Question {
  readonly command: InternalCommand;
  /** An error is an answer, too. */
  readonly mayFail?: true;
  /** The trackers' reports in its OK are not to be taken in. */
  readonly silent?: true;
  answered(reply: InternalReply): void;
}

const READ_SCHEMA = queryCommand('SELECT DATABASE() LIMIT 1');
const READ_INSERT_ID = queryCommand('SELECT @@session.insert_id LIMIT 1');
/** All that the server has: it may say more of others than of the client. */
const READ_EXECUTED = queryCommand('SELECT @@global.gtid_executed LIMIT 1');
const READ_ROLE = queryCommand('SELECT CURRENT_ROLE() LIMIT 1');

/**
 * Asks the server for what it has not told: changes made by a statement that failed, variables whose final value no tracker
 * reports, holds that may have ended; and switches the trackers on again where they were off. The ledger takes the answers
 * in; it may hold the session afterwards. `isCurrent`: whether the session is still the client's, so that the answers are about
 * the ledger; after a COM_RESET_CONNECTION, which does not wait, they are about nothing any more, and `done` is not called.
 */
export function settleSession(
  session: ServerSession,
  ledger: SessionLedger,
  lastEffects: StatementEffects,
  isCurrent: () => boolean,
  done: (settlement: Settlement) => void,
): void {
  const schemaBefore = ledger.profile.schema;
  const blind = isBlind(session, ledger);
  const questions = blind ? sight(session, ledger, lastEffects) : flush(session, ledger);
  if (!blind && ledger.readBack.size > 0) questions.push(readBack(session, ledger));
  if (!blind) questions.push(...ends(session, ledger));
  if (ledger.writesUntold && session.info.flavor === 'mysql') questions.push(writes(ledger));
  // Asking for values spoils what the statement left, PING does not.
  if (questions.some(({ command }) => command !== PING && command !== FLUSH_TRACKERS)) {
    // MySQL tells late changes in the reply to the first command that comes, whoever reads it.
    if (ledger.reportsOutstanding && session.info.flavor === 'mysql') {
      runInternal(session, [PING], ([reply]) => {
        if (reply?.ok && isCurrent()) ledger.reported(reply.ok, lastEffects);
      });
    }
    readLeftovers(session);
  }
  if (questions.length === 0) {
    ledger.settled();
    done({ refused: null, lost: false });
    return;
  }
  // On MariaDB the question itself raises the flag.
  const effects = session.info.flavor === 'mariadb' || blind ? SCHEMA_CHANGE : lastEffects;
  const commands = questions.map(({ command }) => command);
  runInternal(session, commands, (replies, lost) => {
    if (!isCurrent()) return;
    let refused: ErrPacket | null = null;
    for (const [i, reply] of replies.entries()) {
      const question = questions[i];
      if (question === undefined) continue;
      if (reply.ok !== null && question.silent !== true) ledger.reported(reply.ok, effects);
      if (reply.err === null || question.mayFail === true) question.answered(reply);
      else refused ??= reply.err;
    }
    if (refused === null && lost === null) {
      // What was found out now may have to be asked for in turn.
      const again = !blind && ledger.trackersLost;
      if (again) {
        settleSession(session, ledger, lastEffects, isCurrent, done);
        return;
      }
      ledger.settled();
      session.profile = profileOn(session, ledger, schemaBefore);
      if (blind && ledger.trackers.setGtids !== null && session.gtidsArmed)
        session.profile = session.profile.withVariable(GTID_TRACKER, OWN_GTIDS);
    }
    done({ refused, lost: lost !== null });
  });
}

/**
 * What the session's profile is, after the ledger has taken in what the server told of it: all of the client's but for what
 * the session need not share at this moment. The multi-statement option is set without asking the server, and a USE that has
 * failed may have been run on a session with another schema ({@link Work.choosesSchema}).
 */
function profileOn(
  session: ServerSession,
  { profile }: SessionLedger,
  schemaBefore: string | null,
): SessionProfile {
  const own = session.profile;
  const schema = profile.schema === schemaBefore ? own.schema : profile.schema;
  return profile.withMultiStatements(own.multiStatements).withSchema(schema);
}

/** Reads what the trackers did not tell while they were off, and switches them on. */
function sight(session: ServerSession, ledger: SessionLedger, effects: StatementEffects): Question[] {
  const questions: Question[] = [];
  if (ledger.trackersLost || !effects.onlyLooks) {
    let shown: InternalReply['rows'] = [];
    let collation = 0;
    // Else those that are as the proxy needs them are its own.
    const ofClient = effects.setsTrackers && !session.trackersArmed;
    questions.push(
      {
        command: readVariables(session.info),
        silent: true,
        answered: (reply) => {
          shown = reply.rows;
          collation = resultsCollation(reply);
        },
      },
      {
        command: READ_SCHEMA,
        silent: true,
        answered: ({ rows }) => {
          const variables = new Map(shown.map(([name, value]) => [name ?? '', value ?? '']));
          const read = ledger.wasRead(variables, rows[0]?.[0] ?? null, ofClient);
          if (read) ledger.columnsShowed(collation);
          if (!read || !effects.readable) ledger.lostSight();
        },
      },
    );
  }
  ledger.beforeArming();
  questions.push({
    command: ARM_TRACKERS,
    answered: () => {
      session.trackersArmed = true;
    },
  });
  if (ledger.trackers.setGtids !== null && !session.gtidsArmed) questions.push(...armGtids(session, ledger));
  return questions;
}

/** Has the session tell of what it writes, as before the client's own tracker took the place of the proxy's. */
function armGtids(session: ServerSession, ledger: SessionLedger): Question[] {
  if (ledger.inTransaction) {
    // It cannot be set now: the text that looked at it has begun a transaction, too.
    ledger.writes?.lostSight();
    ledger.mustReset = true;
    return [];
  }
  const answered = (): void => {
    session.gtidsArmed = true;
  };
  // It tells of the proxy's value: the client's was read before.
  return [{ command: ARM_GTIDS, silent: true, answered }];
}

/** MariaDB tells of them as of late changes. */
function writes(ledger: SessionLedger): Question {
  return {
    command: READ_EXECUTED,
    mayFail: true,
    answered: ({ err, rows }) => {
      if (err === null) ledger.writes?.noteAll(rows[0]?.[0] ?? '');
      else ledger.writes?.lostSight();
    },
  };
}

/** MySQL tells late changes with any OK, MariaDB with one of a statement that itself changes something. */
function flush(session: ServerSession, ledger: SessionLedger): Question[] {
  const { trackersDoubtful } = ledger;
  if (!ledger.reportsOutstanding && !trackersDoubtful) return [];
  const mariadb = session.info.flavor === 'mariadb';
  // MySQL tells with each statement that its trackers are on.
  const command = mariadb ? FLUSH_TRACKERS : trackersDoubtful ? ANY_STATEMENT : PING;
  const answered = ({ ok }: InternalReply): void => {
    if (!trackersDoubtful) return;
    // The one variable that the command sets, or the one that each statement has.
    const canary = mariadb ? isTrackerVariable : (name: string): boolean => name === 'statement_id';
    const report = ok?.session ?? null;
    const seen = report?.variables.some(([name]) => canary(name)) === true;
    if (!seen || (mariadb && !report?.stateChanged)) ledger.trackersWereOff();
  };
  return [{ command, answered }];
}

function readBack(session: ServerSession, ledger: SessionLedger): Question {
  const list = [...ledger.readBack].map((name) => `'${name}'`).join(',');
  return {
    command: readVariables(session.info, `VARIABLE_NAME IN (${list})`),
    answered: (reply) => {
      for (const [name, value] of reply.rows) ledger.wasReadBack(name ?? '', value ?? '');
      ledger.columnsShowed(resultsCollation(reply));
    },
  };
}

/** Holds that the server must say to have ended, when nothing else holds the session. */
function ends(session: ServerSession, ledger: SessionLedger): Question[] {
  const doubtful = ledger.doubtful;
  if (doubtful === 0 || (ledger.holds & ~doubtful & ~HoldReason.SessionMode) !== 0) return [];
  const questions: Question[] = [];
  const asked = ledger.questions;
  if ((doubtful & HoldReason.TemporaryTable) !== 0) {
    for (const table of asked.tables) questions.push(tableQuestion(ledger, table));
  }
  if (asked.insertId) {
    questions.push({
      command: READ_INSERT_ID,
      answered: ({ rows }) => ledger.insertIdIs(rows[0]?.[0] ?? null),
    });
  }
  if (asked.role) {
    questions.push({
      command: READ_ROLE,
      answered: ({ rows }) => ledger.roleIs((rows[0]?.[0] ?? null) === session.role),
    });
  }
  return questions;
}

/** ER_NO_SUCH_TABLE, ER_BAD_DB_ERROR, ER_TABLEACCESS_DENIED_ERROR: everybody may see his own temporary tables. */
const NO_TEMPORARY_TABLE: ReadonlySet<number> = new Set([1146, 1049, 1142]);

function tableQuestion(ledger: SessionLedger, table: TableKey): Question {
  return {
    command: queryCommand(`SHOW CREATE TABLE ${quotedName(table.schema)}.${quotedName(table.name)}`),
    mayFail: true,
    answered: ({ err, rows }) => {
      const made = rows[0]?.[1];
      let there: boolean | null = null;
      if (err !== null) there = NO_TEMPORARY_TABLE.has(err.errno) ? false : null;
      else if (typeof made === 'string' && /^CREATE /.test(made)) there = /^CREATE TEMPORARY /.test(made);
      ledger.tableIs(table, there);
    },
  };
}

function quotedName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}
