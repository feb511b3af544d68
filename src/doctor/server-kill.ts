import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import {
  callInternal,
  InternalCommandError,
  type InternalReply,
  queryCommand,
  runInternal,
} from '../backend/internal-commands.js';
import type { ServerSession } from '../backend/server-session.js';
import { type Finding, fail, ok, warn } from './finding.js';
import { globalPrivileges, readGrants } from './grants.js';
import { firstRow } from './server-site.js';

/** How long the statement runs that is to be killed, in s; and how often it is tried, in ms: it may not have begun. */
const SLEEP_SECONDS = 5;
const KILL_PERIOD_MS = 20;

/** Rights that let an account kill statements of others, as either server spells them. */
const KILLS_OTHERS = ['CONNECTION_ADMIN', 'CONNECTION ADMIN', 'SUPER'];

/** Whether a statement can be ended over another connection, as is done for clients that go away. */
export async function checkKill(session: ServerSession, control: ServerSession): Promise<Finding> {
  const { account } = session;
  if (account === null) throw new TypeError('a session without an account');
  const about = `kill ${account.user}`;
  const owner = await lockOwner(session, control);
  if (owner === null) {
    return fail(
      about,
      'two connections to the same address lead to different servers: KILL would not find, or hit somebody else, and statements of clients that go away run on',
      ADVICE,
    );
  }
  if (owner !== session.connectionId) {
    return warn(
      about,
      `something in front of the server has connection ids of its own (${session.connectionId} for ${owner}): whether KILL finds the statements of clients that go away is up to it`,
      ADVICE,
    );
  }
  const refused = await endSleep(session, control);
  if (refused !== null) {
    return fail(
      about,
      `a statement of the account's own cannot be killed: ${refused}`,
      'Is there something between here and the server that answers in its place?',
    );
  }
  const [right] = globalPrivileges(await readGrants(control), KILLS_OTHERS);
  const others =
    right === undefined
      ? 'not those of others, which the proxy does not need: it has a connection of its own for each account'
      : `with ${right}, those of others as well`;
  return ok(about, `the account may kill its own statements (tried); ${others}`);
}

const ADVICE = 'Name the server itself as upstream, not what stands in front of it';

/**
 * Connection id of `session` as the server itself has it, seen from `control`; null when that is connected to another server. A
 * lock shows it to any account. No KILL must be sent unless the id is right: it would hit somebody else.
 */
async function lockOwner(session: ServerSession, control: ServerSession): Promise<number | null> {
  const lock = `mybouncer_doctor_${randomUUID()}`;
  await callInternal(session, [queryCommand(`SELECT GET_LOCK('${lock}', 0)`)]);
  const [owner] = await firstRow(control, `SELECT IS_USED_LOCK('${lock}')`);
  await callInternal(session, [queryCommand(`SELECT RELEASE_LOCK('${lock}')`)]);
  return owner == null ? null : Number(owner);
}

/** Whether the process list tells that a session waits for a lock: DDL of a client that has gone is only killed while it does. */
export async function checkProcessList(session: ServerSession, control: ServerSession): Promise<Finding> {
  const about = 'process list';
  const list =
    session.info.flavor === 'mysql' ? 'performance_schema.processlist' : 'information_schema.PROCESSLIST';
  const sql = `SELECT STATE FROM ${list} WHERE ID = ${session.connectionId}`;
  const [reply] = await callInternal(control, [queryCommand(sql)]);
  if (reply?.rows.length === 1) return ok(about, 'the account sees what its own sessions are doing');
  return warn(
    about,
    `${list} does not show the account's own sessions: DDL that waits for a lock runs on when its client goes away`,
    session.info.flavor === 'mysql' ? 'Switch it on: performance_schema=ON' : ADVICE,
  );
}

/** Null when the statement has ended by it. */
async function endSleep(session: ServerSession, control: ServerSession): Promise<string | null> {
  const state: { reply: InternalReply | null } = { reply: null };
  const sleeping = new Promise<void>((resolve, reject) => {
    runInternal(session, [queryCommand(`SELECT SLEEP(${SLEEP_SECONDS})`)], ([reply], lost) => {
      if (lost !== null) reject(lost);
      state.reply = reply ?? null;
      resolve();
    });
  });
  while (state.reply === null) {
    await Promise.race([sleeping, setTimeout(KILL_PERIOD_MS)]);
    if (state.reply !== null) break;
    const refused = await refusal(control, `KILL QUERY ${session.connectionId}`);
    if (refused !== null) {
      session.close();
      return refused;
    }
  }
  // Interrupted, it fails or returns 1, and 0 when it has slept to its end.
  const ended = state.reply.err !== null || state.reply.rows[0]?.[0] === '1';
  return ended ? null : `it ran on for ${SLEEP_SECONDS} s`;
}

async function refusal(session: ServerSession, sql: string): Promise<string | null> {
  try {
    await callInternal(session, [queryCommand(sql)]);
    return null;
  } catch (error) {
    if (!(error instanceof InternalCommandError)) throw error;
    return error.message;
  }
}
