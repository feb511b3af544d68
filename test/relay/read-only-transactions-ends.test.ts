import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { withReplicas } from '../support/clusters/for-cluster.js';
import { eventually } from '../support/proxied.js';
import { errOf, MODERN, unlessErr } from '../support/raw-client.js';
import { executePayload } from '../support/raw-values.js';
import { FLAVORS, type Flavor } from '../support/servers.js';
import { login } from './support/login.js';
import { ReadOnlyWorld } from './support/read-only-world.js';

/** `read_only_transactions`: where such a transaction ends other than by COMMIT, nothing more is run on the replica, and nothing is lost there. */

for (const flavor of FLAVORS) {
  t.test(`the ends of read-only transactions (${flavor})`, async (t) => {
    await withReplicas(
      t,
      async (t, set) => {
        const world = await ReadOnlyWorld.start(t, set);
        for (const next of ['ROLLBACK', 'DO 1', 'INSERT INTO written VALUES ()'])
          await t.test(`a deadlock, and then ${next}`, (t) => deadlock(t, world, flavor, next));
        await t.test('a procedure that fails', (t) => failed(t, world));
        await t.test('what the server has not told yet', (t) => untold(t, world));
        await t.test('what is asked for afterwards', (t) => leftBehind(t, world));
        await t.test('what a text runs that is prepared as SQL', (t) => executed(t, world, flavor));
        await t.test('autocommit in the midst of a text', (t) => autocommit(t, world));
        await t.test('a procedure begins another transaction', (t) => begunThere(t, world));
        await t.test('what does not end it', (t) => goesOn(t, world));
        await t.test('a large user variable', (t) => largeVariable(t, world));
        await t.test('a cursor that is left open', (t) => cursor(t, world));
        await t.test('a parameter that was sent in it', (t) => longData(t, world));
      },
      { flavor, replicas: 1 },
    );
  });
}

async function deadlock(t: Test, world: ReadOnlyWorld, flavor: Flavor, next: string): Promise<void> {
  const client = await world.client();
  for (let i = 0; i < 9; i++) await client.run('INSERT INTO written VALUES ()');
  await world.set.untilCaughtUp();
  const ids = (await client.rows('SELECT id FROM written')).map(({ id }) => id);
  const [first, second] = ids;
  const other = await world.replica.rootConnection();
  t.teardown(() => other.destroy());
  // On MySQL not even an administrator locks rows then.
  if (flavor === 'mysql') await other.query('SET GLOBAL super_read_only = OFF');
  await other.query('USE app');
  await other.query('BEGIN');
  // Whoever has locked less is the one to go.
  for (const id of ids)
    if (id !== second) await other.query(`SELECT * FROM written WHERE id = ${id} FOR UPDATE`);
  await client.run('START TRANSACTION READ ONLY');
  t.equal(await world.place(client), 'replica');
  await client.run(`SELECT * FROM written WHERE id = ${second} LOCK IN SHARE MODE`);
  const waiting = other.query(`SELECT * FROM written WHERE id = ${second} FOR UPDATE`);
  await eventually('it waits', async () => {
    const [row] = await world.replica.ask<{ n: number }>(
      "SELECT COUNT(*) AS n FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
    );
    return Number(row?.n) === 1;
  });
  const { errno } = await client.error(`SELECT * FROM written WHERE id = ${first} LOCK IN SHARE MODE`);
  t.equal(errno, 1213);
  await waiting;
  await other.query('ROLLBACK');
  if (flavor === 'mysql') await other.query('SET GLOBAL super_read_only = ON');
  await client.run(next);
  await client.run('INSERT INTO written VALUES ()');
  t.equal(await world.place(client), 'primary', `it is over: ${next}`);
  await client.end();
}

async function failed(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client();
  await client.run("CREATE PROCEDURE fails() BEGIN COMMIT; SIGNAL SQLSTATE '45000'; END");
  await world.set.untilCaughtUp();
  await client.run('START TRANSACTION READ ONLY');
  t.equal(await world.place(client), 'replica');
  t.equal((await client.error('CALL fails()')).sqlState, '45000');
  await client.run('INSERT INTO written VALUES ()');
  t.equal(await world.place(client), 'primary', 'it is over');
  await client.end();
}

