import type { LoadMode } from './load/plan.js';

/** Rows in each of the tables, at most 10,000: they stay in memory on any machine. */
export const TABLE_ROWS = 10_000;
export const TABLES = 4;
/** Tables of which all rows together are a result of 10 MiB: bytes of each row, and how many. */
export const BIG_TABLES = {
  wide: { rowBytes: 1024, rows: 10_240 },
  narrow: { rowBytes: 100, rows: 104_857 },
} as const;

/** Debian's sysbench: one thread and one connection per client. Its latency is that of an event: a transaction. */
export interface SysbenchLoad {
  readonly generator: 'sysbench';
  readonly script: 'oltp_point_select' | 'oltp_read_write';
  readonly prepared: boolean;
}

/** The bench's own generator: one process with one thread for any number of clients. */
export interface LeanLoad {
  readonly generator: 'lean';
  readonly mode: LoadMode;
  readonly tls: boolean;
  readonly statement: string;
  readonly preambles: readonly string[];
}

interface AnyScenario {
  readonly name: string;
  readonly title: string;
  readonly clients: number;
  /** Server sessions that a pooling target may use. */
  readonly poolSize: number;
  /** Whom it is about, where that is not the usual targets. */
  readonly targets?: readonly string[];
}

/** Clients that work: how fast, and at which cost? */
export interface LoadScenario extends AnyScenario {
  readonly kind: 'load';
  /** What is counted per second. */
  readonly unit: 'queries' | 'connections' | 'results';
  /** Scenarios of one group are measured in the same rounds, so that their figures can be compared with each other. */
  readonly group?: string;
  readonly load: SysbenchLoad | LeanLoad;
}

/** Clients that do nothing: how much memory does a proxy need for each? */
export interface IdleScenario extends AnyScenario {
  readonly kind: 'idle';
}

export type Scenario = LoadScenario | IdleScenario;

export const POINT_SELECT = 'SELECT c FROM sbtest1 WHERE id=?';

/** Not a server's defaults, and different for each `k`: what frameworks set after they have connected. */
function profile(k: number): string {
  return `SET time_zone='+0${k}:00', sql_mode='STRICT_ALL_TABLES,NO_ZERO_DATE', group_concat_max_len=${4096 + k}`;
}

function lean(given: Partial<LeanLoad> = {}): LeanLoad {
  return { generator: 'lean', mode: 'text', tls: false, statement: POINT_SELECT, preambles: [], ...given };
}

function sysbench(script: SysbenchLoad['script'], prepared: boolean): SysbenchLoad {
  return { generator: 'sysbench', script, prepared };
}

type Named = Pick<LoadScenario, 'name' | 'title' | 'clients' | 'load'> & Partial<LoadScenario>;

function scenario(given: Named): LoadScenario {
  return { kind: 'load', poolSize: 8, unit: 'queries', ...given };
}

/** As many clients as there are workers of a site, over as many sessions as a server likes. */
function manyClients(clients: number, poolSize: number): LoadScenario {
  const name = `many-${clients}-${poolSize}`;
  const title = 'point selects as text (event-driven clients)';
  return scenario({ name, title, clients, poolSize, group: `many-${poolSize}`, load: lean() });
}

function profiles(count: number): LoadScenario {
  const preambles = Array.from({ length: count }, (_, k) => profile(k + 1));
  const title =
    count === 1
      ? 'point selects as text, all clients with the same session variables'
      : `point selects as text, each client with one of ${count} sets of session variables`;
  return scenario({ name: `profiles-${count}`, title, clients: 128, load: lean({ preambles }) });
}

function bigResult(name: string, table: keyof typeof BIG_TABLES): LoadScenario {
  const { rowBytes } = BIG_TABLES[table];
  const load = lean({ statement: `SELECT c FROM big_${table}` });
  const title = `results of 10 MiB as text, ${rowBytes} bytes a row`;
  return scenario({ name, title, clients: 4, unit: 'results', load });
}

