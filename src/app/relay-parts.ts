import type { Logger } from 'pino';
import type { LiveConfig } from '../config/live-config.js';
import type { Config } from '../config/load.js';
import { areSeveral } from '../config/servers.js';
import type { ForkGuard } from '../fork-guard/fork-guard.js';
import { openForkGuard } from '../fork-guard/open-fork-guard.js';
import { AuthExchange } from '../frontend/auth-exchange.js';
import { AuthWatch } from '../frontend/auth-watch.js';
import { announcedPlugin } from '../frontend/greeter.js';
import { PasswordHasher } from '../frontend/password-hasher.js';
import { RsaKeys } from '../frontend/rsa-keys.js';
import type { Authenticator } from '../frontend/users.js';
import { DialLog } from '../observability/dial-log.js';
import type { Metrics } from '../observability/metrics.js';
import { AppProcesses } from '../relay/app-processes.js';
import { CatalogueSessions } from '../relay/catalogue-sessions.js';
import { ClientIdentities, type UserTerms } from '../relay/client-identity.js';
import { ClientRegistry } from '../relay/client-registry.js';
import { DryRun } from '../relay/dry-run.js';
import { type Digest, HoldRegister } from '../relay/hold-register.js';
import { LearnedAnswers } from '../relay/learned-answers.js';
import { OutputBuffer } from '../relay/output-buffer.js';
import { OwnWrites } from '../relay/own-writes.js';
import { RelayCounters } from '../relay/relay-counters.js';
import { type AuthenticationContext, KnownSchemas, type RelayServices } from '../relay/relay-services.js';
import { RoutineWatch } from '../relay/routine-watch.js';
import type { Server } from '../relay/server.js';
import { AnyContact, type Contact, ServerContact } from '../relay/server-contact.js';
import { Servers } from '../relay/servers.js';
import { UnsafePolicy } from '../relay/unsafe-policy.js';
import { UserPlaces } from '../relay/user-places.js';
import { ServerKind } from '../servers/server-kind.js';
import { ProfileRegistry } from '../session/profile.js';
import { TAKEN_ALONG } from '../session/variables.js';
import { digestText } from '../sql/digest.js';
import { StatementClassifier } from '../sql/trait-cache.js';
import type { WorkerBus } from '../workers/bus.js';
import { ALONE_SEAT, type WorkerSeat } from '../workers/seat.js';
import { ClientLog } from './client-log.js';
import { ConfiguredUsers } from './configured-users.js';
import { dialAgain } from './dial-again.js';
import { Guests, OWN_FOR_GUESTS } from './guests.js';
import { configuredServers } from './new-server.js';
import { readsOwnWrites } from './options.js';
import { EachSizing, PoolSizing, type Sizing } from './pool-sizing.js';
import { newQueryTimes, type QueryTimes } from './query-times.js';
import { ServerPermits } from './server-permits.js';
import { SeveralServers } from './several-servers.js';
import { WorkerTeam } from './worker-team.js';

export interface RelayPartsOptions {
  readonly live: LiveConfig;
  readonly log: Logger;
  /** How often the server is looked at for routines that were changed past the proxy, in ms: a minute by default. */
  readonly routineCheckMs?: number;
  /** Asked for once sessions are opened. */
  readonly metrics: () => Metrics;
  /** Where clients connect. */
  readonly tcpPorts: () => readonly number[];
  readonly bus: WorkerBus;
  readonly seat: WorkerSeat;
}

/** {@link RelayPartsOptions.routineCheckMs} */
const ROUTINE_CHECK_MS = 60_000;

/** Short statements whose traits are remembered. */
const REMEMBERED_STATEMENTS = 10_000;

/** Characters of a statement's digest in logs and listings, at most. */
export const DIGEST_LENGTH = 512;

/** What serves the clients that have logged in, and who may log in. */
export class RelayParts {
  readonly services: RelayServices;
  readonly users: ConfiguredUsers;
  /** Null unless `auth: passthrough`. */
  readonly guests: Guests | null;
  readonly directory: Authenticator;
  readonly authWatch: AuthWatch;
  readonly keys = new RsaKeys();
  readonly forks: ForkGuard | null;
  readonly contact: Contact;
  /** Null for one server alone. */
  readonly several: SeveralServers | null;
  readonly catalogueSessions: CatalogueSessions;
  readonly sizing: Sizing;
  readonly team: WorkerTeam;
  readonly dialLog: DialLog;
  readonly queryTimes: QueryTimes;
  readonly #config: Config;
  readonly #log: Logger;

