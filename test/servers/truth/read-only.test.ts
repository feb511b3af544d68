import t from 'tap';
import { Outcome, outcomeOf, ServerHint } from '../../../src/servers/statement-outcome.js';
import { forEachPrivateServer } from '../../support/servers.js';
import { quietConnection, refusalOf } from '../support/asker.js';

/** What a server refuses that is read-only, and what it has done by then. */

const REFUSED = { outcome: Outcome.Refused, hint: ServerHint.ReadOnly };

await forEachPrivateServer(t, async (t, server) => {
  const client = await quietConnection(`${server.url('app')}?multipleStatements=true`);
  t.teardown(() => client.destroy());
  const setReadOnly = (on: boolean): Promise<unknown> =>
    server.query(`SET GLOBAL read_only = ${on ? 'ON' : 'OFF'}`);
  await client.query('CREATE TABLE t (a INT PRIMARY KEY)');
  await client.query('CREATE PROCEDURE p() BEGIN SET @did = 1; INSERT INTO t VALUES (99); END');
  const has = async (a: number): Promise<boolean> =>
    (await server.query(`SELECT a FROM app.t WHERE a = ${a}`)).length > 0;

  await t.test('outside a transaction', async (t) => {
    await client.query('PREPARE s FROM "INSERT INTO t VALUES (1)"');
    await setReadOnly(true);
    for (const sql of [
      'INSERT INTO t VALUES (1)',
      'SELECT * FROM t FOR UPDATE',
      'LOCK TABLES t WRITE',
      'START TRANSACTION READ WRITE',
      'CREATE TABLE x (a INT)',
      'DROP TABLE t',
      'TRUNCATE t',
      'INSERT INTO t VALUES (1); SELECT 1',
      'EXECUTE s',
      'CALL p()',
    ]) {
      const refusal = await refusalOf(client, sql);
      t.strictSame(refusal && outcomeOf(refusal, false), REFUSED, sql);
    }
    const [did] = await client.query('SELECT @did AS did');
    t.match(did, [{ did: 1 }], 'CALL had done something before');
    for (const sql of [
      'START TRANSACTION',
      'COMMIT',
      'CREATE TEMPORARY TABLE own (a INT)',
      'LOCK TABLES t READ',
    ])
      t.equal(await refusalOf(client, sql), null, sql);
    await client.query('UNLOCK TABLES');
    await setReadOnly(false);
  });

  await t.test('inside one', async (t) => {
    /** Whether what was written before is stored by a COMMIT after the refusal. */
    const goesOn = async (a: number, sql: string): Promise<boolean> => {
      await client.query('BEGIN');
      await client.query(`INSERT INTO t VALUES (${a})`);
      await setReadOnly(true);
      t.equal((await refusalOf(client, sql))?.errno, 1290, sql);
      await setReadOnly(false);
      await client.query('COMMIT');
      return has(a);
    };
    t.equal(await goesOn(10, 'INSERT INTO t VALUES (11)'), true, 'a statement: the transaction goes on');
    t.equal(await goesOn(12, 'COMMIT'), false, 'COMMIT: it was rolled back');
    for (const [i, sql] of [
      'BEGIN',
      'START TRANSACTION',
      'START TRANSACTION READ WRITE',
      'LOCK TABLES t WRITE',
    ].entries())
      t.equal(await goesOn(20 + i, sql), false, `${sql}: its own COMMIT was refused, which has rolled back`);
    t.equal(await goesOn(30, 'CREATE TABLE x (a INT)'), true, 'DDL: it is refused before it commits');
  });
});
