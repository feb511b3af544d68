import t, { type Test } from 'tap';
import { HOLD_STORIES, type HoldStory } from '../relay/support/hold-ends.js';
import { isHeld } from '../relay/support/holds.js';
import { eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';
import { adviceAbout, adviceOf } from './support/advice.js';

const DRY = ['--pool-mode', 'session', '--dry-run', '--pool-size', '4'];

/** Statements of which the server has to be asked what they have done. */
const ODDS: readonly string[] = [
  'CALL leaves()',
  'SELECT @left IS NULL',
  '!CALL fails()',
  'INSERT INTO watched VALUES(1)',
  '!INSERT INTO watched VALUES(2), (1)',
  'SELECT @seen',
  "SET time_zone='+03:00', @a='literal'",
  'SET autocommit=0',
  'SELECT v FROM plain',
  '!SELECT nope FROM plain',
  'COMMIT',
  'SET autocommit=1',
  "SELECT CAST('x' AS SIGNED), CAST('y' AS SIGNED)",
  'SHOW WARNINGS',
  '!SELECT',
  'BEGIN',
  'INSERT INTO plain VALUES(1)',
  'SAVEPOINT s',
  'ROLLBACK',
  'USE information_schema',
  'SELECT DATABASE()',
];

/** What a dry run says of a workload is what pool mode `transaction` does with it. */
await forEachServer(t, async (t, server) => {
  const dry = await prepared(t, server, [...DRY, '--on-unsafe', 'user_lock=error']);
  const truth = await prepared(t, server, ['--pool-size', '4']);
  await t.test('the holds of every story, step by step', async (t) => {
    const stories = HOLD_STORIES.filter(({ only }) => only === undefined || only === server.flavor);
    const all = async (world: ProxiedUser, after: Parameters<typeof tell>[2]): Promise<void> => {
      for (const story of stories) await tell(world, story, after);
    };
    await Promise.all([all(dry, (holds, sql) => isHeld(t, dry, holds, sql)), all(truth, async () => {})]);
  });
  await t.test('what routines, failures, warnings and settings hold', async (t) => {
    await Promise.all([dry, truth].map((world) => odds(t, world)));
  });
  await t.test('the holds begun, all in all', async (t) => {
    await eventually('as many have begun', async () => (await begun(dry)) === (await begun(truth)));
    t.match(await begun(dry), /temporary_table=[1-9]/);
  });
  await t.test('what the server is asked costs no client its counts', async (t) => {
    const client = await dry.connect();
    await client.rows('CALL counted()');
    t.equal(await client.value('SELECT FOUND_ROWS()'), 1);
    await client.end();
    await eventually('it has gone', async () => (await dry.proxy.metric('mybouncer_clients')) === 0);
  });
  await t.test('sessions that would have been needed', (t) => needed(t, dry));
  await t.test('what is told of it', (t) => told(t, dry));
});

async function prepared(t: Test, server: TestServer, flags: readonly string[]): Promise<ProxiedUser> {
  const world = await proxiedUser(t, server, flags);
  const { schema, user } = world;
  await server.query(`GRANT ALL ON \`${schema}_2\`.* TO '${user.user}'@'%'`);
  const role = `${schema}_r`;
  await server.query(`CREATE ROLE ${role}`);
  t.teardown(() => server.query(`DROP ROLE ${role}`));
  await server.query(`GRANT ${role} TO '${user.user}'@'%'`);
  const setup = await world.direct();
  await setup.run('CREATE TABLE plain(v INT)');
  await setup.run('INSERT INTO plain VALUES(0)');
  await setup.run('CREATE TABLE ids(id INT AUTO_INCREMENT PRIMARY KEY, u INT UNIQUE)');
  await setup.run('CREATE TABLE watched(v INT PRIMARY KEY)');
  await setup.run('CREATE PROCEDURE leaves() SET @left=RAND()');
  await setup.run('CREATE PROCEDURE fails() BEGIN SET @left=RAND(); SELECT nope FROM plain; END');
  const counts = 'SELECT SQL_CALC_FOUND_ROWS v FROM plain LIMIT 1; SELECT FOUND_ROWS() AS f;';
  await setup.run(`CREATE PROCEDURE counted() BEGIN ${counts} END`);
  await setup.run('CREATE TRIGGER counts BEFORE INSERT ON watched FOR EACH ROW SET @seen=NEW.v');
  await setup.end();
  return world;
}

/** Runs a story's statements; `after` each, it is told what holds then. */
async function tell(
  world: ProxiedUser,
  { steps }: HoldStory,
  after: (holds: string, sql: string) => Promise<void>,
): Promise<void> {
  const own = (sql: string): string =>
    sql
      .replaceAll('SCHEMA_OF_THIS_RUN', world.schema)
      .replaceAll('ROLE_OF_THIS_RUN', `${world.schema}_r`)
      .replaceAll(/(LOCK|XID)_OF_THIS_RUN/g, `mybouncer ${world.schema}`);
  const client = await world.connect({ multipleStatements: true });
  for (const [sql, holds] of steps) {
    if (sql.startsWith('!')) await client.error(own(sql.slice(1)));
    else await client.rows(own(sql));
    const words = holds === null ? [] : holds.split(',');
    await after([...words, 'session_mode'].sort().join(','), sql);
  }
  await client.end();
  await eventually('the client has gone', async () => (await world.proxy.metric('mybouncer_clients')) === 0);
}

async function odds(t: Test, world: ProxiedUser): Promise<void> {
  const client = await world.connect();
  for (const sql of ODDS) {
    if (sql.startsWith('!')) await client.error(sql.slice(1));
    else await client.rows(sql);
    await client.execute('SELECT ? + 1', [1]);
  }
  t.equal(await client.value('SELECT @a'), 'literal');
  await client.connection.changeUser({});
  t.equal(await client.value('SELECT @a'), null);
  await client.end();
}

/** Holds begun, by reason; but for those of the pool mode. */
async function begun({ proxy }: ProxiedUser): Promise<string> {
  const metrics = await (await fetch(`${proxy.http}/metrics`)).text();
  return [...metrics.matchAll(/^mybouncer_holds_total\{.*?reason="(\w+)".*?\} (\d+)/gm)]
    .filter(([, reason, count]) => reason !== 'session_mode' && count !== '0')
    .map(([, reason, count]) => `${reason}=${count}`)
    .sort()
    .join(' ');
}

async function needed(t: Test, world: ProxiedUser): Promise<void> {
  const { proxy } = world;
  const now = (count: number): Promise<number> =>
    proxy.settled(count, 'mybouncer_dry_run_sessions', 'kind="now"');
  t.equal(await now(0), 0);
  t.equal(
    await proxy.metric('mybouncer_dry_run_sessions', 'kind="peak"'),
    1,
    'one client was there at a time',
  );
  const clients = await Promise.all([world.connect(), world.connect(), world.connect(), world.connect()]);
  for (const client of clients) await client.value('SELECT 1');
  t.equal(await now(0), 0, 'between statements, none is needed');
  t.equal(await proxy.holds(4, 'reason="session_mode"'), 4, 'while each client has one');
  const [first, second] = clients;
  for (const client of [first, second]) await client?.run('BEGIN');
  t.equal(await now(2), 2);
  await second?.run('CREATE TEMPORARY TABLE mine(v INT)');
  for (const client of [first, second]) await client?.run('COMMIT');
  t.equal(await now(1), 1);
  second?.destroy();
  t.equal(await now(0), 0);
  for (const client of clients) if (client !== second) await client.end();
}

async function told(t: Test, world: ProxiedUser): Promise<void> {
  const { proxy } = world;
  const client = await world.connect();
  for (let i = 0; i < 200; i++) await client.value('SELECT 1');
  const { mode } = await adviceOf(proxy);
  t.equal(mode, 'dry_run');
  const peak = await proxy.metric('mybouncer_dry_run_sessions', 'kind="peak"');
  t.match(await adviceAbout(proxy, 'dry run'), {
    severity: 'ok',
    what: /^pool_mode transaction would need \d sessions? for p99 of the wait within 10 ms; pool_mode session has \d open now$/,
    why: new RegExp(`, ${peak} at most; \\d+% of the loans would have had to restore`),
    toDo: /^Set pool_mode: transaction, dry_run: off, and pool_size: \d/,
  });
  t.match(await adviceAbout(proxy, 'sharing'), { what: /^after [\d,]+ of [\d,]+ commands/ });
  t.ok((await proxy.metric('mybouncer_dry_run_shared_total')) > 200);
  t.match(await adviceAbout(proxy, 'on_unsafe user_lock'), {
    severity: 'fail',
    what: /^on_unsafe: \{user_lock: error\} would have refused \d+ statements?$/,
    why: /GET_LOCK/i,
  });
  t.ok((await proxy.metric('mybouncer_dry_run_refused_total')) > 0);
  t.match(await adviceAbout(proxy, 'hold temporary_table'), { why: /by: .*TEMPORARY/i });
  await client.end();
}
