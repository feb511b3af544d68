import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { formatAddress } from '../config/address.js';
import { LiveConfig } from '../config/live-config.js';
import type { Config } from '../config/load.js';
import { ConfigError } from '../config/problem.js';
import { VERSION } from '../config/version.js';
import { Frontend } from '../frontend/frontend.js';
import { clientsThatFit, openFilesLimit, openFilesNeeded } from '../observability/open-files.js';
import type { PoolsSnapshot } from '../pool/snapshot.js';
import { ClientConnection } from '../relay/client-connection.js';
import type { HeldSession } from '../relay/hold-register.js';
import { IdleSessions } from '../relay/idle-sessions.js';
import type { RelayServices } from '../relay/relay-services.js';
import { LONE_WORKER } from '../workers/bus.js';
import { ALONE_SEAT } from '../workers/seat.js';
import type { App, AppOptions, ServerSessionInfo } from './app-types.js';
import { ClientTls } from './client-tls.js';
import { Drain, shutDown } from './drain.js';
import { followChanges, sweepAccounts } from './live-parts.js';
import { LiveSettings } from './live-settings.js';
import { serverNames } from './new-server.js';
import { Operators } from './operators.js';
import { type ClientPlaces, IDLE_TICK_MS } from './options.js';
import { RelayParts } from './relay-parts.js';

export type { App, AppOptions, ServerSessionInfo };

/** An idle session that is kept for so long while another process takes over, in ms. */
const UNUSED_MS = 250;

/** What the clients' statements have, once they are ended, to come to their end on the server, a COMMIT included, in ms. */
const LAST_STATEMENTS_MS = 1_000;

/**
 * Puts the proxy together and opens its listeners; clients are greeted as soon as the server has been reached.
 * @throws ListenError | HttpListenError
 */
export async function startApp(config: Config, options: AppOptions): Promise<App> {
  const proxy = new RunningProxy(config, options);
  await proxy.start();
  return proxy;
}

class RunningProxy implements App {
  readonly #config: Config;
  readonly #options: AppOptions;
  readonly #log: Logger;
  readonly #relay: RelayParts;
  readonly #services: RelayServices;
  readonly #live: LiveSettings;
  readonly #operators: Operators;
  readonly #frontend: Frontend;
  readonly #tls: ClientTls;
  readonly #idleTick: NodeJS.Timeout;
  readonly #idleSessions: IdleSessions;
  readonly #drain: Drain;
  #stopping: Promise<void> | null = null;
  #handsOver = false;
  #settle: (error: Error | null) => void = () => {};
  readonly closed = new Promise<Error | null>((resolve) => {
    this.#settle = resolve;
  });

