import type { ServerAddress } from '../backend/server-channel.js';
import { ServerTls } from '../backend/server-tls.js';
import type { ServerAccount, UpstreamOptions } from '../backend/upstream.js';
import type { Config } from '../config/load.js';
import type { ClientUser, UserGuards } from '../config/users.js';
import { VERSION } from '../config/version.js';
import { clientsThatFit, openFilesLimit } from '../observability/open-files.js';
import type { UserTerms } from '../relay/client-identity.js';
import type { GuardRails } from '../relay/guard-rails.js';

/* What the configuration says, as the parts of the proxy take it. */

/** How often clients are looked at that may have been idle for too long, in ms: see `TimeWatch`. */
export const IDLE_TICK_MS = 1_000;

/** What servers have unless told otherwise: MySQL and MariaDB both. For the time before this one has told it. */
const USUAL_MAX_CONNECTIONS = 151;

export function upstreamOptions(config: Config, log: TlsLog): UpstreamOptions {
  const { address: target } = config.upstream;
  const address: ServerAddress =
    target.kind === 'tcp' ? { host: target.host, port: target.port } : { socketPath: target.path };
  return {
    address,
    connectTimeoutMs: config.serverConnectTimeout,
    maxPreparedStatements: config.maxPreparedStatements,
    attributes: { program_name: 'mybouncer', program_version: VERSION, _pid: String(process.pid) },
    tls: ServerTls.of(config, address, {
      encrypted: (yes) => {
        if (yes) log.info({}, 'the server offers TLS again: new server sessions are encrypted');
        else log.warn({}, NOT_ENCRYPTED);
      },
      filesUnusable: (reason) =>
        log.warn({ reason }, 'changed files for TLS to the server cannot be used: those of before still are'),
    }),
  };
}

const NOT_ENCRYPTED =
  'server sessions are not encrypted: the server does not offer TLS (server_tls_mode is prefer; disable says that this is right)';

interface TlsLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/**
 * `max_client_conn`, or what the limit of open files leaves room for: the runtime drops new connections without a word when
 * the system gives it no more descriptors, and the pool would get none either.
 */
export function clientPlaces({ maxClientConn, poolSize }: Config): {
  maxClients: number;
  maxClientsReason: string;
} {
  const limit = openFilesLimit();
  const sessions = poolSize === 'auto' ? USUAL_MAX_CONNECTIONS : poolSize;
  const fit = limit === null ? maxClientConn : clientsThatFit(limit, sessions);
  if (fit >= maxClientConn)
    return { maxClients: maxClientConn, maxClientsReason: `max_client_conn is ${maxClientConn}` };
  return {
    maxClients: fit,
    maxClientsReason: `the limit of open files (ulimit -n, ${limit}) has no room for more, though max_client_conn is ${maxClientConn}`,
  };
}

/** Whole seconds: that is how often it is looked. */
function secondsOf(milliseconds: number): number {
  return Math.ceil(milliseconds / IDLE_TICK_MS);
}

export function termsOf(
  config: Config,
  { limits, guards }: Pick<ClientUser, 'limits' | 'guards'>,
  account: ServerAccount,
): UserTerms {
  return {
    account,
    timeLimits: {
      query: secondsOf(limits.queryTimeout ?? config.queryTimeout),
      transaction: secondsOf(limits.transactionTimeout ?? config.transactionTimeout),
      idleTransaction: secondsOf(limits.idleTransactionTimeout ?? config.idleTransactionTimeout),
      clientIdle: secondsOf(limits.clientIdleTimeout ?? config.clientIdleTimeout),
    },
    maxClients: limits.maxClientConn ?? null,
    rails: railsOf(guards),
  };
}

function railsOf({ schemas, readOnly }: UserGuards): GuardRails | null {
  if (schemas === null && !readOnly) return null;
  return { schemas: schemas === null ? null : new Set(schemas), readOnly };
}
