import t from 'tap';
import { proxied } from '../support/proxied.js';
import { forEachServer } from '../support/servers.js';

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'not rejected',
    (error: unknown) => error,
  );
}

/** With one server session and two clients, every statement meets a session that the other client has just used. */
await forEachServer(t, async (t, server) => {
  const world = await proxied(t, server, ['--pool-size', '1']);
  const { schema } = world;
  const setup = await world.direct();
  await setup.run('CREATE TABLE limited(id INT AUTO_INCREMENT PRIMARY KEY, v INT)');

  await t.test('variables, schema and character set belong to the client', async (t) => {
    const a = await world.connect();
    const b = await world.connect({ charset: 'latin1_swedish_ci' });
    const isolation = server.isMysql ? '@@session.transaction_isolation' : '@@session.tx_isolation';
    const look = `SELECT @@session.time_zone AS tz, @@session.sql_mode AS mode, @@session.foreign_key_checks AS fk,
      @@character_set_client AS cs, @@character_set_results AS res, @@collation_connection AS coll, DATABASE() AS db,
      ${isolation} AS iso, @@autocommit AS ac, @@session.group_concat_max_len AS gcml`;
    const before = { a: await a.rows(look), b: await b.rows(look) };
    t.not(before.a[0]?.['cs'], before.b[0]?.['cs'], 'the handshake says the character set');
    await a.run("SET time_zone='+05:00', sql_mode='ANSI_QUOTES', foreign_key_checks=0");
    t.strictSame(await b.rows(look), before.b, 'nothing of it reaches the other client');
    await a.run('SET NAMES utf8mb4 COLLATE utf8mb4_bin');
    await b.run('SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE');
    await b.run('SET group_concat_max_len=2048');
    await a.run('USE app');
    t.match(await a.rows(look), [
      {
        tz: '+05:00',
        mode: 'ANSI_QUOTES',
        fk: 0,
        cs: 'utf8mb4',
        coll: 'utf8mb4_bin',
        db: 'app',
        gcml: before.a[0]?.['gcml'],
      },
    ]);
    t.match(await b.rows(look), [{ ...before.b[0], iso: 'SERIALIZABLE', gcml: 2048 }]);
    t.match(await a.rows(look), [{ iso: before.a[0]?.['iso'] }]);
    await b.run('SET @@session.time_zone="SYSTEM"');
    await b.run('SET @@sql_mode=""');
    await a.value('SELECT 1');
    t.match(await b.rows(look), [{ mode: '', tz: 'SYSTEM' }], 'a SET that MariaDB does not report');
    t.match(await a.rows(look), [{ mode: 'ANSI_QUOTES' }]);
    await a.run('SET NAMES latin1');
    await b.value('SELECT 1');
    t.match(await a.rows(look), [{ cs: 'latin1', res: 'latin1', coll: 'latin1_swedish_ci' }]);
    await a.run('SET character_set_results=NULL');
    await b.value('SELECT 1');
    t.equal((await a.rows(look))[0]?.['res'] ?? null, null);
    await a.end();
    await b.end();
  });

  await t.test('a session that may show few rows is read all the same', async (t) => {
    for (const limit of [0, 1]) {
      const a = await world.connect();
      const b = await world.connect();
      await a.run(`SET sql_select_limit=${limit}`);
      await a.run('SET NAMES latin1 COLLATE latin1_bin');
      await a.run("SET @@session.session_track_system_variables='time_zone', @@sql_mode='ANSI_QUOTES'");
      t.equal(await b.value('SELECT @@character_set_client'), 'utf8mb4');
      t.match(
        await a.rows(`SELECT @@sql_mode AS mode, @@collation_connection AS coll, @@session.sql_select_limit AS rows_,
          @@session.session_track_system_variables AS tracked LIMIT 1`),
        [{ mode: 'ANSI_QUOTES', coll: 'latin1_bin', rows_: limit, tracked: 'time_zone' }],
      );
      await a.run('INSERT INTO limited(v) VALUES(1)');
      await b.value('SELECT 1');
      t.equal(await a.value('SELECT LAST_INSERT_ID() LIMIT 1'), limit + 1);
      await a.end();
      await b.end();
    }
  });

  await t.test('autocommit=0 is carried, and holds only once something has begun', async (t) => {
    const a = await world.connect();
    const b = await world.connect();
    await b.run('CREATE TABLE ac(v INT)');
    await a.run('SET autocommit=0');
    t.equal(await b.value('SELECT @@autocommit'), 1);
    t.equal(await a.value('SELECT @@autocommit'), 0);
    await a.run('INSERT INTO ac VALUES(1)');
    await a.run('ROLLBACK');
    t.equal(await b.value('SELECT COUNT(*) FROM ac'), 0);
    await a.run('SET @@autocommit=1');
    t.equal(await b.value('SELECT @@autocommit'), 1);
    t.equal(await a.value('SELECT @@autocommit'), 1);
    await a.end();
    await b.end();
  });

  await t.test('without autocommit, what fails may have begun a transaction', async (t) => {
    const a = await world.connect();
    const direct = await world.direct();
    await direct.run('CREATE TABLE begun(id INT PRIMARY KEY)');
    await direct.run('INSERT INTO begun VALUES(1)');
    for (const one of [direct, a]) {
      await one.run('SET autocommit=0');
      t.match(await one.error('INSERT INTO begun VALUES(1)'), { errno: 1062 });
    }
    const [trx] = await server.query<{ n: number }>(
      'SELECT COUNT(*) AS n FROM information_schema.innodb_trx JOIN information_schema.processlist ON id = trx_mysql_thread_id ' +
        `WHERE trx_rows_locked > 0 AND db = '${world.schema}'`,
    );
    t.equal(Number(trx?.n), 2, 'they keep the lock on the row that is there');
    t.equal(await world.proxy.holds(1, 'reason="transaction"'), 1);
    await a.run('ROLLBACK');
    t.equal(await world.proxy.holds(0), 0);
    await a.end();
    await direct.end();
  });

  await t.test('LAST_INSERT_ID()', async (t) => {
    const a = await world.connect();
    const b = await world.connect();
    await a.run('CREATE TABLE ids(id INT AUTO_INCREMENT PRIMARY KEY, v INT UNIQUE)');
    t.equal((await a.run('INSERT INTO ids(v) VALUES(1)')).insertId, 1);
    t.equal((await b.run('INSERT INTO ids(v) VALUES(2),(3)')).insertId, 2);
    t.equal(await a.value('SELECT LAST_INSERT_ID()'), 1);
    t.equal(await b.value('SELECT LAST_INSERT_ID() AS id'), 2);
    t.equal(
      (await a.run('INSERT INTO ids(id, v) VALUES(100, 4)')).insertId,
      100,
      'explicit: what the OK says',
    );
    await b.value('SELECT 1');
    t.equal(await a.value('SELECT /* x */ last_insert_id ( ) + 0'), 1, 'explicit: what the function says');
    await a.run('INSERT INTO ids(v) VALUES(2) ON DUPLICATE KEY UPDATE id=LAST_INSERT_ID(id)');
    t.equal(await b.value('SELECT @@identity'), 2);
    t.equal(await a.value('SELECT LAST_INSERT_ID()'), 2, 'set by an expression');
    t.match(await a.error('INSERT INTO ids(v) VALUES(50),(1)'), { errno: 1062 });
    await b.value('SELECT 1');
    const direct = await world.direct();
    await direct.run('CREATE TABLE ids2 LIKE ids');
    await direct.run('INSERT INTO ids2(v) VALUES(1)');
    await direct.error('INSERT INTO ids2(v) VALUES(50),(1)');
    const failed = Number(await direct.value('SELECT LAST_INSERT_ID()'));
    t.equal(failed, 2, 'a failed multi-row insert changes it');
    t.equal(await a.value('SELECT LAST_INSERT_ID()'), 102);
    await a.run('SET last_insert_id=18446744073709551615');
    await b.run('INSERT INTO ids(v) VALUES(60)');
    t.equal(String(await a.value('SELECT CAST(LAST_INSERT_ID() AS CHAR)')), '18446744073709551615');
    await a.run('CREATE PROCEDURE ins() BEGIN INSERT INTO ids(v) VALUES(70); END');
    await a.run('CALL ins()');
    await b.value('SELECT 1');
    t.equal(await a.value('SELECT LAST_INSERT_ID()'), await a.value('SELECT MAX(id) FROM ids'));
    t.equal(
      (await a.execute('SELECT LAST_INSERT_ID() AS id'))[0]?.['id'],
      await b.value('SELECT MAX(id) FROM ids'),
    );
    const c = await world.connect();
    t.equal(await c.value('SELECT LAST_INSERT_ID()'), 0, 'a new client begins with none');
    for (const client of [a, b, c]) await client.end();
  });

  await t.test('prepared statements are prepared wherever they are executed', async (t) => {
    const a = await world.connect();
    const b = await world.connect();
    await a.run('CREATE TABLE prep(id INT PRIMARY KEY, name VARCHAR(40), data BLOB)');
    for (let i = 0; i < 3; i++) {
      await a.execute('INSERT INTO prep VALUES(?, ?, ?)', [i, `a${i}`, Buffer.from([0, i, 255])]);
      await b.execute('INSERT INTO prep VALUES(?, ?, ?)', [i + 10, null, null]);
    }
    t.strictSame(
      (await b.execute('SELECT name, data FROM prep WHERE id > ? ORDER BY id', [1])).map((row) => ({
        ...row,
      })),
      [
        { name: 'a2', data: Buffer.from([0, 2, 255]) },
        { name: null, data: null },
        { name: null, data: null },
        { name: null, data: null },
      ],
    );
    // Bound at prepare: the schema and sql_mode of then, not of now.
    await a.execute('SELECT COUNT(*) AS n FROM prep');
    await a.run('USE app');
    await b.value('SELECT 1');
    t.equal((await a.execute('SELECT COUNT(*) AS n FROM prep'))[0]?.['n'], 6);
    t.equal(await a.value('SELECT DATABASE()'), 'app');
    const rejected = a.execute('SELECT * FROM prep WHERE id = ? AND name = "x"', [1]);
    t.match(await rejection(rejected), { errno: 1146 }, 'a new one is of the new schema');
    await a.end();
    await b.end();
  });

  await t.test('COM_RESET_CONNECTION and COM_CHANGE_USER begin anew', async (t) => {
    const a = await world.connect();
    await a.run("SET time_zone='+03:00', @v=1");
    await a.run('CREATE TEMPORARY TABLE tmp(v INT)');
    await a.run('INSERT INTO tmp VALUES(1)');
    await a.connection.reset();
    t.equal(await a.value('SELECT @v'), null);
    t.not(await a.value('SELECT @@time_zone'), '+03:00');
    t.match(await a.error('SELECT * FROM tmp'), { errno: 1146 });
    t.equal(await a.value('SELECT DATABASE()'), schema, 'the schema stays');
    await a.run('SET @v=2');
    await a.connection.changeUser({ user: 'app', password: 'secret', database: 'app' });
    t.equal(await a.value('SELECT DATABASE()'), 'app');
    t.equal(await a.value('SELECT @v'), null);
    t.match(await rejection(a.connection.changeUser({ user: 'app', password: 'wrong', database: 'app' })), {
      errno: 1045,
    });
    const c = await world.connect();
    const noSchema = c.connection.changeUser({
      user: 'app',
      password: 'secret',
      database: 'no_such_schema_x',
    });
    t.match(await rejection(noSchema), { errno: /1044|1049/ });
  });

  await t.test('a client without a schema has none', async (t) => {
    const a = await world.connect({ database: '' });
    const b = await world.connect();
    t.equal(await b.value('SELECT DATABASE()'), schema);
    t.equal(await a.value('SELECT DATABASE()'), null);
    t.match(await a.error('SELECT * FROM anything'), { errno: 1046 });
    await a.run('USE app');
    t.equal(await a.value('SELECT DATABASE()'), 'app');
    t.equal(await b.value('SELECT DATABASE()'), schema);
    t.match(await a.error('USE no_such_schema_x'), { errno: /1044|1049/ });
    t.equal(await a.value('SELECT DATABASE()'), 'app', 'a USE that fails changes nothing');
    t.match(await rejection(world.connect({ database: 'no_such_schema_x' })), { errno: /1044|1049/ });
    await a.end();
    await b.end();
  });

  await t.test(
    'a session that got its schema while it was held is not lent to a client without',
    async (t) => {
      const first = await world.connect({ database: '' });
      await first.run('BEGIN');
      await first.run('USE app');
      await first.run('COMMIT');
      await first.end();
      const second = await world.connect({ database: '' });
      await second.run('BEGIN');
      await second.run('USE app');
      second.destroy();
      const third = await world.connect({ database: '' });
      t.equal(await third.value('SELECT DATABASE()'), null);
      await third.end();
    },
  );

  await t.test('an insert id outlives its session', async (t) => {
    const a = await world.connect();
    const other = await world.connect({ flags: ['-FOUND_ROWS'] });
    await a.run('CREATE TABLE outlived(id INT AUTO_INCREMENT PRIMARY KEY)');
    await a.run('INSERT INTO outlived VALUES(NULL)');
    t.equal(await other.value('SELECT 1'), 1, 'a client of another kind takes the only place');
    t.equal(await a.value('SELECT LAST_INSERT_ID()'), 1);
    await a.end();
    await other.end();
  });

  await t.test('multi-statements: allowed to the client that asked, and to no other', async (t) => {
    const a = await world.connect({ multipleStatements: true });
    const b = await world.connect();
    const [results] = await a.connection.query('SELECT 1 AS one; SELECT 2 AS two; DO 1');
    t.match(results, [[{ one: 1 }], [{ two: 2 }], { affectedRows: 0 }]);
    t.match(await b.error('SELECT 1; SELECT 2'), { errno: 1064 });
    t.match(await a.error('SELECT 1; SELECT nonsense; SELECT 3'), { errno: 1054 });
    t.equal(await a.value('SELECT 7'), 7);
    await a.end();
    await b.end();
  });
});
