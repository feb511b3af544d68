import { callInternal, queryCommand } from '../backend/internal-commands.js';
import type { ServerSession } from '../backend/server-session.js';
import type { ServerInfo } from '../session/server-info.js';
import { count, type Finding, fail, ok, warn } from './finding.js';
import { firstRow, type ServerSite } from './server-site.js';

/** Whether the server keeps as many prepared statements as the sessions may have open. */
export async function checkPreparedStatements(site: ServerSite, session: ServerSession): Promise<Finding> {
  const about = 'prepared';
  const [value] = await firstRow(session, 'SELECT @@global.max_prepared_stmt_count');
  const limit = Number(value);
  const { poolSize, maxPreparedStatements: each } = site.config;
  // 0 is none at all, not no limit.
  if (limit === 0) {
    const text = 'max_prepared_stmt_count is 0: clients that prepare statements get error 1461';
    return fail(about, text, 'SET GLOBAL max_prepared_stmt_count = 16382 on the server');
  }
  if (poolSize === 'auto')
    return ok(about, `max_prepared_stmt_count is ${limit}, and each session keeps ${each} open at most`);
  const most = poolSize * each;
  const text = `max_prepared_stmt_count is ${limit}, and the proxy may keep ${most} open (pool_size ${poolSize}, max_prepared_statements ${each})`;
  if (most <= limit) return ok(about, text);
  return warn(
    about,
    `${text}: beyond it clients get error 1461`,
    `SET GLOBAL max_prepared_stmt_count = ${most * 2} on the server, or set max_prepared_statements: ${Math.max(1, Math.floor(limit / poolSize))}`,
  );
}

/** Whether the server ends sessions by limits of its own, of which the client is told less than by the proxy's. */
export async function checkServerLimits(site: ServerSite, session: ServerSession): Promise<Finding> {
  const about = 'server limits';
  const names = session.info.flavor === 'mariadb' ? MARIADB_LIMITS : MYSQL_LIMITS;
  const list = names.map((name) => `'${name}'`).join(',');
  const [reply] = await callInternal(session, [
    queryCommand(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${list})`),
  ]);
  const found = (reply?.rows ?? [])
    .map(([name, value]) => ({ name: name ?? '', seconds: Number(value) / (name === MYSQL_MS ? 1_000 : 1) }))
    .filter(({ seconds }) => seconds > 0);
  if (found.length === 0) return ok(about, 'the server ends neither statements nor transactions by itself');
  const shown = found.map(({ name, seconds }) => `${name} ${seconds} s`).join(', ');
  const idle = found.find(({ name }) => name.startsWith('idle_'));
  const own = site.config.idleTransactionTimeout / 1_000;
  if (idle === undefined || (own > 0 && own < idle.seconds))
    return ok(about, `the server has limits besides those of the proxy: ${shown}`);
  return warn(
    about,
    `the server cuts sessions off that are idle within a transaction (${shown}), before idle_transaction_timeout (${own} s) strikes: clients get error 1158`,
    `Set idle_transaction_timeout: ${Math.max(1, Math.floor(idle.seconds) - 2)}s, or SET GLOBAL ${idle.name} = 0 on the server`,
  );
}

const MARIADB_LIMITS: readonly string[] = [
  'max_statement_time',
  'idle_transaction_timeout',
  'idle_write_transaction_timeout',
  'idle_readonly_transaction_timeout',
];
const MYSQL_MS = 'max_execution_time';
const MYSQL_LIMITS: readonly string[] = [MYSQL_MS];

/** What the server runs at each login, which clients of the proxy do not cause. */
export async function checkInitConnect(session: ServerSession): Promise<Finding> {
  const [text] = await firstRow(session, 'SELECT @@global.init_connect');
  if (!text) return ok('init_connect', 'empty: the server runs nothing at logins');
  return warn(
    'init_connect',
    'the server runs statements at each login (init_connect): for each session of the pool, not for each client, and not again after a reset. Variables that it sets are those of clients all the same',
    "If it does more than set variables (counts logins, say): SET GLOBAL init_connect = '' on the server",
  );
}

/** Which plugin the account logs in with. The statement that makes the account has its hash: that goes nowhere. */
export async function checkPlugin(session: ServerSession): Promise<Finding> {
  const about = `auth ${session.account?.user ?? ''}`;
  const { info } = session;
  const [made = ''] = await firstRow(session, 'SHOW CREATE USER CURRENT_USER()');
  const plugin = pluginOf(made ?? '', info);
  if (plugin === null)
    return ok(about, 'the server does not tell the plugin; the account has logged in with it');
  if (plugin === 'mysql_native_password' && info.flavor === 'mysql')
    return warn(
      about,
      'the account uses mysql_native_password, which MySQL 8.4 switches off by default and MySQL 9 does not have',
      `ALTER USER ${accountOf(made ?? '')} IDENTIFIED WITH caching_sha2_password BY '...', with the same password`,
    );
  return ok(about, `the account logs in with ${plugin}`);
}

/** Of a CREATE USER statement; null where it names none that is known. */
export function pluginOf(statement: string, { flavor }: Pick<ServerInfo, 'flavor'>): string | null {
  const [, named] = /\sIDENTIFIED (?:WITH|VIA) [`']?(\w+)/.exec(statement) ?? [];
  if (named !== undefined) return named;
  const isNative = flavor === 'mariadb' && /\sIDENTIFIED BY PASSWORD /.test(statement);
  return isNative ? 'mysql_native_password' : null;
}

function accountOf(statement: string): string {
  const [, account] =
    /^CREATE USER ((?:`(?:[^`]|``)*`|'(?:[^']|'')*')@(?:`(?:[^`]|``)*`|'(?:[^']|'')*'))/.exec(statement) ??
    [];
  return account ?? 'CURRENT_USER()';
}

/** A server that takes less in one packet than the proxy takes from clients is no fault: they are told by the server. */
export async function checkPacketSize(site: ServerSite, session: ServerSession): Promise<Finding> {
  const [value] = await firstRow(session, 'SELECT @@global.max_allowed_packet');
  const limit = Number(value);
  const about = 'max_allowed_packet';
  const text = `${limit} bytes is what the server takes in one command, and max_packet_size is ${site.config.maxPacketSize}`;
  if (limit >= SMALL_PACKET) return ok(about, text);
  return warn(
    about,
    `${text}: rows and statements of some size fail (error 1153)`,
    `SET GLOBAL max_allowed_packet = ${16 * SMALL_PACKET} on the server (${count(16, 'MiB', 'MiB')})`,
  );
}

/** The least that any server has had as its default. */
const SMALL_PACKET = 1 << 20;