  constructor(started: Config, options: AppOptions) {
    const { logger: log, routineCheckMs, inherited, bus = LONE_WORKER, seat = ALONE_SEAT } = options;
    const live = new LiveConfig(started, options.sources);
    const config = live.values;
    this.#config = config;
    this.#options = options;
    this.#log = log;
    this.#relay = new RelayParts({
      live,
      log,
      ...(routineCheckMs === undefined ? {} : { routineCheckMs }),
      metrics: () => this.#operators.metrics,
      tcpPorts: () => this.#tcpPorts(),
      bus,
      seat,
    });
    this.#services = this.#relay.services;
    this.#live = new LiveSettings(live, options.load ?? null, this.#relay.team, log);
    this.#relay.team.answerFor(this.#services, this.#live);
    this.#tls = new ClientTls(config, log);
    const places = followChanges(live, { ...this.#relay, tls: this.#tls, log });
    const httpFd = inherited?.http ?? null;
    this.#operators = new Operators({
      live,
      settings: this.#live,
      relay: this.#relay,
      tls: this.#tls,
      log,
      bus,
      logins: () => this.#frontend.counts,
      draining: () => this.#stopping !== null,
      actions: { shutdown: (wait) => this.#shutDown(wait), restart: options.requestRestart ?? null },
      http:
        config.http === null && httpFd === null
          ? null
          : {
              address: config.http,
              fd: httpFd,
              listen: () => this.addresses.listen,
              quit: () => this.#requestDrain('/quitquitquit'),
            },
    });
    this.#frontend = this.#newFrontend(places);
    this.#drain = this.#newDrain();
    this.#idleTick = setInterval(() => this.#secondPassed(), IDLE_TICK_MS);
    this.#idleTick.unref();
    this.#idleSessions = new IdleSessions(this.#services.pools);
  }

  #newFrontend(places: ClientPlaces): Frontend {
    const config = this.#config;
    const { inherited } = this.#options;
    const { users, guests, directory, keys, authWatch, contact, services } = this.#relay;
    return new Frontend({
      listen: inheritedOr(inherited?.listen, config.listen),
      unixSocketMode: config.unixSocketMode,
      unixSocketOwner: { uid: config.unixSocketOwner, gid: config.unixSocketGroup },
      get maxClients() {
        return places.maxClients;
      },
      get maxClientsReason() {
        return places.maxClientsReason;
      },
      get loginTimeoutMs() {
        return config.clientLoginTimeout;
      },
      users: directory,
      keys,
      tls: this.#tls.acceptor,
      tlsRequired: this.#tls.required,
      log: this.#log,
      observer: authWatch,
      // Users of the server's own may come from anywhere.
      admits: (host) => guests !== null || users.local.admits(host),
      serverInfo: () => services.upstream.facts?.info ?? null,
      whenServerKnown: () => contact.known(config.queryWaitTimeout),
      nextConnectionId: () => services.clients.nextId(),
      onLogin: (login) => {
        if (!this.#operators.console.takes(login)) new ClientConnection(login, services).start();
      },
    });
  }

  get addresses(): { readonly listen: readonly string[]; readonly http: string | null } {
    return {
      listen: this.#frontend.addresses.map(formatAddress),
      http: this.#operators.http?.address ?? null,
    };
  }

  clientCounts(): { readonly loggedIn: number; readonly now: number } {
    const { clients } = this.#services;
    return { loggedIn: clients.entered, now: clients.size };
  }

  allClientCounts(): Promise<{ readonly loggedIn: number; readonly now: number }> {
    return this.#relay.team.clientCounts(this.clientCounts());
  }

  heldSessions(): readonly HeldSession[] {
    return this.#services.holds.snapshot();
  }

  poolCounts(): PoolsSnapshot {
    return this.#services.pools.snapshot();
  }

  serverSessions(): readonly ServerSessionInfo[] {
    return [...this.#services.pools.sessions()].map(({ session, state }) => ({
      connectionId: session.connectionId,
      state,
    }));
  }

  async start(): Promise<void> {
    const { takesOver = false } = this.#options;
    await Promise.all([this.#live.adopt(), this.#operators.adoptPauses()]);
    if (takesOver) await this.#reachServer();
    await this.#operators.http?.start();
    try {
      await this.#frontend.start();
    } catch (error) {
      this.#operators.http?.stop();
      clearInterval(this.#idleTick);
      this.#idleSessions.stop();
      this.#operators.stopAdvising();
      this.#relay.forks?.close();
      this.#tls.close();
      throw error;
    }
    if (this.#config.poolSize !== 'auto') this.#checkOpenFiles(this.#config.poolSize);
    this.#log.info(
      { ...this.addresses, server: this.#serverNames, version: VERSION, ...this.#seatFacts },
      'listening',
    );
    if (takesOver) this.#ready();
    else void this.#reachServer().then(() => this.#ready());
  }

  get #serverNames(): string {
    return serverNames(this.#services.servers, this.#config);
  }

  /** By which part of a client's id it is seen which process serves it. */
  get #seatFacts(): { readonly idSpace?: number } {
    const { seat } = this.#options;
    return seat === undefined ? {} : { idSpace: seat.idSpace };
  }

  #ready(): void {
    const { upstream, pools } = this.#services;
    const { bus = LONE_WORKER, onReady } = this.#options;
    const facts = {
      server: this.#serverNames,
      serverVersion: upstream.facts?.info.versionText,
      ...this.addresses,
    };
    // Of several, the parent says when all of them are.
    this.#log.info({ ...facts, poolSize: pools.size }, bus.count === 1 ? 'ready' : 'worker ready');
    onReady?.(facts);
  }

  /** Never rejects: it is tried until it succeeds. */
  #reachServer(): Promise<void> {
    return new Promise((resolve) => {
      this.#relay.several?.start();
      this.#relay.contact.start(() => void this.#settleSize().then(resolve));
    });
  }

  /** Never rejects. */
  async #settleSize(): Promise<void> {
    const size = await this.#relay.sizing.start();
    if (this.#config.poolSize === 'auto') this.#checkOpenFiles(size);
  }

  /** {@link clientPlaces} */
  #checkOpenFiles(poolSize: number): void {
    const { maxClientConn } = this.#config;
    const limit = openFilesLimit();
    const needed = openFilesNeeded(maxClientConn, poolSize);
    if (limit === null || limit >= needed) return;
    this.#log.warn(
      { limit, needed, maxClientConn, poolSize, maxClients: clientsThatFit(limit, poolSize) },
      'the limit of open files (ulimit -n, LimitNOFILE) is too low for max_client_conn: there is room for maxClients, others are refused (1040); raise it, or lower max_client_conn',
    );
  }

  stop(handsOver = false): Promise<void> {
    this.#stopping ??= this.#end(handsOver);
    return this.#stopping;
  }

  kill(): void {
    this.#drain.hurry();
    void this.stop();
  }

  reload(): void {
    try {
      this.#live.reload();
    } catch (error) {
      // It has been told.
      if (!(error instanceof ConfigError)) throw error;
    }
  }

  async #end(handsOver: boolean): Promise<void> {
    const { clients, pools, servers, routines } = this.#services;
    const began = performance.now();
    this.#handsOver = handsOver;
    this.#log.info(
      { clients: clients.size, handsOver },
      'draining: clients are served until they have finished',
    );
    if (handsOver) this.#operators.http?.stop();
    await this.#drain.run(handsOver);
    const drainedMs = Math.round(performance.now() - began);
    if (clients.size > 0)
      this.#log.warn({ clients: clients.size, drainedMs }, 'clients cut off: they had not finished');
    else this.#log.info({ drainedMs }, 'drained');
    this.#relay.contact.stop();
    this.#frontend.stop();
    await shutDown(clients, pools);
    this.#relay.several?.stop();
    const closed = pools.close();
    await Promise.race([closed, sleep(LAST_STATEMENTS_MS)]);
    // What is still lent is being cleaned for nobody, or does not come to its end.
    for (const { session } of [...pools.sessions()]) pools.retire(session, 'closing');
    await closed;
    servers.callOff();
    this.#tls.close();
    this.#relay.sizing.stop();
    routines.stop();
    this.#relay.forks?.close();
    await this.#relay.catalogueSessions.close();
    await servers.close();
    this.#operators.http?.stop();
    this.#operators.console.stop();
    this.#frontend.destroyLingering();
    clearInterval(this.#idleTick);
    this.#idleSessions.stop();
    this.#operators.stopAdvising();
    this.#log.info('stopped');
    this.#settle(null);
  }

  #shutDown(waits: boolean): void {
    const { requestStop } = this.#options;
    if (waits) this.#requestDrain('SHUTDOWN');
    else if (requestStop !== undefined) requestStop(false, 'SHUTDOWN');
    else this.kill();
  }

  /** As SIGTERM does: whoever runs the proxy may have something to do, too. */
  #requestDrain(asked: string): void {
    // Unlike a second signal, asking again is no order to hurry: whoever asks may not have had the answer.
    if (this.#stopping !== null) return;
    const { requestStop } = this.#options;
    if (requestStop === undefined) void this.stop();
    else requestStop(true, asked);
  }

  #newDrain(): Drain {
    const config = this.#config;
    const { clients, pools } = this.#services;
    return new Drain(
      {
        clients,
        frontend: this.#frontend,
        log: this.#log,
        looked: () => {
          // Somebody else wants the server's connections now.
          if (!this.#handsOver) return;
          this.#relay.sizing.leaveTo(clients.size + this.#frontend.counts.loggingIn);
          if (config.minPoolSize === 0) pools.retireIdle('drained', (_session, idleMs) => idleMs > UNUSED_MS);
        },
      },
      {
        get delay() {
          return config.drainDelay;
        },
        get timeout() {
          return config.drainTimeout;
        },
      },
    );
  }

  #tcpPorts(): readonly number[] {
    return this.#frontend.addresses.flatMap((address) => (address.kind === 'tcp' ? [address.port] : []));
  }

  #secondPassed(): void {
    const { clients, servers } = this.#services;
    this.#relay.users.secondPassed();
    for (const client of clients) {
      client.secondPassed();
      servers.watch(client.account);
    }
    servers.secondPassed();
    this.#relay.guests?.sweep();
    sweepAccounts(this.#relay.users.retired, this.#services);
  }
}

/** Sockets for clients that were passed on take the place of the configured addresses. */
function inheritedOr<A>(
  fds: readonly number[] | undefined,
  addresses: readonly A[],
): readonly (A | number)[] {
  return fds !== undefined && fds.length > 0 ? fds : addresses;
}
