import { pino } from 'pino';
import t, { type Test } from 'tap';
import { startApp } from '../../src/app/app.js';
import { completeConfigWithUrl, loadSettings } from '../../src/config/load.js';
import { type Client, eventually, type Proxied } from '../support/proxied.js';
import { ProxiedUser, proxiedUser, sessionOf } from '../support/proxied-user.js';
import { startProxy } from '../support/proxy.js';
import { MAKE_ROUTINE, ROUTINE_KINDS, type RoutineKind, USE_ROUTINE } from '../support/routine-kinds.js';
import type { TestServer } from '../support/server-handle.js';
import { type Flavor, forEachServer } from '../support/servers.js';
import { outcome } from './support/holds.js';

/** State made by a routine, a trigger or a view. */
interface Made {
  readonly name: string;
  /** A statement of a body. */
  readonly sql: string;
  /** Label of the metric. */
  readonly reason: string;
  /** Its only value, or its error's number; NAME is the object's. */
  readonly look: string;
  readonly there: unknown;
  readonly gone: unknown;
  readonly only?: Flavor;
}

const MADE: readonly Made[] = [
  {
    name: 'locks',
    sql: "DO GET_LOCK('mybouncer_routine_NAME', 0)",
    reason: 'user_lock',
    look: "SELECT IS_USED_LOCK('mybouncer_routine_NAME') IS NULL",
    there: 0,
    gone: 1,
  },
  {
    name: 'makes_table',
    sql: 'CREATE TEMPORARY TABLE made SELECT 7 AS v',
    reason: 'temporary_table',
    look: 'SELECT v FROM made',
    there: 7,
    gone: 1146,
  },
  {
    name: 'sets_user',
    sql: 'SELECT 5 INTO @x',
    reason: 'user_variable',
    look: 'SELECT @x',
    there: 5,
    gone: null,
  },
  {
    name: 'sets_unseen',
    sql: 'SET @@sort_buffer_size = 65536',
    reason: 'unknown',
    look: 'SELECT @@sort_buffer_size = 65536',
    there: 1,
    gone: 0,
    only: 'mariadb',
  },
  {
    name: 'sets_mode',
    sql: 'SET SESSION sort_buffer_size = 65536',
    reason: 'unknown',
    look: 'SELECT @@sort_buffer_size = 65536',
    there: 1,
    gone: 0,
  },
];

async function nothingHeld(world: Proxied): Promise<void> {
  await eventually('nothing is held', async () => (await world.proxy.metric('mybouncer_holds')) === 0);
}

/** With one session: the client that used it keeps what it made, nobody else sees it, and it ends with the client. */
async function staysWithItsClient(t: Test, world: ProxiedUser, made: Made, kind: RoutineKind): Promise<void> {
  const name = `${kind}_${made.name}`;
  const [holder, other] = [await world.connect(), await world.connect()];
  for (const sql of MAKE_ROUTINE[kind](name, made.sql.replace('NAME', name))) await other.run(sql);
  const look = made.look.replace('NAME', name);
  await holder.rows(USE_ROUTINE[kind](name));
  t.equal(await world.proxy.holds(1, `"${made.reason}"`), 1, `${kind}: held`);
  const seen = outcome(other, look);
  t.equal(await outcome(holder, look), made.there, `${kind}: there`);
  await holder.end();
  t.equal(await seen, made.gone, `${kind}: gone`);
  await other.end();
  await nothingHeld(world);
}

async function harmless(t: Test, world: ProxiedUser): Promise<void> {
  const [client, other] = [await world.connect(), await world.connect()];
  const body =
    "BEGIN DECLARE v INT DEFAULT 3; SELECT COUNT(*) INTO v FROM plain WHERE a = 'get_lock(1)'; END";
  for (const kind of ROUTINE_KINDS) {
    for (const sql of MAKE_ROUTINE[kind](`${kind}_harmless`, body)) await client.run(sql);
    await client.rows(USE_ROUTINE[kind](`${kind}_harmless`));
    t.equal(await world.proxy.holds(0), 0, kind);
    t.equal(await other.value('SELECT 1'), 1, `${kind}: another client is served`);
  }
  await client.end();
  await other.end();
}

