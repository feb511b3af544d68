import {
  type InternalCommand,
  type InternalReply,
  initDbCommand,
  prepareCommand,
  queryCommand,
  runInternal,
  setOptionCommand,
} from '../backend/internal-commands.js';
import type { InsertIdOwner, ServerSession } from '../backend/server-session.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { SessionProfile } from '../session/profile.js';
import type { ClientStatement } from './client-statement.js';

/** What a session must be before a client's next command may run on it. */
export interface RestoreTarget {
  readonly owner: InsertIdOwner;
  readonly profile: SessionProfile;
  /** The command asks for warnings, of which there are none: those of another client must not show. */
  readonly clearDiagnostics: boolean;
  /** The statement that the command executes, which must be prepared on the session. */
  readonly statement: ClientStatement | null;
  /** The client's LAST_INSERT_ID(), when the command may read or leave it; null when it can't matter. */
  readonly lastInsertId: bigint | null;
}

/** MariaDB keeps warnings until a statement has a table, derived ones included. */
const CLEAR_DIAGNOSTICS = queryCommand('SELECT 1 FROM (SELECT 1 AS x) AS t');

const READ_INSERT_ID = queryCommand('SELECT LAST_INSERT_ID()');

/** Whether a session needs nothing: the case to be fast in. */
export function isReady(session: ServerSession, target: RestoreTarget): boolean {
  return (
    session.profile === target.profile &&
    !target.clearDiagnostics &&
    (session.insertIdOwner === null || session.insertIdOwner === target.owner) &&
    (target.lastInsertId === null ||
      session.lastInsertId === target.lastInsertId ||
      session.insertIdOwner === target.owner) &&
    (target.statement === null || session.statements.has(target.statement.key))
  );
}

export interface RestoreOutcome {
  /** The first error; the client's command was not sent. */
  readonly refused: ErrPacket | null;
  /** A variable or the schema could not be set: the session is between two states and must be reset. */
  readonly stateUnknown: boolean;
  readonly lost: boolean;
}

/**
 * Brings a session into a client's state, in one round trip: reads what another client left unread, sets the variables
 * that differ, prepares the statement. Nothing of the client's own is sent before all of it has succeeded.
 */
export function restoreSession(
  session: ServerSession,
  target: RestoreTarget,
  done: (outcome: RestoreOutcome) => void,
): void {
  const steps: Step[] = [];
  const { insertIdOwner } = session;
  if (insertIdOwner !== null && insertIdOwner !== target.owner)
    steps.push(readInsertId(session, insertIdOwner));
  const { statement } = target;
  if (statement !== null && !session.statements.has(statement.key)) {
    // The server binds schema, sql_mode and character set at prepare: those of then, not those of now.
    const bound =
      session.profile.parseKey === statement.profile.parseKey ? session.profile : statement.profile;
    pushProfile(steps, session.profile, bound);
    steps.push(prepare(session, statement));
    pushProfile(steps, bound, target.profile);
  } else {
    pushProfile(steps, session.profile, target.profile);
  }
  const wanted = target.lastInsertId;
  if (wanted !== null && session.insertIdOwner !== target.owner && session.lastInsertId !== wanted) {
    steps.push({
      command: queryCommand(`SET last_insert_id=${wanted}`),
      apply: () => setInsertId(session, wanted),
    });
  }
  if (target.clearDiagnostics) steps.push({ command: CLEAR_DIAGNOSTICS, apply: NOTHING });
  session.lastBorrower = null;
  if (steps.length === 0) {
    // Two profiles that differ in nothing a session could be told.
    session.profile = target.profile;
    done({ refused: null, stateUnknown: false, lost: false });
    return;
  }
  const commands = steps.map((step) => step.command);
  runInternal(session, commands, (replies, lost) => {
    let refused: ErrPacket | null = null;
    let stateUnknown = false;
    for (const [i, reply] of replies.entries()) {
      if (reply.err === null) {
        steps[i]?.apply(reply);
      } else {
        refused ??= reply.err;
        stateUnknown ||= steps[i]?.setsState === true;
      }
    }
    if (!stateUnknown && lost === null) session.profile = target.profile;
    done({ refused, stateUnknown, lost: lost !== null });
  });
}

/** Reads what only the server knows for the client that left it, before the session is reset or used by another. */
export function readInsertId(session: ServerSession, owner: InsertIdOwner): Step {
  return {
    command: READ_INSERT_ID,
    apply: (reply) => {
      // Digits only: in a character_set_results such as utf16 there is more between them.
      const value = BigInt((reply.rows[0]?.[0] ?? '').replace(/[^0-9]/g, '') || 0);
      // The owner may have let go of it meanwhile, by an insert elsewhere.
      if (session.insertIdOwner === owner) {
        setInsertId(session, value);
        owner.insertIdRead(value);
      }
    },
  };
}

export interface Step {
  readonly command: InternalCommand;
  /** Part of the profile: when it fails, the session has neither the old nor the new one. */
  readonly setsState?: true;
  apply(reply: InternalReply): void;
}

const NOTHING = (): void => {};

function setInsertId(session: ServerSession, value: bigint): void {
  session.lastInsertId = value;
  session.insertIdOwner = null;
}

function pushProfile(steps: Step[], from: SessionProfile, to: SessionProfile): void {
  if (from === to) return;
  const { setStatement, schema, multiStatements } = from.differenceTo(to);
  if (multiStatements !== null)
    steps.push({ command: setOptionCommand(multiStatements), setsState: true, apply: NOTHING });
  if (schema !== null) pushSchema(steps, schema, from);
  if (setStatement !== null)
    steps.push({ command: queryCommand(setStatement), setsState: true, apply: NOTHING });
}

function prepare(session: ServerSession, statement: ClientStatement): Step {
  return {
    command: prepareCommand(statement.sql),
    apply: (reply) => session.addStatement({ id: reply.statementId, key: statement.key, boundTypes: null }),
  };
}

const ASCII = /^[\x20-\x7e]*$/;

/** The server reads the name in COM_INIT_DB in the session's character_set_client. */
function pushSchema(steps: Step[], schema: string, from: SessionProfile): void {
  const charset = from.variable('character_set_client') ?? '';
  const foreign = !ASCII.test(schema) && !charset.startsWith('utf8');
  const setClientCharset = (name: string): Step => ({
    command: queryCommand(`SET SESSION character_set_client=${name}`),
    setsState: true,
    apply: NOTHING,
  });
  if (foreign) steps.push(setClientCharset('utf8mb4'));
  steps.push({ command: initDbCommand(Buffer.from(schema)), setsState: true, apply: NOTHING });
  if (foreign) steps.push(setClientCharset(charset));
}
