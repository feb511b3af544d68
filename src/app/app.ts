import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { AdminConsole } from '../admin/console/admin-console.js';
import { InvalidSetting } from '../admin/console/source.js';
import { HttpServer } from '../admin/http-server.js';
import { OWN_CONNECTIONS } from '../backend/server-room.js';
import { type ServerAccount, Upstream } from '../backend/upstream.js';
import { formatAddress } from '../config/address.js';
import type { Config } from '../config/load.js';
import { LOG_LEVELS } from '../config/schema.js';
import { VERSION } from '../config/version.js';
import type { ForkGuard } from '../fork-guard/fork-guard.js';
import { openForkGuard } from '../fork-guard/open-fork-guard.js';
import { AuthExchange } from '../frontend/auth-exchange.js';
import { AuthWatch } from '../frontend/auth-watch.js';
import { Frontend } from '../frontend/frontend.js';
import { announcedPlugin } from '../frontend/greeter.js';
import { LogBurst } from '../frontend/log.js';
import { PasswordHasher } from '../frontend/password-hasher.js';
import { RsaKeys } from '../frontend/rsa-keys.js';
import { Metrics } from '../observability/metrics.js';
import { clientsThatFit, openFilesLimit, openFilesNeeded } from '../observability/open-files.js';
import type { SessionState } from '../pool/session-slot.js';
import type { PoolsSnapshot } from '../pool/snapshot.js';
import { AppProcesses } from '../relay/app-processes.js';
import { CatalogueSessions } from '../relay/catalogue-sessions.js';
import { ClientConnection } from '../relay/client-connection.js';
import type { UserTerms } from '../relay/client-identity.js';
import { ClientRegistry } from '../relay/client-registry.js';
import { type Digest, type HeldSession, HoldRegister } from '../relay/hold-register.js';
import { IdleSessions } from '../relay/idle-sessions.js';
import { Killer } from '../relay/killer.js';
import { LearnedAnswers } from '../relay/learned-answers.js';
import { OutputBuffer } from '../relay/output-buffer.js';
import { PoolSizer } from '../relay/pool-sizer.js';
import { RelayCounters } from '../relay/relay-counters.js';
import { KnownSchemas, type RelayServices } from '../relay/relay-services.js';
import { RoutineWatch } from '../relay/routine-watch.js';
import { ServerContact } from '../relay/server-contact.js';
import { type ServerPools, SessionCleaner } from '../relay/session-cleaner.js';
import { UnsafePolicy } from '../relay/unsafe-policy.js';
import { UserPlaces } from '../relay/user-places.js';
import { ProfileRegistry } from '../session/profile.js';
import { digestText } from '../sql/digest.js';
import { StatementClassifier } from '../sql/trait-cache.js';
import { ClientTls } from './client-tls.js';
import { ConfiguredUsers } from './configured-users.js';
import { consoleSource, type Setting } from './console-source.js';
import { Guests, OWN_FOR_GUESTS } from './guests.js';
import { metricsSource } from './metrics-source.js';
import { clientPlaces, IDLE_TICK_MS, upstreamOptions } from './options.js';
import { newServerPools } from './server-pools.js';

/** A running proxy. */
export interface App {
  /** Takes no new clients, lets the present ones finish within `shutdown_timeout`, then ends. */
  stop(): Promise<void>;
  /** Ends at once. */
  kill(): void;
  readonly addresses: { readonly listen: readonly string[]; readonly http: string | null };
  /** Which clients hold a server session now, and why; whoever has held one longest comes first. */
  heldSessions(): readonly HeldSession[];
  /** Server sessions and waiting requests now, by the sizes of what they are in. */
  poolCounts(): PoolsSnapshot;
  /** Every server session of the pools that is open now, and its state. */
  serverSessions(): readonly ServerSessionInfo[];
  /** Settles when everything has ended: null after a clean stop, else what went wrong. */
  readonly closed: Promise<Error | null>;
}

/** One server session of the pools. */
export interface ServerSessionInfo {
  /** The server's own. */
  readonly connectionId: number;
  readonly state: SessionState;
}

