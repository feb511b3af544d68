import type { Logger } from 'pino';
import type { ServerSession } from '../backend/server-session.js';
import type { Upstream } from '../backend/upstream.js';
import type { Config } from '../config/load.js';
import { DialLog } from '../observability/dial-log.js';
import type { Metrics } from '../observability/metrics.js';
import { RefusalLog } from '../observability/refusal-log.js';
import { SessionPools } from '../pool/session-pools.js';
import { profileDistance } from '../relay/profile-distance.js';
import type { RelayServices } from '../relay/relay-services.js';
import type { PoolTarget, ServerPools } from '../relay/session-cleaner.js';
import { holdWords } from '../session/hold-reason.js';

/** What the pools need and what needs the pools: asked for once sessions are opened. */
export interface PoolUses {
  services(): RelayServices;
  metrics(): Metrics;
}

/** The pools of server sessions: how sessions are opened and closed, and who hears of it. */
export function newServerPools(
  config: Config,
  upstream: Upstream,
  log: Logger,
  { services, metrics }: PoolUses,
): ServerPools {
  const dialLog = new DialLog(log);
  const refusalLog = new RefusalLog(log);
  const pools: ServerPools = new SessionPools<ServerSession, PoolTarget>({
    // Where the size depends on the server, that has to be asked first.
    limit: config.poolSize === 'auto' || config.fleet === 'on' ? 1 : config.poolSize,
    waitTimeoutMs: config.queryWaitTimeout,
    maxWaiting: config.maxWaiting,
    minSize: config.minPoolSize,
    idleTimeoutMs: config.serverIdleTimeout,
    lifetimeMs: config.serverLifetime,
    outlived: (session) => session.borrower?.sessionOutlived(),
    dialRetryMs: config.serverLoginRetry,
    dial: async ({ account, capabilities, schemaless }) => {
      const session = await upstream.open(account, null, capabilities);
      session.schemaless = schemaless;
      services().learned.sessionOpened(session.connectionId, session.info.versionText);
      session.onLost = (error) => {
        if (pools.sessionDied(session))
          log.debug({ serverSession: session.connectionId, error: error.message }, 'idle session died');
      };
      return session;
    },
    close: (session) => services().cleaner.end(session),
    fingerprint: (session) => session.profile,
    distance: profileDistance,
    heldReason: (session) => holdWords(session.borrower?.holds ?? 0)[0] ?? null,
    observer: {
      opened: (pool, session, tookMs) => {
        metrics().opened.inc();
        dialLog.opened(pool.key);
        const { connectionId: serverSession, channel } = session;
        log.debug(
          { pool: pool.key, serverSession, tls: channel.tlsVersion ?? 'none', tookMs },
          'server session opened',
        );
      },
      dialFailed: (pool, error, retryInMs) => {
        metrics().dialFailures.inc();
        dialLog.failed(pool.key, messageOf(error), retryInMs);
      },
      refused: (pool, error) => {
        metrics().refusals.inc();
        refusalLog.refused(pool.key, error.code, error.message);
      },
      waited: (_pool, waitedMs) => metrics().waitSeconds.observe(waitedMs / 1000),
      closed: (pool, session, reason) => {
        metrics().sessionClosed(reason);
        log.debug({ pool: pool.key, serverSession: session.connectionId, reason }, 'server session closed');
      },
    },
  });
  return pools;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
