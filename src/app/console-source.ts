import { type Later, when } from '../admin/console/later.js';
import type { AdviceRow, ClientRow, ConsoleSource, ServerRow, UpstreamRow } from '../admin/console/source.js';
import { CommandRefused } from '../admin/console/source.js';
import type { AdviceFinding } from '../advice/finding.js';
import type { Config } from '../config/load.js';
import { KEY_NAMES, type KeyName, keyInfo } from '../config/schema.js';
import { valueText } from '../config/value-text.js';
import { VERSION } from '../config/version.js';
import type { MetricsSource } from '../observability/metrics.js';
import type { DigestRow } from '../relay/digest-table.js';
import type { RelayServices } from '../relay/relay-services.js';
import type { Server } from '../relay/server.js';
import { CloseReason } from '../relay/session-cleaner.js';
import { holdWords } from '../session/hold-reason.js';
import type { SessionProfile } from '../session/profile.js';
import type { OwnConsole } from '../views/all-console.js';
import type { OwnPauses } from '../views/all-pauses.js';
import type { PoolSizing } from './pool-sizing.js';
import { topQueryRows } from './query-times.js';

/** What the admin console acts on, besides what it reads. */
export interface ConsoleActions {
  shutdown(wait: boolean): void;
  readonly pauses: OwnPauses;
  readonly live: Pick<ConsoleSource, 'reload' | 'settings'>;
  /** Where the value of a key was given. */
  sourceOf(key: KeyName): string;
  advise(): Later<readonly AdviceFinding[]>;
  topQueries(n: number): Later<readonly DigestRow[]>;
  /** Processes that serve. */
  readonly workers: number;
  /** Null where there is no parent process that could do it. */
  readonly restart: (() => void) | null;
}

/** What the admin console shows: the same counts as the metrics, and who is behind them. */
export function consoleSource(
  config: Config,
  services: RelayServices,
  sizer: Pick<PoolSizing, 'members' | 'maxConnections'>,
  metrics: MetricsSource,
  { shutdown, restart, pauses, live, sourceOf, advise, topQueries, workers }: ConsoleActions,
): OwnConsole {
  const { servers, pools, clients, holds, upstream } = services;
  const router = services.routes?.router ?? null;
  const listedClients = (): readonly ClientRow[] =>
    [...clients].map((client) => {
      const {
        state,
        address,
        port,
        schema,
        connectedAt,
        waitedMs,
        holds: bits,
        attributes,
      } = client.describe();
      return {
        id: client.connectionId,
        user: client.userName,
        database: schema,
        state,
        addr: address ?? 'unix',
        port,
        connect_time: timeText(connectedAt),
        ...waitOf(waitedMs),
        link: client.serverConnectionId,
        holds: holdWords(bits).join(','),
        remote_pid: attributes.get('_pid') ?? null,
        application_name: attributes.get('program_name') ?? attributes.get('_client_name') ?? null,
      };
    });
  return {
    version: VERSION,
    workers,
    get serverVersion() {
      return upstream.facts?.info.versionText ?? '';
    },
    pools: () =>
      pools.snapshot().pools.map((pool) => ({
        pool: pool.key,
        user: pools.target(pool.key)?.account.user ?? '',
        cl_waiting: pool.waiting,
        sv_active: pool.active - pool.held,
        sv_held: pool.held,
        sv_idle: pool.idle,
        sv_login: pool.dialing,
        sv_closing: pool.retiring,
        ...maxWaitOf(pool.oldestWaitMs),
        pool_mode: config.poolMode,
        paused: pool.paused ? 1 : 0,
      })),
    clients: listedClients,
    servers: () => {
      const links = new Map([...clients].map((client) => [client.serverConnectionId, client.connectionId]));
      return [...pools.sessions()].map(({ session, key, state }): ServerRow => {
        const bits = session.borrower?.holds ?? 0;
        return {
          id: session.connectionId,
          pool: key,
          user: session.account?.user ?? '',
          state: state === 'active' && bits !== 0 && !session.busy ? 'held' : state,
          link: links.get(session.connectionId) ?? null,
          holds: holdWords(bits).join(','),
          prepared_statements: session.statements.size,
        };
      });
    },
    upstreams: () => servers.all.map((server) => upstreamRow(server, router?.getsWrites(server) ?? true)),
    holds: () =>
      holds.snapshot().flatMap(({ clientId, user, serverConnectionId, holds: reasons }) =>
        reasons.map(({ reason, since, statement }) => ({
          client: clientId,
          user,
          server: serverConnectionId,
          reason,
          since: timeText(since),
          seconds: Math.floor((Date.now() - since) / 1_000),
          statement,
        })),
      ),
    stats: () => statRows(metrics),
    users: () => {
      const connected = new Map<string, number>();
      for (const { userName } of clients) connected.set(userName, (connected.get(userName) ?? 0) + 1);
      return config.users.map(({ name, server, limits }) => ({
        name,
        server_user: server.user,
        pool_mode: config.poolMode,
        max_client_conn: limits.maxClientConn ?? null,
        clients: connected.get(name) ?? 0,
        admin: config.adminUsers.includes(name) ? 'yes' : 'no',
      }));
    },
    config: () =>
      KEY_NAMES.map((key) => ({
        key,
        value: valueText(key, config),
        default: keyInfo(key).defaultText,
        changeable: keyInfo(key).reloadable ? 'yes' : 'no',
        source: sourceOf(key),
      })),
    profiles: () => profileRows(services),
    fleet: () => [
      {
        members: sizer.members,
        share: pools.size,
        pool_size: pools.limit,
        max_connections: sizer.maxConnections,
      },
    ],
    topQueries: (n) => when(topQueries(n), topQueryRows),
    advice: () => when(advise(), adviceRows),
    killClient: (id) => {
      const client = clients.get(id);
      client?.killConnection();
      return client !== undefined;
    },
    reconnect: (name) => {
      const named = servers.all.filter((server) => name === null || server.name === name);
      if (named.length === 0) throw unknownServer(name, servers.all);
      for (const server of named) server.pools.retireAll(() => true, CloseReason.Reconnect);
    },
    pauses,
    ...live,
    shutdown,
    restart,
  };
}

