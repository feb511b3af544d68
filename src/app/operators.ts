import type { Logger } from 'pino';
import { AdminConsole } from '../admin/console/admin-console.js';
import { when } from '../admin/console/later.js';
import type { LiveConfig } from '../config/live-config.js';
import { Metrics, type MetricsSource } from '../observability/metrics.js';
import { allConsole } from '../views/all-console.js';
import { AllDigests } from '../views/all-digests.js';
import type { WorkerBus } from '../workers/bus.js';
import { Advisor, adviceAnswer } from './advisor.js';
import type { ClientTls } from './client-tls.js';
import { type ConsoleActions, consoleSource } from './console-source.js';
import { HoldLog } from './hold-log.js';
import type { LiveSettings } from './live-settings.js';
import { metricsSource } from './metrics-source.js';
import { OperatorHttp, type OperatorHttpOptions } from './operator-http.js';
import { pauseCommands } from './pool-pause.js';
import { DIGEST_LENGTH, type RelayParts } from './relay-parts.js';

export interface OperatorsOptions {
  readonly live: LiveConfig;
  readonly settings: LiveSettings;
  readonly relay: RelayParts;
  readonly tls: ClientTls;
  readonly log: Logger;
  /** The other processes that serve. */
  readonly bus: WorkerBus;
  readonly logins: Parameters<typeof metricsSource>[4];
  readonly draining: () => boolean;
  readonly actions: Pick<ConsoleActions, 'shutdown' | 'restart'>;
  /** Of the HTTP port; null where that is off. */
  readonly http: Pick<OperatorHttpOptions, 'address' | 'fd' | 'listen' | 'quit'> | null;
}

/** What operators see and do: metrics, advice, the admin console, and HTTP. */
export class Operators {
  readonly metrics: Metrics;
  readonly console: AdminConsole;
  readonly http: OperatorHttp | null;
  readonly #advisor: Advisor;
  readonly #adoptPauses: () => Promise<void>;

  constructor(options: OperatorsOptions) {
    const { live, settings, relay, tls, log, bus, logins, draining, actions, http } = options;
    const config = live.values;
    const { services, sizing } = relay;
    const source = metricsSource(
      services,
      relay.forks,
      sizing,
      tls.acceptor,
      logins,
      draining,
      relay.queryTimes,
    );
    this.metrics = new Metrics(source, bus.count);
    this.#advisor = new Advisor(config, services, new HoldLog(log), bus);
    const { table } = relay.queryTimes;
    const digests = table === null ? null : new AllDigests(bus, table);
    const console = allConsole(
      bus,
      consoleSource(config, services, sizing, source, {
        ...actions,
        live: settings.commands(),
        sourceOf: (key) => live.sourceOf(key),
        pauses: pauseCommands(
          services.pools,
          () => (services.routes === null ? [] : services.servers.all),
          log,
        ),
        advise: () => when(this.#advisor.advise(null), ({ findings }) => findings),
        topQueries: (n) => digests?.top(n) ?? [],
        workers: bus.count,
      }),
    );
    this.#adoptPauses = console.adoptPauses;
    this.console = new AdminConsole(
      console.source,
      (user) => config.adminUsers.includes(user),
      (sql, error) =>
        log.error({ err: error, statement: sql.slice(0, DIGEST_LENGTH) }, 'the admin console failed'),
      (command) => log.info(command, 'admin console command'),
    );
    this.http = http === null ? null : this.#newHttp(options, source, http, digests);
  }

  #newHttp(
    { live, relay, bus, logins, draining }: OperatorsOptions,
    metrics: MetricsSource,
    http: Pick<OperatorHttpOptions, 'address' | 'fd' | 'listen' | 'quit'>,
    digests: AllDigests | null,
  ): OperatorHttp {
    const { services, sizing, contact, dialLog } = relay;
    return new OperatorHttp({
      ...http,
      bus,
      config: live.values,
      services,
      sizer: sizing,
      metrics,
      registered: this.metrics,
      loggingIn: () => logins().loggingIn,
      readiness: () => contact.state,
      draining,
      topQueries: (n) =>
        digests === null ? null : when(digests.top(n), (rows) => rows.map((row) => ({ ...row }))),
      advice: (query) => adviceAnswer(this.#advisor, query),
      trouble: () => dialLog.trouble,
    });
  }

  /** To be called before clients come: where the other processes have paused, this one does, too. Never rejects. */
  adoptPauses(): Promise<void> {
    return this.#adoptPauses();
  }

  /** What is not to keep the process alive. */
  stopAdvising(): void {
    this.#advisor.stop();
  }
}
