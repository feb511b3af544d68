import type { Logger } from 'pino';
import type { ServerAccount, Upstream } from '../backend/upstream.js';
import type { Config } from '../config/load.js';
import { defaultPool, type PoolEntry } from '../config/pools.js';
import { PoolClosedError, type PoolError } from '../pool/errors.js';
import type { AllPools } from '../relay/all-pools.js';
import { JoinedPools } from '../relay/joined-pools.js';
import { NamedPool, type PoolRule } from '../relay/named-pool.js';
import type { ServerKnowledge } from '../relay/relay-services.js';
import { type Route, Routes } from '../relay/routes.js';
import type { Server } from '../relay/server.js';
import { ServerRouter } from '../relay/server-router.js';
import type { Servers } from '../relay/servers.js';
import { ServerStatus, type StateChange } from '../servers/server-state.js';
import { ClientTrackers } from '../session/client-trackers.js';
import type { ProfileRegistry } from '../session/profile.js';
import type { ServerInfo } from '../session/server-info.js';
import { NamedServers } from './named-servers.js';
import type { SharedParts } from './new-server.js';
import { watchServer } from './server-health.js';

export interface SeveralOptions {
  readonly servers: Servers;
  readonly config: Config;
  /** Of servers that come later. */
  readonly shared: SharedParts;
  /** As whom servers are asked. */
  readonly account: () => ServerAccount;
  readonly refused: (error: PoolError) => void;
  readonly log: Logger;
}

/** What there is besides the servers themselves where there are several. */
export class SeveralServers {
  readonly router: ServerRouter;
  readonly routes: Routes;
  readonly upstream: SharedKnowledge;
  readonly pools: AllPools;
  /** For what any of them can do. */
  readonly asked: Pick<Upstream, 'facts' | 'open' | 'relay' | 'tryLogin'>;
  /** Those that are addresses of a name. */
  readonly #named: NamedServers;
  readonly #options: SeveralOptions;

  constructor(options: SeveralOptions) {
    const { servers, config, shared, refused, log } = options;
    this.#options = options;
    const named = namedPools(config, servers);
    this.router = new ServerRouter({
      get servers() {
        return servers.inUse;
      },
      pools: named.pools,
      failoverTimeoutMs: () => config.failoverTimeout,
      maxWaiting: () => config.maxWaiting,
      refused,
      log,
    });
    const { router } = this;
    this.routes = newRoutes(config, router, named);
    this.upstream = new SharedKnowledge(servers, shared.registry);
    this.pools = new JoinedPools(
      servers,
      () => router,
      () => router.refresh(),
    );
    servers.follow({
      changed: () => {
        named.choose();
        router.refresh();
      },
    });
    this.#named = new NamedServers(servers, shared);
    const knowledge = this.upstream;
    this.asked = {
      get facts() {
        return knowledge.facts;
      },
      open: (...session) => router.any.upstream.open(...session),
      relay: (user) => router.any.upstream.relay(user),
      tryLogin: (user, password) => router.any.upstream.tryLogin(user, password),
    };
  }

  /** From here on the servers are asked what they are. */
  start(): void {
    const { servers, config, shared, account } = this.#options;
    servers.follow({
      came: (server) => {
        server.health = watchServer(server, config, account, shared.kind, {
          changed: (change) => this.#changed(server, change),
          otherFlavor: () => this.#isOtherFlavor(server),
        });
      },
    });
    this.router.refresh();
    this.#named.start();
  }

  /** Why a name that stands for servers has none, or not those of now. */
  get trouble(): Error | null {
    return this.#named.trouble;
  }

  #changed(server: Server, change: StateChange): void {
    this.router.changed(server, change);
    if (change.to === ServerStatus.Down) this.#named.askAgain(server);
  }

  #isOtherFlavor({ name }: Server): void {
    const { log, shared } = this.#options;
    log.error(
      { server: name, others: shared.kind.version },
      'a server is MySQL and the others are MariaDB, or the other way round: nothing is sent to that one',
    );
  }

  stop(): void {
    this.#named.stop();
    this.router.close((pool) => new PoolClosedError(pool));
  }
}

/** Of several servers of one kind, as the first of them that is reached has it. */
export class SharedKnowledge implements ServerKnowledge {
  readonly registry: ProfileRegistry;
  readonly #servers: Servers;
  #of: Upstream | null = null;
  readonly #waiting: ((info: ServerInfo) => void)[] = [];

