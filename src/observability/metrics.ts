import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What the proxy knows at the moment of a scrape. */
export interface MetricsSource {
  sessions(): {
    readonly idle: number;
    readonly active: number;
    readonly dialing: number;
    readonly held: number;
  };
  waiting(): number;
  limit(): number;
  clients(): number;
  /** Held sessions by reason. */
  holds(): ReadonlyMap<string, number>;
}

/**
 * The proxy's metrics. The hot path only adds to numbers that were bound once; everything that is a state is read when
 * somebody scrapes.
 */
export class Metrics {
  readonly registry = new Registry();
  readonly commands: Counter.Internal;
  readonly opened: Counter.Internal;
  readonly dialFailures: Counter.Internal;
  readonly refusals: Counter.Internal;
  readonly waitSeconds: Histogram;
  readonly #closed: Counter<'reason'>;

  constructor(source: MetricsSource) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    const counter = (name: string, help: string): Counter.Internal =>
      new Counter({ name, help, registers }).labels({});
    this.commands = counter('mybouncer_commands_total', 'Client commands completed.');
    this.opened = counter('mybouncer_server_sessions_opened_total', 'Server sessions opened.');
    this.dialFailures = counter(
      'mybouncer_server_dial_failures_total',
      'Attempts to open a server session that failed.',
    );
    this.refusals = counter('mybouncer_checkouts_refused_total', 'Requests that got no server session.');
    this.#closed = new Counter({
      name: 'mybouncer_server_sessions_closed_total',
      help: 'Server sessions closed, by reason.',
      labelNames: ['reason'],
      registers,
    });
    this.waitSeconds = new Histogram({
      name: 'mybouncer_session_wait_seconds',
      help: 'Time that requests waited for a server session; those served at once are not counted.',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
    new Gauge({
      name: 'mybouncer_server_sessions',
      help: 'Server sessions by state.',
      labelNames: ['state'],
      registers,
      collect() {
        for (const [state, count] of Object.entries(source.sessions())) this.set({ state }, count);
      },
    });
    new Gauge({
      name: 'mybouncer_holds',
      help: 'Server sessions that clients keep between statements, by reason; one session may count for several.',
      labelNames: ['reason'],
      registers,
      collect() {
        for (const [reason, count] of source.holds()) this.set({ reason }, count);
      },
    });
    const gauge = (name: string, help: string, read: () => number): void => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    };
    gauge('mybouncer_waiting_requests', 'Requests that wait for a server session.', source.waiting);
    gauge('mybouncer_pool_size', 'Server sessions at most.', source.limit);
    gauge('mybouncer_clients', 'Client connections that are logged in.', source.clients);
  }

  sessionClosed(reason: string): void {
    this.#closed.inc({ reason });
  }
}
