import t, { type Test } from 'tap';
import { type ProxiedUser, proxiedUser, sessionOf } from '../support/proxied-user.js';
import { forEachServer } from '../support/servers.js';
import { HOLD_STORIES, type HoldStory } from './support/hold-ends.js';
import { isHeld, outcome } from './support/holds.js';

/** What holds a session ends, and then another client gets that very session: it is not even reset. */

async function tell(t: Test, world: ProxiedUser, story: HoldStory): Promise<void> {
  const own = (sql: string): string =>
    sql
      .replaceAll('SCHEMA_OF_THIS_RUN', world.schema)
      .replaceAll('ROLE_OF_THIS_RUN', `${world.schema}_r`)
      .replaceAll(/(LOCK|XID)_OF_THIS_RUN/g, `mybouncer ${world.schema}`);
  const [holder, other] = await Promise.all([world.connect({ multipleStatements: true }), world.connect()]);
  const session = await sessionOf(holder);
  for (const [sql, holds] of story.steps) {
    const fails = sql.startsWith('!');
    const text = own(fails ? sql.slice(1) : sql);
    if (fails) await holder.error(text);
    else await holder.rows(text);
    await isHeld(t, world, holds ?? '', sql);
  }
  t.equal(await sessionOf(other), session, 'another client has that very session');
  t.strictSame(await outcome(other, own(story.gone[0])), story.gone[1], story.gone[0]);
  await Promise.all([holder.end(), other.end()]);
}

/** Columns of every kind stand before the one that counts. */
const BEFORE = "NULL, 'text', 1.5e0, 2.5, CURRENT_DATE, CURRENT_TIMESTAMP, CURRENT_TIME(6), 7, ''";

async function binaryLock(t: Test, world: ProxiedUser): Promise<void> {
  const client = await world.connect();
  const lock = `mybouncer ${world.schema}`;
  for (const [sql, holds] of [
    [`SELECT ${BEFORE}, GET_LOCK(?, 0)`, 'user_lock'],
    [`SELECT GET_LOCK(?, 0), ${BEFORE}`, 'user_lock'],
    ['SELECT RELEASE_LOCK(?)', 'user_lock'],
    [`SELECT ${BEFORE}, RELEASE_LOCK(?)`, ''],
    ['SELECT RELEASE_LOCK(?)', ''],
  ] as const) {
    await client.execute(sql, [lock]);
    await isHeld(t, world, holds, sql);
  }
  await client.end();
}

async function longRow(t: Test, world: ProxiedUser): Promise<void> {
  const client = await world.connect();
  const lock = `'mybouncer ${world.schema}'`;
  await client.rows(`SELECT REPEAT('x', 100000), GET_LOCK(${lock}, 0)`);
  await isHeld(t, world, 'user_lock', 'GET_LOCK');
  await client.rows(`SELECT RELEASE_LOCK(${lock})`);
  await isHeld(t, world, 'user_lock', 'how many there were is not known');
  await client.rows('DO RELEASE_ALL_LOCKS()');
  await isHeld(t, world, '', 'RELEASE_ALL_LOCKS');
  await client.end();
}

await forEachServer(t, async (t, server) => {
  const world = await proxiedUser(t, server, ['--pool-size', '1', '--query-wait-timeout', '5s']);
  const { schema, user } = world;
  await server.query(`GRANT ALL ON \`${schema}_2\`.* TO '${user.user}'@'%'`);
  const setup = await world.connect();
  await setup.run('CREATE TABLE plain(v INT)');
  await setup.run('INSERT INTO plain VALUES(0)');
  await setup.run('CREATE TABLE ids(id INT AUTO_INCREMENT PRIMARY KEY, u INT UNIQUE)');
  await setup.end();
  const role = `${schema}_r`;
  await server.query(`CREATE ROLE ${role}`);
  t.teardown(() => server.query(`DROP ROLE ${role}`));
  await server.query(`GRANT ${role} TO '${user.user}'@'%'`);
  for (const story of HOLD_STORIES) {
    if (story.only !== undefined && story.only !== server.flavor) continue;
    await t.test(story.name, (t) => tell(t, world, story));
  }
  await t.test('a user lock through the binary protocol', (t) => binaryLock(t, world));
  await t.test('locks behind rows that are too long to be looked at', (t) => longRow(t, world));
});
