import t, { type Test } from 'tap';
import type { AdviceFinding } from '../../src/advice/finding.js';
import { admin, administered, waitFor } from '../admin/console/support/administered.js';
import { eventually } from '../support/proxied.js';
import type { ProxiedUser } from '../support/proxied-user.js';
import { forEachServer } from '../support/servers.js';
import { adviceAbout, adviceOf, httpOf, runAdvise } from './support/advice.js';

await forEachServer(t, async (t, server) => {
  const flags = ['--pool-size', '2', '--query-wait-timeout', '60s', '--idle-transaction-timeout', '3s'];
  const world = await administered(t, server, [...flags, '--on-unsafe', 'hold']);
  await t.test('nothing is wrong yet', (t) => quiet(t, world));
  await t.test('a temporary table, and a transaction that idles', (t) => held(t, world));
  await t.test('refusals and time limits', (t) => troubles(t, world));
  await t.test('mybouncer advise', (t) => program(t, world));
  await t.test('SHOW ADVICE', async (t) => {
    const console = await admin(world);
    const rows = await console.rows('SHOW ADVICE');
    const { findings } = await adviceOf(world.proxy);
    t.strictSame(
      rows.map(({ about, severity }) => ({ about, severity })),
      findings.map(({ about, severity }) => ({ about, severity })),
    );
    t.match(
      rows.find(({ about }) => about === 'hold temporary_table'),
      { why: /CREATE TEMPORARY TABLE/, to_do: /^DROP TEMPORARY TABLE/ },
    );
    await console.end();
  });
});

async function quiet(t: Test, { proxy }: ProxiedUser): Promise<void> {
  const { findings, targetMs, mode } = await adviceOf(proxy);
  t.strictSame([targetMs, mode], [10, 'transaction']);
  t.strictSame(
    findings.map(({ severity }) => severity),
    findings.map(() => 'ok'),
  );
  t.strictSame(
    findings.map(({ about }) => about),
    ['basis', 'pool size', 'holds', 'idle transactions'],
  );
}

async function held(t: Test, world: ProxiedUser): Promise<void> {
  const { proxy } = world;
  const [holder, idler] = [await world.connect(), await world.connect()];
  await holder.run("CREATE TEMPORARY TABLE mine AS SELECT 'secret word' AS v");
  await idler.run('CREATE TABLE kept(v INT)');
  await idler.run('BEGIN');
  await idler.run('INSERT INTO kept VALUES (4711)');
  const seen = async (about: string, pattern: RegExp): Promise<AdviceFinding> => {
    let found: AdviceFinding | undefined;
    await eventually(`${about} is seen`, async () => {
      found = await adviceAbout(proxy, about);
      return found !== undefined && pattern.test(found.why);
    });
    if (found === undefined) throw new Error(`nothing is said about ${about}`);
    return found;
  };
  const table = await seen(
    'hold temporary_table',
    /1 hold, by: CREATE TEMPORARY TABLE `?mine`? AS SELECT \? /i,
  );
  t.notMatch(JSON.stringify(table), /secret/);
  t.match(table.toDo, /^DROP TEMPORARY TABLE as soon as/);
  const idle = await seen('idle transactions', /behind INSERT INTO `?kept`? /i);
  t.match(idle.why, /behind INSERT INTO [^:]*: 1 gap, /i);
  t.notMatch(idle.why, /4711/);
  t.match(idle.toDo, /^Commit or roll back there/);
  const holds = await seen('holds', /temporary_table 1$/);
  t.match(holds, {
    severity: 'warn',
    what: /of 2 sessions are held on average for state of clients, 1 at most$/,
  });
  await eventually('the transaction has ended', async () => {
    return (await proxy.metric('mybouncer_time_limits_total', 'limit="idle_transaction_timeout"')) === 1;
  });
  const [second, third] = [await world.connect(), await world.connect()];
  await second.run('CREATE TEMPORARY TABLE other(v INT)');
  await waitFor(world, '1s');
  t.match(await third.error('SELECT 1'), { errno: 1040 }, 'both sessions are held');
  await waitFor(world, '60s');
  for (const client of [holder, idler, second, third]) await client.end();
}

async function troubles(t: Test, { proxy }: ProxiedUser): Promise<void> {
  const { findings } = await adviceOf(proxy);
  const about = (name: string): AdviceFinding | undefined => findings.find((one) => one.about === name);
  t.match(about('refusals'), {
    severity: 'fail',
    what: '1 request got an error and no session (query_wait_timeout was over)',
  });
  t.match(about('idle_transaction_timeout'), { severity: 'warn', what: /was reached once$/ });
  const order = findings.slice(1).map(({ severity }) => ['fail', 'warn', 'ok'].indexOf(severity));
  t.strictSame(
    order,
    [...order].sort((a, b) => a - b),
    'the worst comes first',
  );
}

async function program(t: Test, { proxy }: ProxiedUser): Promise<void> {
  const printed = await runAdvise(...httpOf(proxy));
  t.match(printed, { code: 1, stderr: '' }, 'clients got errors');
  t.match(printed.stdout, /^fail {2}refusals +1 request got an error/m);
  t.match(printed.stdout, /^ +why: .*CREATE TEMPORARY TABLE/m);
  t.match(printed.stdout, /^ +do: {2}DROP TEMPORARY TABLE/m);
  const json = await runAdvise(...httpOf(proxy), '--json', '--target=1s');
  t.match(JSON.parse(json.stdout), { targetMs: 1_000, findings: [{ about: 'basis' }] });
  t.equal((await fetch(`${proxy.http}/advice?target=soon`)).status, 400);
}

t.test('where there is nobody to ask', async (t) => {
  t.match(await runAdvise('--http', 'off'), {
    code: 2,
    stdout: '',
    stderr: /^mybouncer: .*http is off here: set http/,
  });
  t.match(await runAdvise('--http', '127.0.0.1:1'), {
    code: 1,
    stdout: '',
    stderr: /^mybouncer: no MyBouncer answers at http:\/\/127\.0\.0\.1:1 /,
  });
  t.match(await runAdvise('--target', 'soon'), { code: 2, stderr: /^--target: "soon" / });
  t.match(await runAdvise('mysql://u@h/'), { code: 2, stderr: /takes none/ });
});
