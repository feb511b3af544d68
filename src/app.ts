import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { HttpServer } from './admin/http-server.js';
import type { ServerSession } from './backend/server-session.js';
import { ServerAccount, Upstream, type UpstreamOptions } from './backend/upstream.js';
import { formatAddress } from './config/address.js';
import type { Config } from './config/load.js';
import type { Secret } from './config/secret.js';
import type { ClientUser } from './config/users.js';
import { VERSION } from './config/version.js';
import { AuthExchange } from './frontend/auth-exchange.js';
import { Frontend } from './frontend/frontend.js';
import { announcedPlugin } from './frontend/greeter.js';
import { PasswordHasher } from './frontend/password-hasher.js';
import { RsaKeys } from './frontend/rsa-keys.js';
import { type LocalUser, LocalUsers } from './frontend/users.js';
import { Metrics, type MetricsSource } from './observability/metrics.js';
import { CheckoutKind } from './pool/observer.js';
import { SessionPools } from './pool/session-pools.js';
import { ClientConnection } from './relay/client-connection.js';
import { ClientRegistry } from './relay/client-registry.js';
import { Killer } from './relay/killer.js';
import { OutputBuffer } from './relay/output-buffer.js';
import { KnownSchemas, type RelayServices } from './relay/relay-services.js';
import { ServerContact } from './relay/server-contact.js';
import { type PoolTarget, type ServerPools, SessionCleaner } from './relay/session-cleaner.js';
import type { VirtualSession } from './relay/virtual-session.js';
import { HOLD_WORDS, holdWords } from './session/hold-reason.js';
import { ProfileRegistry } from './session/profile.js';
import { StatementClassifier } from './sql/trait-cache.js';

/** A running proxy. */
export interface App {
  /** Takes no new clients, lets the present ones finish within `shutdown_timeout`, then ends. */
  stop(): Promise<void>;
  /** Ends at once. */
  kill(): void;
  readonly addresses: { readonly listen: readonly string[]; readonly http: string | null };
  /** Settles when everything has ended: null after a clean stop, else what went wrong. */
  readonly closed: Promise<Error | null>;
}

/** Short statements whose traits are remembered. */
const REMEMBERED_STATEMENTS = 10_000;

/** How long a silent client's diagnostics keep a session from others, in ms. */
const DIAGNOSTICS_HOLD_MS = 100;

/** How often a drain looks whether all clients have finished, in ms. */
const DRAIN_POLL_MS = 20;

/**
 * Puts the proxy together and opens its listeners; clients are greeted as soon as the server has been reached.
 * @throws ListenError | HttpListenError
 */
export async function startApp(config: Config, options: { readonly logger: Logger }): Promise<App> {
  const proxy = new RunningProxy(config, options.logger);
  await proxy.start();
  return proxy;
}

class RunningProxy implements App {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #accounts = new Map<string, ServerAccount>();
  readonly #accountByUser = new Map<string, ServerAccount>();
  readonly #services: RelayServices;
  readonly #contact: ServerContact;
  readonly #metrics: Metrics;
  readonly #frontend: Frontend;
  readonly #http: HttpServer | null;
  readonly #housekeeping: NodeJS.Timeout;
  #stopping: Promise<void> | null = null;
  #killed = false;
  #settle: (error: Error | null) => void = () => {};
  readonly closed = new Promise<Error | null>((resolve) => {
    this.#settle = resolve;
  });

