import type { Logger } from 'pino';
import type { Upstream } from '../backend/upstream.js';
import type { Config } from '../config/load.js';
import { LogBurst } from '../frontend/log.js';
import type { Killer } from '../relay/killer.js';
import { ServerRecheck } from '../relay/server-recheck.js';
import { CloseReason, type ServerPools } from '../relay/session-cleaner.js';

/** Where query_wait_timeout sets no limit, in ms. */
const PATIENCE_MS = 30_000;

/** Lines in a row that are all told, of a server that changes its mind several times a second. */
const TOLD = 20;

/** What is done about replies that speak against the server, where there is one address. */
export function newRecheck(
  config: Config,
  upstream: Upstream,
  pools: ServerPools,
  killer: Killer,
  log: Logger,
): ServerRecheck {
  const burst = new LogBurst(TOLD);
  const tell = (level: 'info' | 'warn', fields: object, message: string): void => {
    const more = burst.pass();
    if (more !== null) log[level](more === 0 ? fields : { ...fields, more }, message);
  };
  return new ServerRecheck({
    look: (account) => upstream.look(account),
    leave: (servers) => {
      killer.leave(servers);
      return pools.retireWhere(CloseReason.OtherServer, ({ server }) => servers.has(server));
    },
    tookWrites: () => upstream.tookWrites,
    patienceMs: () => config.queryWaitTimeout || PATIENCE_MS,
    log: {
      info: (fields, message) => tell('info', fields, message),
      warn: (fields, message) => tell('warn', fields, message),
    },
  });
}
