import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { testProgram } from '../support/server-programs.js';
import type { Flavor } from '../support/servers.js';
import { freePort } from './children.js';
import { type BenchResult, benchResult } from './results.js';
import { haproxyVersion } from './targets.js';

const CI = process.env['CI'] === 'true';
const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const RELAY = fileURLToPath(new URL('./relay.js', import.meta.url));

/** Runs the bench with a temporary folder of its own, in which it must leave nothing. */
async function bench(
  t: Test,
  args: readonly string[],
  interruptAt?: RegExp,
): Promise<{ code: unknown; output: string; left: string[]; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-test-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, TMPDIR: folder } });
  let output = '';
  let interrupted = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (!interrupted && interruptAt?.test(output) === true) {
        interrupted = true;
        child.kill('SIGINT');
      }
    });
  }
  const [code]: unknown[] = await once(child, 'close');
  return { code, output, left: await readdir(folder), folder };
}

t.setTimeout(300_000);
// They wait for servers and for the end of runs; what is measured means nothing anyway.
t.jobs = 4;

/** The shortest runs that give figures, with few clients. */
const SHORT = [
  '--rounds',
  '1',
  '--seconds',
  '0.3',
  '--warmup',
  '0.1',
  '--settle',
  '0.3',
  '--max-clients',
  '8',
];
/** 3 says that the machine was busy with other things: here it may be. */
const MEASURED: readonly unknown[] = [0, 3];

async function lacking(flavor: Flavor): Promise<string | false> {
  return (await testProgram(flavor)) === null && !CI ? `${flavor} is missing` : false;
}

interface Results {
  readonly result: BenchResult;
  readonly markdown: string;
}

/** A short run that has to be without errors, and to leave nothing. */
async function results(t: Test, args: readonly string[]): Promise<Results> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-results-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const [json, markdown] = [join(folder, 'bench.json'), join(folder, 'bench.md')];
  const files = ['--json', json, '--markdown', markdown];
  const { code, output, left } = await bench(t, [...args, ...SHORT, '--retries', '0', ...files]);
  t.ok(MEASURED.includes(code), output);
  t.same(left, []);
  const result = benchResult.parse(JSON.parse(await readFile(json, 'utf8')));
  return { result, markdown: await readFile(markdown, 'utf8') };
}

/** Each target of each scenario has been measured, and its figures agree with each other. */
function checkFigures(
  t: Test,
  { scenarios }: BenchResult,
  expected: Readonly<Record<string, string[]>>,
): void {
  t.same(
    Object.fromEntries(
      scenarios.map(({ scenario, targets }) => [scenario.name, targets.map(({ target }) => target)]),
    ),
    expected,
  );
  for (const { scenario, targets } of scenarios) {
    for (const { target, summary } of targets) {
      const who = `${scenario.name}, ${target}`;
      if (summary === undefined || !('p50' in summary)) {
        t.ok(summary !== undefined && summary.before > 0 && summary.idle > 0, `${who} has memory`);
        continue;
      }
      const { rate, p50, p95, p99, p999, worstMax, bytesPerSecond = 0 } = summary;
      t.ok(rate > 0 && p50 > 0, `${who} has figures`);
      // A percentile is that of a bucket 1 % wide.
      t.same(
        [p50, p95, p99, p999],
        [p50, p95, p99, p999].toSorted((a, b) => a - b),
        `${who}: in order`,
      );
      t.ok(p999 <= worstMax * 1.01, `${who}: percentiles agree with the maximum`);
      t.ok(
        bytesPerSecond >= rate * (scenario.name === 'result-10m' ? 10 * 2 ** 20 * 0.5 : 100),
        `${who}: bytes`,
      );
    }
  }
}

t.test(
  'what is measured on MariaDB, its profiles and its limits',
  { timeout: 240_000, skip: await lacking('mariadb') },
  async (t) => {
    const profiles = await mkdtemp(join(tmpdir(), 'bench-profiles-'));
    t.teardown(() => rm(profiles, { recursive: true, force: true }));
    const { result, markdown } = await results(t, [
      ...['--targets', 'mybouncer', '--only', 'lean-prepared,connect-tls,result-10m,idle-1000'],
      ...['--cpu-prof', profiles],
    ]);
    const ours = ['mybouncer'];
    const expected = {
      'lean-prepared': ours,
      'connect-tls': ours,
      'result-10m': ours,
      'idle-1000': ours,
    };
    checkFigures(t, result, expected);
    t.match(markdown, /^\| mybouncer \| [\d,]+ \|/m);
    t.ok(
      result.verdict.some(
        ({ criterion, rounds }) => criterion === 'longest stall, ms' && rounds.length === 1,
      ),
      'limits are judged where they were measured',
    );
    for (const name of Object.keys(expected)) {
      t.match(await readdir(join(profiles, name, 'mybouncer')), [/\.cpuprofile$/], `${name} has a profile`);
    }
  },
);

t.test(
  'logins to MySQL, with and without TLS',
  { timeout: 240_000, skip: await lacking('mysql') },
  async (t) => {
    const { result } = await results(t, [
      ...['--server', 'mysql', '--targets', 'direct', '--only', 'connect,connect-tls'],
    ]);
    checkFigures(t, result, { connect: ['direct'], 'connect-tls': ['direct'] });
  },
);

t.test(
  'unix sockets, and a proxy that somebody else runs',
  {
    timeout: 240_000,
    skip: (await lacking('mariadb')) || (haproxyVersion() === undefined && !CI && 'no haproxy'),
  },
  async (t) => {
    const [listen, server] = [await freePort(), await freePort()];
    const peer = spawn(process.execPath, [RELAY, String(listen), String(server)], { stdio: 'ignore' });
    t.teardown(() => peer.kill());
    const { result } = await results(t, [
      ...['--targets', 'direct-unix,haproxy-unix,mybouncer-unix', '--only', 'lean-text'],
      ...['--peer', `somebody=127.0.0.1:${listen}`, '--server-port', String(server)],
    ]);
    checkFigures(t, result, { 'lean-text': ['direct-unix', 'haproxy-unix', 'mybouncer-unix', 'somebody'] });
    const cpu = result.scenarios[0]?.targets.find(({ target }) => target === 'somebody')?.runs[0];
    t.ok(cpu !== undefined && 'proxyCpu' in cpu && cpu.proxyCpu !== undefined, "a neighbour's CPU is seen");
  },
);

t.test('Ctrl-C in a run leaves nothing', { timeout: 300_000, skip: await lacking('mariadb') }, async (t) => {
  const args = ['--targets', 'direct,relay', '--only', 'lean-text', '--seconds', '60'];
  const { code, left } = await bench(t, args, /lean-text/);
  t.equal(code, 130);
  t.same(left, []);
});

t.test('bad usage', async (t) => {
  // One that the parser of the arguments refuses, and one that is seen later; more are in options.test.ts.
  const wrong = [
    ['--only', 'nothing'],
    ['--targets', 'nobody'],
  ];
  const runs = await Promise.all(wrong.map((args) => bench(t, args)));
  for (const [index, { code, output, left }] of runs.entries()) {
    t.equal(code, 2, String(wrong[index]));
    t.not(output.trim(), '', 'and says why');
    t.same(left, []);
  }
});

t.test('the schema of its results', async (t) => {
  const { code, output } = await bench(t, ['--json-schema']);
  t.equal(code, 0);
  t.match(JSON.parse(output), { type: 'object', properties: { scenarios: {}, verdict: {} } });
});