  constructor(config: Config, log: Logger) {
    this.#config = config;
    this.#log = log;
    const upstream = new Upstream(upstreamOptions(config), new ProfileRegistry());
    for (const user of config.users) this.#accountByUser.set(user.name, this.#account(user.server));
    const pools = this.#newPools(upstream);
    const keys = new RsaKeys();
    const users = new LocalUsers(config.users.map(localUser), new PasswordHasher());
    this.#services = {
      upstream,
      pools,
      cleaner: new SessionCleaner(upstream, pools),
      classifier: new StatementClassifier(REMEMBERED_STATEMENTS),
      killer: new Killer(upstream),
      clients: new ClientRegistry(),
      output: new OutputBuffer(),
      diagnosticsHolds: new Set<VirtualSession>(),
      countReaders: new Set<ServerAccount>(),
      knownSchemas: new KnownSchemas(),
      sessionMode: config.poolMode === 'session',
      maxPacketSize: config.maxPacketSize,
      observer: {
        commandDone: () => this.#metrics.commands.inc(),
        clientClosed: (connectionId, reason) => log.debug({ client: connectionId, reason }, 'client closed'),
      },
      accountOf: (name) => this.#accountOf(name),
      authentication: ({ scramble, secure, remote }) => {
        const server = upstream.facts?.info;
        if (server === undefined) throw new TypeError('a client is connected before the server is known');
        const announced = announcedPlugin(server);
        const host = remote.kind === 'tcp' ? remote.address : 'localhost';
        return new AuthExchange({ users, keys, scramble, announced, secure, host });
      },
    };
    this.#metrics = new Metrics(metricsSource(this.#services));
    const first = this.#accountOf(config.upstream.user);
    this.#contact = new ServerContact(this.#services.killer, upstream, first, config.serverLoginRetry, log);
    this.#frontend = new Frontend({
      listen: config.listen,
      unixSocketMode: 0o777,
      maxClients: config.maxClientConn,
      loginTimeoutMs: config.clientLoginTimeout,
      users,
      keys,
      log,
      serverInfo: () => upstream.facts?.info ?? null,
      whenServerKnown: () => this.#contact.known(config.queryWaitTimeout),
      nextConnectionId: () => this.#services.clients.nextId(),
      onLogin: (login) => new ClientConnection(login, this.#services).start(),
    });
    this.#http = config.http === null ? null : this.#newHttpServer(config.http);
    this.#housekeeping = setInterval(() => this.#expireDiagnostics(), DIAGNOSTICS_HOLD_MS);
    this.#housekeeping.unref();
  }

  get addresses(): { readonly listen: readonly string[]; readonly http: string | null } {
    return { listen: this.#frontend.addresses.map(formatAddress), http: this.#http?.address ?? null };
  }

  async start(): Promise<void> {
    await this.#http?.start();
    try {
      await this.#frontend.start();
    } catch (error) {
      this.#http?.stop();
      clearInterval(this.#housekeeping);
      throw error;
    }
    const server = formatAddress(this.#config.upstream.address);
    this.#log.info({ ...this.addresses, server, version: VERSION }, 'listening');
    this.#contact.start((info) => {
      this.#log.info(
        { server, serverVersion: info.versionText, poolSize: this.#config.poolSize, ...this.addresses },
        'ready',
      );
    });
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
    const { clients, pools, killer } = this.#services;
    const deadline = performance.now() + this.#config.shutdownTimeout;
    this.#log.info({ clients: clients.size }, 'draining: no new clients, present ones may finish');
    this.#contact.stop();
    this.#frontend.stop();
    for (const client of clients) client.drain();
    while (clients.size > 0 && performance.now() < deadline && !this.#killed) await setTimeout(DRAIN_POLL_MS);
    if (clients.size > 0)
      this.#log.warn({ clients: clients.size }, 'clients cut off: they did not finish in time');
    for (const client of clients) client.close('shutdown');
    const closed = pools.close();
    // What is still lent is being cleaned for nobody.
    for (const { session } of [...pools.sessions()]) pools.retire(session, 'closing');
    await closed;
    await killer.close();
    this.#http?.stop();
    this.#frontend.destroyLingering();
    clearInterval(this.#housekeeping);
    this.#log.info('stopped');
    this.#settle(null);
  }

  #account(login: { readonly user: string; readonly password: Secret }): ServerAccount {
    const key = JSON.stringify([login.user, login.password.reveal()]);
    let account = this.#accounts.get(key);
    if (account === undefined) {
      account = new ServerAccount(login.user, () => login.password.reveal());
      this.#accounts.set(key, account);
    }
    return account;
  }

  #accountOf(userName: string): ServerAccount {
    const account = this.#accountByUser.get(userName);
    if (account === undefined) throw new RangeError(`user ${userName} has logged in but is not configured`);
    return account;
  }

  #newPools(upstream: Upstream): ServerPools {
    const log = this.#log;
    const pools: ServerPools = new SessionPools<ServerSession, PoolTarget>({
      limit: this.#config.poolSize,
      waitTimeoutMs: this.#config.queryWaitTimeout,
      dialRetryMs: this.#config.serverLoginRetry,
      dial: async ({ account, capabilities, schemaless }) => {
        const session = await upstream.open(account, null, capabilities);
        session.schemaless = schemaless;
        session.onLost = (error) => {
          if (pools.sessionDied(session))
            log.debug({ serverSession: session.connectionId, error: error.message }, 'idle session died');
        };
        return session;
      },
      close: (session) => SessionCleaner.end(session),
      fingerprint: (session) => session.profile,
      heldReason: (session) => holdWords(session.borrower?.holds ?? 0)[0] ?? null,
      observer: {
        opened: (pool, session, tookMs) => {
          this.#metrics.opened.inc();
          log.debug({ pool: pool.key, serverSession: session.connectionId, tookMs }, 'server session opened');
        },
        dialFailed: (pool, error, retryInMs) => {
          this.#metrics.dialFailures.inc();
          log.warn({ pool: pool.key, error: messageOf(error), retryInMs }, 'cannot open a server session');
        },
        refused: (pool, error) => {
          this.#metrics.refusals.inc();
          log.warn({ pool: pool.key, code: error.code, error: error.message }, 'request refused');
        },
        lent: (_pool, kind, waitedMs) => {
          if (kind === CheckoutKind.waited) this.#metrics.waitSeconds.observe(waitedMs / 1000);
        },
        closed: (pool, session, reason) => {
          this.#metrics.sessionClosed(reason);
          log.debug({ pool: pool.key, serverSession: session.connectionId, reason }, 'server session closed');
        },
      },
    });
    return pools;
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

  /** Two looks apart: a session is held for diagnostics for at least one whole period. */
  #expireDiagnostics(): void {
    const { diagnosticsHolds } = this.#services;
    for (const session of diagnosticsHolds) {
      if (!session.seenHolding) {
        session.seenHolding = true;
        continue;
      }
      diagnosticsHolds.delete(session);
      session.expireDiagnostics();
    }
  }
}

