import type { RowDataPacket } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { withReplicas } from '../support/clusters/for-cluster.js';
import { eventually } from '../support/proxied.js';
import { MODERN, unlessErr } from '../support/raw-client.js';
import { executePayload } from '../support/raw-values.js';
import { FLAVORS, type Flavor } from '../support/servers.js';
import { login } from './support/login.js';
import { ReadOnlyWorld } from './support/read-only-world.js';

/** `read_only_transactions`: START TRANSACTION READ ONLY of a primary's clients is served by a replica, and nothing else is. */

for (const flavor of FLAVORS) {
  t.test(`read-only transactions on replicas (${flavor})`, async (t) => {
    await withReplicas(
      t,
      async (t, set) => {
        const world = await ReadOnlyWorld.start(t, set);
        await t.test('which transactions are', (t) => routed(t, world));
        await t.test('which are not', (t) => notRouted(t, world, flavor));
        await t.test('the client’s own state is there', (t) => carried(t, world));
        await t.test('COMMIT AND CHAIN', (t) => chained(t, world));
        await t.test('what commits it goes to the primary', (t) => committing(t, world));
        await t.test('what would outlast it is refused', (t) => lasting(t, world));
        await t.test('several statements in one text', (t) => severalStatements(t, world));
        await t.test('a cursor that is open at its end', (t) => cursor(t, world));
        await t.test('what shows only afterwards is told as lost', (t) => shownLater(t, world));
      },
      { flavor, replicas: 1 },
    );
  });
}

async function routed(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client();
  for (const begin of [
    'START TRANSACTION READ ONLY',
    'start transaction /* report */ read only',
    'START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT',
    'START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY',
  ]) {
    await client.run(begin);
    t.equal(await world.place(client), 'replica', begin);
    t.match(await client.error('INSERT INTO written VALUES ()'), { errno: 1290 }, 'read_only comes first');
    t.match(await client.error('SELECT * FROM written FOR UPDATE'), { errno: 1792 });
    t.equal(await world.place(client), 'replica', 'an error does not end it');
    await client.run(begin.includes('SNAPSHOT') ? 'ROLLBACK' : 'COMMIT');
    t.equal(await world.place(client), 'primary', 'and then as ever');
  }
  const counted = await world.counted();
  t.equal(await world.placeIn(client), 'replica');
  t.equal(await world.placeIn(client, 'START TRANSACTION'), 'primary');
  t.same(await world.counted(), { ...counted, replica: counted.replica + 1 }, 'counted');
  await client.run('SET autocommit = 0');
  await client.run('START TRANSACTION READ ONLY');
  t.equal(await world.place(client), 'replica', 'without autocommit');
  await client.run('COMMIT');
  await client.run('INSERT INTO written VALUES ()');
  t.equal(await world.place(client), 'primary', 'the next one has begun by itself');
  await client.run('COMMIT');
  await client.end();
}

async function notRouted(t: Test, world: ReadOnlyWorld, flavor: Flavor): Promise<void> {
  const client = await world.client('app', { multipleStatements: true });
  for (const begin of ['BEGIN', 'START TRANSACTION', 'START TRANSACTION READ WRITE', 'DO 0'])
    t.equal(await world.placeIn(client, begin), 'primary', begin);
  await client.run('SET TRANSACTION READ ONLY');
  t.equal(await world.placeIn(client, 'BEGIN'), 'primary', 'SET TRANSACTION READ ONLY before BEGIN');
  await client.run('SET SESSION TRANSACTION READ ONLY');
  t.equal(await world.placeIn(client, 'BEGIN'), 'primary', 'SET SESSION TRANSACTION READ ONLY');
  await client.run('SET SESSION TRANSACTION READ WRITE');
  await client.rows('START TRANSACTION READ ONLY; SELECT 1');
  t.equal(await world.place(client), 'primary', 'several statements in one text');
  await client.run('COMMIT');
  if (flavor === 'mariadb') {
    await client.execute('START TRANSACTION READ ONLY');
    t.equal(await world.place(client), 'primary', 'a prepared statement');
    await client.run('COMMIT');
  }
  await client.run('BEGIN');
  await client.run('INSERT INTO written VALUES ()');
  await client.run('START TRANSACTION READ ONLY');
  t.equal(await world.place(client), 'primary', 'in a transaction, which it commits');
  await client.run('COMMIT');
  await client.value("SELECT GET_LOCK('mine', 0)");
  t.equal(await world.placeIn(client), 'primary', 'who holds a session');
  t.equal(Number(await client.value("SELECT RELEASE_LOCK('mine')")), 1);
  t.equal(await world.placeIn(client), 'replica', 'and not any more');
  await client.end();
  t.equal(await world.placeIn(await world.client('plain')), 'primary', 'the option is off');
}