/** Whether the client keeps its session after the statement; it ends the hold. */
async function holds(world: Proxied, client: Client, sql: string, binary = false): Promise<boolean> {
  if (binary) await client.execute(sql);
  else await client.rows(sql);
  const held = await isHeld(world);
  await client.connection.reset();
  return held;
}

/** Whether it is so once the server was asked what is left of a statement, for which a client does not wait. */
async function isHeld({ proxy }: Proxied): Promise<boolean> {
  const active = (): Promise<number> => proxy.metric('mybouncer_server_sessions', 'state="active"');
  let held = false;
  await eventually('the session is held, or free', async () => {
    held = (await proxy.metric('mybouncer_holds')) > 0;
    return held || (await active()) === 0;
  });
  return held;
}

async function changedByAnother(t: Test, world: ProxiedUser): Promise<void> {
  const [user, author] = [await world.connect(), await world.connect()];
  for (let round = 0; round < 3; round++) {
    for (const [body, held] of [
      ['DO 0', false],
      ["DO GET_LOCK('mybouncer_routine_changed', 0)", true],
    ] as const) {
      await author.run('DROP PROCEDURE IF EXISTS changing');
      await author.run(`CREATE PROCEDURE changing() BEGIN ${body}; END`);
      t.equal(await holds(world, user, 'CALL changing()'), held, `procedure, ${body}`);
      t.equal(await holds(world, user, 'CALL changing()', true), held, `prepared, ${body}`);
    }
    for (const [query, held] of [
      ['1', false],
      ["GET_LOCK('mybouncer_routine_changed', 0)", true],
    ] as const) {
      await author.run(`CREATE OR REPLACE VIEW changing_view AS SELECT ${query} AS a`);
      t.equal(await holds(world, user, 'SELECT a FROM changing_view'), held, `view, ${query}`);
    }
  }
  await author.run('CREATE TABLE moved(a INT)');
  await author.run(
    "CREATE TRIGGER moved BEFORE INSERT ON moved FOR EACH ROW DO GET_LOCK('mybouncer_routine_changed', 0)",
  );
  await author.run('RENAME TABLE moved TO moved_away');
  t.equal(await holds(world, user, 'SELECT a FROM moved_away'), false, 'to read a table runs no trigger');
  t.equal(
    await holds(world, user, 'INSERT INTO moved_away VALUES(1)'),
    true,
    'a trigger moves with its table',
  );
  await author.run(
    "CREATE PROCEDURE makes_view() CREATE OR REPLACE VIEW changing_view AS SELECT GET_LOCK('mybouncer_routine_changed', 0) AS a",
  );
  await author.run('CREATE OR REPLACE VIEW changing_view AS SELECT 1 AS a');
  t.equal(await holds(world, user, 'SELECT a FROM changing_view'), false);
  await author.rows('CALL makes_view()');
  t.equal(await holds(world, user, 'SELECT a FROM changing_view'), true, 'a view that a procedure has made');
  const chain = await world.connect({ multipleStatements: true });
  t.equal(
    await holds(
      world,
      chain,
      "CREATE OR REPLACE VIEW at_once AS SELECT GET_LOCK('mybouncer_routine_changed', 0) AS a; SELECT a FROM at_once",
    ),
    true,
    'made and used by one text',
  );
  for (const client of [user, author, chain]) await client.end();
}

async function madePastTheProxy(t: Test, world: ProxiedUser): Promise<void> {
  const client = await world.connect();
  const direct = await world.directAsUser();
  t.equal(await client.value('SELECT 1'), 1);
  for (const kind of ['procedure', 'function'] as const) {
    for (const sql of MAKE_ROUTINE[kind](`${kind}_direct`, "DO GET_LOCK('mybouncer_routine_direct', 0)"))
      await direct.run(sql);
    t.equal(
      await holds(world, client, USE_ROUTINE[kind](`${kind}_direct`)),
      true,
      `${kind}: its name was not known`,
    );
  }
  t.equal((await client.error('SELECT no_such_function()')).errno, 1305);
  await client.end();
  await nothingHeld(world);
}

