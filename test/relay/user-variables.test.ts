import t, { type Test } from 'tap';
import { type Proxied, proxied } from '../support/proxied.js';
import { sessionOf } from '../support/proxied-user.js';
import { loginOf, MODERN, RawClient } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';

/** User variables with literal values go with their client to whichever session it gets; nobody else sees them. */

const VALUES: readonly (readonly [literal: string, value: unknown])[] = [
  ['1', 1],
  ['-7', -7],
  ['1.50', '1.50'],
  ['1e3', 1000],
  ["'text'", 'text'],
  ["'it''s \\\\ and \\n'", "it's \\ and \n"],
  ["'é ü 漢'", 'é ü 漢'],
  ["_latin1'abc'", 'abc'],
  ["x'41'", Buffer.from('A')],
  ["''", ''],
  ['TRUE', 1],
  ['NULL', null],
];

await forEachServer(t, async (t, server) => {
  const world = await proxied(t, server, ['--pool-size', '1']);

  await t.test('each kind of literal', (t) => literals(t, world));
  await t.test('they are not there for others, nor for a client that never set them', (t) =>
    others(t, world),
  );
  await t.test('sessions are given away at once: one is enough for many clients', (t) => many(t, world));
  await t.test('their columns look as on a session of its own', (t) => columns(t, world));
  await t.test('what is too much to be carried is held', (t) => tooMuch(t, world));
});

async function literals(t: Test, world: Proxied): Promise<void> {
  const [a, b] = await Promise.all([world.connect(), world.connect()]);
  for (const [literal, value] of VALUES) {
    await a.run(`SET @value = ${literal}`);
    t.equal(await world.proxy.holds(0), 0, `not held: ${literal}`);
    t.equal(await b.value('SELECT @value'), null);
    t.strictSame(await a.value('SELECT @value'), value, literal);
  }
  await a.connection.query({ sql: 'SET NAMES latin1' });
  await a.run("SET sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES'");
  await a.run("SET @raw = '\\n', @other = 'x'");
  await a.run("SET sql_mode='', NAMES utf8mb4 COLLATE utf8mb4_bin");
  for (const sql of [
    'SELECT HEX(@raw)',
    'SELECT CHARSET(@raw)',
    'SELECT @@collation_connection',
    'SELECT @other',
  ]) {
    const before = await a.value(sql);
    await b.value('SELECT 1');
    t.strictSame(await a.value(sql), before, sql);
  }
  t.equal(await a.value('SELECT HEX(@raw)'), '5C6E');
  t.equal(await a.value('SELECT CHARSET(@raw)'), 'latin1');
  await a.connection.reset();
  t.equal(await a.value('SELECT @raw'), null);
  await a.end();
  await b.end();
}

async function others(t: Test, world: Proxied): Promise<void> {
  const [a, b] = await Promise.all([world.connect(), world.connect()]);
  await a.run('SET @mine = 1');
  await b.run("SET @mine = 'two', @yours = 2");
  for (let i = 0; i < 3; i++) {
    t.equal(await a.value('SELECT @mine'), 1);
    t.equal(await a.value('SELECT @yours'), null);
    t.equal(await b.value('SELECT @mine'), 'two');
  }
  await a.end();
  await b.end();
}

async function many(t: Test, world: Proxied): Promise<void> {
  const clients = await Promise.all(Array.from({ length: 4 }, () => world.connect()));
  const session = await sessionOf(clients[0] as (typeof clients)[0]);
  for (const [i, client] of clients.entries()) await client.run(`SET @who = ${i}`);
  const seen = await Promise.all(clients.map((client) => client.value('SELECT @who')));
  t.strictSame(seen, [0, 1, 2, 3]);
  t.equal(await sessionOf(clients[0] as (typeof clients)[0]), session, 'the same session still');
  for (const client of clients) await client.end();
}

/** The whole result of a SELECT as packets, apart from status flags. */
async function packetsOf(client: RawClient, sql: string): Promise<string[]> {
  return (await client.query(sql)).slice(0, -1).map(({ payload }) => payload.toString('latin1'));
}

async function columns(t: Test, world: Proxied): Promise<void> {
  const proxiedClient = await RawClient.login(loginOf(world.proxy.url, { capabilities: MODERN }));
  const direct = await RawClient.login(loginOf(world.server.url(world.schema), { capabilities: MODERN }));
  const disturber = await world.connect();
  for (const set of [
    '',
    'SET @x = 5',
    'SET @x = NULL',
    "SET @x = 'a'",
    'SET @x = 1.5',
    'SET @x = NULL',
    'SET @y = NULL',
  ]) {
    if (set !== '') for (const client of [proxiedClient, direct]) await client.must(set);
    await disturber.run('SET @x = 77, @y = 78, @z = 79');
    for (const sql of ['SELECT @x, @y, @z', 'SELECT CONCAT(@x), @x + 1, COALESCE(@y, 1)']) {
      t.strictSame(await packetsOf(proxiedClient, sql), await packetsOf(direct, sql), `${set}: ${sql}`);
    }
  }
  proxiedClient.destroy();
  direct.destroy();
  await disturber.end();
}

async function tooMuch(t: Test, world: Proxied): Promise<void> {
  const a = await world.connect();
  const held = (expected: number): Promise<number> => world.proxy.holds(expected, 'reason="user_variable"');
  await a.run(`SET @long = '${'x'.repeat(1000)}'`);
  t.equal(await held(0), 0);
  for (let i = 0; i < 20; i++) await a.run(`SET @long${i} = '${'x'.repeat(1000)}'`);
  t.equal(await held(1), 1);
  t.equal(await a.value('SELECT LENGTH(@long19)'), 1000);
  await a.connection.reset();
  for (let i = 0; i < 64; i++) await a.run(`SET @v${i} = ${i}`);
  t.equal(await held(0), 0);
  await a.run('SET @one_more = 1');
  t.equal(await held(1), 1);
  await a.end();
}
