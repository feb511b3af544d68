import { Counter, Gauge, type Registry } from 'prom-client';

/** What is known of one of several servers. */
export interface ServerReading {
  readonly name: string;
  readonly isUp: boolean;
  /** `primary`, `replica`, `unusable`; null before it was asked. */
  readonly role: string | null;
  /** Null where it is not known. */
  readonly lagSeconds: number | null;
  /** Since the start: of clients of a primary, that it has served. */
  readonly readOnlyTransactions: number;
  /** Since the start: changes of state, by what it was afterwards; the words are always the same. */
  readonly changes: ReadonlyMap<string, number>;
}

const ROLES = ['primary', 'replica', 'unusable'];

/** `mybouncer_server_up` and the like, which are there where there are several servers only; by name; gone with the server. */
export function registerServers(registers: Registry[], read: () => readonly ServerReading[]): void {
  new Gauge({
    name: 'mybouncer_server_up',
    help: '1 for a server that is up and may get work, by its name.',
    labelNames: ['server'],
    registers,
    aggregator: 'min',
    collect() {
      this.reset();
      for (const { name, isUp } of read()) this.set({ server: name }, isUp ? 1 : 0);
    },
  });
  new Gauge({
    name: 'mybouncer_server_role',
    help: '1 for the role that a server has, by what it has said last.',
    labelNames: ['server', 'role'],
    registers,
    aggregator: 'max',
    collect() {
      this.reset();
      for (const { name, role: own } of read())
        for (const role of ROLES) this.set({ server: name, role }, role === own ? 1 : 0);
    },
  });
  new Gauge({
    name: 'mybouncer_server_lag_seconds',
    help: 'How far a server is behind the one that it receives from; not there where that is not known.',
    labelNames: ['server'],
    registers,
    aggregator: 'max',
    collect() {
      this.reset();
      for (const { name, lagSeconds } of read())
        if (lagSeconds !== null) this.set({ server: name }, lagSeconds);
    },
  });
  new Counter({
    name: 'mybouncer_read_only_transactions_total',
    help: 'Transactions begun READ ONLY in pools with read_only_transactions, by the server that has served them.',
    labelNames: ['server'],
    registers,
    collect() {
      this.reset();
      for (const { name, readOnlyTransactions } of read()) this.inc({ server: name }, readOnlyTransactions);
    },
  });
  new Counter({
    name: 'mybouncer_server_state_changes_total',
    help: 'Changes of the state of a server, by the state that it came to.',
    labelNames: ['server', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { name, changes } of read())
        for (const [state, count] of changes) this.inc({ server: name, state }, count);
    },
  });
}
