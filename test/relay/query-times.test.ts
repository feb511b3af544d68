import t, { type Test } from 'tap';
import { ADMIN, admin, administered } from '../admin/console/support/administered.js';
import { type Client, eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { forEachServer } from '../support/servers.js';

const SECRET = 'hunter2';
const LOOKUP = 'SELECT v FROM items WHERE nr = ?';

interface World {
  readonly proxied: ProxiedUser;
  readonly client: Client;
  readonly console: Client;
}

type Row = Readonly<Record<string, unknown>>;

/** The row of a statement that has come this often, or what there is of it in the end. */
async function rowOf({ console }: World, statement: string | RegExp, count: number): Promise<Row> {
  let found: Row = {};
  const matches = ({ statement: text }: Row): boolean =>
    typeof statement === 'string' ? text === statement : statement.test(String(text));
  await eventually(`${statement} has come ${count} times`, async () => {
    found = (await console.rows('SHOW TOP QUERIES 500')).find(matches) ?? {};
    return found['count'] === count;
  });
  return found;
}

await forEachServer(t, async (t, server) => {
  const flags = ['--pool-size', '2', '--slow-query-threshold', '400ms', '--query-timeout', '3s'];
  const proxied = await administered(t, server, flags);
  const client = await proxied.connect();
  await client.run(`CREATE TABLE items(nr INT PRIMARY KEY, v VARCHAR(100))`);
  const world: World = { proxied, client, console: await admin(proxied) };
  await t.test('what is counted of a statement', (t) => counts(t, world));
  await t.test('what a client waits for, and what it holds', (t) => waitsAndHolds(t, world));
  await t.test('SHOW TOP QUERIES', (t) => shown(t, world));
  await t.test('slow statements', (t) => slow(t, world));
  await t.test('histograms', (t) => histograms(t, world));
  await t.test('top_queries: 0', async (t) => {
    const off = await proxiedUser(t, server, ['--top-queries', '0', '--slow-query-threshold', '1ms']);
    const one = await off.connect();
    await one.value(`SELECT '${SECRET}', SLEEP(0.01)`);
    const line = await off.proxy.logged('slow query');
    t.match(line, { statement: 'SELECT ?, SLEEP (?)', digest: /^[0-9a-f]{16}$/ });
    t.equal(await off.proxy.settled(1, 'mybouncer_server_seconds_count'), 1);
  });
});

async function counts(t: Test, world: World): Promise<void> {
  const { client } = world;
  const values = Array.from({ length: 20 }, (_, i) => `(${i}, '${SECRET}')`).join(', ');
  await client.run(`INSERT INTO items VALUES ${values}`);
  for (let i = 0; i < 10; i++) await client.value(`SELECT v FROM items WHERE nr = ${i}`);
  for (let i = 0; i < 10; i++) await client.value('SELECT v  FROM items WHERE nr = 1 /* always */');
  for (let i = 0; i < 10; i++) await client.execute(LOOKUP, [i]);
  const lookup = await rowOf(world, LOOKUP, 30);
  t.match(lookup, { errors: 0, rows: 30, holds: 0, digest: /^[0-9a-f]{16}$/ });
  t.ok(Number(lookup['bytes']) > 30 * SECRET.length);
  const [p50, p95, p99, sum] = ['p50_ms', 'p95_ms', 'p99_ms', 'server_ms'].map((name) =>
    Number(lookup[name]),
  );
  t.ok(0 < Number(p50) && Number(p50) <= Number(p95) && Number(p95) <= Number(p99));
  t.ok(Number(p99) < Number(sum));

  t.match(await rowOf(world, 'INSERT INTO items VALUES (...), ...', 1), { rows: 20, errors: 0 });
  await client.error(`SELECT nothing FROM items WHERE v = '${SECRET}'`);
  await client.error('SELECT nothing FROM items WHERE v = 5');
  t.match(await rowOf(world, 'SELECT nothing FROM items WHERE v = ?', 2), { errors: 2, rows: 0 });

  const long = await client.value(`SELECT LENGTH('${SECRET.repeat(200_000)}')`);
  t.equal(long, SECRET.length * 200_000);
  await rowOf(world, /^SELECT LENGTH.*\.\.\.$/, 1);
  for (let i = 0; i < 3; i++) await client.value(`SELECT '${'x'.repeat(5_000 + i)}', 'long'`);
  await rowOf(world, 'SELECT ?, ?', 3);
}

async function waitsAndHolds(t: Test, world: World): Promise<void> {
  const { client, console, proxied } = world;
  const [one, other] = [await proxied.connect(), await proxied.connect()];
  for (const holder of [one, other]) {
    await holder.run('BEGIN');
    await holder.run('UPDATE items SET v = 1 WHERE nr = 100');
  }
  const waits = client.value('SELECT 4711 AS waited');
  await eventually('one waits', async () => (await console.rows('SHOW WAITERS')).length === 1);
  await one.run('COMMIT');
  t.equal(await waits, 4711);
  const waited = await rowOf(world, 'SELECT ? AS waited', 1);
  t.ok(Number(waited['wait_ms']) > 0);
  t.match(await rowOf(world, 'BEGIN', 2), { holds: 2 });
  t.match(await rowOf(world, 'UPDATE items SET v = ? WHERE nr = ?', 2), { holds: 0 });
  await other.run('COMMIT');
  await one.value(`SELECT GET_LOCK('${proxied.schema}', 1)`);
  t.match(await rowOf(world, /^SELECT GET_LOCK/, 1), { holds: 1 });
  for (const holder of [one, other]) await holder.end();
  await eventually('the lock is free', async () => (await proxied.proxy.metric('mybouncer_holds')) === 0);
}

async function shown(t: Test, { console }: World): Promise<void> {
  const rows = await console.rows('SHOW TOP QUERIES 3');
  t.equal(rows.length, 4);
  t.equal(rows.at(-1)?.['statement'], '(others)');
  const times = rows.slice(0, 3).map(({ server_ms }) => Number(server_ms));
  t.strictSame(
    times,
    [...times].sort((a, b) => b - a),
  );
  t.strictSame(
    (await console.rows('show top queries 0')).map(({ statement }) => statement),
    ['(others)'],
  );
  t.ok((await console.rows('SHOW TOP QUERIES;')).length > 3);
  t.match(await console.error('SHOW TOP'), { errno: 1064 });
  t.match(await console.error('SHOW TOP QUERIES x'), { errno: 1064 });
  t.match(await console.error('SHOW POOLS 3'), { errno: 1064 });
  t.ok((await console.rows('HELP')).some(({ command }) => command === 'SHOW TOP QUERIES [n]'));
  const all = JSON.stringify(await console.rows('SHOW TOP QUERIES 500'));
  t.notMatch(all, SECRET);
  t.notMatch(all, ADMIN.password);
}

async function slow(t: Test, { client, console, proxied: { proxy, user } }: World): Promise<void> {
  const counted = (): Promise<number> => proxy.metric('mybouncer_slow_queries_total');
  // On a busy machine there may be others.
  const lines = () => proxy.lines.filter(({ msg }) => msg === 'slow query');
  const told = async (statement: RegExp): Promise<Row> => {
    const find = () =>
      proxy.lines.find(({ msg, statement: text }) => msg === 'slow query' && statement.test(String(text)));
    await eventually(`the log has ${statement}`, () => find() !== undefined);
    return find() ?? {};
  };
  await client.value(`SELECT '${SECRET}' AS slept, SLEEP(0.5)`);
  const line = await told(/ AS slept/);
  t.match(line, {
    level: 'warn',
    client: client.id,
    user: user.user,
    address: /^127\.0\.0\.1:\d+$/,
    serverSession: Number,
    digest: /^[0-9a-f]{16}$/,
    statement: 'SELECT ? AS slept, SLEEP (?)',
    rows: 1,
    failed: false,
    holds: [],
    limit: null,
    more: 0,
  });
  t.ok(Number(line['serverMs']) >= 400);
  t.ok(Number(line['bytes']) > 0);
  await client.run('BEGIN');
  await client.execute('SELECT SLEEP(?) AS held', [0.5]);
  t.match(await told(/ AS held/), { holds: ['transaction'], rows: 1 });
  await client.run('COMMIT');
  await client.error('SELECT SLEEP(20) AS killed');
  t.match(await told(/ AS killed/), { limit: 'query_timeout' });
  const all = await counted();
  await eventually('each that is counted has its line', () => lines().length === all);
  for (const one of [/ AS slept/, / AS held/, / AS killed/])
    t.equal(lines().filter(({ statement }) => one.test(String(statement))).length, 1, `${one}`);
  t.notMatch(proxy.logs.join('\n'), SECRET);

  const threshold = async (): Promise<unknown> =>
    (await console.rows('SHOW CONFIG')).find(({ key }) => key === 'slow_query_threshold')?.['value'];
  t.equal(await threshold(), '400ms');
  await console.run('SET slow_query_threshold = 5ms');
  t.equal(await threshold(), '5ms');
  await client.value('SELECT SLEEP(0.01) AS changed');
  await told(/ AS changed/);
  t.match(await console.error('SET slow_query_threshold = soon'), { errno: 1231 });
  await console.run('SET slow_query_threshold = 0');
  await client.value('SELECT SLEEP(0.01) AS never');
  await client.value('SELECT 1');
  await console.run("SET slow_query_threshold = '400ms'");
  t.notMatch(proxy.logs.join('\n'), 'AS never');
}

/** Of a histogram: counts by upper bound, and the two sums. */
function read(text: string, name: string): { buckets: [number, number][]; sum: number; count: number } {
  const values = (end: string): string[] =>
    text.split('\n').filter((line) => new RegExp(`^mybouncer_${name}_seconds_${end}[ {]`).test(line));
  const value = (line = ''): number => Number(line.slice(line.lastIndexOf(' ') + 1));
  const bound = (line: string): number =>
    Number((/le="([^"]+)"/.exec(line)?.[1] ?? '').replace('+Inf', 'Infinity'));
  return {
    buckets: values('bucket').map((line) => [bound(line), value(line)]),
    sum: value(values('sum')[0]),
    count: value(values('count')[0]),
  };
}

async function histograms(t: Test, { proxied, client }: World): Promise<void> {
  const { proxy } = proxied;
  await client.run("SET time_zone = '+04:00'");
  const other = await proxied.connect();
  const [a, b] = [client.value('SELECT @@time_zone, SLEEP(0.05)'), other.value('SELECT @@time_zone')];
  await Promise.all([a, b]);
  for (let i = 0; i < 5; i++) await client.value('SELECT @@time_zone');
  const metrics = async (): Promise<string> => (await fetch(`${proxy.http}/metrics`)).text();
  await eventually('each session that was lent has been given back', async () => {
    const lent = await proxy.metric('mybouncer_checkouts_total');
    return read(await metrics(), 'checkout_hold').count === lent;
  });
  const text = await metrics();
  const all = ['session_wait', 'checkout_hold', 'server', 'restore'] as const;
  const [wait, hold, server, restore] = all.map((name) => read(text, name));
  for (const [i, histogram] of [wait, hold, server, restore].entries()) {
    const { buckets = [], sum = 0, count = 0 } = histogram ?? {};
    const values = buckets.map(([, value]) => value);
    t.strictSame(
      values,
      [...values].sort((x, y) => x - y),
      `${all[i]}: each bucket has those before it`,
    );
    t.strictSame(buckets.at(-1), [Number.POSITIVE_INFINITY, count]);
    t.ok(count > 0 && sum > 0, `${all[i]}`);
    t.match(text, `# TYPE mybouncer_${all[i]}_seconds histogram`);
  }
  t.strictSame(
    wait?.buckets.map(([bound]) => bound),
    [
      0.0005,
      0.001,
      0.0025,
      0.005,
      0.01,
      0.025,
      0.05,
      0.1,
      0.25,
      0.5,
      1,
      2.5,
      5,
      10,
      Number.POSITIVE_INFINITY,
    ],
    'as it has always been',
  );
  const upTo = (bound: number): number => server?.buckets.find(([one]) => one === bound)?.[1] ?? 0;
  t.ok((server?.count ?? 0) - upTo(0.25) >= 3, 'three have slept for half a second');
  t.ok((server?.sum ?? 0) > 2, 'they count with all of their time');
  t.ok((hold?.sum ?? 0) >= 2);
}