export interface AppOptions {
  readonly logger: Logger;
  /** How often the server is looked at for routines that were changed past the proxy, in ms: a minute by default. */
  readonly routineCheckMs?: number;
}

/** {@link AppOptions.routineCheckMs} */
const ROUTINE_CHECK_MS = 60_000;

/** Short statements whose traits are remembered. */
const REMEMBERED_STATEMENTS = 10_000;

/** Refused changes of user in a row that are all told in the log. */
const DENIALS_TOLD = 20;

/** Characters of a statement's digest in logs and listings, at most. */
const DIGEST_LENGTH = 512;

/** How often a drain looks whether all clients have finished, in ms. */
const DRAIN_POLL_MS = 20;

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
  readonly #log: Logger;
  readonly #users: ConfiguredUsers;
  /** Null unless `auth: passthrough`. */
  readonly #guests: Guests | null;
  readonly #services: RelayServices;
  readonly #forks: ForkGuard | null;
  readonly #contact: ServerContact;
  readonly #catalogueSessions: CatalogueSessions;
  /** Null where the pool's size is a number that nothing changes. */
  readonly #sizer: PoolSizer | null;
  readonly #metrics: Metrics;
  readonly #console: AdminConsole;
  readonly #frontend: Frontend;
  readonly #tls: ClientTls;
  readonly #http: HttpServer | null;
  readonly #idleTick: NodeJS.Timeout;
  readonly #idleSessions: IdleSessions;
  #stopping: Promise<void> | null = null;
  #killed = false;
  #settle: (error: Error | null) => void = () => {};
  readonly closed = new Promise<Error | null>((resolve) => {
    this.#settle = resolve;
  });

  constructor(config: Config, { logger: log, routineCheckMs = ROUTINE_CHECK_MS }: AppOptions) {
    this.#config = config;
    this.#log = log;
    const upstream = new Upstream(upstreamOptions(config, log), new ProfileRegistry());
    this.#users = new ConfiguredUsers(config, new PasswordHasher(), log);
    const { local } = this.#users;
    const observer = new AuthWatch({ free: config.failedLoginLimit, log });
    const pools = newServerPools(config, upstream, log, {
      services: () => this.#services,
      metrics: () => this.#metrics,
    });
    const counters = new RelayCounters();
    const killer = new Killer(upstream, counters, config.serverLoginRetry, log);
    this.#catalogueSessions = new CatalogueSessions(upstream);
    const changeDenials = new LogBurst(DENIALS_TOLD);
    const holds = new HoldRegister(digest);
    const keys = new RsaKeys();
    this.#guests =
      config.auth === 'passthrough' ? new Guests(config, local, upstream, () => this.#services) : null;
    const users = this.#guests?.users ?? local;
    this.#forks = openForkGuard({ mode: config.forkGuard, ports: () => this.#tcpPorts(), log });
    this.#services = {
      upstream,
      pools,
      cleaner: new SessionCleaner(upstream, pools, killer),
      classifier: new StatementClassifier(REMEMBERED_STATEMENTS),
      killer,
      clients: new ClientRegistry(),
      processes: new AppProcesses(),
      output: new OutputBuffer(),
      foundRowsUse: { asked: false },
      knownSchemas: new KnownSchemas(),
      learned: new LearnedAnswers(),
      sessionMode: config.poolMode === 'session',
      finishAbandoned: config.onClientDisconnect === 'finish',
      holds,
      unsafe: this.#newUnsafePolicy(holds, pools),
      counters,
      forks: this.#forks,
      places: new UserPlaces(),
      routines: this.#newRoutineWatch(routineCheckMs),
      maxPacketSize: config.maxPacketSize,
      observer: {
        limitReached: (reached) => log.warn(reached, 'a client reached a time limit'),
        clientClosed: (connectionId, reason) => log.debug({ client: connectionId, reason }, 'client closed'),
        changeDenied: (denied) => {
          const more = changeDenials.pass();
          if (more !== null) log.warn({ ...denied, more }, 'change of user denied');
        },
        socketShared: (shared) =>
          log.warn(shared, 'two processes use one client connection, opened before a fork: it was closed'),
      },
      termsOf: (name) => this.#termsOf(name),
      authentication: ({ scramble, secure, remote, fingerprint }) => {
        const server = upstream.facts?.info;
        if (server === undefined) throw new TypeError('a client is connected before the server is known');
        const announced = announcedPlugin(server);
        const host = remote.kind === 'tcp' ? remote.address : 'localhost';
        return new AuthExchange({ users, keys, scramble, announced, secure, host, fingerprint, observer });
      },
    };
    this.#tls = new ClientTls(config, log);
    const first = this.#users.termsOf(config.upstream.user).account;
    this.#sizer = this.#newSizer(first);
    const source = metricsSource(
      this.#services,
      this.#forks,
      this.#sizer,
      this.#tls.acceptor,
      () => this.#frontend.counts,
    );
    this.#metrics = new Metrics(source);
    this.#console = new AdminConsole(
      consoleSource(config, this.#services, this.#sizer, source, {
        shutdown: (wait) => {
          if (wait) void this.stop();
          else this.kill();
        },
        settings: [logLevel(log)],
      }),
      config.adminUsers,
      (sql, error) =>
        log.error({ err: error, statement: sql.slice(0, DIGEST_LENGTH) }, 'the admin console failed'),
    );
    this.#contact = new ServerContact(this.#services.killer, upstream, first, config.serverLoginRetry, log);
    this.#frontend = new Frontend({
      listen: config.listen,
      unixSocketMode: config.unixSocketMode,
      unixSocketOwner: { uid: config.unixSocketOwner, gid: config.unixSocketGroup },
      ...clientPlaces(config),
      loginTimeoutMs: config.clientLoginTimeout,
      users,
      keys,
      tls: this.#tls.acceptor,
      tlsRequired: this.#tls.required,
      log,
      observer,
      // Users of the server's own may come from anywhere.
      admits: (host) => this.#guests !== null || local.admits(host),
      serverInfo: () => upstream.facts?.info ?? null,
      whenServerKnown: () => this.#contact.known(config.queryWaitTimeout),
      nextConnectionId: () => this.#services.clients.nextId(),
      onLogin: (login) => {
        if (!this.#console.takes(login)) new ClientConnection(login, this.#services).start();
      },
    });
    this.#http = config.http === null ? null : this.#newHttpServer(config.http);
    this.#idleTick = setInterval(() => this.#secondPassed(), IDLE_TICK_MS);
    this.#idleTick.unref();
    this.#idleSessions = new IdleSessions(pools);
  }

  get addresses(): { readonly listen: readonly string[]; readonly http: string | null } {
    return { listen: this.#frontend.addresses.map(formatAddress), http: this.#http?.address ?? null };
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
    await this.#http?.start();
    try {
      await this.#frontend.start();
    } catch (error) {
      this.#http?.stop();
      clearInterval(this.#idleTick);
      this.#idleSessions.stop();
      this.#forks?.close();
      this.#tls.close();
      throw error;
    }
    if (this.#config.poolSize !== 'auto') this.#checkOpenFiles(this.#config.poolSize);
    const server = formatAddress(this.#config.upstream.address);
    this.#log.info({ ...this.addresses, server, version: VERSION }, 'listening');
    this.#contact.start((info) => {
      void this.#settleSize().then((poolSize) =>
        this.#log.info({ server, serverVersion: info.versionText, poolSize, ...this.addresses }, 'ready'),
      );
    });
  }

  /** Never rejects. @returns the pool's size, where the server has told it */
  async #settleSize(): Promise<number> {
    const sizer = this.#sizer;
    if (sizer !== null) {
      await sizer.start();
      if (this.#config.poolSize === 'auto') this.#checkOpenFiles(sizer.share);
    }
    return this.#services.pools.size;
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

  stop(): Promise<void> {
    this.#stopping ??= this.#drain();
    return this.#stopping;
  }

  kill(): void {
    this.#killed = true;
    void this.stop();
  }

  async #drain(): Promise<void> {
    const { clients, pools, killer, routines } = this.#services;
    const deadline = performance.now() + this.#config.shutdownTimeout;
    this.#log.info({ clients: clients.size }, 'draining: no new clients, present ones may finish');
    this.#contact.stop();
    this.#frontend.stop();
    this.#tls.close();
    for (const client of clients) client.drain();
    while (clients.size > 0 && performance.now() < deadline && !this.#killed) await setTimeout(DRAIN_POLL_MS);
    if (clients.size > 0)
      this.#log.warn({ clients: clients.size }, 'clients cut off: they did not finish in time');
    for (const client of clients) client.close('shutdown');
    const closed = pools.close();
    // What is still lent is being cleaned for nobody.
    for (const { session } of [...pools.sessions()]) pools.retire(session, 'closing');
    await closed;
    this.#sizer?.stop();
    routines.stop();
    this.#forks?.close();
    await this.#catalogueSessions.close();
    await killer.close();
    this.#http?.stop();
    this.#console.stop();
    this.#frontend.destroyLingering();
    clearInterval(this.#idleTick);
    this.#idleSessions.stop();
    this.#log.info('stopped');
    this.#settle(null);
  }

  #termsOf(userName: string): UserTerms {
    return this.#guests?.termsOf(userName) ?? this.#users.termsOf(userName);
  }

  #newSizer(account: ServerAccount): PoolSizer | null {
    const { poolSize: size, reserve, fleet } = this.#config;
    if (size !== 'auto' && fleet !== 'on') return null;
    const { killer, pools, upstream } = this.#services;
    return new PoolSizer({
      ask: (statement) => {
        // Its connection is kept without clients, too.
        killer.watch(account);
        return killer.ask(statement, account);
      },
      server: () => {
        if (upstream.facts === null) throw new TypeError('the size is asked for before the server is known');
        return upstream.facts.info;
      },
      size,
      rules: {
        reserve,
        own: OWN_CONNECTIONS * this.#users.size + (this.#guests === null ? 0 : OWN_FOR_GUESTS),
        oneAccount: this.#users.size === 1 && this.#guests === null,
      },
      fleet: fleet !== 'off',
      apply: (limit) => {
        if (limit !== pools.size) pools.limit = limit;
      },
      log: this.#log,
    });
  }

  #newUnsafePolicy(register: HoldRegister, pools: ServerPools): UnsafePolicy {
    return new UnsafePolicy({
      actions: this.#config.onUnsafe,
      maxHeld: this.#config.maxHeld,
      poolSize: () => pools.limit,
      register,
      digest,
      warn: (statement) => this.#log.warn(statement, 'statement ties its client to a server session'),
    });
  }

  #newRoutineWatch(intervalMs: number): RoutineWatch {
    return new RoutineWatch({
      connect: (account) => this.#catalogueSessions.connect(account),
      publish: (hazards) => {
        this.#services.classifier.hazards = hazards;
      },
      intervalMs,
      log: this.#log,
    });
  }

  #newHttpServer({ host, port }: { readonly host: string; readonly port: number }): HttpServer {
    return new HttpServer({
      host,
      port,
      metrics: this.#metrics.registry,
      readiness: () => {
        if (this.#stopping !== null) return { ready: false, reason: 'stopping' };
        return this.#contact.state;
      },
    });
  }

  #tcpPorts(): readonly number[] {
    return this.#frontend.addresses.flatMap((address) => (address.kind === 'tcp' ? [address.port] : []));
  }

  #secondPassed(): void {
    const { clients, killer } = this.#services;
    this.#users.secondPassed();
    for (const client of clients) {
      client.secondPassed();
      killer.watch(client.account);
    }
    killer.secondPassed();
    this.#guests?.sweep();
  }
}

/** `log_level`, of the whole process. */
function logLevel(log: Logger): Setting {
  return {
    key: 'log_level',
    read: () => log.level,
    write: (text) => {
      const level = LOG_LEVELS.find((one) => one === text);
      if (level === undefined) throw new InvalidSetting(`log_level is one of ${LOG_LEVELS.join(', ')}`);
      log.level = level;
    },
  };
}

const digest: Digest = ({ sql, context }) => digestText(sql, context, DIGEST_LENGTH);