  constructor({
    live,
    log,
    routineCheckMs = ROUTINE_CHECK_MS,
    metrics,
    tcpPorts,
    bus,
    seat,
  }: RelayPartsOptions) {
    this.team = new WorkerTeam(bus);
    const config = live.values;
    this.#config = config;
    this.#log = log;
    this.dialLog = new DialLog(log);
    this.users = new ConfiguredUsers(config, new PasswordHasher(), log, (account) =>
      dialAgain(this.services, account),
    );
    const { local } = this.users;
    this.authWatch = new AuthWatch({
      get free() {
        return config.failedLoginLimit;
      },
      log,
    });
    const counters = new RelayCounters();
    const registry = new ProfileRegistry(areSeveral(config.servers) ? TAKEN_ALONG : null);
    const place = { rank: bus.worker - 1, members: bus.count };
    const permits = new ServerPermits(config, seat.permits);
    const kind = new ServerKind();
    const shared = {
      config,
      registry,
      kind,
      counters,
      log,
      services: () => this.services,
      metrics,
      permits,
      place,
      dialLog: this.dialLog,
    };
    const servers = new Servers();
    servers.add(configuredServers(config, shared));
    const account = () => this.users.termsOf(config.upstream.user).account;
    this.several = !areSeveral(config.servers)
      ? null
      : new SeveralServers({
          servers,
          config,
          shared,
          account,
          refused: (error) => {
            metrics().refusals.inc();
            counters.requestRefused(error.code);
          },
          log,
        });
    const { several } = this;
    const { upstream, pools, asked } = several ?? { ...servers.first, asked: servers.first.upstream };
    this.queryTimes = newQueryTimes(config, log);
    this.catalogueSessions = new CatalogueSessions(asked);
    const holds = new HoldRegister(digest);
    this.guests =
      config.auth === 'passthrough' ? new Guests(config, local, asked, () => this.services) : null;
    this.directory = this.guests?.users ?? local;
    this.forks = openForkGuard({ mode: config.forkGuard, ports: tcpPorts, log });
    this.services = {
      servers,
      routes: several?.routes ?? null,
      upstream,
      pools,
      classifier: new StatementClassifier(REMEMBERED_STATEMENTS),
      clients: new ClientRegistry(seat.idSpace),
      others: seat === ALONE_SEAT ? null : this.team,
      processes: new AppProcesses(),
      output: new OutputBuffer(),
      ownWrites: readsOwnWrites(config)
        ? new OwnWrites(() => config.readYourWritesTimeout, this.queryTimes.times.ownWrites)
        : null,
      syncWait: config.wsrepSyncWait === 'server' ? null : config.wsrepSyncWait,
      // In a dry run, what the server is asked must not cost a client its counts, not even once.
      foundRowsUse: { asked: config.dryRun },
      knownSchemas: new KnownSchemas(),
      learned: new LearnedAnswers(),
      get sessionMode() {
        return config.poolMode === 'session';
      },
      get finishAbandoned() {
        return config.onClientDisconnect === 'finish';
      },
      dryRun: config.dryRun ? new DryRun(digest) : null,
      holds,
      unsafe: this.#newUnsafePolicy(holds, () =>
        Math.max(servers.first.pools.limit, Math.floor((permits.of(servers.first)?.total ?? 0) / bus.count)),
      ),
      counters,
      ...this.queryTimes,
      forks: this.forks,
      places: new UserPlaces(),
      identities: new ClientIdentities(upstream),
      routines: this.#newRoutineWatch(routineCheckMs),
      get maxPacketSize() {
        return config.maxPacketSize;
      },
      observer: new ClientLog(log),
      termsOf: (name) => this.#termsOf(name),
      authentication: (context) => this.#authentication(context),
    };
    const newSizing = (server: Server): PoolSizing =>
      new PoolSizing({
        config,
        ...server,
        account,
        accounts: () => this.users.size,
        ownForGuests: this.guests === null ? 0 : OWN_FOR_GUESTS,
        // A connection of its own for each of several.
        ownForHealth: several === null ? 0 : 1,
        workers: bus.count,
        permits: permits.of(server),
        leads: bus.worker === 1,
        log,
      });
    const newContact = ({ killer, upstream: of }: Server): ServerContact =>
      new ServerContact(killer, of, account(), () => config.serverLoginRetry, log);
    this.sizing = several === null ? newSizing(servers.first) : new EachSizing(servers, newSizing);
    this.contact =
      several === null
        ? newContact(servers.first)
        : new AnyContact(servers, { knowledge: upstream, newContact, trouble: () => several.trouble });
  }

  #authentication({
    scramble,
    secure,
    remote,
    fingerprint,
    certificate,
  }: AuthenticationContext): AuthExchange {
    const server = this.services.upstream.facts?.info;
    if (server === undefined) throw new TypeError('a client is connected before the server is known');
    const announced = announcedPlugin(server);
    const host = remote.kind === 'tcp' ? remote.address : 'localhost';
    const connection = { scramble, secure, host, fingerprint, certificate };
    const { directory: users, keys, authWatch: observer } = this;
    return new AuthExchange({ ...connection, users, keys, announced, observer });
  }

  #termsOf(userName: string): UserTerms {
    if (this.users.local.has(userName)) return this.users.termsOf(userName);
    return this.guests?.termsOf(userName) ?? this.users.termsOf(userName);
  }

  #newUnsafePolicy(register: HoldRegister, poolSize: () => number): UnsafePolicy {
    return new UnsafePolicy({
      actions: this.#config.onUnsafe,
      maxHeld: () => this.#config.maxHeld,
      poolSize,
      register,
      digest,
      warn: (statement) => this.#log.warn(statement, 'statement ties its client to a server session'),
    });
  }

  #newRoutineWatch(intervalMs: number): RoutineWatch {
    return new RoutineWatch({
      connect: (account) => this.catalogueSessions.connect(account),
      publish: (hazards) => {
        this.services.classifier.hazards = hazards;
      },
      intervalMs,
      log: this.#log,
    });
  }
}

const digest: Digest = ({ sql, context }) => digestText(sql, context, DIGEST_LENGTH);
