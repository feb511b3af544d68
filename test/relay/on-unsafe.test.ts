import t, { type Test } from 'tap';
import { type Client, eventually, type Proxied, proxied } from '../support/proxied.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';

const WARNING = 'statement ties its client to a server session';

await forEachServer(t, async (t, server) => {
  await t.test('on_unsafe: error refuses a statement before it is sent', (t) => refused(t, server));
  await t.test('on_unsafe: warn tells of it once, and holds', (t) => warned(t, server));
  await t.test('a text that is known only afterwards is told of', (t) => longText(t, server));
  await t.test('max_held', (t) => maxHeld(t, server));
  await t.test('max_held is kept when all come at once', (t) => atOnce(t, server));
});

async function refused(t: Test, server: TestServer): Promise<void> {
  const world = await proxied(t, server, ['--on-unsafe', 'user_lock=error', '--pool-size', '2']);
  const client = await world.connect();
  const direct = await world.direct();
  const lock = `${world.schema}.lock`;
  const free = async (): Promise<boolean> =>
    Number(await direct.value(`SELECT IS_FREE_LOCK('${lock}')`)) === 1;
  const err = await client.error(`SELECT GET_LOCK('${lock}',1)`);
  t.match(err, { errno: 1290, sqlState: 'HY000' });
  t.match(err.message, new RegExp(`^mybouncer: on_unsafe refuses user_lock: .*client ${client.id} `));
  t.ok(await free());
  await t.rejects(
    client.execute('SELECT GET_LOCK(?,1)', [lock]),
    /on_unsafe refuses user_lock/,
    'prepared as well',
  );
  t.ok(await free());
  await client.run('CREATE TABLE refused(v INT) ENGINE=InnoDB');
  await client.run('BEGIN');
  await client.run('INSERT INTO refused VALUES(1)');
  t.equal((await client.error(`SELECT GET_LOCK('${lock}',1)`)).errno, 1290);
  await client.run('INSERT INTO refused VALUES(2)');
  await client.run('COMMIT');
  t.equal(await client.value('SELECT COUNT(*) FROM refused'), 2, 'a transaction goes on');
  t.equal(
    Number(await client.value(`SELECT RELEASE_LOCK('${lock}')`)),
    0,
    'what ends such a hold is no beginning',
  );
  await client.run('CREATE TEMPORARY TABLE other(v INT)');
  t.equal(await client.value('SELECT COUNT(*) FROM other'), 0, 'other kinds hold');
}

function warnings({ proxy }: Proxied) {
  return proxy.lines.filter(({ msg }) => msg === WARNING);
}

async function warned(t: Test, server: TestServer): Promise<void> {
  const world = await proxied(t, server, ['--on-unsafe', 'temporary_table=warn']);
  const client = await world.connect();
  const create = (text: string): Promise<unknown> =>
    client.run(`CREATE TEMPORARY TABLE secret AS SELECT '${text}' AS v`);
  await create('one');
  await client.connection.reset();
  await create('two');
  t.equal(await client.value('SELECT v FROM secret'), 'two');
  await client.connection.reset();
  await client.run('CREATE TEMPORARY TABLE another(v INT)');
  await eventually('two are logged', () => warnings(world).length >= 2);
  const [first, second, ...more] = warnings(world);
  t.same(more, [], 'two texts with another literal are one');
  t.match(first, { level: 'warn', client: client.id, reasons: ['temporary_table'] });
  t.match(first?.['statement'], /^create temporary table/i);
  t.notMatch(first?.['statement'], /one/, 'without its literals');
  t.match(second?.['statement'], /another/);
}

async function longText(t: Test, server: TestServer): Promise<void> {
  const world = await proxied(t, server, ['--on-unsafe', 'user_lock=error']);
  const client = await world.connect();
  const lock = (name: string): string => `SELECT GET_LOCK('${world.schema}.${name}',1)`;
  await client.value(`${lock('a')} /*${'x'.repeat(1_100_000)}*/`);
  const { client: id, reasons } = await world.proxy.logged(WARNING);
  t.same([id, reasons], [client.id, ['user_lock']]);
  t.equal(Number(await client.value(lock('b'))), 1, 'who holds already is not refused');
  const other = await world.connect();
  t.equal((await other.error(lock('c'))).errno, 1290);
}

function temporary(client: Client, name = 'mine'): Promise<unknown> {
  return client.run(`CREATE TEMPORARY TABLE ${name}(v INT)`);
}

async function maxHeld(t: Test, server: TestServer): Promise<void> {
  const world = await proxied(t, server, ['--pool-size', '4', '--max-held', '50%']);
  const [first, second, third] = await Promise.all([world.connect(), world.connect(), world.connect()]);
  await temporary(first);
  const lock = `SELECT GET_LOCK('${world.schema}.max_held',1)`;
  t.equal(Number(await second.value(lock)), 1);
  const err = await third.error('CREATE TEMPORARY TABLE mine(v INT)');
  t.match(err, { errno: 1040, sqlState: '08004' });
  t.match(
    err.message,
    new RegExp(
      `^mybouncer: too many held server sessions in pool .*: of 4 sessions 2 may be held \\(max_held 50%\\) and 2 are: ` +
        `temporary_table 1, user_lock 1, the longest by client ${first.id} .* since 20`,
    ),
  );
  t.equal(await third.value('SELECT 1'), 1, 'everything else goes on');
  await third.run('BEGIN');
  t.equal((await third.error('CREATE TEMPORARY TABLE mine(v INT)')).errno, 1040, 'in a transaction as well');
  await third.run('COMMIT');
  await temporary(first, 'more');
  await temporary(second, 'more');
  t.pass('who holds already is not refused');
  await first.run('DROP TEMPORARY TABLE mine, more');
  await temporary(third);
  t.equal((await first.error('CREATE TEMPORARY TABLE mine(v INT)')).errno, 1040);
}

async function atOnce(t: Test, server: TestServer): Promise<void> {
  const world = await proxied(t, server, ['--pool-size', '4', '--max-held', '50%']);
  const clients = await Promise.all(Array.from({ length: 12 }, () => world.connect()));
  const results = await Promise.allSettled(clients.map((client) => temporary(client)));
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.errno] : []));
  t.same(
    failures,
    Array.from({ length: 10 }, () => 1040),
  );
  const held = await Promise.all(clients.map((client) => client.rows('SELECT 1')));
  t.equal(held.length, 12, 'and everybody is served');
}
