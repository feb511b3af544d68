import { join } from 'node:path';
import t from 'tap';
import { type FileResult, FileRunner } from './run-file.js';
import { fileReport, summary } from './run-report.js';

const TAP = import.meta.resolve('tap');
const SHOW = import.meta.resolve('./show.js');

/** What a test file may do, and what must be made of it. */
const FILES = {
  'passes.mjs': `t.test('a', async (t) => { t.pass('1'); t.pass('2'); t.test('b', { skip: 'no MySQL' }, async () => {}); });`,
  'fails.mjs': `t.test('outer', async (t) => { t.test('inner', async (t) => { t.equal(1, 2, 'numbers'); t.pass('x'); }); }); console.log('hello');`,
  'throws.mjs': `t.test('thrower', async () => { throw new Error('boom'); });`,
  'dies-early.mjs': `throw new Error('early');`,
  'empty.mjs': ``,
  'bad-exit.mjs': `t.pass('x'); t.on('complete', () => setTimeout(() => process.exit(3), 10));`,
  'killed.mjs': `t.pass('x'); process.kill(process.pid, 'SIGKILL');`,
  'bails.mjs': `t.bailout('no more');`,
  'too-few.mjs': `t.plan(2); t.pass('x');`,
  'hangs.mjs': `t.test('hang', async () => { await new Promise(() => setInterval(() => {}, 1000)); });`,
  'later.mjs': `t.equal(1, 2, { todo: 'later' }); t.pass('x');`,
  'shows.mjs': `t.test('a', async (t) => { show(t, 'one\\ntwo'); t.comment('hidden'); await t.test('b', async (t) => { show(t, 'three # 100%s'); t.pass('1'); }); }); show(t, 'four'); console.log('| hidden');`,
  'shows-and-fails.mjs': `show(t, 'five'); t.fail('2');`,
} as const;

t.test('every way in which a file can end is counted', async (t) => {
  const imports = `import t from '${TAP}';\nimport { show } from '${SHOW}';\n`;
  const files = Object.entries(FILES).map(([name, text]) => [name, `${imports}${text}\n`]);
  const folder = t.testdir(Object.fromEntries(files));
  const results = new Map<string, FileResult>();
  const runner = new FileRunner(process.env, 3);
  for (const name of Object.keys(FILES)) {
    results.set(name, await runner.run({ name, path: join(folder, name) }));
  }
  const expect = (
    name: keyof typeof FILES,
    passed: number,
    failed: number,
    skipped: number,
    words: RegExp,
  ): void => {
    const result = results.get(name);
    t.match(result, { passed, failed, skipped }, name);
    if (result !== undefined) t.match(fileReport(result), words);
  };
  expect('passes.mjs', 2, 0, 1, /^ok +passes\.mjs: 2 passed, 0 failed, 1 skipped/);
  expect(
    'fails.mjs',
    1,
    1,
    0,
    /^FAILED fails[\s\S]*not ok: outer > inner > numbers\n[\s\S]*-2\n +\+1\n[\s\S]*hello/,
  );
  expect('throws.mjs', 0, 1, 0, /thrower > boom/);
  expect('dies-early.mjs', 0, 1, 0, /exit code 1 before any test[\s\S]*Error: early/);
  expect('empty.mjs', 0, 1, 0, /has no test in it/);
  expect('bad-exit.mjs', 1, 1, 0, /exit code 3, though no assertion failed/);
  expect('killed.mjs', 1, 1, 0, /was ended by SIGKILL/);
  expect('bails.mjs', 0, 1, 0, /bailed out: no more/);
  expect('too-few.mjs', 1, 1, 0, /test count\(1\) != plan\(2\)/);
  expect('hangs.mjs', 0, 2, 0, /did not end within its time/);
  expect('later.mjs', 1, 0, 1, /^ok/);
  expect(
    'shows.mjs',
    1,
    0,
    0,
    /^ok +shows\.mjs: 1 passed.*\n {4}\| one\n {4}\| two\n {4}\| three # 100%s\n {4}\| four$/,
  );
  expect('shows-and-fails.mjs', 0, 1, 0, /^FAILED shows-and-fails.*\n {4}\| five\n {4}not ok: 2/);

  const all = summary([...results.values()]);
  t.equal(all.ok, false);
  t.match(all.text, /\n8 passed, 11 failed, 2 skipped$/);
  t.match(all.text, /skipped, no MySQL: passes\.mjs\n/);
  t.match(all.text, /failed: fails\.mjs: outer > inner > numbers\n/);
});

t.test('a run without any test is no success', async (t) => {
  t.match(summary([]), { ok: false, text: /no test was run\n0 passed, 0 failed$/ });
});
