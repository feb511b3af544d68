import t from 'tap';
import { variablesQuery } from '../../../src/backend/server-facts.js';
import { forEachServer } from '../../support/servers.js';
import { openSession } from './session.js';

/** What sql_select_limit cuts off, apart from what a client selects. */

await forEachServer(t, async (t, server) => {
  const session = await openSession(t, server);
  const rowsOf = async (sql: string): Promise<number> => (await session.must(sql)).rows.length;
  const all = await rowsOf('SHOW SESSION VARIABLES');
  t.ok(all > 400);
  for (const limit of [0, 1]) {
    await t.test(`sql_select_limit = ${limit}`, async (t) => {
      await session.must(`SET sql_select_limit = ${limit}`);
      t.equal(await rowsOf('SELECT @@session.sql_mode'), limit);
      t.equal(await rowsOf('SELECT @@session.sql_mode LIMIT 1'), 1, 'a LIMIT takes its place');
      t.equal(await rowsOf('SHOW SESSION VARIABLES'), limit);
      t.equal(await rowsOf(variablesQuery(session.info)), all, 'so the proxy reads them otherwise');
      await session.must("SET @x = CAST('1x' AS SIGNED) + CAST('2x' AS SIGNED)");
      t.equal(await rowsOf('SHOW WARNINGS LIMIT 129'), 2);
      t.equal(await rowsOf('SHOW CREATE DATABASE app'), 1);
    });
  }
});
