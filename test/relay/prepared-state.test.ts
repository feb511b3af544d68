import t, { type Test } from 'tap';
import type { Client } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { forEachServer } from '../support/servers.js';
import { isHeld } from './support/holds.js';

/** What statements do that were prepared before, in another schema or before a trigger was made. */

/** One way to prepare a statement and to run it later. */
interface Way {
  readonly name: string;
  /** The hold of the prepared statement itself. */
  readonly holds: string;
  prepare(client: Client, sql: string): Promise<Prepared>;
}

interface Prepared {
  execute(): Promise<unknown>;
  close(): Promise<unknown>;
}

const WAYS: readonly Way[] = [
  {
    name: 'COM_STMT_PREPARE',
    holds: '',
    async prepare({ connection }, sql) {
      const statement = await connection.prepare(sql);
      return { execute: () => statement.execute([]), close: () => statement.close() };
    },
  },
  {
    name: 'PREPARE',
    holds: 'text_prepare',
    async prepare(client, sql) {
      await client.run(`PREPARE s FROM '${sql}'`);
      return { execute: () => client.run('EXECUTE s'), close: () => client.run('DEALLOCATE PREPARE s') };
    },
  },
];

async function creates(t: Test, world: ProxiedUser, { prepare, holds }: Way): Promise<void> {
  const { schema } = world;
  const client = await world.connect();
  const prepared = await prepare(client, 'CREATE TEMPORARY TABLE pt(i INT)');
  await isHeld(t, world, holds, 'prepared');
  await client.run(`USE ${schema}_2`);
  await prepared.execute();
  await prepared.close();
  await isHeld(t, world, 'temporary_table', 'executed');
  await client.run('DROP TABLE IF EXISTS pt');
  await isHeld(t, world, 'temporary_table', 'there is none in this schema');
  t.equal(await client.value(`SELECT COUNT(*) FROM ${schema}.pt`), 0);
  await client.run(`DROP TABLE ${schema}.pt`);
  await isHeld(t, world, '', 'it was in the schema of its preparation');
  await client.end();
}

async function drops(t: Test, world: ProxiedUser, { prepare }: Way): Promise<void> {
  const { schema } = world;
  const client = await world.connect();
  const prepared = await prepare(client, 'DROP TABLE IF EXISTS pd');
  await client.run(`CREATE TEMPORARY TABLE ${schema}_2.pd(i INT)`);
  await client.run(`CREATE TEMPORARY TABLE ${schema}.pd(i INT)`);
  await client.run(`USE ${schema}_2`);
  await prepared.execute();
  await prepared.close();
  await isHeld(t, world, 'temporary_table', 'the other one is still there');
  t.equal(await client.value('SELECT COUNT(*) FROM pd'), 0);
  t.equal((await client.error(`SELECT COUNT(*) FROM ${schema}.pd`)).errno, 1146);
  await client.run('DROP TABLE pd');
  await isHeld(t, world, '', 'both are gone');
  await client.end();
}

async function triggerLater(t: Test, world: ProxiedUser, { name, prepare, holds }: Way): Promise<void> {
  const { schema } = world;
  const table = `later_${name}`.toLowerCase();
  const [client, other] = await Promise.all([world.connect(), world.connect()]);
  await other.run(`CREATE TABLE ${table}(i INT)`);
  const prepared = await prepare(client, `INSERT INTO ${table} VALUES(1)`);
  await prepared.execute();
  await isHeld(t, world, holds, 'no trigger yet');
  const body = `BEGIN DO GET_LOCK('mybouncer ${schema}', 0); END`;
  await other.run(`CREATE TRIGGER on_${table} BEFORE INSERT ON ${table} FOR EACH ROW ${body}`);
  await prepared.execute();
  await prepared.close();
  await isHeld(t, world, 'user_lock', 'the trigger has run');
  t.equal(await client.value(`SELECT IS_USED_LOCK('mybouncer ${schema}') IS NOT NULL`), 1);
  await client.run('DO RELEASE_ALL_LOCKS()');
  await other.run(`DROP TABLE ${table}`);
  await isHeld(t, world, '', 'released');
  await Promise.all([client.end(), other.end()]);
}

/** A literal means what it did when it was prepared, on another session as well. */
async function literal(t: Test, world: ProxiedUser, { prepare }: Way): Promise<void> {
  const collations: unknown[] = [];
  for (const client of [await world.direct(), await world.connect()]) {
    await client.run("SET NAMES utf8mb4 COLLATE 'utf8mb4_bin'");
    const prepared = await prepare(client, 'SET @x="x"');
    await client.run("SET NAMES utf8mb4 COLLATE 'utf8mb4_unicode_ci'");
    await prepared.execute();
    await prepared.close();
    await isHeld(t, world, '', 'a literal is carried');
    const other = await world.connect();
    await other.run('BEGIN');
    await other.run("SET @x='other'");
    collations.push(await client.value('SELECT COLLATION(@x)'));
    await other.run('ROLLBACK');
    await Promise.all([client.end(), other.end()]);
  }
  t.strictSame(collations, ['utf8mb4_bin', 'utf8mb4_bin'], 'as without the proxy');
}

/** Makes a trigger with a text that is prepared: the next statement knows. */
async function triggerByText(t: Test, world: ProxiedUser, immediate: boolean): Promise<void> {
  const { schema } = world;
  const table = immediate ? 'by_immediate' : 'by_text';
  const client = await world.connect();
  await client.run(`CREATE TABLE ${table}(i INT)`);
  const body = `BEGIN DO GET_LOCK("mybouncer ${schema}", 0); END`;
  const text = `CREATE TRIGGER on_${table} BEFORE INSERT ON ${table} FOR EACH ROW ${body}`;
  if (immediate) {
    await client.run(`EXECUTE IMMEDIATE '${text}'`);
  } else {
    await client.run(`PREPARE s FROM '${text}'`);
    await client.run('EXECUTE s');
    await client.run('DEALLOCATE PREPARE s');
  }
  await client.run(`INSERT INTO ${table} VALUES(1)`);
  await isHeld(t, world, 'user_lock', 'the trigger has run');
  await client.run('DO RELEASE_ALL_LOCKS()');
  await client.run(`DROP TABLE ${table}`);
  await client.end();
}

await forEachServer(t, async (t, server) => {
  const world = await proxiedUser(t, server, ['--pool-size', '2', '--query-wait-timeout', '5s']);
  const { schema, user } = world;
  await server.query(`CREATE DATABASE ${schema}_2`);
  t.teardown(() => server.query(`DROP DATABASE ${schema}_2`));
  await server.query(`GRANT ALL ON \`${schema}_2\`.* TO '${user.user}'@'%'`);
  for (const way of WAYS) {
    await t.test(`${way.name}: a temporary table is made`, (t) => creates(t, world, way));
    await t.test(`${way.name}: a table is dropped`, (t) => drops(t, world, way));
    await t.test(`${way.name}: a literal`, (t) => literal(t, world, way));
    await t.test(`${way.name}: a trigger made later`, (t) => triggerLater(t, world, way));
  }
  // MySQL prepares no CREATE TRIGGER.
  if (server.flavor === 'mysql') return;
  for (const immediate of [true, false])
    await t.test(`a trigger made by ${immediate ? 'EXECUTE IMMEDIATE' : 'PREPARE'}`, (t) =>
      triggerByText(t, world, immediate),
    );
});