  constructor(servers: Servers, registry: ProfileRegistry) {
    this.registry = registry;
    this.#servers = servers;
    servers.follow({
      came: ({ upstream }) => upstream.whenKnown((info) => this.#known(upstream, info)),
      // Where no other one is known yet, they are of one kind all the same.
      gone: ({ upstream }) => {
        const next = servers.all.find((server) => server.upstream.facts !== null);
        if (this.#of === upstream && next !== undefined) this.#of = next.upstream;
      },
    });
  }

  get facts(): Upstream['facts'] {
    return this.#of?.facts ?? null;
  }

  /** Whichever of them is: one that was never reached says nothing of the others. */
  get isGalera(): boolean {
    return this.#of?.isGalera === true || this.#servers.all.some(({ upstream }) => upstream.isGalera);
  }

  get trackers(): Upstream['trackers'] {
    return this.#of?.trackers ?? NO_TRACKERS;
  }

  whenKnown(callback: (info: ServerInfo) => void): void {
    const { facts } = this;
    if (facts !== null) callback(facts.info);
    else this.#waiting.push(callback);
  }

  #known(upstream: Upstream, info: ServerInfo): void {
    if (this.#of !== null && !this.#of.isOver) return;
    this.#of = upstream;
    for (const callback of this.#waiting.splice(0)) callback(info);
  }
}

const NO_TRACKERS = new ClientTrackers(new Map());

interface NamedPools {
  /** Those of role primary first; the first of all is for whom no other one is meant. */
  readonly pools: readonly NamedPool<Server>[];
  readonly own: ReadonlyMap<PoolEntry, NamedPool<Server>>;
  /** {@link Routing.readers} */
  readonly readers: ReadonlyMap<PoolEntry, NamedPool<Server>>;
  /** Gives each of them its servers: there are others now. */
  choose(): void;
}

/** Whose pool nobody has named. */
const DEFAULT: PoolRule = {
  name: 'default',
  role: 'primary',
  maxLagSeconds: null,
  fallbackToPrimary: false,
  readYourWrites: false,
};

function namedPools({ pools }: Config, servers: Servers): NamedPools {
  const own = new Map<PoolEntry, NamedPool<Server>>();
  const of = ({ servers: entries }: Pick<PoolEntry, 'servers'>): readonly Server[] =>
    entries === null ? servers.inUse : servers.inUse.filter(({ entry }) => entries.includes(entry));
  // Each with what its servers are now: they come and go.
  const all = new Map<NamedPool<Server>, () => readonly Server[]>();
  const first = defaultPool(pools);
  const ofFirst = first ?? { servers: null };
  const primary = new NamedPool<Server>(first === null ? DEFAULT : ruleOf(first), of(ofFirst));
  all.set(primary, () => of(ofFirst));
  for (const entry of [...pools].sort(
    (a, b) => Number(a.role === 'replica') - Number(b.role === 'replica'),
  )) {
    const pool = entry === first ? primary : new NamedPool<Server>(ruleOf(entry), of(entry), primary);
    own.set(entry, pool);
    all.set(pool, () => of(entry));
  }
  const readers = new Map<PoolEntry, NamedPool<Server>>();
  for (const entry of pools) {
    const replicas = pools.find(({ name }) => name === entry.readOnlyTransactions);
    if (replicas === undefined) continue;
    // One of its own for each: it falls back to the servers of the clients that use it.
    const pool = new NamedPool<Server>(ruleOf(replicas), of(replicas), own.get(entry));
    readers.set(entry, pool);
    all.set(pool, () => of(replicas));
  }
  const choose = (): void => {
    for (const [pool, servers] of all) pool.servers = servers();
  };
  return { pools: [...all.keys()], own, readers, choose };
}

function ruleOf({ name, role, maxLag, fallbackToPrimary, readYourWrites }: PoolEntry): PoolRule {
  // Servers tell it in whole seconds.
  const maxLagSeconds = maxLag === null ? null : maxLag / 1_000;
  return { name, role, maxLagSeconds, fallbackToPrimary, readYourWrites };
}

function newRoutes(
  { pools: entries, upstream }: Config,
  router: ServerRouter,
  { pools, own, readers }: NamedPools,
): Routes {
  const routes = entries.flatMap((entry): Route[] => {
    const namedPool = own.get(entry);
    if (namedPool === undefined) return [];
    const databases = entry.databases.flatMap(({ alias, schema }): [string, string][] => {
      const meant = schema ?? upstream.schema;
      return meant === null ? [] : [[alias, meant]];
    });
    return [
      {
        routing: { router, namedPool, readers: readers.get(entry) ?? null },
        users: new Set(entry.users),
        databases: new Map(databases),
        listens: entry.listen,
      },
    ];
  });
  const [others] = pools;
  if (others === undefined) throw new TypeError('there is a pool for everybody');
  const first = defaultPool(entries);
  const readersOfOthers = (first === null ? null : readers.get(first)) ?? null;
  return new Routes(routes, { router, namedPool: others, readers: readersOfOthers });
}