async function unreadable(t: Test, world: ProxiedUser): Promise<void> {
  const root = await world.direct({ user: 'root', password: new URL(world.server.rootUrl).password });
  await root.run('CREATE PROCEDURE of_root() BEGIN DO 0; END');
  const client = await world.connect();
  await client.rows('CALL of_root()');
  t.equal(await world.proxy.holds(1, '"unknown"'), 1);
  await client.end();
  await nothingHeld(world);
}

/** A proxy in this process, which looks at the server so often that a test need not wait. */
async function changedPastTheProxy(t: Test, world: ProxiedUser): Promise<void> {
  const settings = loadSettings({
    flags: new Map([
      ['listen', { source: '--listen', values: ['127.0.0.1:0'] }],
      ['http', { source: '--http', values: ['127.0.0.1:0'] }],
      ['pool_size', { source: '--pool-size', values: ['1'] }],
    ]),
    configFile: null,
    env: {},
  });
  const config = completeConfigWithUrl(settings, world.user.url(world.schema));
  const app = await startApp(config, { logger: pino({ level: 'silent' }), routineCheckMs: 20 });
  t.teardown(() => app.stop());
  const url = new URL(world.user.url(world.schema));
  const client = await world.connect({
    host: '127.0.0.1',
    port: Number(app.addresses.listen[0]?.split(':').at(-1)),
    user: url.username,
  });
  const metric = async (): Promise<number> => {
    const text = await (await fetch(`http://${app.addresses.http}/metrics`)).text();
    return Number(/^mybouncer_holds\{reason="user_lock"\} (\d+)/m.exec(text)?.[1]);
  };
  const direct = await world.directAsUser();
  await direct.run('CREATE OR REPLACE VIEW looked_at AS SELECT 1 AS a');
  t.equal(await client.value('SELECT a FROM looked_at'), 1);
  t.equal(await metric(), 0);
  await direct.run("CREATE OR REPLACE VIEW looked_at AS SELECT GET_LOCK('mybouncer_routine_looked', 0) AS a");
  await eventually('the view is known for what it does', async () => {
    await client.value('SELECT a FROM looked_at');
    const held = (await metric()) === 1;
    await client.connection.reset();
    return held;
  });
  await client.end();
}

/** Classified before its turn came, a statement must be looked at again when it has come. */
async function changedWhileItWaited(t: Test, world: ProxiedUser): Promise<void> {
  const [author, waiter, preparer] = [await world.connect(), await world.connect(), await world.connect()];
  await author.run('CREATE TABLE waited_for(a INT)');
  await preparer.execute('INSERT INTO waited_for VALUES(1)');
  for (const [client, binary] of [
    [waiter, false],
    [preparer, true],
  ] as const) {
    await author.run('DROP TRIGGER IF EXISTS waited_for');
    await author.run('BEGIN');
    const sql = 'INSERT INTO waited_for VALUES(1)';
    const inserted = binary ? client.execute(sql) : client.run(sql);
    await eventually(
      'the insert waits in line',
      async () => (await world.proxy.metric('mybouncer_waiting_requests')) === 1,
    );
    await author.run(
      "CREATE TRIGGER waited_for BEFORE INSERT ON waited_for FOR EACH ROW DO GET_LOCK('mybouncer_routine_waited', 0)",
    );
    await inserted;
    t.equal(await world.proxy.holds(1, '"user_lock"'), 1, `held, binary: ${binary}`);
    const looked = author.value("SELECT IS_USED_LOCK('mybouncer_routine_waited') = @@pseudo_thread_id");
    await client.connection.reset();
    t.equal(await looked, null, 'nobody else runs on the session while it owns the lock');
  }
  for (const client of [author, waiter, preparer]) await client.end();
  await nothingHeld(world);
}