async function untold(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client();
  const statement = 'SELECT @@sql_mode AS mode, @@collation_connection AS collation';
  for (const next of ['COMMIT', 'BEGIN', 'CREATE OR REPLACE VIEW seen AS SELECT 1']) {
    await client.run("SET sql_mode = ''");
    await client.run('SET NAMES utf8mb4');
    await client.run('START TRANSACTION READ ONLY');
    t.equal(await world.place(client), 'replica');
    // MariaDB reports none of those without a scope.
    await client.run("SET @@sql_mode = 'NO_ZERO_DATE'");
    // Neither reports what collation comes with it.
    await client.run('SET NAMES latin1');
    await client.run(next);
    t.equal(await world.place(client), 'primary', next);
    t.same(await client.rows(statement), [{ mode: 'NO_ZERO_DATE', collation: 'latin1_swedish_ci' }], next);
    await client.run('COMMIT');
  }
  await client.end();
}

async function leftBehind(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client();
  for (const next of ['COMMIT', 'BEGIN', 'DROP VIEW IF EXISTS nowhere']) {
    await client.run('START TRANSACTION READ ONLY');
    t.equal(await world.place(client), 'replica');
    await client.run('DO LAST_INSERT_ID(77)');
    await client.run(next);
    t.equal(await world.place(client), 'primary', next);
    t.equal(Number(await client.value('SELECT LAST_INSERT_ID()')), 77, next);
    await client.run('COMMIT');
    await client.run('DO LAST_INSERT_ID(1)');
    await client.run('START TRANSACTION READ ONLY');
    await client.rows(
      'SELECT SQL_CALC_FOUND_ROWS * FROM (SELECT 1 UNION SELECT 2 UNION SELECT 3) AS t LIMIT 1',
    );
    await client.run(next === 'BEGIN' ? 'BEGIN' : 'COMMIT');
    t.equal(Number(await client.value('SELECT FOUND_ROWS()')), 3, next);
    await client.run('COMMIT');
  }
  await client.end();
}

async function executed(t: Test, world: ReadOnlyWorld, flavor: Flavor): Promise<void> {
  if (flavor === 'mysql') return;
  const client = await world.client('app', { multipleStatements: true });
  await client.run('START TRANSACTION READ ONLY');
  await client.run("EXECUTE IMMEDIATE 'BEGIN'");
  await client.run('INSERT INTO written VALUES ()');
  t.equal(await world.place(client), 'primary', 'BEGIN');
  await client.run('COMMIT');
  await client.run('START TRANSACTION READ ONLY');
  await client.run("EXECUTE IMMEDIATE 'CREATE TABLE executed (id INT PRIMARY KEY)'");
  t.equal(await world.place(client), 'primary', 'CREATE TABLE');
  await client.run('DROP TABLE executed');
  await client.run('START TRANSACTION READ ONLY');
  t.equal(await client.value("EXECUTE IMMEDIATE 'SELECT @@port'"), world.replica.port, 'it is read there');
  for (const text of ["EXECUTE IMMEDIATE CONCAT('BEG', 'IN')", "SELECT 1; EXECUTE IMMEDIATE 'BEGIN'"])
    t.match(await client.error(text), { errno: 1792, message: /read_only_transactions/ }, text);
  await client.run("EXECUTE IMMEDIATE 'COMMIT'");
  t.equal(await world.place(client), 'primary', 'COMMIT');
  await client.end();
}

