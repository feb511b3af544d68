import { type OwnStatus, STATUS_ROWS, STATUS_SCHEMA_VERSION, type Status } from '../admin/status-document.js';
import type { Config } from '../config/load.js';
import { VERSION } from '../config/version.js';
import type { MetricsSource } from '../observability/metrics.js';
import type { PoolSnapshot, PoolsSnapshot } from '../pool/snapshot.js';
import type { RelayServices } from '../relay/relay-services.js';
import { CloseReason } from '../relay/session-cleaner.js';
import { clientStates } from './client-states.js';
import { serverNames } from './new-server.js';
import type { PoolSizing } from './pool-sizing.js';

/** What /status is made of. */
export interface StatusParts {
  readonly config: Config;
  readonly services: RelayServices;
  readonly sizer: Pick<PoolSizing, 'members' | 'maxConnections'>;
  readonly metrics: MetricsSource;
  /** 1..count */
  readonly worker: number;
  readonly listen: () => readonly string[];
  readonly loggingIn: () => number;
  readonly readiness: () => { readonly ready: boolean; readonly reason: string };
  readonly draining: () => boolean;
  readonly trouble: () => Status['trouble'];
}

const APPLICATION_LENGTH = 100;

/** Ms since the epoch. */
const STARTED_AT = Date.now() - performance.now();

/** This process at this moment. */
export function takeStatus(parts: StatusParts): OwnStatus {
  const { config, services, metrics, sizer } = parts;
  const { pools, upstream } = services;
  const { ready, reason } = parts.readiness();
  const snapshot = pools.snapshot();
  const held = services.holds.snapshot();
  return {
    schemaVersion: STATUS_SCHEMA_VERSION,
    time: new Date().toISOString(),
    version: VERSION,
    startedAt: new Date(STARTED_AT).toISOString(),
    uptimeSeconds: uptimeSeconds(),
    state: parts.draining() ? 'draining' : ready ? 'serving' : 'starting',
    reason,
    trouble: parts.trouble(),
    listen: [...parts.listen()],
    server: {
      address: serverNames(services.servers, config),
      // MariaDB's greeting says this first, for old replicas.
      version: upstream.facts?.info.versionText.replace(/^5\.5\.5-/, '') ?? null,
    },
    servers: serverRows(services),
    poolMode: config.poolMode,
    clients: { total: services.clients.size, ...clientStates(services.clients, parts.loggingIn()) },
    sessions: sessionsOf(snapshot, pools.size),
    waiting: snapshot.waiting,
    longestWaitMs: snapshot.oldestWaitMs,
    totals: totalsOf(metrics),
    pools: poolRows(services, snapshot),
    poolsTotal: snapshot.pools.length,
    waiters: waiterRows(services),
    holdsByReason: holdsByReason(held),
    holds: holdRows(held),
    holdsTotal: held.length,
    fleet:
      sizer.maxConnections === 0
        ? null
        : {
            members: sizer.members,
            share: pools.size,
            limit: pools.limit,
            maxConnections: sizer.maxConnections,
          },
    workers: [
      {
        worker: parts.worker,
        pid: process.pid,
        clients: services.clients.size,
        sessions: snapshot.idle + snapshot.active,
        uptimeSeconds: uptimeSeconds(),
      },
    ],
  };
}

function serverRows({ servers, routes }: RelayServices): Status['servers'] {
  if (routes === null) return null;
  return servers.all.map((server) => {
    const { name, state, isLeaving, isPaused, pools } = server;
    const {
      status = 'unknown',
      role = null,
      lagSeconds = null,
      reasons = [],
      forMs = 0,
    } = state?.snapshot(performance.now()) ?? {};
    return {
      name,
      state: status,
      role,
      getsWrites: routes.router.getsWrites(server),
      lagSeconds,
      reasons: isLeaving ? [CloseReason.AddressGone, ...reasons] : [...reasons],
      seconds: Math.floor(forMs / 1_000),
      paused: isPaused,
      lent: pools.lent,
      waiting: pools.waiting,
    };
  });
}

function uptimeSeconds(): number {
  return Math.floor((Date.now() - STARTED_AT) / 1_000);
}

function sessionsOf(
  { limit, idle, active, held, dialing, retiring }: PoolsSnapshot,
  share: number,
): Status['sessions'] {
  return {
    limit,
    share,
    open: idle + active,
    lent: active - held,
    held,
    idle,
    opening: dialing,
    closing: retiring,
  };
}

function totalsOf(metrics: MetricsSource): Status['totals'] {
  return {
    queries: metrics.commands(),
    checkouts: Object.fromEntries(metrics.checkouts()),
    reuseRatio: metrics.reuseRatio(),
    restores: metrics.restores(),
    resets: metrics.resets(),
    kills: Object.fromEntries(metrics.kills()),
    holds: Object.fromEntries(metrics.holdsBegun()),
    logins: Object.fromEntries(metrics.logins()),
    timeLimits: Object.fromEntries(metrics.timeLimits()),
    sharedSockets: Object.fromEntries(metrics.sharedSockets()),
  };
}

function poolRows(services: RelayServices, { pools }: PoolsSnapshot): Status['pools'] {
  const open = ({ idle, active, dialing }: PoolSnapshot): number => idle + active + dialing;
  return [...pools]
    .sort((a, b) => b.waiting - a.waiting || open(b) - open(a) || (a.key < b.key ? -1 : 1))
    .slice(0, STATUS_ROWS.pools)
    .map((pool) => ({
      name: pool.key,
      user: services.pools.target(pool.key)?.account.user ?? '',
      paused: pool.paused,
      waiting: pool.waiting,
      lent: pool.active - pool.held,
      held: pool.held,
      idle: pool.idle,
      opening: pool.dialing,
      closing: pool.retiring,
      longestWaitMs: pool.oldestWaitMs,
    }));
}

function waiterRows({ clients }: RelayServices): Status['waiters'] {
  return [...clients]
    .filter(({ state }) => state === 'waiting')
    .map((client) => {
      const { address, waitedMs, attributes } = client.describe();
      return {
        client: client.connectionId,
        user: client.userName,
        address,
        application: applicationOf(attributes),
        waitedMs,
      };
    })
    .sort((a, b) => b.waitedMs - a.waitedMs)
    .slice(0, STATUS_ROWS.waiters);
}

/** As the client calls itself, which may be any text. */
function applicationOf(attributes: ReadonlyMap<string, string>): string | null {
  const name = attributes.get('program_name') ?? attributes.get('_client_name');
  return name?.slice(0, APPLICATION_LENGTH) ?? null;
}

type HeldSessions = ReturnType<RelayServices['holds']['snapshot']>;

function holdsByReason(held: HeldSessions): Status['holdsByReason'] {
  const counts = new Map<string, number>();
  for (const { reasons } of held)
    for (const reason of new Set(reasons)) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .map(([reason, clients]) => ({ reason, clients }))
    .sort((a, b) => b.clients - a.clients || (a.reason < b.reason ? -1 : 1));
}

/** A row for each reason. */
function holdRows(held: HeldSessions): Status['holds'] {
  return held
    .slice(0, STATUS_ROWS.holds)
    .flatMap(({ clientId, user, serverConnectionId, holds }) =>
      holds.map(({ reason, since, statement }) => ({
        client: clientId,
        user,
        server: serverConnectionId,
        reason,
        since: new Date(since).toISOString(),
        seconds: Math.max(0, Math.floor((Date.now() - since) / 1_000)),
        statement,
      })),
    )
    .slice(0, STATUS_ROWS.holds);
}
