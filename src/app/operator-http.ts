import { HttpServer, type HttpServerOptions } from '../admin/http-server.js';
import { History, type HistoryOptions, type HistoryPart } from '../observability/history.js';
import type { Metrics } from '../observability/metrics.js';
import { allHistory, shareHistory } from '../views/all-history.js';
import { AllMetrics } from '../views/all-metrics.js';
import { AllStatus, type AllStatusParts } from '../views/all-status.js';
import type { WorkerBus } from '../workers/bus.js';
import { clientStates } from './client-states.js';
import { type StatusParts, takeStatus } from './status-source.js';

export interface OperatorHttpOptions extends Omit<StatusParts, 'worker'> {
  readonly bus: WorkerBus;
  /** Null where there is only `fd`. */
  readonly address: { readonly host: string; readonly port: number } | null;
  /** Of a socket that somebody else has bound; null for none. */
  readonly fd: number | null;
  readonly registered: Metrics;
  /** `/advice`: what was asked behind the `?` to a status and JSON. */
  readonly advice: HttpServerOptions['advice'];
  /** Begins what SIGTERM begins. */
  readonly quit: () => void;
  /** Most time on the server first; null where statements are not counted. */
  readonly topQueries: AllStatusParts['topQueries'];
  readonly history?: HistoryOptions;
}

const PROCESS = `${process.pid} ${Date.now()}`;

/** The HTTP port, and the minutes past that its page shows. */
export class OperatorHttp {
  readonly #server: HttpServer;
  readonly #history: History;
  readonly #bus: WorkerBus;
  #isStopped = false;

  constructor(options: OperatorHttpOptions) {
    const { address, fd, registered, readiness, draining, advice, quit, bus } = options;
    this.#bus = bus;
    this.#history = new History(
      allHistory(bus, () => historyPart(options)),
      options.history,
    );
    const status = new AllStatus(bus, {
      own: () => takeStatus({ ...options, worker: bus.worker }),
      history: this.#history,
      topQueries: options.topQueries,
    });
    this.#server = new HttpServer({
      ...(address ?? { host: '', port: 0 }),
      fd,
      metrics: new AllMetrics(bus, registered.registry),
      readiness: () => (draining() ? { ready: false, reason: 'stopping' } : readiness()),
      startup: readiness,
      draining,
      status: () => status.take(),
      advice,
      quit,
    });
  }

  get address(): string {
    return this.#server.address;
  }

  /** @throws HttpListenError */
  async start(): Promise<void> {
    await this.#server.start();
    void shareHistory(this.#bus, this.#history).then(() => {
      if (!this.#isStopped) this.#history.start();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#history.stop();
    this.#server.stop();
  }
}

function historyPart({ services, metrics, loggingIn }: OperatorHttpOptions): HistoryPart {
  const { pools, clients } = services;
  const { active, waiting, idle, held } = clientStates(clients, loggingIn());
  const sessions = pools.snapshot();
  return {
    process: PROCESS,
    at: performance.now(),
    gauges: {
      clients: clients.size,
      active,
      waiting,
      idle,
      held,
      sessions: sessions.idle + sessions.active,
      sessionsLent: sessions.active,
      sessionLimit: sessions.limit,
    },
    queries: metrics.commands(),
    errors: [...metrics.errors().values()].reduce((sum, count) => sum + count, 0),
    wait: metrics.times.wait.snapshot(),
    server: metrics.times.server.snapshot(),
  };
}