async function autocommit(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client('app', { multipleStatements: true });
  await client.run('SET autocommit = 0');
  await client.run('START TRANSACTION READ ONLY');
  t.equal(await world.place(client), 'replica');
  for (const text of [
    'SET autocommit = 1; INSERT INTO written VALUES ()',
    `SELECT 1; SET @x = 1, autocommit = 1; INSERT INTO written VALUES ()`,
  ])
    t.match(await client.error(text), { errno: 1792, message: /read_only_transactions/ }, text);
  t.equal(await world.place(client), 'replica', 'it goes on');
  await client.run('SET autocommit = 1');
  t.equal(await world.place(client), 'primary', 'by itself');
  await client.end();
}

async function begunThere(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client();
  await client.run('CREATE PROCEDURE begins() BEGIN COMMIT; START TRANSACTION; END');
  await world.set.untilCaughtUp();
  await client.run('START TRANSACTION READ ONLY');
  await client.run('CALL begins()');
  t.match(await client.error('INSERT INTO written VALUES ()'), {
    errno: 1213,
    message: /has served its read-only transaction.*gone with it: transaction/,
  });
  await client.run('INSERT INTO written VALUES ()');
  t.equal(await world.place(client), 'primary');
  await client.end();
}

async function goesOn(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client();
  await client.run('START TRANSACTION READ ONLY');
  await client.run('SAVEPOINT mine');
  await client.error('SELECT * FROM nowhere');
  await client.run('ROLLBACK TO SAVEPOINT mine');
  await client.execute('SELECT ?', ['x']);
  await client.run('SET NAMES latin1');
  await client.run('USE app');
  await client.run('COMMIT AND CHAIN');
  await client.error('INSERT INTO written VALUES ()');
  await client.rows('CHECKSUM TABLE written');
  t.equal(await world.place(client), 'replica');
  await client.run('COMMIT');
  await client.end();
}

async function largeVariable(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await world.client();
  await client.run('START TRANSACTION READ ONLY');
  const { errno } = await client.error(`SET @large = '${'x'.repeat(20_000)}'`);
  t.equal(errno, 1792);
  await client.run('COMMIT');
  await client.end();
}

async function cursor(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await login(t, world.proxy.url, MODERN);
  const statement = await client.prepare('SELECT 7 UNION ALL SELECT 8');
  const fetch = Buffer.alloc(8);
  fetch.writeUInt32LE(statement, 0);
  fetch.writeUInt32LE(1, 4);
  for (const next of ['INSERT INTO written VALUES ()', 'BEGIN', 'CREATE OR REPLACE VIEW seen AS SELECT 1']) {
    await client.must('START TRANSACTION READ ONLY');
    t.equal(Number(await client.value('SELECT @@port')), world.replica.port);
    const execute = executePayload(statement, [], { cursor: 1 });
    unlessErr(await client.command(Command.StmtExecute, execute, 'results'));
    unlessErr(await client.command(Command.StmtFetch, fetch, 'rows'));
    if (!next.startsWith('BEGIN')) await client.must('COMMIT');
    await client.must(next);
    t.equal(Number(await client.value('SELECT @@port')), world.primary.port, next);
    t.equal(errOf(await client.command(Command.StmtFetch, fetch, 'rows'))?.errno, 1421, 'it is gone');
    await client.must('COMMIT');
  }
  t.equal(await world.proxy.holds(0, 'cursor'), 0, 'no session is held for it');
}

async function longData(t: Test, world: ReadOnlyWorld): Promise<void> {
  const client = await login(t, world.proxy.url, MODERN);
  const statement = await client.prepare('SELECT ?');
  const parameter = { type: 0xfc, value: undefined };
  await client.must('START TRANSACTION READ ONLY');
  t.equal(Number(await client.value('SELECT @@port')), world.replica.port);
  const data = Buffer.alloc(6 + 3);
  data.writeUInt32LE(statement, 0);
  data.write('xyz', 6);
  await client.command(Command.StmtSendLongData, data, 'none');
  await client.must('COMMIT');
  const told = errOf(
    await client.command(Command.StmtExecute, executePayload(statement, [parameter]), 'results'),
  );
  t.equal(told?.errno, 1158);
  t.match(told?.message, 'gone with it: long_data');
  t.equal(Number(await client.value('SELECT @@port')), world.primary.port);
}
