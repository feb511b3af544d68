import type { ConsoleSource } from './source.js';
import { type Table, tableOf } from './table.js';

interface View {
  /** For HELP. */
  readonly shows: string;
  read(source: ConsoleSource): Table;
}

/** What SHOW knows, by the words behind it. */
export const VIEWS: ReadonlyMap<string, View> = new Map(
  Object.entries({
    pools: {
      shows: 'pools of interchangeable server sessions, and who waits for one',
      read: (source) =>
        tableOf(
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
          },
          source.pools(),
        ),
    },
    clients: { shows: 'client connections', read: (source) => clientTable(source.clients()) },
    waiters: {
      shows: 'clients that wait for a server session, the longest first',
      read: (source) =>
        clientTable(
          source
            .clients()
            .filter(({ state }) => state === 'waiting')
            .sort((a, b) => waitOf(b) - waitOf(a)),
        ),
    },
    servers: {
      shows: 'server sessions',
      read: (source) =>
        tableOf(
          {
            id: 'integer',
            pool: 'text',
            user: 'text',
            state: 'text',
            link: 'integer',
            holds: 'text',
            prepared_statements: 'integer',
          },
          source.servers(),
        ),
    },
    holds: {
      shows: 'clients that keep a server session, why, since when and by which statement',
      read: (source) =>
        tableOf(
          {
            client: 'integer',
            user: 'text',
            server: 'integer',
            reason: 'text',
            since: 'text',
            seconds: 'integer',
            statement: 'text',
          },
          source.holds(),
        ),
    },
    stats: {
      shows: 'what has happened since the start',
      read: (source) => tableOf({ name: 'text', kind: 'text', value: 'integer' }, source.stats()),
    },
    users: {
      shows: 'users that clients may log in as',
      read: (source) =>
        tableOf(
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
        tableOf({ key: 'text', value: 'text', default: 'text', changeable: 'text' }, source.config()),
    },
    profiles: {
      shows: 'states that sessions are in: clients with the same one share sessions at no cost',
      read: (source) =>
        tableOf(
          { profile: 'text', schema: 'text', sessions: 'integer', clients: 'integer', variables: 'text' },
          source.profiles(),
        ),
    },
    fleet: {
      shows: 'proxies that share the server, and the share of this one',
      read: (source) =>
        tableOf(
          { members: 'integer', share: 'integer', pool_size: 'integer', max_connections: 'integer' },
          source.fleet(),
        ),
    },
    version: {
      shows: 'the version of the proxy and of the server',
      read: ({ version, serverVersion }) =>
        tableOf({ version: 'text', server_version: 'text' }, [{ version, server_version: serverVersion }]),
    },
  } satisfies Readonly<Record<string, View>>),
);

function clientTable(rows: ReturnType<ConsoleSource['clients']>): Table {
  return tableOf(
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
    },
    rows,
  );
}

/** In µs. */
function waitOf({ wait, wait_us }: ReturnType<ConsoleSource['clients']>[number]): number {
  return Number(wait) * 1e6 + Number(wait_us);
}
