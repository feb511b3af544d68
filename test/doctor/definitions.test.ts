import t from 'tap';
import { forEachServer } from '../support/servers.js';
import { examined, lonelyUser } from './support/examined.js';

await forEachServer(t, async (t, server) => {
  const { user, schema, url } = await lonelyUser(server, 'SELECT, INSERT, EXECUTE');
  const keys = { upstream: url, pool_size: '2' };
  if (server.isMysql) await server.query('SET GLOBAL log_bin_trust_function_creators = ON');
  await server.query(`CREATE TABLE ${schema}.orders (a INT)`);

  await t.test('no routines, triggers or views at all', async (t) => {
    const { bad } = await examined(keys);
    // There might be some, of which MySQL says nothing to this account.
    t.strictSame(bad, server.isMysql ? ['warn triggers'] : []);
  });

  await server.query(`CREATE PROCEDURE ${schema}.pay() BEGIN END`);
  await server.query(`CREATE FUNCTION ${schema}.tax() RETURNS INT DETERMINISTIC RETURN 1`);
  await server.query(
    `CREATE TRIGGER ${schema}.audit BEFORE INSERT ON ${schema}.orders FOR EACH ROW SET @last = NEW.a`,
  );
  await server.query(`CREATE VIEW ${schema}.recent AS SELECT a FROM ${schema}.orders`);

  await t.test('definitions that the account must not read', async (t) => {
    const found = await examined(keys);
    t.strictSame(found.bad.sort(), ['warn routines', 'warn triggers', 'warn views']);
    t.match(found.get('routines').text, /^2 definitions cannot be read/);
    t.match(found.get('routines').text, `${schema}.pay`);
    t.match(found.get('routines').text, `${schema}.tax`);
    t.match(found.get('views').text, `1 definition cannot be read (${schema}.recent), so`);
    t.match(
      found.get('triggers').text,
      server.isMysql
        ? `the account lacks the right TRIGGER on \`${schema}\`.*, so`
        : `1 definition cannot be read (${schema}.audit), so`,
    );
  });

  await t.test('each advice helps', async (t) => {
    const before = await examined(keys);
    let left = before.bad;
    for (const about of ['routines', 'views', 'triggers']) {
      const grants = before.grants(about);
      t.equal(grants.length, 1, `${about}: ${grants}`);
      for (const sql of grants) await server.query(sql);
      const after = await examined(keys);
      left = left.filter((one) => one !== `warn ${about}`);
      t.strictSame(after.bad, left, grants.join());
    }
    const [, seen] = /^(\d+) routines/.exec((await examined(keys)).get('definitions').text) ?? [];
    t.ok(Number(seen) >= 4);
  });

  await t.test('rights by a role', async (t) => {
    const role = `${schema}_role`;
    const other = await lonelyUser(server, 'SELECT, INSERT');
    t.teardown(() => server.query(`DROP ROLE IF EXISTS ${role}`));
    await server.query(`CREATE ROLE ${role}`);
    await server.query(`GRANT TRIGGER ON ${other.schema}.* TO ${role}`);
    await server.query(`GRANT ${role} TO '${other.user.user}'@'%'`);
    await server.query(
      server.isMysql
        ? `ALTER USER '${other.user.user}'@'%' DEFAULT ROLE ${role}`
        : `SET DEFAULT ROLE ${role} FOR '${other.user.user}'@'%'`,
    );
    const { bad } = await examined({ upstream: other.url, pool_size: '2' });
    t.strictSame(bad, []);
  });

  await t.test('what one account may read, no other needs to', async (t) => {
    const poor = await lonelyUser(server, 'EXECUTE');
    await server.query(`GRANT EXECUTE ON ${schema}.* TO '${poor.user.user}'@'%'`);
    t.strictSame((await examined({ upstream: poor.url, pool_size: '2' })).bad, ['warn routines']);
    const file = t.testdir({
      'my.yaml': `users: [{name: ${user.user}, password: ${user.password}}]\n`,
    });
    const both = await examined({ upstream: poor.url, pool_size: '2' }, `${file}/my.yaml`);
    t.strictSame(both.bad, []);
  });
});
