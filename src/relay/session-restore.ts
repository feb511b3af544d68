import {
  type InternalCommand,
  type InternalReply,
  initDbCommand,
  prepareCommand,
  queryCommand,
  runInternal,
  setOptionCommand,
} from '../backend/internal-commands.js';
import type { LeftoverOwner, ServerSession } from '../backend/server-session.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { ClientTrackers } from '../session/client-trackers.js';
import type { SessionProfile } from '../session/profile.js';
import { PARSE_VARIABLES, userVariableStatements } from '../session/user-variables.js';
import type { ClientStatement } from './client-statement.js';
import { LEAVE_MARK } from './diagnostics.js';
import type { ReadWait } from './own-writes.js';

/** What becomes of the warnings that are on a session. */
export const ConditionsBefore = {
  /** They do not matter. */
  Any: 'any',
  /** The command asks for warnings, of which there are none: those of another client must not show. */
  None: 'none',
  /** {@link Diagnostics.needsMark} */
  Mark: 'mark',
} as const;
export type ConditionsBefore = (typeof ConditionsBefore)[keyof typeof ConditionsBefore];

/** What a session must be before a client's next command may run on it. */
export interface RestoreTarget {
  readonly owner: LeftoverOwner;
  readonly profile: SessionProfile;
  readonly conditions: ConditionsBefore;
  /** The statement that the command executes, which must be prepared on the session. */
  readonly statement: ClientStatement | null;
  /** The client's own `session_track_…`, when the command uses them. */
  readonly trackers: ClientTrackers | null;
  /** With {@link trackers}: {@link ClientTrackers.setGtids}, where it can be set. */
  readonly gtids: string | null;
  /** The client's LAST_INSERT_ID(), when the command may read or leave it; null when it can't matter, or is here. */
  readonly lastInsertId: bigint | null;
}

/** MariaDB keeps warnings until a statement has a table, derived ones included. */
const CLEAR_CONDITIONS = queryCommand('SELECT 1 FROM (SELECT 1 AS x) AS t');

/** Whether a session needs nothing: the case to be fast in. */
export function isReady(session: ServerSession, target: RestoreTarget): boolean {
  return (
    session.profile === target.profile &&
    target.conditions === ConditionsBefore.Any &&
    target.trackers === null &&
    (session.leftovers === null || session.leftovers === target.owner) &&
    (target.lastInsertId === null || session.lastInsertId === target.lastInsertId) &&
    (target.statement === null || target.statement.isOn(session))
  );
}

/** Whether only a reset makes the session fit for the client. */
export function needsReset(session: ServerSession, target: RestoreTarget): boolean {
  return session.profile !== target.profile && session.profile.differenceTo(target.profile).needsReset;
}

export interface RestoreOutcome {
  /** The server has not what the client must see, nor had it within the limit. */
  readonly behind: boolean;
  /** The first error; the client's command was not sent. */
  readonly refused: ErrPacket | null;
  /** A variable or the schema could not be set: the session is between two states and must be reset. */
  readonly stateUnknown: boolean;
  readonly lost: boolean;
}

/**
 * Brings a session into a client's state, in one round trip: reads what another client left unread, sets the variables
 * that differ, prepares the statement. Nothing of the client's own is sent before all of it has succeeded.
 * @param wait - what the server is waited for with
 */
export function restoreSession(
  session: ServerSession,
  target: RestoreTarget,
  wait: ReadWait | null,
  done: (outcome: RestoreOutcome) => void,
): void {
  const steps: Step[] = [];
  const left = session.leftovers;
  if (left !== null && left !== target.owner) {
    // Nobody is refused for what somebody else left.
    for (const { command, answered } of left.unreadOn(session))
      steps.push({ command, apply: answered, mayFail: true });
    if (steps.length === 0) session.leftovers = null;
  }
  let behind = false;
  if (wait !== null) {
    const apply = (reply: InternalReply): void => {
      behind = !wait.answered(reply);
    };
    steps.push({ command: wait.command, apply, mayFail: true });
  }
  const { statement } = target;
  if (statement !== null && !mayUse(session, statement)) {
    // The server binds schema, sql_mode and character set at prepare: those of then, not those of now.
    const bound =
      session.profile.parseKey === statement.profile.parseKey ? session.profile : statement.profile;
    pushProfile(steps, session.profile, bound);
    steps.push(prepare(session, statement));
    pushProfile(steps, bound, target.profile);
  } else {
    pushProfile(steps, session.profile, target.profile);
  }
  pushUserVariables(steps, session.profile, target.profile);
  const wanted = target.lastInsertId;
  if (wanted !== null && session.lastInsertId !== wanted) {
    steps.push({
      command: queryCommand(`SET last_insert_id=${wanted}`),
      apply: () => {
        session.lastInsertId = wanted;
      },
    });
  }
  if (target.conditions === ConditionsBefore.None) steps.push({ command: CLEAR_CONDITIONS, apply: NOTHING });
  else if (target.conditions === ConditionsBefore.Mark) steps.push({ command: LEAVE_MARK, apply: NOTHING });
  if (target.trackers !== null) {
    session.trackersArmed = false;
    steps.push({ command: queryCommand(target.trackers.setStatement), apply: NOTHING });
    if (target.gtids !== null) {
      session.gtidsArmed = false;
      steps.push({ command: queryCommand(target.gtids), apply: NOTHING });
    }
  }
  if (steps.length === 0) {
    // Two profiles that differ in nothing a session could be told.
    session.profile = target.profile;
    done({ behind, refused: null, stateUnknown: false, lost: false });
    return;
  }
  const commands = steps.map((step) => step.command);
  runInternal(session, commands, (replies, lost) => {
    let refused: ErrPacket | null = null;
    let stateUnknown = false;
    for (const [i, reply] of replies.entries()) {
      if (reply.err === null || steps[i]?.mayFail === true) {
        steps[i]?.apply(reply);
      } else {
        refused ??= reply.err;
        stateUnknown ||= steps[i]?.setsState === true;
      }
    }
    if (!stateUnknown && lost === null) session.profile = target.profile;
    done({ behind, refused, stateUnknown, lost: lost !== null });
  });
}

interface Step {
  readonly command: InternalCommand;
  /** Part of the profile: when it fails, the session has neither the old nor the new one. */
  readonly setsState?: true;
  /** An error is the business of whoever takes the reply in. */
  readonly mayFail?: true;
  apply(reply: InternalReply): void;
}

const NOTHING = (): void => {};

/** Whether the session has a statement that will do for the command at hand; else it is prepared. */
function mayUse(session: ServerSession, statement: ClientStatement): boolean {
  if (statement.isOn(session)) return true;
  statement.beginAnew();
  return statement.isOn(session);
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

/** Each in the character set and sql_mode in which the client wrote it. */
function pushUserVariables(steps: Step[], from: SessionProfile, to: SessionProfile): void {
  if (from === to) return;
  const { userVariables } = from.differenceTo(to);
  if (userVariables === null) return;
  for (const { environment, assignments } of userVariableStatements(userVariables)) {
    const bound = environment === null ? to : inEnvironment(to, environment);
    pushProfile(steps, to, bound);
    for (const text of assignments) {
      steps.push({ command: queryCommand(Buffer.from(text, 'latin1')), setsState: true, apply: NOTHING });
    }
    pushProfile(steps, bound, to);
  }
}

function inEnvironment(profile: SessionProfile, environment: readonly string[]): SessionProfile {
  let bound = profile;
  for (const [i, name] of PARSE_VARIABLES.entries()) bound = bound.withVariable(name, environment[i] ?? '');
  return bound;
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
