import { ALONE, OWN_CONNECTIONS, poolSizeFor, reserveOf } from '../backend/server-room.js';
import type { ServerSession } from '../backend/server-session.js';
import { count, type Finding, fail, ok, warn } from './finding.js';
import { firstRow, type ServerSite } from './server-site.js';

/** Of this process, while it looks. */
const CONNECTED = 2;

/** Whether the server lets in as many connections as the proxy may open. */
export async function checkMaxConnections(site: ServerSite, session: ServerSession): Promise<Finding> {
  const [limit] = await firstRow(session, 'SELECT @@global.max_connections');
  const [, connected] = await firstRow(session, "SHOW GLOBAL STATUS LIKE 'Threads_connected'");
  const others = Number(connected) - CONNECTED;
  const { poolSize } = site.config;
  if (poolSize === 'auto') return autoFinding(site, Number(limit), others);
  return maxConnectionsFinding(site, poolSize, Number(limit), others);
}

/** @param others connections that are open now */
function autoFinding({ rules }: ServerSite, maxConnections: number, others: number): Finding {
  const room = { maxConnections, accountLimit: null };
  const reserve = reserveOf(room, rules);
  const size = poolSizeFor(room, rules, ALONE);
  const text = `max_connections is ${maxConnections}: with pool_size auto the pool has ${count(size, 'session')} at most, of which other proxies on the server take their part; ${rules.own} are the proxy's own, and ${reserve} are left to others; ${count(others, 'other')} are open now`;
  if (size + rules.own + reserve <= maxConnections) return ok('max_connections', text);
  return warn(
    'max_connections',
    text,
    `Set max_connections to more than ${reserve + rules.own}, or lower reserve`,
  );
}

/** @param others connections that are open now */
function maxConnectionsFinding(
  { rules: { own }, accounts }: ServerSite,
  poolSize: number,
  limit: number,
  others: number,
): Finding {
  const needed = poolSize + own;
  const wants = `the proxy may open ${needed} (pool_size ${poolSize}, and ${own} of its own)`;
  const text = `max_connections is ${limit}, and ${wants}`;
  if (needed > limit) {
    const most = limit - OWN_CONNECTIONS * accounts.length;
    const lower = most < 1 ? '' : `pool_size to ${most} at most, with room for others, or `;
    return fail('max_connections', text, `Set ${lower}max_connections to more than ${needed}`);
  }
  if (needed + others > limit) {
    return warn(
      'max_connections',
      `${text}; ${count(others, 'other')} are open now`,
      `Unless these are those of a MyBouncer that runs already: lower pool_size, or raise max_connections to more than ${needed + others}`,
    );
  }
  return ok('max_connections', `${text}; ${count(others, 'other')} are open now`);
}

/**
 * Whether one account is let in as often as clients may need it.
 * @param session one that was not reset: MariaDB then shows the global limit (and no longer counts the session)
 */
export async function checkAccountLimit(site: ServerSite, session: ServerSession): Promise<Finding> {
  const about = `limits ${session.account?.user ?? ''}`;
  const [value] = await firstRow(session, 'SELECT @@session.max_user_connections');
  const limit = Number(value);
  // MariaDB has -1 for accounts that may not connect at all, which those with SUPER still may.
  if (limit <= 0) return ok(about, 'the account has no limit of its own (max_user_connections)');
  const { poolSize } = site.config;
  if (poolSize === 'auto') return autoLimitFinding(site, about, limit);
  const needed = poolSize + OWN_CONNECTIONS;
  const text = `max_user_connections is ${limit} for this account, and the proxy may open ${needed} for it (pool_size ${poolSize}, and ${OWN_CONNECTIONS} of its own)`;
  if (limit >= needed) return ok(about, text);
  const lower = limit > OWN_CONNECTIONS ? `pool_size to ${limit - OWN_CONNECTIONS} at most, or ` : '';
  return fail(about, text, `Set ${lower}the limit to ${needed} at least`);
}

/** Where it is the only account, the pool is no larger than its limit permits. */
function autoLimitFinding({ accounts, config }: ServerSite, about: string, limit: number): Finding {
  const text = `max_user_connections is ${limit} for this account`;
  if (accounts.length === 1 && config.auth === 'users' && limit > OWN_CONNECTIONS)
    return ok(about, `${text}, which pool_size auto heeds`);
  const advice = `Set pool_size to a number, or the limit to more than ${OWN_CONNECTIONS}`;
  return warn(about, `${text}, which pool_size auto does not heed`, advice);
}

/** A session that has been idle for less than this is seldom worth keeping, in s. */
const SHORT_SECONDS = 10;

/** Whether the server ends idle sessions so soon that the pool is always opening new ones. */
export async function checkWaitTimeout(session: ServerSession): Promise<Finding> {
  const [value] = await firstRow(session, 'SELECT @@session.wait_timeout');
  const seconds = Number(value);
  const text = `wait_timeout is ${seconds} s: idle sessions are given up shortly before, and clients notice nothing`;
  if (seconds >= SHORT_SECONDS) return ok('wait_timeout', text);
  return warn(
    'wait_timeout',
    `${text}, but sessions are opened anew all the time`,
    'Raise it to a minute or more: SET GLOBAL wait_timeout',
  );
}
