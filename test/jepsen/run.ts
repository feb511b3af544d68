import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../oracle/random.js';
import { FaultProxy } from '../soak/fault-proxy.js';
import { type Actor, runActor, type Scene, serveAgain } from './actor.js';
import { type Engine, type EnginePromises, type LossWindow, NodesDiffer } from './engines/engine.js';
import { DirectEntrance } from './entrance.js';
import { type Anomaly, IsolationLevel, type WorkloadName } from './history.js';
import { markLosses } from './losses.js';
import { FAULT_NAMES, Nemesis } from './nemesis.js';
import { ProxyUnderTest } from './proxy-under-test.js';
import { Recorder } from './recorder.js';
import { AppendWorkload } from './workloads/append.js';
import { BankWorkload } from './workloads/bank.js';
import { OnceWorkload } from './workloads/once.js';
import { ReplicaReads } from './workloads/replica-reads.js';
import { TagsWorkload } from './workloads/tags.js';
import type { Workload } from './workloads/workload.js';

export const WORKLOADS = ['append', 'bank', 'once', 'tags'] as const satisfies readonly WorkloadName[];

export interface RunOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly workloads: readonly WorkloadName[];
  /** All unless given. */
  readonly faults?: readonly string[];
  readonly processes?: number;
  readonly pauseMs?: number;
  readonly linkPauseMs?: number;
  /** The proxy's main.js; this build's own unless given. */
  readonly main?: string;
  /** Without a proxy: what the engine and the check are worth by themselves. */
  readonly direct?: boolean;
  /** Tables have its number, so that nothing of another round gets into them. */
  readonly round?: number;
}

export interface RunResult {
  readonly anomalies: readonly Anomaly[];
  /** Operations that have succeeded. */
  readonly done: ReadonlyMap<WorkloadName, number>;
  /** A few lines for people. */
  readonly report: string;
  /** History and log of the proxy; kept where something is wrong, else gone. */
  readonly folder: string;
}

const PROCESSES = 16;
const PAUSE_MS = 1_000;
const LINK_PAUSE_MS = 250;

function workloadsOf(
  name: WorkloadName,
  promises: EnginePromises & { readonly readsOwn: boolean },
  round: number,
  replicas: ReplicaReads | null,
): Workload[] {
  switch (name) {
    case 'append':
      return [
        new AppendWorkload(IsolationLevel.Serializable, promises, round),
        new AppendWorkload(IsolationLevel.RepeatableRead, promises, round),
      ];
    case 'bank':
      return [new BankWorkload(promises, round)];
    case 'once':
      return [new OnceWorkload(promises, round, replicas)];
    case 'tags':
      return [new TagsWorkload()];
  }
}

/** Clients, faults, and the check of all that they have seen; on an engine that is for nothing else. */
export async function runJepsen(engine: Engine, options: RunOptions): Promise<RunResult> {
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-jepsen-'));
  const recorder = new Recorder(join(folder, 'history.jsonl'));
  const network = await Promise.all(engine.nodes.map((node) => FaultProxy.open(node)));
  let isGood = false;
  try {
    const proxy = options.direct === true ? null : await startProxy(engine, network, folder, options);
    const entrance = proxy ?? new DirectEntrance(engine, network);
    try {
      const { anomalies, faults } = await play({ engine, entrance, proxy, network, recorder }, options);
      isGood = anomalies.length === 0;
      const found = anomalies.map(({ type, what }) => `ANOMALY ${type}: ${what}`);
      const report = [recorder.summary(), `faults: ${faults}`, ...found].join('\n');
      return { anomalies, done: recorder.done(), report, folder };
    } finally {
      await entrance.stop();
      await writeFile(join(folder, 'proxy.log'), entrance.log);
    }
  } finally {
    await Promise.all(network.map((side) => side.close()));
    await recorder.close();
    if (isGood) await rm(folder, { recursive: true });
  }
}

function startProxy(
  { login }: Engine,
  network: readonly FaultProxy[],
  folder: string,
  { main }: RunOptions,
): Promise<ProxyUnderTest> {
  const { user, password, schema } = login;
  const [first, ...others] = network;
  if (first === undefined) throw new RangeError('an engine has a node');
  const servers = [
    first.url(`mysql://${user}:${password}@127.0.0.1:1/${schema}`),
    ...others.map((side) => side.url('mysql://127.0.0.1:1')),
  ] as const;
  return ProxyUnderTest.start({ servers, folder, ...(main === undefined ? {} : { main }) });
}

