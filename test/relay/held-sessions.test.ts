import { createConnection } from 'mysql2/promise';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { type App, startApp } from '../../src/app/app.js';
import { completeConfigWithUrl, loadSettings } from '../../src/config/load.js';
import type { KeyName } from '../../src/config/schema.js';
import { CONNECT_WITHIN_MS } from '../support/patience.js';
import { Client, eventually } from '../support/proxied.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';

/** A proxy inside the test's own process. */
class World {
  readonly #t: Test;
  readonly #url: string;
  readonly schema: string;
  readonly app: App;

  constructor(t: Test, url: string, app: App) {
    this.#t = t;
    this.#url = url;
    this.schema = new URL(url).pathname.slice(1);
    this.app = app;
  }

  async connect(): Promise<Client> {
    const { username: user, password, pathname } = new URL(this.#url);
    const [host = '', port] = this.app.addresses.listen[0]?.split(':') ?? [];
    const database = pathname.slice(1);
    const connection = await createConnection({
      ...{ host, port: Number(port), user, password, database },
      connectTimeout: CONNECT_WITHIN_MS,
    });
    this.#t.teardown(() => connection.destroy());
    return new Client(connection);
  }
}

await forEachServer(t, async (t, server) => {
  await t.test('who holds a session, why, since when and by which statement', (t) => seen(t, server));
  await t.test('a hold that has ended is seen no more', (t) => ended(t, server));
});

async function inProcess(t: Test, server: TestServer): Promise<World> {
  const url = server.url(await server.createDatabase());
  const values = { listen: '127.0.0.1:0', http: 'off', pool_size: '4' };
  const flags = Object.entries(values).map(
    ([key, value]) => [key as KeyName, { source: key, values: [value] }] as const,
  );
  const settings = loadSettings({ flags: new Map(flags), configFile: null, env: {} });
  const app = await startApp(completeConfigWithUrl(settings, url), { logger: pino({ level: 'silent' }) });
  t.teardown(async () => {
    app.kill();
    await app.closed;
  });
  return new World(t, url, app);
}

async function seen(t: Test, server: TestServer): Promise<void> {
  const world = await inProcess(t, server);
  const { app } = world;
  const [first, second] = [await world.connect(), await world.connect()];
  t.same(app.heldSessions(), []);
  const start = Date.now();
  await first.run('BEGIN');
  await second.run('CREATE TEMPORARY TABLE mine(secret INT DEFAULT 4711)');
  await first.value(`SELECT GET_LOCK('${world.schema} password', 1)`);
  const [one, other, ...more] = app.heldSessions();
  t.same(more, []);
  t.match(one, { clientId: first.id, user: 'app', serverUser: 'app', reasons: ['transaction', 'user_lock'] });
  t.match(one?.statement, /^begin/i);
  t.match(one?.holds[1]?.statement, /get_lock/i);
  t.notMatch(one?.holds[1]?.statement, /password/, 'no literals');
  t.match(other, {
    clientId: second.id,
    reasons: ['temporary_table'],
    statement: /^create temporary table/i,
  });
  t.notMatch(other?.statement, /4711/);
  t.not(one?.serverConnectionId, other?.serverConnectionId);
  for (const { since } of [one, other, ...(one?.holds ?? [])].flatMap((held) => held ?? []))
    t.ok(since >= start && since <= Date.now(), 'since it began');
  await first.run('COMMIT');
  const left = app.heldSessions().find(({ clientId }) => clientId === first.id);
  t.same(left?.reasons, ['user_lock'], 'the transaction has ended');
  t.match(left?.statement, /get_lock/i, 'and the next oldest hold counts');
}

async function ended(t: Test, server: TestServer): Promise<void> {
  const world = await inProcess(t, server);
  const { app } = world;
  const client = await world.connect();
  const held = (): unknown => app.heldSessions().flatMap(({ reasons }) => reasons);
  /** After some statements the server is asked, when the client has its answer already. */
  const settled = (): Promise<void> => eventually('nothing is held', () => app.heldSessions().length === 0);
  await client.run('BEGIN');
  t.same(held(), ['transaction']);
  await client.run('COMMIT');
  t.same(held(), []);
  await client.value(`SELECT GET_LOCK('${world.schema}', 1)`);
  t.same(held(), ['user_lock']);
  await client.value(`SELECT RELEASE_LOCK('${world.schema}')`);
  t.same(held(), [], 'by a statement');
  await client.run('CREATE TEMPORARY TABLE mine(v INT)');
  t.same(held(), ['temporary_table']);
  await client.run('DROP TEMPORARY TABLE mine');
  await settled();
  await client.run('CREATE TEMPORARY TABLE mine(v INT)');
  await client.connection.reset();
  t.same(held(), [], 'by a reset');
  await client.run('BEGIN');
  await client.connection.changeUser({});
  t.same(held(), [], 'by a change of user');
  await client.value(`SELECT GET_LOCK('${world.schema}', 1)`);
  const id = app.heldSessions()[0]?.serverConnectionId;
  await server.query(`KILL ${id}`);
  await eventually('the session is seen to be lost', () => app.heldSessions().length === 0);
  await client.error('SELECT 1');
  await client.value(`SELECT GET_LOCK('${world.schema}', 1)`);
  t.same(held(), ['user_lock']);
  client.destroy();
  await eventually('the client is seen to have gone', () => app.heldSessions().length === 0);
}