/** As the same as text, but for the form of its rows: an execute has to have a parameter here. */
function bigPreparedResult(): LoadScenario {
  const load = lean({ mode: 'prepared', statement: 'SELECT c FROM big_wide WHERE ? > 0' });
  const title = `results of 10 MiB, prepared (binary rows), ${BIG_TABLES.wide.rowBytes} bytes a row`;
  return scenario({ name: 'result-10m-prepared', title, clients: 4, unit: 'results', load });
}

/** The server reads the whole file, and passes over all of its lines. */
function bigFile(mebibytes: number): LoadScenario {
  const file = `{file:${mebibytes * 1024 * 1024}}`;
  const load = lean({
    statement: `LOAD DATA LOCAL INFILE '${file}' INTO TABLE sbtest1 IGNORE 200000 LINES`,
  });
  const title = `LOAD DATA LOCAL of ${mebibytes} MiB, sent in packets of 16 KiB`;
  return scenario({ name: `local-${mebibytes}m`, title, clients: 4, load });
}

/** What is sent is read whole by the proxy and the server, and nothing of it is kept. */
function bigInsert(mebibytes: number): LoadScenario {
  const load = lean({
    statement: `INSERT INTO sbtest1 (k, c) SELECT 1, _binary'{blob:${mebibytes * 1024 * 1024}}' FROM DUAL WHERE FALSE`,
  });
  const title = `INSERT of ${mebibytes} MiB, one escaped blob`;
  return scenario({ name: `load-${mebibytes}m`, title, clients: 4, load });
}

function idle(clients: number): IdleScenario {
  const title = 'clients that have logged in, sent a query and do nothing';
  return { kind: 'idle', name: `idle-${clients}`, title, clients, poolSize: 8 };
}

export const SCENARIOS: readonly Scenario[] = [
  scenario({
    name: 'point-text',
    title: 'point selects as text (sysbench oltp_point_select)',
    clients: 128,
    load: sysbench('oltp_point_select', false),
  }),
  scenario({
    name: 'point-prepared',
    title: 'point selects, prepared (sysbench oltp_point_select)',
    clients: 128,
    load: sysbench('oltp_point_select', true),
  }),
  scenario({
    name: 'rw-text',
    title: 'transactions of 20 statements as text (sysbench oltp_read_write)',
    clients: 64,
    load: sysbench('oltp_read_write', false),
  }),
  scenario({
    name: 'rw-prepared',
    title: 'transactions of 20 statements, prepared (sysbench oltp_read_write)',
    clients: 64,
    load: sysbench('oltp_read_write', true),
  }),
  scenario({
    name: 'lean-text',
    title: 'point selects as text (event-driven clients)',
    clients: 128,
    load: lean(),
  }),
  scenario({
    name: 'lean-prepared',
    title: 'point selects, prepared (event-driven clients)',
    clients: 128,
    load: lean({ mode: 'prepared' }),
  }),
  profiles(1),
  profiles(4),
  scenario({
    name: 'connect',
    title: 'connect, one query, quit (event-driven clients)',
    clients: 32,
    unit: 'connections',
    load: lean({ mode: 'connect' }),
  }),
  scenario({
    name: 'connect-tls',
    title: 'connect over TLS, one query, quit (event-driven clients)',
    clients: 32,
    unit: 'connections',
    load: lean({ mode: 'connect', tls: true }),
  }),
  bigResult('result-10m', 'wide'),
  bigResult('result-10m-narrow', 'narrow'),
  bigPreparedResult(),
  bigInsert(16),
  bigFile(16),
  scenario({
    name: 'sockets',
    title: 'point selects as text, over TCP and over unix sockets',
    clients: 128,
    targets: ['direct', 'direct-unix', 'haproxy', 'haproxy-unix', 'mybouncer', 'mybouncer-unix'],
    load: lean(),
  }),
  ...[8, 20].flatMap((poolSize) => [1, 16, 128, 1000, 5000].map((clients) => manyClients(clients, poolSize))),
  idle(1000),
  idle(10_000),
];

/** Whether anything of it needs TLS with clients. */
export function usesTls(one: Scenario): boolean {
  return one.kind === 'load' && one.load.generator === 'lean' && one.load.tls;
}

/** Whether it reads the big tables. */
export function usesBigTables(one: Scenario): boolean {
  return one.kind === 'load' && one.unit === 'results';
}
