import t, { type Test } from 'tap';
import { eventually } from '../support/proxied.js';
import { type ProxyProcess, startProxy } from '../support/proxy.js';
import { forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';
import { Gunicorn } from './support/python.js';
import { repeat } from './support/repeat.js';
import { withStack } from './support/stack.js';

const DJANGO = {
  name: 'Django with mysqlclient under gunicorn',
  modules: ['django', 'MySQLdb', 'gunicorn'],
  packages: 'python3-django python3-mysqldb python3-gunicorn',
};

const WORKERS = 8;
const POOL = 4;
const REQUESTS = 400;

interface LogRow {
  readonly session: number;
  readonly command: string;
  readonly text: string;
}

/** What the sessions that clients run on were sent since the log was emptied: not those of the proxy's own business. */
async function logged(server: PrivateTestServer, proxy: ProxyProcess): Promise<LogRow[]> {
  const lines = proxy.lines.filter(({ msg }) => msg === 'server session opened');
  const sessions = new Set(lines.map((line) => line['serverSession']));
  const rows = await server.query<LogRow>(
    `SELECT thread_id AS session, command_type AS command, CONVERT(argument USING utf8mb4) AS text
       FROM mysql.general_log ORDER BY event_time`,
  );
  return rows.filter(({ session }) => sessions.has(session));
}

/** Until every worker has had its first request, and every session that the pool may have is open. */
async function warmUp(app: Gunicorn): Promise<void> {
  const seen = new Set<unknown>();
  while (seen.size < WORKERS) {
    await repeat(WORKERS, WORKERS, async () => {
      seen.add(((await app.get('/slow')) as { pid: unknown }).pid);
    });
  }
  // What a worker asks before its first statement keeps its first connection from being learned from.
  await repeat(4 * WORKERS, WORKERS, async () => void (await app.get('/book/1')));
}

/** A request opens a connection, as CONN_MAX_AGE=0 wants it: what Django sends first is known here. */
async function countsOnlyTheView(t: Test, interpreter: string, server: PrivateTestServer): Promise<void> {
  const proxy = await startProxy(t, { upstream: server.url(), flags: ['--pool-size', String(POOL)] });
  await server.query('CREATE TABLE app.book (id INT PRIMARY KEY, title VARCHAR(100) NOT NULL)');
  await server.query("INSERT INTO app.book VALUES (1, 'Emma'), (2, 'Persuasion')");
  const app = await Gunicorn.start(t, {
    interpreter,
    app: 'django_app:application',
    workers: WORKERS,
    // Django is imported once, and has no connection yet.
    args: ['--preload'],
    env: { MYBOUNCER_TEST_URL: proxy.url },
  });
  const opened = (): Promise<number> => proxy.metric('mybouncer_server_sessions_opened_total');
  await eventually('every session is open', async () => {
    await warmUp(app);
    return (await opened()) >= POOL;
  });
  const before = await opened();
  await server.query('TRUNCATE mysql.general_log');
  await repeat(REQUESTS, 16, async (i) => {
    const pk = 1 + (i % 2);
    t.same(await app.get(`/book/${pk}`), { title: pk === 1 ? 'Emma' : 'Persuasion' });
  });
  const rows = await logged(server, proxy);
  t.equal(await opened(), before, 'no session was opened meanwhile');
  const view = /^SELECT `book`\.`id`, `book`\.`title` FROM `book` WHERE `book`\.`id` = [12] LIMIT 21$/;
  t.same(
    rows.filter(({ command, text }) => command !== 'Query' || !view.test(text)),
    [],
    'nothing else was asked',
  );
  t.equal(rows.length, REQUESTS, 'one statement a request');
}

await withStack(t, DJANGO, (t, { python }) =>
  forEachPrivateServer(t, (t, server) => countsOnlyTheView(t, python, server), {
    extraArgs: ['--general-log=1', '--log-output=TABLE'],
    timeout: 300_000,
  }),
);
