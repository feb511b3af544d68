import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../oracle/random.js';
import type { FaultProxy } from '../soak/fault-proxy.js';
import type { AdminQuery, Engine, EngineName } from './engines/engine.js';
import { CONNECTIONS } from './engines/single.js';
import type { ProxyUnderTest } from './proxy-under-test.js';

/** What faults are put into. */
export interface Victims {
  readonly engine: Engine;
  /** Null where clients go to the engine by themselves. */
  readonly proxy: ProxyUnderTest | null;
  /** Between the proxy, or clients, and each node. */
  readonly network: readonly FaultProxy[];
  readonly random: Random;
}

/** Puts one fault in, and takes it out again. */
export type Disturbance = (victims: Victims) => Promise<void>;

/** Connections that a server takes while it takes few. */
const FEW_CONNECTIONS = 3;
/** A server is down for so long at most, but for one that the others are to give up. */
const MOST_DOWN_MS = 800;

function anyNode({ engine, random }: Victims): number {
  return random.below(engine.nodes.length);
}

async function restartServer(victims: Victims, orderly: boolean): Promise<void> {
  const { engine, random } = victims;
  const node = anyNode(victims);
  await engine.kill(node, orderly);
  const others = engine.nodes.length - 1;
  await sleep(random.below(others > 0 && random.chance(0.3) ? engine.givesUpAfterMs : MOST_DOWN_MS));
  await engine.start(node);
}

/** Each node, one after the other, as for new software; the one that takes writes is no exception. */
async function restartAll({ engine, random }: Victims): Promise<void> {
  for (const node of engine.nodes.keys()) {
    await engine.kill(node, true);
    await sleep(random.below(MOST_DOWN_MS));
    await engine.start(node);
  }
}

/** Sets a global variable for a while, over one connection: no other one may be had meanwhile. */
async function variable(victims: Victims, name: string, value: number, usual: number): Promise<void> {
  const { engine, random } = victims;
  const node = anyNode(victims);
  await engine.asAdmin(node, async (query) => {
    await query('SET lock_wait_timeout = 2');
    try {
      await query(`SET GLOBAL ${name} = ${value}`);
      if (name === 'max_connections') await killSessions(victims, query, 'CONNECTION', 1);
      await sleep(200 + random.below(1000));
    } finally {
      await query(`SET GLOBAL ${name} = ${usual}`);
    }
  });
}

/** @param share of the application's sessions */
async function killSessions(
  { engine, random }: Victims,
  query: AdminQuery,
  what: 'CONNECTION' | 'QUERY',
  share: number,
): Promise<void> {
  const rows = await query('SHOW PROCESSLIST');
  const ids = rows.filter((row) => row['User'] === engine.login.user).map((row) => Number(row['Id']));
  for (const id of ids) {
    // It may have gone by itself.
    if (random.chance(share)) await query(`KILL ${what} ${id}`).catch(() => {});
  }
}

function killSome(victims: Victims, what: 'CONNECTION' | 'QUERY', share: number): Promise<void> {
  return victims.engine.asAdmin(anyNode(victims), (query) => killSessions(victims, query, what, share));
}

/** Of the engine and the network to it. */
const OF_ENGINE: Readonly<Record<string, Disturbance>> = {
  'server-kill': (victims) => restartServer(victims, false),
  'server-restart': (victims) => restartServer(victims, true),
  'server-freeze': async (victims) => {
    const node = anyNode(victims);
    await victims.engine.freeze(node);
    await sleep(100 + victims.random.below(victims.engine.givesUpAfterMs));
    await victims.engine.thaw(node);
  },
  'rolling-restart': restartAll,
  partition: async (victims) => {
    const { engine, random } = victims;
    const node = anyNode(victims);
    await engine.cut(node);
    await sleep(random.below(1.5 * engine.givesUpAfterMs));
    await engine.join(node);
  },
  promotion: ({ engine, random }) => engine.promote(false, random),
  'promotion-forced': ({ engine, random }) => engine.promote(true, random),
  'replica-lag': ({ engine, random }) => engine.lag(random),
  'session-kill': (victims) => killSome(victims, 'CONNECTION', victims.random.pick([0.3, 1])),
  'query-kill': (victims) => killSome(victims, 'QUERY', 0.5),
  'read-lock': async (victims) => {
    await victims.engine.asAdmin(anyNode(victims), async (query) => {
      await query('SET lock_wait_timeout = 2');
      // Somebody's statement may be in its way for longer.
      await query('FLUSH TABLES WITH READ LOCK');
      await sleep(victims.random.below(1500));
    });
  },
  'read-only': (victims) => variable(victims, 'read_only', 1, 0),
  'few-connections': (victims) => variable(victims, 'max_connections', FEW_CONNECTIONS, CONNECTIONS),
  'closed-door': async ({ network, random }) => {
    const side = random.pick(network);
    await side.setDoor(random.pick(['reset', 'silent', 'closed']));
    if (random.chance(0.7)) for (const link of side.links) link.reset();
    await sleep(random.below(2000));
    await side.setDoor('open');
  },
};

/** Those that are not for every engine. */
const ONLY_FOR: Readonly<Record<string, readonly EngineName[]>> = {
  'rolling-restart': ['galera', 'group', 'replicas'],
  partition: ['galera', 'group', 'replicas'],
  promotion: ['group', 'replicas'],
  'promotion-forced': ['replicas'],
  'replica-lag': ['replicas'],
  // The others have read-only nodes of their own.
  'read-only': ['single', 'galera'],
};

const OF_PROXY: Readonly<Record<string, (proxy: ProxyUnderTest, random: Random) => Promise<void>>> = {
  'proxy-kill': (proxy) => proxy.kill(),
  'proxy-worker-kill': (proxy) => proxy.killWorker(),
  'proxy-restart': (proxy) => proxy.restart(),
  'proxy-drain': (proxy) => proxy.drain(),
  'proxy-reload': async (proxy, random) => {
    await proxy.reload(2 + random.below(6));
    await sleep(500);
    await proxy.reload(6);
  },
};

export const DISTURBANCE_NAMES = [...Object.keys(OF_ENGINE), ...Object.keys(OF_PROXY)];

/** Of these names, those that there can be here: one after the other. */
export function disturbancesFor(
  { engine, proxy }: Victims,
  names: readonly string[],
): readonly (readonly [string, Disturbance])[] {
  const ofEngine = Object.entries(OF_ENGINE).filter(
    ([name]) => (ONLY_FOR[name]?.includes(engine.name) ?? true) && (name !== 'partition' || engine.canBeCut),
  );
  const ofProxy =
    proxy === null
      ? []
      : Object.entries(OF_PROXY).map(
          ([name, run]) => [name, ({ random }: Victims) => run(proxy, random)] as const,
        );
  return [...ofEngine, ...ofProxy].filter(([name]) => names.includes(name));
}
