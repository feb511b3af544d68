import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { testProgram } from '../support/server-programs.js';
import { FLAVORS } from '../support/servers.js';

const CI = process.env['CI'] === 'true';
const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

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

for (const flavor of FLAVORS) {
  const missing = (await testProgram(flavor)) === null && !CI;
  const options = { timeout: 120_000, skip: missing ? `${flavor} is missing` : false };
  t.test(`a run against ${flavor} gives figures and leaves nothing`, options, async (t) => {
    const results = await mkdtemp(join(tmpdir(), 'bench-results-'));
    t.teardown(() => rm(results, { recursive: true, force: true }));
    const [json, markdown] = [join(results, 'bench.json'), join(results, 'bench.md')];
    const { code, output, left } = await bench(t, [
      ...['--server', flavor, '--targets', 'direct,relay', '--only', 'lean-prepared,connect'],
      ...['--rounds', '1', '--seconds', '1', '--retries', '0', '--json', json, '--markdown', markdown],
    ]);
    t.equal(code, 0, output);
    t.same(left, []);
    const { scenarios } = JSON.parse(await readFile(json, 'utf8'));
    t.match(scenarios, [{ scenario: { name: 'lean-prepared' } }, { scenario: { name: 'connect' } }]);
    for (const { targets } of scenarios) {
      for (const { target, summary } of targets) {
        t.ok(summary.rate > 0 && summary.p50 > 0 && summary.p50 <= summary.p99, `${target} has figures`);
        t.ok(summary.p99 <= summary.worstMax * 1.01, `${target}'s percentiles agree with its maximum`);
        t.equal(summary.errors, 0);
      }
    }
    t.match(await readFile(markdown, 'utf8'), /^\| relay \| [\d,]+ \|/m);
  });
}

const missing = (await testProgram('mariadb')) === null && !CI;

t.test(
  'Ctrl-C in a run leaves nothing',
  { timeout: 60_000, skip: missing ? 'mariadb is missing' : false },
  async (t) => {
    const args = ['--targets', 'direct,relay', '--only', 'lean-text', '--seconds', '60'];
    const { code, left } = await bench(t, args, /lean-text/);
    t.equal(code, 130);
    t.same(left, []);
  },
);

t.test('bad usage', async (t) => {
  for (const args of [
    ['--only', 'nothing'],
    ['--peer', 'x'],
    ['--rounds', '0'],
    ['--bogus'],
    ['--targets', 'nobody'],
  ]) {
    const { code, output, left } = await bench(t, args);
    t.equal(code, 2, args.join(' '));
    t.not(output.trim(), '', 'and says why');
    t.same(left, []);
  }
});
