import { ServerConnectError } from '../backend/connect.js';
import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount } from '../backend/upstream.js';
import { BouncerError } from '../errors.js';
import { type Finding, fail, ok, warn } from './finding.js';
import { checkAccountLimit, checkMaxConnections, checkWaitTimeout } from './server-capacity.js';
import { DefinitionRights } from './server-definitions.js';
import { checkKill, checkProcessList } from './server-kill.js';
import { checkLogins, loginRefused } from './server-login.js';
import {
  checkInitConnect,
  checkPacketSize,
  checkPlugin,
  checkPreparedStatements,
  checkServerLimits,
} from './server-settings.js';
import type { ServerSite } from './server-site.js';

/** Two connections of one account, since the proxy always has more than one. */
interface Connected {
  readonly site: ServerSite;
  readonly session: ServerSession;
  readonly control: ServerSession;
}

interface Check {
  readonly about: string;
  run(connected: Connected): Promise<Finding | null>;
}

/** Asked once: any account gets the same answer. */
const OF_SERVER: readonly Check[] = [
  { about: 'max_connections', run: ({ site, session }) => checkMaxConnections(site, session) },
  { about: 'process list', run: ({ session, control }) => checkProcessList(session, control) },
  { about: 'wait_timeout', run: ({ session }) => checkWaitTimeout(session) },
  { about: 'prepared', run: ({ site, session }) => checkPreparedStatements(site, session) },
  { about: 'server limits', run: ({ site, session }) => checkServerLimits(site, session) },
  { about: 'max_allowed_packet', run: ({ site, session }) => checkPacketSize(site, session) },
  { about: 'init_connect', run: ({ session }) => checkInitConnect(session) },
];

function checksOfAccount(user: string, definitions: DefinitionRights): readonly Check[] {
  return [
    { about: `limits ${user}`, run: ({ site, control }) => checkAccountLimit(site, control) },
    { about: `auth ${user}`, run: ({ session }) => checkPlugin(session) },
    { about: `definitions ${user}`, run: ({ session }) => definitions.read(session).then(() => null) },
    { about: `kill ${user}`, run: ({ session, control }) => checkKill(session, control) },
  ];
}

/** Everything about the server and its accounts. One account after the other: the connections may be few. */
export async function checkServer(site: ServerSite): Promise<Finding[]> {
  const { findings: logins, accounts } = await checkLogins(site);
  const ofServer: Finding[] = [];
  const ofAccounts: Finding[] = [];
  const definitions = new DefinitionRights();
  for (const account of accounts) {
    const session = await open(site, account, ofAccounts, sessionRefused);
    if (session === null) continue;
    const { user } = account;
    const variables = `the ${site.carriedVariables} that clients may set can be read, and session trackers be switched on`;
    ofAccounts.push(ok(`variables ${user}`, variables));
    const control = await open(site, account, ofAccounts, controlRefused);
    try {
      if (control === null) continue;
      const connected = { site, session, control };
      if (ofServer.length === 0) ofServer.push(...(await run(OF_SERVER, connected)));
      ofAccounts.push(...(await run(checksOfAccount(user, definitions), connected)));
    } finally {
      await Promise.all([session, control].map((one) => (one?.closed === false ? one.quit() : null)));
    }
  }
  return [...logins, ...ofServer, ...ofAccounts, ...definitions.findings()];
}

type Refused = (account: ServerAccount, error: BouncerError) => Finding;

/** Null, with a finding, where the session cannot be opened. */
async function open(
  site: ServerSite,
  account: ServerAccount,
  into: Finding[],
  refused: Refused,
): Promise<ServerSession | null> {
  try {
    return await site.open(account);
  } catch (error) {
    if (!(error instanceof BouncerError)) throw error;
    into.push(refused(account, error));
    return null;
  }
}

const sessionRefused: Refused = (account, error) => {
  if (error instanceof ServerConnectError) return loginRefused(account, error);
  return fail(
    `variables ${account.user}`,
    `the variables of a session cannot be read: ${error.message}`,
    `Without them no client is served. See what ${account.user} may read on the server (SHOW GRANTS)`,
  );
};

const controlRefused: Refused = (account, error) => {
  if (error instanceof ServerConnectError) return loginRefused(account, error);
  const text = `a second connection cannot be used: ${error.message}`;
  return fail(`login ${account.user}`, text, "See the server's error log");
};

async function run(checks: readonly Check[], connected: Connected): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const check of checks) {
    const finding = await answer(check, connected);
    if (finding !== null) found.push(finding);
  }
  return found;
}

/** A question that the server does not answer leaves the others as they are. */
async function answer({ about, run }: Check, connected: Connected): Promise<Finding | null> {
  try {
    return await run(connected);
  } catch (error) {
    if (!(error instanceof BouncerError)) throw error;
    return warn(about, `this could not be looked at: ${error.message}`, 'Look at it by hand');
  }
}