/** A trigger that comes while a statement is under way may be run by it. */
async function changedUnderWay(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '2']);
  const [author, client] = [await world.connect(), await world.connect()];
  await author.run('CREATE TABLE overtaken(a INT)');
  await author.run('LOCK TABLES overtaken WRITE');
  const inserted = client.run('INSERT /* overtaken */ INTO overtaken VALUES(1)');
  await eventually('the insert waits on the server', async () =>
    (await world.sessions()).some(({ info }) => info?.includes('/* overtaken */') === true),
  );
  await author.run(
    "CREATE TRIGGER overtaken BEFORE INSERT ON overtaken FOR EACH ROW DO GET_LOCK('mybouncer_routine_overtaken', 0)",
  );
  await author.run('UNLOCK TABLES');
  await inserted;
  const look = "SELECT IS_USED_LOCK('mybouncer_routine_overtaken')";
  await eventually('no session has the lock', async () => (await author.value(look)) === null);
  t.equal(await world.proxy.holds(0), 0);
  await client.end();
  await author.end();
}

/** Where the server does not let the proxy look: a session is not tied to its client, nor given to others as it is. */
async function inDoubt(t: Test, server: TestServer): Promise<void> {
  const schema = await server.createDatabase();
  const user = await server.createUser();
  // One session for clients, the control connection, and one that looks: whoever takes its place keeps the proxy from looking.
  await server.query(`ALTER USER '${user.user}'@'%' WITH MAX_USER_CONNECTIONS 3`);
  const proxy = await startProxy(t, { upstream: user.url(schema), flags: ['--pool-size', '1'] });
  const world = new ProxiedUser(t, server, proxy, schema, user);
  const [author, client] = [await world.connect(), await world.connect()];
  await author.run('CREATE TABLE doubted(a INT)');
  const pooled = await sessionOf(client);
  const others = (await world.sessions()).map(({ id }) => id).filter((id) => id !== pooled);
  for (const id of others) await server.query(`KILL ${id}`);
  await eventually('only the control connection was opened again', async () => {
    const ids = (await world.sessions()).map(({ id }) => id);
    return ids.length === 2 && ids.every((id) => !others.includes(id));
  });
  const direct = await world.directAsUser();
  await author.run(
    "CREATE TRIGGER doubted BEFORE INSERT ON doubted FOR EACH ROW DO GET_LOCK('mybouncer_routine_doubted', 0)",
  );
  const resets = await world.proxy.metric('mybouncer_resets_total');
  await client.run('INSERT INTO doubted VALUES(1)');
  t.equal(
    await author.value("SELECT IS_USED_LOCK('mybouncer_routine_doubted')"),
    null,
    'nobody has it any more',
  );
  t.equal(await world.proxy.holds(0), 0);
  t.ok((await world.proxy.metric('mybouncer_resets_total')) > resets);
  await direct.end();
  await eventually('the trigger is known', async () => {
    await client.run('INSERT INTO doubted VALUES(1)');
    const held = (await world.proxy.metric('mybouncer_holds', '"user_lock"')) === 1;
    await client.connection.reset();
    return held;
  });
  await client.end();
  await author.end();
}

await forEachServer(t, async (t, server) => {
  if (server.isMysql) await server.query('SET GLOBAL log_bin_trust_function_creators = ON');
  const world = await proxiedUser(t, server, ['--pool-size', '1', '--query-wait-timeout', '60s']);
  const setup = await world.connect();
  await setup.run('CREATE TABLE plain(a INT)');
  await setup.end();
  for (const made of MADE) {
    if (made.only !== undefined && made.only !== server.flavor) continue;
    await t.test(made.name, async (t) => {
      for (const kind of ROUTINE_KINDS) await staysWithItsClient(t, world, made, kind);
    });
  }
  await t.test('what does nothing of the kind holds nothing', (t) => harmless(t, world));
  await t.test('changed by another client: known at once', (t) => changedByAnother(t, world));
  await t.test('made past the proxy: looked for by name', (t) => madePastTheProxy(t, world));
  await t.test('changed while a statement waited for its session', (t) => changedWhileItWaited(t, world));
  await t.test('changed past the proxy: seen by the next look', (t) => changedPastTheProxy(t, world));
  await t.test('changed while a statement was under way', (t) => changedUnderWay(t, server));
  await t.test('in doubt, a session is reset', (t) => inDoubt(t, server));
  await t.test('what may not be read may do anything', (t) => unreadable(t, world));
});
