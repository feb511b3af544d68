import type { ServerAddress } from '../backend/server-channel.js';
import { ServerTls } from '../backend/server-tls.js';
import type { ServerAccount, UpstreamOptions } from '../backend/upstream.js';
import type { Address } from '../config/address.js';
import type { Config } from '../config/load.js';
import type { ClientUser, UserGuards, UserLimits } from '../config/users.js';
import { VERSION } from '../config/version.js';
import { clientsThatFit, openFilesLimit } from '../observability/open-files.js';
import type { UserTerms } from '../relay/client-identity.js';
import type { GuardRails } from '../relay/guard-rails.js';
import type { TimeLimits } from '../relay/time-limits.js';
import type { ServerKind } from '../servers/server-kind.js';

/* What the configuration says, as the parts of the proxy take it. */

/** How often clients are looked at that may have been idle for too long, in ms: see `TimeWatch`. */
export const IDLE_TICK_MS = 1_000;

/** What servers have unless told otherwise: MySQL and MariaDB both. For the time before this one has told it. */
const USUAL_MAX_CONNECTIONS = 151;

/** @param kind - of several servers; null for one alone, which may be replaced by another kind of one */
export function upstreamOptions(
  config: Config,
  target: Address,
  log: TlsLog,
  kind: ServerKind | null = null,
): UpstreamOptions {
  const address: ServerAddress = target.kind === 'tcp' ? target : { socketPath: target.path };
  return {
    address,
    get connectTimeoutMs() {
      return config.serverConnectTimeout;
    },
    tracksWrites: readsOwnWrites(config),
    ...(kind === null ? {} : { suits: (info) => kind.suits(info) }),
    get maxPreparedStatements() {
      return config.maxPreparedStatements;
    },
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

/** Whether any pool has `read_your_writes`. */
export function readsOwnWrites({ pools }: Pick<Config, 'pools'>): boolean {
  return pools.some(({ readYourWrites }) => readYourWrites);
}

const NOT_ENCRYPTED =
  'server sessions are not encrypted: the server does not offer TLS (server_tls_mode is prefer; disable says that this is right)';

interface TlsLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** How many clients may be connected, and why no more. */
export interface ClientPlaces {
  maxClients: number;
  maxClientsReason: string;
}

/** Sessions that the pool of a server may have; null where that has to be found out. */
export function givenPoolSize({ poolSize, fleet }: Pick<Config, 'poolSize' | 'fleet'>): number | null {
  return poolSize === 'auto' || fleet === true ? null : poolSize;
}

/**
 * `max_client_conn`, or what the limit of open files leaves room for: the runtime drops new connections without a word when
 * the system gives it no more descriptors, and the pool would get none either.
 */
export function clientPlaces({ maxClientConn, poolSize }: Config): ClientPlaces {
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

/** The limits of a user, and of the configuration where it has none of its own: both may change, for its present clients, too. */
export class LiveTimeLimits implements TimeLimits {
  readonly #config: Config;
  own: UserLimits;

  constructor(config: Config, own: UserLimits) {
    this.#config = config;
    this.own = own;
  }

  get query(): number {
    return secondsOf(this.own.queryTimeout ?? this.#config.queryTimeout);
  }

  get transaction(): number {
    return secondsOf(this.own.transactionTimeout ?? this.#config.transactionTimeout);
  }

  get idleTransaction(): number {
    return secondsOf(this.own.idleTransactionTimeout ?? this.#config.idleTransactionTimeout);
  }

  get clientIdle(): number {
    return secondsOf(this.own.clientIdleTimeout ?? this.#config.clientIdleTimeout);
  }
}

export function termsOf(
  { limits, guards }: Pick<ClientUser, 'limits' | 'guards'>,
  account: ServerAccount,
  timeLimits: TimeLimits,
): UserTerms {
  return {
    account,
    timeLimits,
    maxClients: limits.maxClientConn ?? null,
    rails: railsOf(guards),
  };
}

function railsOf({ schemas, readOnly }: UserGuards): GuardRails | null {
  if (schemas === null && !readOnly) return null;
  return { schemas: schemas === null ? null : new Set(schemas), readOnly };
}