async function carried(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client();
  await client.run('CREATE PROCEDURE looks() SELECT @@port AS port');
  await world.set.untilCaughtUp();
  const statement = 'SELECT @@port AS port, ? AS given, @kept AS kept, @@sql_mode AS mode';
  const state = { given: 'x', kept: 'mine', mode: 'ANSI_QUOTES' };
  await client.run("SET @kept = 'mine', sql_mode = 'ANSI_QUOTES'");
  const { insertId } = await client.run('INSERT INTO written VALUES ()');
  t.same(await client.execute(statement, ['x']), [{ port: world.primary.port, ...state }]);
  await client.run('START TRANSACTION READ ONLY');
  t.same(await client.execute(statement, ['x']), [{ port: world.replica.port, ...state }]);
  t.equal(Number(await client.value('SELECT LAST_INSERT_ID()')), insertId);
  const [[called]] = await client.connection.query<RowDataPacket[][]>('CALL looks()');
  t.same(called, [{ port: world.replica.port }], 'a routine of which it is known what it does');
  await client.run("SET @kept = 'changed'");
  await client.run('COMMIT');
  t.same(await client.execute(statement, ['x']), [{ port: world.primary.port, ...state, kept: 'changed' }]);
  t.equal(Number(await client.value('SELECT LAST_INSERT_ID()')), insertId);
  await client.end();
}

async function chained(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client();
  await client.run('START TRANSACTION READ ONLY');
  await client.run('COMMIT AND CHAIN');
  t.equal(await world.place(client), 'replica');
  t.equal((await client.error('SELECT * FROM written FOR UPDATE')).errno, 1792, 'it is READ ONLY, too');
  await client.run('ROLLBACK AND NO CHAIN');
  t.equal(await world.place(client), 'primary');
  await client.end();
}

async function committing(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client();
  await client.run('START TRANSACTION READ ONLY');
  await client.run('BEGIN');
  t.equal(await world.place(client), 'primary', 'BEGIN');
  await client.run('INSERT INTO written VALUES ()');
  await client.run('COMMIT');
  await client.run('START TRANSACTION READ ONLY');
  await client.run('CREATE TABLE made (id INT PRIMARY KEY)');
  t.equal(await world.place(client), 'primary', 'CREATE TABLE');
  await client.run('INSERT INTO made VALUES (1)');
  await world.set.untilCaughtUp();
  await client.run('START TRANSACTION READ ONLY');
  t.same(await client.rows('SELECT * FROM made'), [{ id: 1 }]);
  await client.run('LOCK TABLES made WRITE');
  await client.run('INSERT INTO made VALUES (2)');
  t.equal(await world.place(client), 'primary', 'LOCK TABLES');
  await client.run('UNLOCK TABLES');
  await client.run('START TRANSACTION READ ONLY');
  await client.run('START TRANSACTION READ ONLY');
  t.equal(await world.place(client), 'replica', 'another one');
  await client.run('DROP TABLE made');
  await world.set.untilCaughtUp();
  t.same(await client.rows("SHOW TABLES LIKE 'made'"), []);
  await client.end();
}

