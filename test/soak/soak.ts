import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../oracle/random.js';
import { eventually } from '../support/proxied.js';
import type { PrivateTestServer } from '../support/servers.js';
import { runClient } from './client.js';
import { Findings } from './findings.js';
import { Invariants } from './invariants.js';
import { Journal } from './journal.js';
import { Memory } from './memory.js';
import { Weather } from './weather.js';
import { openWorld, type World } from './world.js';

export interface SoakOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly clients: number;
  /** Between two restarts of the server, on average. */
  readonly restartEverySeconds: number;
  /** Once in a while: how it is going. */
  readonly onProgress?: (text: string) => void;
}

export interface SoakResult {
  readonly findings: Findings;
  /** A few lines for people. */
  readonly report: string;
  /** The proxy's last log lines. */
  readonly log: readonly string[];
}

/** Nobody waits longer for a lock than for anything else. */
export const SERVER_ARGUMENTS = [
  '--innodb-lock-wait-timeout=3',
  '--lock-wait-timeout=5',
  '--max-connections=60',
];

const PROGRESS_EVERY_MS = 15_000;
/** Faults have stopped, clients go on: everything recovers. */
const RECOVERY_MS = 3000;

/** Clients, faults and the watch, on a server that is for nothing else; nothing of it is left. */
export async function soak(server: PrivateTestServer, options: SoakOptions): Promise<SoakResult> {
  const findings = new Findings();
  const unhandled = (error: unknown): void =>
    findings.violated(`unhandled: ${error instanceof Error ? error.stack : String(error)}`);
  process.on('unhandledRejection', unhandled).on('uncaughtException', unhandled);
  const world = await openWorld(server);
  try {
    const report = await soakWorld(world, findings, options);
    return { findings, report, log: world.log };
  } finally {
    await world.close();
    process.off('unhandledRejection', unhandled).off('uncaughtException', unhandled);
  }
}

async function soakWorld(world: World, findings: Findings, options: SoakOptions): Promise<string> {
  const { seconds, seed, clients, restartEverySeconds, onProgress } = options;
  findings.onViolation = ({ at, what }) => onProgress?.(`VIOLATED at ${at.toFixed(1)} s: ${what}`);
  const journal = new Journal(findings);
  const random = new Random(seed);
  const weather = new Weather({
    ...{ random: new Random(random.below(2 ** 31)), findings, restartEveryMs: restartEverySeconds * 1000 },
    ...{ front: world.front, back: world.back, server: world.server },
  });
  const invariants = new Invariants(world, findings, journal, weather);
  const memory = new Memory();
  let over = false;
  const working = Array.from({ length: clients }, (_, number) => {
    const worker = { number, random: new Random(random.below(2 ** 31)), journal, findings };
    return runClient(worker, world.logins, () => over);
  });
  const all = Promise.all(working);
  // Thrown below; until then it must not count as unhandled.
  all.catch(() => {});
  invariants.start();
  weather.start();
  const until = Date.now() + seconds * 1000;
  let told = Date.now();
  while (Date.now() < until) {
    await sleep(Math.min(1000, until - Date.now()));
    memory.look();
    if (Date.now() - told < PROGRESS_EVERY_MS) continue;
    told = Date.now();
    onProgress?.(progress(findings, invariants));
  }
  await weather.clear();
  await sleep(RECOVERY_MS);
  over = true;
  await all;
  await afterwards(world, findings, journal);
  await invariants.stop();
  memory.check(findings);
  return summary(findings, invariants, memory);
}

/** What must be true once all clients have gone. */
async function afterwards(world: World, findings: Findings, journal: Journal): Promise<void> {
  const { app, server, schema } = world;
  await comesTrue(findings, 'the pools are at rest', () => {
    const { active, waiting, retiring, dialing, held } = app.poolCounts();
    return active + waiting + retiring + dialing + held === 0;
  });
  await comesTrue(
    findings,
    'no client is left',
    async () => (await metric(world, 'mybouncer_clients')) === 0,
  );
  await comesTrue(findings, 'no transaction is left', async () => {
    const rows = await server.query('SELECT trx_id FROM information_schema.innodb_trx');
    return rows.length === 0;
  });
  const rows = await server.query<{ token: string; n: number }>(
    `SELECT token, COUNT(*) AS n FROM ${schema}.facts GROUP BY token`,
  );
  journal.compare(new Map(rows.map(({ token, n }) => [token, Number(n)])), journal.tokens);
  await healthy(world, findings);
  await app.stop();
  if ((await app.closed) !== null) findings.violated('the proxy did not end cleanly');
  await comesTrue(findings, 'no session is left on the server', async () => {
    const ours = new Set(world.users.map(({ user }) => user));
    return !(await server.sessions()).some(({ user }) => ours.has(user));
  });
}

/** Without faults there are no errors, however bad it was before. */
async function healthy(world: World, findings: Findings): Promise<void> {
  const calm = new Findings();
  const journal = new Journal(calm);
  const until = Date.now() + 1000;
  await Promise.all(
    Array.from({ length: 2 * world.app.poolCounts().limit }, (_, number) => {
      const worker = { number: 10_000 + number, random: new Random(number), journal, findings: calm };
      return runClient(worker, world.logins, () => Date.now() > until);
    }),
  );
  for (const { what } of calm.violations) findings.violated(`afterwards: ${what}`);
  // Clients get in each other's way there as well.
  const errors = calm.countsOf('error ').replaceAll(/\d+ (deadlock|lock wait timeout)(, )?/g, '');
  if (errors !== '') findings.violated(`errors when all was over: ${errors}`);
  if (calm.counted('checks') === 0) findings.violated('no work was done when all was over');
}

async function comesTrue(
  findings: Findings,
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  await eventually(what, condition).catch(() => findings.violated(`in the end not: ${what}`));
}

async function metric({ app }: World, name: string): Promise<number> {
  const text = await (await fetch(`http://${app.addresses.http}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1));
}

function progress(findings: Findings, { mostWaiting }: Invariants): string {
  const { seconds } = findings;
  const rss = (process.memoryUsage.rss() / 2 ** 20).toFixed(0);
  return `${seconds.toFixed(0)} s: ${findings.counted('commands')} commands, ${findings.counted('checks')} answers checked, ${mostWaiting} waiting at most, ${rss} MiB, ${findings.violations.length} violations`;
}

function summary(findings: Findings, invariants: Invariants, memory: Memory): string {
  const { looks, mostSessions, mostWaiting, longestWaitMs } = invariants;
  return [
    `${findings.counted('connections')} connections, ${findings.counted('commands')} commands, ${findings.counted('checks')} answers checked; ${looks} looks: ${mostSessions} sessions and ${mostWaiting} waiting at most, the longest for ${Math.round(longestWaitMs)} ms`,
    `operations: ${findings.countsOf('done ')}`,
    `faults: ${findings.countsOf('fault ')}`,
    `errors: ${findings.countsOf('error ')}`,
    `writes: ${findings.countsOf('fate ')}`,
    memory.report(),
    ...(findings.failed ? [findings.report()] : []),
  ].join('\n');
}
