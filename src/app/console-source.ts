import type { ClientRow, ConsoleSource, ServerRow } from '../admin/console/source.js';
import type { Config } from '../config/load.js';
import { KEY_NAMES, type KeyName, keyInfo } from '../config/schema.js';
import { valueText } from '../config/value-text.js';
import { VERSION } from '../config/version.js';
import type { MetricsSource } from '../observability/metrics.js';
import type { PoolSizer } from '../relay/pool-sizer.js';
import type { RelayServices } from '../relay/relay-services.js';
import { CloseReason } from '../relay/session-cleaner.js';
import { holdWords } from '../session/hold-reason.js';
import type { SessionProfile } from '../session/profile.js';

/** What the admin console acts on, besides what it reads. */
export interface ConsoleActions {
  shutdown(wait: boolean): void;
  /** Keys that a running proxy takes new values of. */
  readonly settings: readonly Setting[];
}

export interface Setting {
  readonly key: KeyName;
  /** As {@link valueText} would write it. */
  read(): string;
  /** @throws InvalidSetting */
  write(text: string): void;
}

/** What the admin console shows: the same counts as the metrics, and who is behind them. */
export function consoleSource(
  config: Config,
  services: RelayServices,
  sizer: PoolSizer | null,
  metrics: MetricsSource,
  { shutdown, settings }: ConsoleActions,
): ConsoleSource {
  const { pools, clients, holds, upstream } = services;
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
    get serverVersion() {
      return upstream.facts?.info.versionText ?? '';
    },
    pools: () =>
      pools.snapshot().pools.map((pool) => ({
        pool: pool.key,
        user: userOf(pool.key),
        cl_waiting: pool.waiting,
        sv_active: pool.active - pool.held,
        sv_held: pool.held,
        sv_idle: pool.idle,
        sv_login: pool.dialing,
        sv_closing: pool.retiring,
        ...maxWaitOf(pool.oldestWaitMs),
        pool_mode: config.poolMode,
      })),
    clients: listedClients,
    servers: () => {
      const links = new Map([...clients].map((client) => [client.serverConnectionId, client.connectionId]));
      return [...pools.sessions()].map(({ session, key, state }): ServerRow => {
        const bits = session.borrower?.holds ?? 0;
        return {
          id: session.connectionId,
          pool: key,
          user: userOf(key),
          state: state === 'active' && bits !== 0 && !session.busy ? 'held' : state,
          link: links.get(session.connectionId) ?? null,
          holds: holdWords(bits).join(','),
          prepared_statements: session.statements.size,
        };
      });
    },
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
      KEY_NAMES.map((key) => {
        const setting = settings.find((one) => one.key === key);
        return {
          key,
          value: setting?.read() ?? valueText(key, config),
          default: keyInfo(key).defaultText,
          changeable: setting === undefined ? 'no' : 'yes',
        };
      }),
    profiles: () => profileRows(services),
    fleet: () => [
      {
        members: sizer?.members ?? 0,
        share: pools.size,
        pool_size: pools.limit,
        max_connections: sizer?.maxConnections ?? 0,
      },
    ],
    killClient: (id) => {
      const client = clients.get(id);
      client?.killConnection();
      return client !== undefined;
    },
    reconnect: () => pools.retireAll(() => true, CloseReason.Reconnect),
    settings: new Map(settings.map((setting) => [setting.key, (text: string) => setting.write(text)])),
    shutdown,
  };
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

/** Of a pool's key: the account's name, which stands before the capabilities. */
function userOf(key: string): string {
  return key.replace(/\/[0-9a-f]+(\/passthrough)?(\/schema)?$/, '');
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
