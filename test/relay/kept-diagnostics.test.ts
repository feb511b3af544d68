/** What a statement leaves of the warnings and counts that were there before. */
import t, { type Test } from 'tap';
import { type Proxied, proxied } from '../support/proxied.js';
import { forEachServer } from '../support/servers.js';
import { createTables, hex, threeClients } from './support/diagnostics.js';

await forEachServer(t, async (t, server) => {
  const world = await proxied(t, server, ['--pool-size', '1']);
  await createTables(world);
  await t.test('FOUND_ROWS() after a list of warnings that is empty', (t) => emptyList(t, world));
  await t.test('statements that may keep them', (t) => mayKeep(t, world));
  await t.test('FOUND_ROWS() after a routine that counts, and fails', (t) => failedCalls(t, world));
});

async function emptyList(t: Test, world: Proxied): Promise<void> {
  const [direct, client, other] = await Promise.all([world.direct(), world.connect(), world.connect()]);
  // From now on counts are kept, whatever they are of.
  await client.rows('SELECT id FROM t LIMIT 1, 1');
  await other.rows('SELECT 1 FROM notes WHERE v < 0');
  await client.rows('SELECT FOUND_ROWS()').catch(() => {});
  for (const sql of [
    'SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3',
    'SELECT 5 FROM (SELECT 1 UNION ALL SELECT 2) AS two',
    'SELECT id FROM t LIMIT 2',
    'WITH RECURSIVE n AS (SELECT 1 AS v UNION ALL SELECT v + 1 FROM n WHERE v < 4) SELECT v FROM n LIMIT 2',
    'SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1',
  ])
    for (const disturbed of [false, true]) {
      const found: unknown[] = [];
      for (const one of [direct, client]) {
        await one.rows(sql);
        if (disturbed) await other.rows('SELECT 1 UNION ALL SELECT 2');
        await one.rows('SHOW WARNINGS');
        found.push(await one.value('SELECT FOUND_ROWS()'));
      }
      t.equal(found[1], found[0], `${sql}${disturbed ? ', another client between' : ''}`);
    }
}

/** An error that a statement gets before it has begun, a routine gets in its midst. */
async function failedCalls(t: Test, world: Proxied): Promise<void> {
  const direct = await world.direct();
  const bodies = { 'a missing procedure': 'CALL missing()', nonsense: "PREPARE p FROM 'nonsense'" };
  for (const [what, failing] of Object.entries(bodies)) {
    const client = await world.connect();
    await direct.rows('DROP PROCEDURE IF EXISTS counts_then_fails');
    await direct.rows(
      `CREATE PROCEDURE counts_then_fails() BEGIN DECLARE n INT; SELECT SQL_CALC_FOUND_ROWS id INTO n FROM t LIMIT 1; ${failing}; END`,
    );
    const found: unknown[] = [];
    for (const one of [direct, client]) {
      await one.rows('SELECT 1 UNION ALL SELECT 2');
      await t.rejects(one.rows('CALL counts_then_fails()'));
      found.push(await one.value('SELECT FOUND_ROWS()'));
    }
    t.equal(found[1], found[0], what);
    await client.end();
  }
  await direct.end();
}

/** Whether a routine uses a table, the text of its CALL does not tell. */
async function mayKeep(t: Test, world: Proxied): Promise<void> {
  const [direct, client, other] = await threeClients(world);
  await direct.must('CREATE PROCEDURE tableless() SELECT 5');
  await direct.must("CREATE PROCEDURE warns() SELECT CAST('own' AS SIGNED)");
  for (const call of [
    ['CALL tableless()'],
    ['CALL tableless()', 'DO 1', 'CALL tableless()'],
    ['CALL warns()'],
    ['CALL shows()'],
    ['CALL counts()'],
    ['CALL tableless()', 'CALL shows()'],
    ['SELECT 1; SELECT 2'],
  ])
    for (const between of ['SELECT id FROM t', "SELECT CAST('other' AS SIGNED)"])
      for (const question of ['SHOW WARNINGS', 'SELECT @@warning_count', 'SHOW COUNT(*) WARNINGS']) {
        const shown: string[][] = [];
        for (const one of [direct, client]) {
          await one.must('DROP TABLE IF EXISTS nothing, nowhere');
          for (const sql of call) {
            await other.must(between);
            await one.query(sql);
          }
          await other.must(between);
          shown.push((await one.query(question)).map(hex));
        }
        t.strictSame(shown[1], shown[0], `${call.join(', ')}, with ${between} between: ${question}`);
      }
  for (const each of [direct, client, other]) each.destroy();
}
