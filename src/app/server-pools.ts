import type { Logger } from 'pino';
import { partOf } from '../backend/server-room.js';
import type { ServerSession } from '../backend/server-session.js';
import type { Upstream } from '../backend/upstream.js';
import type { Config } from '../config/load.js';
import type { DialLog } from '../observability/dial-log.js';
import type { Metrics } from '../observability/metrics.js';
import { RetireReason } from '../pool/observer.js';
import { SessionPools } from '../pool/session-pools.js';
import { profileDistance } from '../relay/profile-distance.js';
import type { RelayServices } from '../relay/relay-services.js';
import {
  CloseReason,
  type PoolTarget,
  type ServerPools,
  type SessionCleaner,
} from '../relay/session-cleaner.js';
import { holdWords } from '../session/hold-reason.js';
import type { Permits } from '../workers/permits.js';
import { givenPoolSize } from './options.js';

/** What the pools need and what needs the pools: asked for once sessions are opened. */
export interface PoolUses {
  /** Of several servers, the name of this one; empty for one alone. */
  readonly server: string;
  cleaner(): SessionCleaner;
  /** {@link Server.isLeaving}: no session is opened there for its own sake. */
  isLeaving(): boolean;
  /** Something has gone wrong that the server's end would explain. */
  troubled(): void;
  services(): RelayServices;
  metrics(): Metrics;
  /** Null where all sessions of the server are this process's. */
  permits(): Pick<Permits, 'shortage' | 'placeFreed' | 'total' | 'sessionOpened' | 'sessionGone'> | null;
  /** Of how many workers this is which, from 0: what is to be kept open is divided among them. */
  readonly place: { readonly rank: number; readonly members: number };
  readonly dialLog: DialLog;
}

/** The pools of server sessions: how sessions are opened and closed, and who hears of it. */
export function newServerPools(
  config: Config,
  upstream: Upstream,
  log: Logger,
  { server, cleaner, isLeaving, troubled, services, metrics, permits, place, dialLog }: PoolUses,
): ServerPools {
  const labelOf = ({ key }: { readonly key: string }): string => (server === '' ? key : `${key}@${server}`);
  const pools: ServerPools = new SessionPools<ServerSession, PoolTarget>({
    limit: firstLimit(config, place),
    whole: () => permits()?.total ?? null,
    get waitTimeoutMs() {
      return config.queryWaitTimeout;
    },
    get maxWaiting() {
      return config.maxWaiting;
    },
    get minSize() {
      return isLeaving() ? 0 : partOf(config.minPoolSize, place);
    },
    get idleTimeoutMs() {
      return config.serverIdleTimeout;
    },
    get lifetimeMs() {
      return config.serverLifetime;
    },
    outlived: (session) => session.borrower?.sessionOutlived(),
    get dialRetryMs() {
      return config.serverLoginRetry;
    },
    dial: async ({ account, capabilities, schemaless }, signal) => {
      const session = await upstream.open(account, null, capabilities, signal);
      session.schemaless = schemaless;
      services().learned.sessionOpened(session.connectionId, session.info.versionText, server);
      session.onLost = (error) => {
        troubled();
        if (pools.sessionDied(session))
          log.debug({ serverSession: session.connectionId, error: error.message }, 'idle session died');
      };
      return session;
    },
    close: (session) => cleaner().end(session),
    fingerprint: (session) => session.profile,
    distance: profileDistance,
    heldReason: (session) => holdWords(session.borrower?.holds ?? 0)[0] ?? null,
    observer: {
      opened: (pool, session, tookMs) => {
        metrics().opened.inc();
        permits()?.sessionOpened(session.connectionId, session.account?.user ?? '');
        dialLog.opened(labelOf(pool));
        const { connectionId: serverSession, channel } = session;
        log.debug(
          { pool: labelOf(pool), serverSession, tls: channel.tlsVersion ?? 'none', tookMs },
          'server session opened',
        );
      },
      dialFailed: (pool, error, retryInMs) => {
        metrics().dialFailures.inc();
        troubled();
        dialLog.failed(labelOf(pool), messageOf(error), retryInMs);
      },
      refused: (_pool, error) => {
        metrics().refusals.inc();
        services().counters.requestRefused(error.code);
      },
      waits: () => permits()?.shortage(),
      placeFreed: () => permits()?.placeFreed(),
      waited: (_pool, waitedMs) => services().times.wait.record(waitedMs),
      closed: (pool, session, reason) => {
        metrics().sessionClosed(reason);
        permits()?.sessionGone(session.connectionId);
        if (MAY_BE_A_RESTART.has(reason)) services().learned.clear();
        log.debug(
          { pool: labelOf(pool), serverSession: session.connectionId, reason },
          'server session closed',
        );
      },
    },
  });
  return pools;
}

/** Where the size depends on the server, that has to be asked first; and where workers share it, their parent. */
function firstLimit(config: Config, { members }: PoolUses['place']): number {
  return members > 1 ? 0 : (givenPoolSize(config) ?? 1);
}

/** A session ended by the server may mean that another server process answers from now on. */
const MAY_BE_A_RESTART: ReadonlySet<string> = new Set([
  RetireReason.died,
  CloseReason.Lost,
  CloseReason.ServerShutdown,
  CloseReason.OtherServer,
  CloseReason.ServerDown,
]);

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