interface World extends Scene {
  readonly proxy: ProxyUnderTest | null;
  readonly network: readonly FaultProxy[];
  readonly recorder: Recorder;
}

async function play(
  world: World,
  options: RunOptions,
): Promise<{ readonly anomalies: readonly Anomaly[]; readonly faults: string }> {
  const { engine, recorder } = world;
  const random = new Random(options.seed);
  const faults = options.faults ?? FAULT_NAMES;
  const replicas =
    world.proxy !== null && engine.nodes.length > 1 ? new ReplicaReads(engine, world.entrance) : null;
  // Who has written what is known to one process of the proxy, and gone with it.
  const readsOwn = !faults.some((name) => name.startsWith('proxy-'));
  const promises = { ...engine.promises(faults), readsOwn };
  const workloads = options.workloads.flatMap((name) =>
    workloadsOf(name, promises, options.round ?? 1, replicas),
  );
  for (const workload of workloads) await workload.setUp(engine);
  engine.beginRound(() => recorder.begin());
  const nemesis = new Nemesis(
    { ...world, random: new Random(random.below(2 ** 31)) },
    {
      recorder,
      faults,
      pauseMs: options.pauseMs ?? PAUSE_MS,
      linkPauseMs: options.linkPauseMs ?? LINK_PAUSE_MS,
    },
  );
  const actors = Array.from({ length: options.processes ?? PROCESSES }, (_, number): Actor => {
    const workload = workloads[number % workloads.length] as Workload;
    return { process: { number, random: new Random(random.below(2 ** 31)), recorder }, workload };
  });
  let over = false;
  const working = Promise.all(actors.map((actor) => runActor(actor, world, () => over)));
  // Thrown below; until then it must not count as unhandled.
  working.catch(() => {});
  nemesis.start();
  await Promise.race([sleep(options.seconds * 1000), working]);
  await nemesis.stop();
  over = true;
  await working;
  const left = await calmDown(world, actors);
  replicas?.close();
  const anomalies = [...left, ...(await lookBack(world, workloads))];
  const counts = [...nemesis.counts].map(([name, count]) => `${count} ${name}`).join(', ');
  const gone = engine.losses.length > 0 ? [lossWords(recorder, engine.losses)] : [];
  return { anomalies, faults: [counts, ...nemesis.failures, ...gone].join('\n  ') };
}

function lossWords(recorder: Recorder, losses: readonly LossWindow[]): string {
  const own = markLosses(recorder.operations, losses).filter(({ mayBeLost }) => mayBeLost === true);
  return `${losses.length} primaries lost for good, with up to ${own.length} acknowledged operations on them alone`;
}

/** Faults are over: everybody is served, and nothing is left behind. Ends the proxy. */
async function calmDown(world: World, actors: readonly Actor[]): Promise<Anomaly[]> {
  const { engine, entrance } = world;
  const anomalies: Anomaly[] = [];
  const served = await Promise.all(actors.map((actor) => serveAgain(actor, world)));
  for (const what of served) if (what !== null) anomalies.push({ type: 'not served', what });
  // What its clients have left is cleaned, and not only when their sessions end with it.
  await engine.settle().catch((error: unknown) => anomalies.push({ type: 'left open', what: String(error) }));
  for (const what of entrance.troubles) anomalies.push({ type: 'crash', what });
  await entrance.stop();
  return anomalies;
}

/** What is there in the end, and what that and all that was seen mean. */
async function lookBack({ engine, recorder }: World, workloads: readonly Workload[]): Promise<Anomaly[]> {
  await engine.settle();
  const anomalies: Anomaly[] = [];
  for (const workload of workloads) {
    await workload.finish(engine, recorder).catch((error: unknown) => {
      if (!(error instanceof NodesDiffer)) throw error;
      anomalies.push({ type: 'nodes differ', what: error.message });
    });
  }
  const operations = markLosses(recorder.operations, engine.losses);
  for (const workload of workloads) anomalies.push(...workload.check(operations));
  // Whatever the workload, an answer may be somebody else's.
  if (!workloads.some((workload) => workload instanceof TagsWorkload))
    anomalies.push(...new TagsWorkload().check(recorder.operations));
  for (const what of recorder.unexplained) anomalies.push({ type: 'unexplained error', what });
  return anomalies;
}