async function lasting(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client();
  await world.primary.ask(
    "CREATE PROCEDURE app.dynamic() BEGIN SET @x = 'DO 1'; PREPARE s FROM @x; EXECUTE s; END",
  );
  await world.set.untilCaughtUp();
  await client.run('START TRANSACTION READ ONLY');
  for (const [sql, what] of [
    ["SELECT GET_LOCK('mine', 0)", 'user_lock'],
    ['SELECT @n := COUNT(*) FROM written', 'user_variable'],
    ["PREPARE s FROM 'SELECT 1'", 'text_prepare'],
    ['HANDLER written OPEN', 'handler'],
    ['SET timestamp = 1', 'one_shot_variable'],
    ['CALL dynamic()', 'unknown'],
  ] as const) {
    const { errno, sqlState, message } = await client.error(sql);
    t.same([errno, sqlState], [1792, '25006'], sql);
    t.match(message, `(read_only_transactions): what it makes would outlast it there: ${what}`);
  }
  t.match(
    await client.error('CREATE TEMPORARY TABLE own (id INT)'),
    { errno: 1792, message: /read_only_transactions|^Cannot execute/ },
    'the servers refuse these as well',
  );
  t.equal(await world.place(client), 'replica', 'the transaction goes on');
  await client.run('COMMIT');
  t.equal(Number(await client.value("SELECT GET_LOCK('mine', 0)")), 1, 'outside of it nothing is refused');
  t.equal(await world.place(client), 'primary');
  await client.end();
}

async function severalStatements(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client('app', { multipleStatements: true });
  const count = (): Promise<unknown> => client.value('SELECT COUNT(*) FROM written');
  const before = await count();
  await client.run('START TRANSACTION READ ONLY');
  for (const text of [
    'COMMIT; INSERT INTO written VALUES ()',
    'SELECT 1; ROLLBACK; INSERT INTO written VALUES ()',
    'SELECT 1; BEGIN',
    `SELECT 1; COMMIT; INSERT INTO written VALUES ()${'; SELECT 1'.repeat(40)}`,
  ])
    t.match(
      await client.error(text),
      { errno: 1792, message: /what follows its end is not for the replica/ },
      text.slice(0, 60),
    );
  t.equal(await world.place(client), 'replica', 'the transaction goes on');
  await client.rows('SELECT 1; SELECT 2; COMMIT');
  t.equal(await world.place(client), 'primary', 'its end at the end of a text');
  await client.run('START TRANSACTION READ ONLY');
  await client.rows('BEGIN; INSERT INTO written VALUES (); COMMIT');
  t.equal(Number(await count()), Number(before) + 1, 'a text that commits it first');
  await client.end();
}

async function cursor(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await login(t, world.proxy.url, MODERN);
  const statement = await client.prepare('SELECT 7 UNION ALL SELECT 8');
  await client.must('START TRANSACTION READ ONLY');
  const execute = executePayload(statement, [], { cursor: 1 });
  unlessErr(await client.command(Command.StmtExecute, execute, 'results'));
  await client.must('COMMIT');
  const fetch = Buffer.alloc(8);
  fetch.writeUInt32LE(statement, 0);
  fetch.writeUInt32LE(10, 4);
  const rows = unlessErr(await client.command(Command.StmtFetch, fetch, 'rows'));
  t.equal(rows.length, 3, 'its rows are where it is');
  t.equal(Number(await client.value('SELECT @@port')), world.primary.port);
}

async function shownLater(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client();
  await client.run('START TRANSACTION READ ONLY');
  // Too long to be read before it is run.
  await client.value(`SELECT GET_LOCK('hidden', 0) /*${' '.repeat(1024 * 1024)}*/`);
  t.equal(await world.place(client), 'replica');
  await client.run('COMMIT');
  const { errno, message } = await client.error('INSERT INTO written VALUES ()');
  t.equal(errno, 1158);
  t.match(message, 'has served its read-only transaction, which is over); gone with it: user_lock');
  t.equal(await world.place(client), 'primary', 'told once');
  await eventually('it is gone indeed', async () => {
    const [lock] = await world.replica.ask<{ free: number }>("SELECT IS_FREE_LOCK('hidden') AS free");
    return Number(lock?.free) === 1;
  });
  await client.end();
}
