import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { ADMIN, admin, administered } from '../admin/console/support/administered.js';
import { eventually } from '../support/proxied.js';
import type { ProxiedUser } from '../support/proxied-user.js';
import type { ProxyProcess } from '../support/proxy.js';
import { forEachServer } from '../support/servers.js';

/** The project's root, from dist/test/app. */
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

interface LogEvent {
  readonly level: string;
  readonly fields: readonly string[];
}

/** What came of it that was no success; null where it was one. */
function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => null,
    (error: unknown) => error,
  );
}

/** Levels that are written unless less is asked for. */
const TOLD = ['info', 'warn', 'error', 'fatal'];

/** What needs more than a client and a signal, and is provoked where it is tested. */
const ELSEWHERE = [
  'two processes use one client connection, opened before a fork: it was closed',
  'client turned away: no user is allowed from there',
  'the configuration that was read anew cannot be used: nothing has changed',
  'pool size',
  'no control connection to the server: until there is one, statements of clients that go away are not ended',
  'draining',
  'drained',
  // Of several servers: test/relay/several-servers-*.
  'server is up',
  'server is suspected',
  'server is down',
  'server is left: its name has that address no more',
  'addresses of a name of servers',
  'a name of servers cannot be resolved: the addresses that are known stay',
  // test/app/named-servers.test.ts
  'a name has more addresses than there may be servers: the last are left out',
  'a server is MySQL and the others are MariaDB, or the other way round: nothing is sent to that one',
  'server is full',
  'server is not full any more',
  'several servers take writes, and do not pass them on to each other: only one of them gets any from here; make the others read-only',
];

async function documented(): Promise<ReadonlyMap<string, LogEvent>> {
  const guide = await readFile(join(ROOT, 'deploy/guide/operations.md'), 'utf8');
  const [, section = ''] = guide.split('\n## The log\n');
  const [text = ''] = section.split('\n## ');
  const events = new Map<string, LogEvent>();
  for (const [, msg = '', level = '', fields = ''] of text.matchAll(/^\| `(.+?)` \| (\w+) \| (.*?) ?\| /gm))
    events.set(msg, { level, fields: [...fields.matchAll(/`(\w+)`/g)].map(([, field = '']) => field) });
  return events;
}

/** All texts of the source, joined where they are spread over lines. */
async function sources(): Promise<string> {
  const names = (await readdir(join(ROOT, 'src'), { recursive: true })).filter((name) =>
    name.endsWith('.ts'),
  );
  const texts = await Promise.all(names.map((name) => readFile(join(ROOT, 'src', name), 'utf8')));
  return texts.join('\n').replace(/' \+\s+'/g, '');
}

/** Everything that one client after the other can bring about. */
async function provoke(t: Test, world: ProxiedUser): Promise<void> {
  const { proxy, server, user, schema } = world;
  const operator = await admin(world);
  const [client, other] = [await world.connect(), await world.connect()];
  await operator.run('SET slow_query_threshold = 100ms');
  await client.value('SELECT SLEEP(0.2)');
  // Limits are short only while they are to be reached.
  await operator.run('SET query_timeout = 1s');
  await client.error('SELECT SLEEP(300)');
  await operator.run('SET query_timeout = 0');
  await proxy.logged('a client reached a time limit');
  await client.value(`SELECT GET_LOCK('${schema}', 0)`);
  await client.run('CREATE TEMPORARY TABLE t(v INT)');
  await proxy.logged('first hold of its kind');

  // One session: what one client holds is refused to the other.
  await operator.run('SET query_wait_timeout = 300ms');
  t.match(await other.error('SELECT 1'), { errno: 1040 });
  await operator.run('SET query_wait_timeout = 10s');
  const [session] = (await proxy.holds(1)) >= 0 ? [await client.value('SELECT @@pseudo_thread_id')] : [];
  await server.query(`KILL ${Number(session)}`);
  await proxy.logged("a client's server session was lost");
  await failureOf(client.run('DO 1'));

  await server.query(`ALTER USER '${user.user}'@'%' ACCOUNT LOCK`);
  await failureOf(other.run('DO 1'));
  await proxy.logged('cannot open a server session');
  await server.query(`ALTER USER '${user.user}'@'%' ACCOUNT UNLOCK`);
  await eventually('the server lets it in', async () => (await failureOf(other.run('DO 1'))) === null);
  await proxy.logged('server sessions can be opened again');

  await other.run(`KILL QUERY ${client.id}`);
  await other.run(`KILL ${client.id}`);
  await proxy.logged('connection killed by a client');
  await failureOf(world.connect({ password: 'wrong' }));
  await failureOf(other.connection.changeUser({ user: ADMIN.user, password: 'wrong', database: schema }));
  await proxy.logged('change of user denied');
  await fetch(`http://${proxy.host}:${proxy.port}`).catch(() => {});
  await proxy.logged('login failed');

  await operator.run('PAUSE');
  await operator.run('RESUME');
  const last = await world.connect();
  await operator.run('SET max_client_conn = 1');
  await failureOf(world.connect());
  await proxy.logged('client turned away: too many connections');
  await operator.run('RELOAD');
  proxy.signal('SIGUSR1');
  proxy.signal('SIGUSR2');
  await proxy.logged('master is off: there is nobody who could start a new process');
  await last.run('BEGIN');
  proxy.signal('SIGTERM');
  await proxy.logged('draining: clients are served until they have finished');
  proxy.signal('SIGTERM');
  t.equal(await proxy.ended(), 0);
}

function check(t: Test, proxy: ProxyProcess, events: ReadonlyMap<string, LogEvent>): void {
  const lines = proxy.lines.filter(({ level }) => TOLD.includes(level));
  const seen = new Set(lines.map(({ msg }) => msg));
  for (const msg of seen) {
    const event = events.get(msg);
    if (event === undefined) {
      t.fail(`the guide does not know of "${msg}"`);
      continue;
    }
    const own = lines.filter((line) => line.msg === msg);
    t.ok(
      own.some(({ level }) => level === event.level),
      `"${msg}" at level ${event.level}`,
    );
    for (const field of event.fields)
      t.ok(
        own.every((line) => field in line),
        `"${msg}" has ${field}`,
      );
  }
  const missing = [...events.keys()].filter((msg) => !seen.has(msg) && !ELSEWHERE.includes(msg));
  t.strictSame(missing, [], 'events of the guide that did not come');
}

t.test('each event of the guide stands in the source', async (t) => {
  const events = await documented();
  t.ok(events.size > 30, `${events.size} events`);
  const text = await sources();
  for (const msg of events.keys()) t.ok(text.includes(msg), msg);
  for (const msg of ELSEWHERE) t.ok(events.has(msg), msg);
});

await forEachServer(t, async (t, server) => {
  // What is told does not depend on the server.
  if (server.isMysql) return;
  const world = await administered(t, server, [
    ...['--pool-size', '1', '--query-wait-timeout', '10s'],
    ...['--on-unsafe', 'user_lock=warn', '--drain-timeout', '60s'],
  ]);
  await provoke(t, world);
  check(t, world.proxy, await documented());
});
