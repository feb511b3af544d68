import type { LoadMode } from './load/plan.js';

/** Rows in each of the tables, at most 10,000: they stay in memory on any machine. */
export const TABLE_ROWS = 10_000;
export const TABLES = 4;

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
  readonly statement: string;
  readonly preambles: readonly string[];
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly clients: number;
  /** Server sessions that a pooling target may use. */
  readonly poolSize: number;
  /** What is counted per second. */
  readonly unit: 'queries' | 'connections';
  readonly load: SysbenchLoad | LeanLoad;
}

const POINT_SELECT = 'SELECT c FROM sbtest1 WHERE id=?';

/** As many clients as there are workers of a site, over as many sessions as a server likes. */
function manyClients(clients: number): Scenario {
  return {
    name: `many-${clients}`,
    title: 'point selects as text (event-driven clients)',
    clients,
    poolSize: 20,
    unit: 'queries',
    load: { generator: 'lean', mode: 'text', statement: POINT_SELECT, preambles: [] },
  };
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'point-text',
    title: 'point selects as text (sysbench oltp_point_select)',
    clients: 128,
    poolSize: 8,
    unit: 'queries',
    load: { generator: 'sysbench', script: 'oltp_point_select', prepared: false },
  },
  {
    name: 'point-prepared',
    title: 'point selects, prepared (sysbench oltp_point_select)',
    clients: 128,
    poolSize: 8,
    unit: 'queries',
    load: { generator: 'sysbench', script: 'oltp_point_select', prepared: true },
  },
  {
    name: 'rw-text',
    title: 'transactions of 20 statements as text (sysbench oltp_read_write)',
    clients: 64,
    poolSize: 8,
    unit: 'queries',
    load: { generator: 'sysbench', script: 'oltp_read_write', prepared: false },
  },
  {
    name: 'rw-prepared',
    title: 'transactions of 20 statements, prepared (sysbench oltp_read_write)',
    clients: 64,
    poolSize: 8,
    unit: 'queries',
    load: { generator: 'sysbench', script: 'oltp_read_write', prepared: true },
  },
  {
    name: 'lean-text',
    title: 'point selects as text (event-driven clients)',
    clients: 128,
    poolSize: 8,
    unit: 'queries',
    load: { generator: 'lean', mode: 'text', statement: POINT_SELECT, preambles: [] },
  },
  {
    name: 'lean-prepared',
    title: 'point selects, prepared (event-driven clients)',
    clients: 128,
    poolSize: 8,
    unit: 'queries',
    load: { generator: 'lean', mode: 'prepared', statement: POINT_SELECT, preambles: [] },
  },
  {
    name: 'connect',
    title: 'connect, one query, quit (event-driven clients)',
    clients: 32,
    poolSize: 8,
    unit: 'connections',
    load: { generator: 'lean', mode: 'connect', statement: POINT_SELECT, preambles: [] },
  },
  ...[1, 64, 1000, 5000].map(manyClients),
];