function upstreamOptions(config: Config): UpstreamOptions {
  const { address } = config.upstream;
  return {
    address:
      address.kind === 'tcp' ? { host: address.host, port: address.port } : { socketPath: address.path },
    connectTimeoutMs: config.serverConnectTimeout,
    maxPreparedStatements: config.maxPreparedStatements,
    attributes: { program_name: 'mybouncer', program_version: VERSION, _pid: String(process.pid) },
  };
}

function localUser(user: ClientUser): LocalUser {
  const { name, credential } = user;
  if (credential.kind === 'password') return { name, secret: { password: credential.password.reveal() } };
  return { name, secret: { hash: credential.hash } };
}

function metricsSource({ pools, clients }: RelayServices): MetricsSource {
  return {
    sessions: () => {
      const { idle, active, dialing, held } = pools.snapshot();
      return { idle, active, dialing, held };
    },
    waiting: () => pools.snapshot().waiting,
    limit: () => pools.limit,
    clients: () => clients.size,
    holds: () => {
      const counts = new Map(HOLD_WORDS.map((word) => [word, 0]));
      for (const { session } of pools.sessions()) {
        for (const word of holdWords(session.borrower?.holds ?? 0))
          counts.set(word, (counts.get(word) ?? 0) + 1);
      }
      return counts;
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
