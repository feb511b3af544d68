import t from 'tap';
import { RoutineCatalogue } from '../../src/backend/routine-catalogue.js';
import type { ServerSession } from '../../src/backend/server-session.js';
import { ServerAccount } from '../../src/backend/upstream.js';
import { Command } from '../../src/protocol/constants.js';
import type { StoredObject } from '../../src/session/routine-hazards.js';
import { Hold } from '../../src/sql/traits.js';
import { forEachServer } from '../support/servers.js';
import { upstreamOf } from './support/upstream.js';
import { openSession } from './truth/session.js';

await forEachServer(t, async (t, server) => {
  const schema = await server.createDatabase();
  const root = await openSession(t, server, {
    schema,
    user: 'root',
    password: new URL(server.rootUrl).password,
  });
  if (server.isMysql) await root.must('SET GLOBAL log_bin_trust_function_creators = ON');
  const upstream = upstreamOf(server);

  async function open(url: string): Promise<ServerSession> {
    const { username, password } = new URL(url);
    const session = await upstream.open(new ServerAccount(username, () => password), null, 0);
    t.teardown(() => session.quit());
    return session;
  }

  /** Of this test's schema: what each object does, by kind and name. */
  function seen(catalogue: RoutineCatalogue): Record<string, number> {
    const own = [...catalogue.uses].filter(({ object }) => object.schema === schema);
    return Object.fromEntries(own.map(({ object, use }) => [`${object.kind} ${object.name}`, use.holds]));
  }

  const session = await open(server.rootUrl);
  const catalogue = new RoutineCatalogue();

  await t.test('all kinds of objects, in awkward spelling', async (t) => {
    await root.must('CREATE TABLE `od``d "one" (\'`(a INT)');
    await root.must("CREATE PROCEDURE `pro``c ('`() BEGIN SELECT 'it''s', GET_LOCK('x', 0), 'b'; END");
    await root.must("CREATE FUNCTION `fünc`() RETURNS ENUM('begin') DETERMINISTIC RETURN 'get_lock(1, 2)'");
    await root.must(
      "CREATE TRIGGER `tr'ig` BEFORE INSERT ON `od``d \"one\" ('` FOR EACH ROW SET @x = 'it''s'",
    );
    await root.must("CREATE VIEW `vi'e\\w` AS SELECT 'b\\\\' AS a, GET_LOCK('x', 0) AS l");
    await root.must("SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'");
    await root.must("CREATE PROCEDURE ansi() BEGIN SELECT 'a\\', \"get_lock\"('x', 0); END");
    await root.must('SET sql_mode = DEFAULT, NAMES gbk');
    // The second byte is a backslash, unless it is known for half a character.
    const gbk = "CREATE PROCEDURE gbk() BEGIN SELECT '\xbf\x5c', GET_LOCK('x', 0); END";
    t.equal((await root.command(Command.Query, Buffer.from(gbk, 'latin1'))).err, null);
    await root.must('SET NAMES utf8mb4');
    await catalogue.read(session);
    t.strictSame(seen(catalogue), {
      'PROCEDURE ansi': Hold.UserLock,
      'PROCEDURE gbk': Hold.UserLock,
      "PROCEDURE pro`c ('": Hold.UserLock,
      'FUNCTION fünc': 0,
      "TRIGGER tr'ig": Hold.WritesUserVariable,
      "VIEW vi'e\\w": Hold.UserLock,
    });
    const trigger = [...catalogue.uses].find(({ object }) => object.name === "tr'ig");
    t.equal(trigger?.object.usedAs, 'od`d "one" (\'');
  });

  await t.test('what comes with the server is left out', async (t) => {
    const schemas = new Set([...catalogue.uses].map(({ object }) => object.schema));
    for (const name of ['sys', 'mysql', 'information_schema', 'performance_schema'])
      t.notOk(schemas.has(name), name);
  });

  await t.test('read again: only what has changed, however soon after', async (t) => {
    const objects = (): Map<string, StoredObject> =>
      new Map(
        [...catalogue.uses].map(({ object }) => [`${object.schema} ${object.kind} ${object.name}`, object]),
      );
    const before = objects();
    await root.must('DROP PROCEDURE ansi');
    await root.must('CREATE PROCEDURE ansi() BEGIN SET @x = 1; END');
    await root.must('DROP PROCEDURE gbk');
    await root.must("CREATE OR REPLACE VIEW `vi'e\\w` AS SELECT 1");
    await catalogue.read(session);
    t.strictSame(seen(catalogue), {
      'PROCEDURE ansi': Hold.WritesUserVariable,
      "PROCEDURE pro`c ('": Hold.UserLock,
      'FUNCTION fünc': 0,
      "TRIGGER tr'ig": Hold.WritesUserVariable,
      "VIEW vi'e\\w": 0,
    });
    const same = [...objects()].filter(([key, object]) => before.get(key) === object).map(([key]) => key);
    t.ok(same.includes(`${schema} FUNCTION fünc`));
    t.notOk(same.includes(`${schema} PROCEDURE ansi`));
  });

  await t.test('a table that is renamed takes its trigger along', async (t) => {
    await root.must('RENAME TABLE `od``d "one" (\'` TO plain');
    await catalogue.read(session);
    const trigger = [...catalogue.uses].find(({ object }) => object.name === "tr'ig");
    t.equal(trigger?.object.usedAs, 'plain');
  });

  await t.test('lists in several pages', async (t) => {
    for (const page of [1, 2, 3]) {
      const paged = new RoutineCatalogue(page);
      await paged.read(session);
      t.strictSame(seen(paged), seen(catalogue), `${page} a page`);
    }
  });

  await t.test('long definitions', async (t) => {
    await root.must(`CREATE PROCEDURE large() BEGIN ${'SELECT 1;'.repeat(30_000)} DO GET_LOCK('x', 0); END`);
    await root.must(`CREATE PROCEDURE too_large() BEGIN ${'SELECT 1;'.repeat(60_000)} END`);
    await catalogue.read(session);
    t.equal(seen(catalogue)['PROCEDURE large'], Hold.UserLock);
    t.equal(seen(catalogue)['PROCEDURE too_large'], Hold.Unknown);
    for (const name of ['large', 'too_large']) await root.must(`DROP PROCEDURE ${name}`);
  });

  await t.test('an account that must not read definitions', async (t) => {
    const few = await server.createUser();
    await root.must(`REVOKE ALL PRIVILEGES ON \`app\\_%\`.* FROM '${few.user}'@'%'`);
    await root.must(`GRANT SELECT, INSERT, EXECUTE ON ${schema}.* TO '${few.user}'@'%'`);
    const poor = new RoutineCatalogue();
    await poor.read(await open(few.url()));
    t.strictSame(seen(poor), {
      'PROCEDURE ansi': Hold.Unknown,
      "PROCEDURE pro`c ('": Hold.Unknown,
      'FUNCTION fünc': Hold.Unknown,
      ...(server.isMysql ? {} : { "TRIGGER tr'ig": Hold.Unknown }),
      "VIEW vi'e\\w": Hold.Unknown,
    });
  });
});
