import t from 'tap';
import { variablesQuery } from '../../../src/backend/server-facts.js';
import { Command } from '../../../src/protocol/constants.js';
import { SQL_STATES } from '../../../src/relay/get-diagnostics.js';
import { Shape } from '../../support/raw-session.js';
import { forEachServer } from '../../support/servers.js';
import { openSession } from './session.js';

/** What reading a client's warnings and counts for it relies on. */
await forEachServer(t, async (t, server) => {
  const schema = await server.createDatabase();
  const session = await openSession(t, server, { schema });
  await session.query('CREATE TABLE t(id INT PRIMARY KEY)');
  await session.query('INSERT INTO t VALUES(1),(2),(3)');
  const leave = async (): Promise<void> => {
    await session.query('SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1');
    await session.query('INSERT IGNORE INTO t VALUES(1),(2)');
  };

  await t.test('SHOW WARNINGS spoils neither the warnings nor FOUND_ROWS()', async (t) => {
    await leave();
    for (const _ of [1, 2]) t.equal((await session.query('SHOW WARNINGS')).rows.length, 2);
    t.equal((await session.query('SELECT FOUND_ROWS()')).value, '3');
    t.equal((await session.query('SELECT FOUND_ROWS()')).value, '1', 'asking spoils it');
  });

  await t.test('PING keeps both', async (t) => {
    await leave();
    await session.command(Command.Ping, '', Shape.Packet);
    t.equal((await session.query('SHOW WARNINGS')).rows.length, 2);
    t.equal((await session.query('SELECT FOUND_ROWS()')).value, '3');
  });

  await t.test('SET keeps FOUND_ROWS(), and warnings on MariaDB', async (t) => {
    await leave();
    await session.query('SET SESSION session_track_schema=ON');
    t.equal((await session.query('SHOW WARNINGS')).rows.length, server.isMysql ? 0 : 2);
    t.equal((await session.query('SELECT FOUND_ROWS()')).value, '3');
  });

  await t.test('reading variables spoils both', async (t) => {
    await leave();
    await session.must(variablesQuery(session.info, "VARIABLE_NAME IN ('autocommit')"));
    t.equal((await session.query('SHOW WARNINGS')).rows.length, 0);
    t.equal((await session.query('SELECT FOUND_ROWS()')).value, '1');
  });

  await t.test('FOUND_ROWS() is not always the number of rows', async (t) => {
    await session.query('SELECT id FROM t LIMIT 1, 1');
    t.equal((await session.query('SELECT FOUND_ROWS()')).value, '2');
  });

  await t.test('a statement without a table keeps the warnings on MariaDB', async (t) => {
    await leave();
    await session.query('SELECT 1');
    t.equal((await session.query('SHOW WARNINGS')).rows.length, server.isMysql ? 0 : 2);
  });

  await t.test('SQLSTATEs of warnings', async (t) => {
    if (server.isMysql) {
      const root = await server.rootConnection();
      const [rows] = await root.query(
        'SELECT ERROR_NUMBER AS n, SQL_STATE AS s FROM performance_schema.events_errors_summary_global_by_error WHERE ERROR_NUMBER IS NOT NULL',
      );
      const states = new Map((rows as { n: number; s: string }[]).map(({ n, s }) => [n, s]));
      for (const [errno, state] of SQL_STATES) t.equal(state, states.get(errno) ?? 'HY000', String(errno));
      return;
    }
    await session.query('INSERT IGNORE INTO t VALUES(1)');
    await session.query('GET DIAGNOSTICS CONDITION 1 @s=RETURNED_SQLSTATE');
    t.equal((await session.query('SELECT @s')).value, SQL_STATES.get(1062));
  });
});
