import t from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { proxied } from '../support/proxied.js';
import { CLASSIC, loginOf, RawClient } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';

/** Two sessions, as one may be held. */
await forEachServer(t, async (t, server) => {
  const world = await proxied(t, server, ['--pool-size', '2']);
  const setup = await world.connect();
  await setup.run(`CREATE FUNCTION sets_and_fails(x INT) RETURNS INT DETERMINISTIC NO SQL
    BEGIN SET SESSION div_precision_increment = x; SIGNAL SQLSTATE '45000'; RETURN 1; END`);
  await setup.run('CREATE TABLE counted (a INT)');
  await setup.run(`CREATE TRIGGER sets BEFORE INSERT ON counted
    FOR EACH ROW SET SESSION div_precision_increment = 3`);
  await setup.end();

  await t.test('what a function had set before it failed belongs to the client', async (t) => {
    const a = await world.connect();
    const before = await a.value('SELECT @@div_precision_increment');
    t.match(await a.error('SELECT sets_and_fails(2)'), { errno: 1644 });
    const b = await world.connect();
    t.equal(
      await b.value('SELECT @@div_precision_increment'),
      before,
      'nothing of it reaches another client',
    );
    t.equal(await a.value('SELECT @@div_precision_increment'), 2);
    await a.end();
    await b.end();
  });

  await t.test('a transaction that a statement has begun before it failed', async (t) => {
    const direct = await world.direct();
    await direct.run(`CREATE PROCEDURE begins_and_fails()
      BEGIN INSERT INTO counted VALUES (7); SIGNAL SQLSTATE '45000'; END`);
    const told: unknown[] = [];
    for (const url of [server.url(world.schema), world.proxy.url]) {
      const client = await RawClient.login(loginOf(url, { capabilities: CLASSIC }));
      await client.must('SET autocommit=0');
      t.equal((await client.query('CALL begins_and_fails()'))[0]?.payload.readUInt16LE(1), 1644);
      const reply = await client.command(Command.StmtPrepare, 'SELECT ? AS x', 'prepare');
      told.push(reply.map(({ payload }) => payload.subarray(payload[0] === 0xfe ? 0 : 5).toString('hex')));
      await client.must('ROLLBACK');
      client.destroy();
    }
    t.strictSame(told[1], told[0], 'the status in the EOF packets of the next reply');
  });

  if (server.isMysql) return;

  await t.test('SET STATEMENT ... FOR a statement that sets variables', async (t) => {
    const a = await world.connect();
    const b = await world.connect();
    const look = 'SELECT @@sql_mode AS mode, @@time_zone AS tz, @@collation_connection AS coll';
    const [before] = await a.rows(look);
    await a.run("SET STATEMENT time_zone = '+00:00' FOR SET SESSION sql_mode = 'STRICT_ALL_TABLES'");
    t.match(await b.rows(look), [before]);
    t.match(await a.rows(look), [{ mode: 'STRICT_ALL_TABLES', tz: before?.['tz'] }]);
    await a.run("SET STATEMENT sql_mode = 'ANSI' FOR SET NAMES latin1");
    t.match(await b.rows(look), [before]);
    t.match(await a.rows(look), [{ mode: 'STRICT_ALL_TABLES', coll: 'latin1_swedish_ci' }]);
    await a.run("SET STATEMENT time_zone = '+00:00' FOR SET @@sql_mode = ''");
    t.match(await b.rows(look), [before]);
    t.match(await a.rows(look), [{ mode: '', tz: before?.['tz'] }]);
    await a.run("SET STATEMENT time_zone = '+00:00' FOR INSERT INTO counted VALUES (1)");
    const other = await world.connect();
    t.equal(await other.value('SELECT @@div_precision_increment'), 4);
    t.equal(await a.value('SELECT @@div_precision_increment'), 3, 'set by a trigger');
    t.match(await a.rows(look), [{ tz: before?.['tz'] }]);
    await Promise.all([a, b, other].map((client) => client.end()));
  });
});
