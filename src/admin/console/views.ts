import { type Later, when } from './later.js';
import type { ClientRow, ConsoleSource } from './source.js';
import { type Table, tableOf, tableWhen } from './table.js';

export interface View {
  /** For HELP. */
  readonly shows: string;
  /** A number may stand behind its words: what it is, for HELP, and what it is where it is left out. */
  readonly number?: { readonly name: string; readonly unless: number };
  read(source: ConsoleSource, number: number): Later<Table>;
}

/** What SHOW knows, by the words behind it, with a blank in between. */
export const VIEWS: ReadonlyMap<string, View> = new Map(
  Object.entries({
    pools: {
      shows: 'pools of interchangeable server sessions, and who waits for one',
      read: (source) =>
        tableWhen(
          {
            pool: 'text',
            user: 'text',
            cl_waiting: 'integer',
            sv_active: 'integer',
            sv_held: 'integer',
            sv_idle: 'integer',
            sv_login: 'integer',
            sv_closing: 'integer',
            maxwait: 'integer',
            maxwait_us: 'integer',
            pool_mode: 'text',
            paused: 'integer',
          },
          source.pools(),
        ),
    },
    clients: { shows: 'client connections', read: (source) => clientTable(source, source.clients()) },
    waiters: {
      shows: 'clients that wait for a server session, the longest first',
      read: (source) =>
        clientTable(
          source,
          when(source.clients(), (rows) =>
            rows.filter(({ state }) => state === 'waiting').sort((a, b) => waitOf(b) - waitOf(a)),
          ),
        ),
    },
    servers: {
      shows: 'server sessions',
      read: (source) =>
        tableWhen(
          {
            id: 'integer',
            pool: 'text',
            user: 'text',
            state: 'text',
            link: 'integer',
            holds: 'text',
            prepared_statements: 'integer',
            ...workerColumn(source),
          },
          source.servers(),
        ),
    },
    upstreams: {
      shows:
        'the servers of the configuration, or of its names now: what each is, how it does, and since when',
      read: (source) =>
        tableWhen(
          {
            server: 'text',
            state: 'text',
            role: 'text',
            gets_writes: 'text',
            lag: 'integer',
            reasons: 'text',
            seconds: 'integer',
            weight: 'integer',
            paused: 'integer',
            sv_lent: 'integer',
            cl_waiting: 'integer',
            pool_size: 'integer',
          },
          source.upstreams(),
        ),
    },
    holds: {
      shows: 'clients that keep a server session, why, since when and by which statement',
      read: (source) =>
        tableWhen(
          {
            client: 'integer',
            user: 'text',
            server: 'integer',
            reason: 'text',
            since: 'text',
            seconds: 'integer',
            statement: 'text',
            ...workerColumn(source),
          },
          source.holds(),
        ),
    },
    stats: {
      shows: 'what has happened since the start',
      read: (source) => tableWhen({ name: 'text', kind: 'text', value: 'integer' }, source.stats()),
    },
    users: {
      shows: 'users that clients may log in as',
      read: (source) =>
        tableWhen(
          {
            name: 'text',
            server_user: 'text',
            pool_mode: 'text',
            max_client_conn: 'integer',
            clients: 'integer',
            admin: 'text',
          },
          source.users(),
        ),
    },
    config: {
      shows: 'keys of the configuration',
      read: (source) =>
        tableOf(
          { key: 'text', value: 'text', default: 'text', changeable: 'text', source: 'text' },
          source.config(),
        ),
    },
    profiles: {
      shows: 'states that sessions are in: clients with the same one share sessions at no cost',
      read: (source) =>
        tableWhen(
          { profile: 'text', schema: 'text', sessions: 'integer', clients: 'integer', variables: 'text' },
          source.profiles(),
        ),
    },
    advice: {
      shows:
        'what to do: the size of the pool, statements that hold sessions, transactions that idle, errors',
      read: (source) =>
        tableWhen(
          { severity: 'text', about: 'text', what: 'text', why: 'text', to_do: 'text' },
          source.advice(),
        ),
    },
    fleet: {
      shows: 'proxies that share the server, and the share of this one',
      read: (source) =>
        tableWhen(
          { members: 'integer', share: 'integer', pool_size: 'integer', max_connections: 'integer' },
          source.fleet(),
        ),
    },
    'top queries': {
      shows:
        'the n statements (literals aside) that have taken most time on the server, in ms, and all others (top_queries)',
      number: { name: 'n', unless: 20 },
      read: (source, n) =>
        tableWhen(
          {
            digest: 'text',
            count: 'integer',
            errors: 'integer',
            p50_ms: 'real',
            p95_ms: 'real',
            p99_ms: 'real',
            server_ms: 'real',
            wait_ms: 'real',
            rows: 'integer',
            bytes: 'integer',
            holds: 'integer',
            statement: 'text',
          },
          source.topQueries(n),
        ),
    },
    version: {
      shows: 'the version of the proxy and of the server',
      read: ({ version, serverVersion }) =>
        tableOf({ version: 'text', server_version: 'text' }, [{ version, server_version: serverVersion }]),
    },
  } satisfies Readonly<Record<string, View>>),
);

/** The view that these words, in lower case, ask for, and the number behind them; null where there is none. */
export function findView(words: readonly string[]): { readonly view: View; readonly number: number } | null {
  const plain = VIEWS.get(words.join(' '));
  if (plain !== undefined) return { view: plain, number: plain.number?.unless ?? 0 };
  const last = words.at(-1) ?? '';
  const view = VIEWS.get(words.slice(0, -1).join(' '));
  if (view?.number === undefined || !/^\d{1,9}$/.test(last)) return null;
  return { view, number: Number(last) };
}

/** With one process, there is nothing to tell apart. */
function workerColumn({ workers }: ConsoleSource): { readonly worker?: 'integer' } {
  return workers > 1 ? { worker: 'integer' } : {};
}

function clientTable(source: ConsoleSource, rows: Later<readonly ClientRow[]>): Later<Table> {
  return tableWhen(
    {
      id: 'integer',
      user: 'text',
      database: 'text',
      state: 'text',
      addr: 'text',
      port: 'integer',
      connect_time: 'text',
      wait: 'integer',
      wait_us: 'integer',
      link: 'integer',
      holds: 'text',
      remote_pid: 'text',
      application_name: 'text',
      ...workerColumn(source),
    },
    rows,
  );
}

/** In µs. */
function waitOf({ wait, wait_us }: ClientRow): number {
  return Number(wait) * 1e6 + Number(wait_us);
}
