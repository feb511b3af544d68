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
import type { ServerKind } from '../servers/server-kind.js';
import { FailureReason, type StateChange } from '../servers/server-state.js';
import type { ProfileRegistry } from '../session/profile.js';
import type { ServerInfo } from '../session/server-info.js';
import { watchServer } from './server-health.js';

export interface SeveralOptions {
  readonly servers: readonly Server[];
  readonly config: Config;
  readonly registry: ProfileRegistry;
  readonly kind: ServerKind;
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
  readonly #options: SeveralOptions;

  constructor(options: SeveralOptions) {
    const { servers, config, registry, refused, log } = options;
    this.#options = options;
    const { pools, own } = namedPools(config, servers);
    this.router = new ServerRouter({
      servers,
      pools,
      failoverTimeoutMs: () => config.failoverTimeout,
      maxWaiting: () => config.maxWaiting,
      refused,
      log,
    });
    const { router } = this;
    this.routes = newRoutes(config, router, own, pools);
    this.upstream = new SharedKnowledge(servers, registry);
    this.pools = new JoinedPools(
      servers,
      () => router,
      () => router.refresh(),
    );
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
    const { servers, config, kind, account } = this.#options;
    for (const server of servers)
      server.health = watchServer(server, config, account, kind, (change) => this.#changed(server, change));
    this.router.refresh();
  }

  #changed(server: Server, change: StateChange): void {
    if (change.reasons.includes(FailureReason.OtherFlavor))
      this.#options.log.error(
        { server: server.name, others: this.#options.kind.version },
        'a server is MySQL and the others are MariaDB, or the other way round: nothing is sent to that one',
      );
    this.router.changed(server, change);
  }

  stop(): void {
    this.router.close((pool) => new PoolClosedError(pool));
  }
}

/** Of several servers of one kind, as the first of them that is reached has it. */
export class SharedKnowledge implements ServerKnowledge {
  readonly registry: ProfileRegistry;
  readonly #first: Upstream;
  #of: Upstream | null = null;
  readonly #waiting: ((info: ServerInfo) => void)[] = [];

  constructor(servers: readonly Server[], registry: ProfileRegistry) {
    const [first] = servers;
    if (first === undefined) throw new TypeError('a proxy has a server');
    this.registry = registry;
    this.#first = first.upstream;
    for (const { upstream } of servers) upstream.whenKnown((info) => this.#known(upstream, info));
  }

  get facts(): Upstream['facts'] {
    return this.#of?.facts ?? null;
  }

  get trackers(): Upstream['trackers'] {
    return (this.#of ?? this.#first).trackers;
  }

  whenKnown(callback: (info: ServerInfo) => void): void {
    const { facts } = this;
    if (facts !== null) callback(facts.info);
    else this.#waiting.push(callback);
  }

  #known(upstream: Upstream, info: ServerInfo): void {
    if (this.#of !== null) return;
    this.#of = upstream;
    for (const callback of this.#waiting.splice(0)) callback(info);
  }
}

interface NamedPools {
  /** Those of role primary first; the first of all is for whom no other one is meant. */
  readonly pools: readonly NamedPool<Server>[];
  readonly own: ReadonlyMap<PoolEntry, NamedPool<Server>>;
}

/** Whose pool nobody has named. */
const DEFAULT: PoolRule = {
  name: 'default',
  role: 'primary',
  maxLagSeconds: null,
  fallbackToPrimary: false,
  readYourWrites: false,
};

function namedPools({ pools }: Config, servers: readonly Server[]): NamedPools {
  const own = new Map<PoolEntry, NamedPool<Server>>();
  const of = ({ servers: names }: PoolEntry): readonly Server[] =>
    names === null ? servers : servers.filter(({ name }) => names.includes(name));
  const first = defaultPool(pools);
  const primary = new NamedPool<Server>(
    first === null ? DEFAULT : ruleOf(first),
    first === null ? servers : of(first),
  );
  const all = [primary];
  for (const entry of [...pools].sort(
    (a, b) => Number(a.role === 'replica') - Number(b.role === 'replica'),
  )) {
    const pool = entry === first ? primary : new NamedPool<Server>(ruleOf(entry), of(entry), primary);
    own.set(entry, pool);
    if (pool !== primary) all.push(pool);
  }
  return { pools: all, own };
}

function ruleOf({ name, role, maxLag, fallbackToPrimary, readYourWrites }: PoolEntry): PoolRule {
  // Servers tell it in whole seconds.
  const maxLagSeconds = maxLag === null ? null : maxLag / 1_000;
  return { name, role, maxLagSeconds, fallbackToPrimary, readYourWrites };
}

function newRoutes(
  { pools: entries, upstream }: Config,
  router: ServerRouter,
  own: NamedPools['own'],
  pools: NamedPools['pools'],
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
        routing: { router, namedPool },
        users: new Set(entry.users),
        databases: new Map(databases),
        listens: entry.listen,
      },
    ];
  });
  const [others] = pools;
  if (others === undefined) throw new TypeError('there is a pool for everybody');
  return new Routes(routes, { router, namedPool: others });
}