function unknownServer(name: string | null, all: readonly Server[]): CommandRefused {
  return new CommandRefused(`Unknown server '${name}': there is ${all.map((one) => one.name).join(', ')}`);
}

/** One server alone is not asked: what is known of it is that it was reached. */
function upstreamRow(
  { name, state, isLeaving, weight, pools, upstream }: Server,
  getsWrites: boolean,
): UpstreamRow {
  const { status, role, lagSeconds, reasons, forMs } = state?.snapshot(performance.now()) ?? {
    status: upstream.facts === null ? 'unknown' : 'up',
    role: null,
    lagSeconds: null,
    reasons: [],
    forMs: null,
  };
  return {
    server: name,
    state: status,
    role,
    gets_writes: getsWrites ? 'yes' : 'no',
    lag: lagSeconds,
    reasons: (isLeaving ? [CloseReason.AddressGone, ...reasons] : reasons).join(','),
    seconds: forMs === null ? null : Math.floor(forMs / 1_000),
    weight: weight ?? 1,
    paused: pools.allPaused ? 1 : 0,
    sv_lent: pools.lent,
    cl_waiting: pools.waiting,
    pool_size: pools.limit,
  };
}

function adviceRows(findings: readonly AdviceFinding[]): readonly AdviceRow[] {
  return findings.map(({ severity, about, what, why, toDo }) => ({
    severity,
    about,
    what,
    why,
    to_do: toDo,
  }));
}

/** One row for each number that only grows; 'kind' is the metric's label. */
function statRows(metrics: MetricsSource) {
  const all = (name: string, counts: ReadonlyMap<string, number>) =>
    [...counts].map(([kind, value]) => ({ name, kind, value }));
  const one = (name: string, value: number) => [{ name, kind: null, value }];
  return [
    ...one('commands', metrics.commands()),
    ...all('checkouts', metrics.checkouts()),
    ...one('restores', metrics.restores()),
    ...one('resets', metrics.resets()),
    ...one('learned_answers', metrics.learnedAnswers()),
    ...all('holds', metrics.holdsBegun()),
    ...all('kills', metrics.kills()),
    ...all('time_limits', metrics.timeLimits()),
    ...all('errors', metrics.errors()),
    ...all('shared_sockets', metrics.sharedSockets()),
  ];
}

/** The states that clients and idle sessions are in now. */
function profileRows({ pools, clients }: RelayServices) {
  const counts = new Map<SessionProfile, { sessions: number; clients: number }>();
  const at = (profile: SessionProfile): { sessions: number; clients: number } => {
    let count = counts.get(profile);
    if (count === undefined) {
      count = { sessions: 0, clients: 0 };
      counts.set(profile, count);
    }
    return count;
  };
  for (const { session } of pools.sessions()) at(session.profile).sessions++;
  for (const client of clients) {
    const { profile } = client.describe();
    if (profile !== null) at(profile).clients++;
  }
  return [...counts].map(([profile, count]) => ({
    profile: profile.hash.toString(16).padStart(8, '0'),
    schema: profile.schema,
    ...count,
    variables: [...profile.overrides].map(([name, value]) => `${name}=${value}`).join(', '),
  }));
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}

/** Whole seconds, and the rest of them in µs: so PgBouncer splits it. */
function waitOf(ms: number): { readonly wait: number; readonly wait_us: number } {
  const us = Math.round(ms * 1_000);
  return { wait: Math.floor(us / 1e6), wait_us: us % 1e6 };
}

function maxWaitOf(ms: number): { readonly maxwait: number; readonly maxwait_us: number } {
  const { wait, wait_us } = waitOf(ms);
  return { maxwait: wait, maxwait_us: wait_us };
}
