/** A forked child of Ruby that ends says goodbye (COM_QUIT) on its parent's socket: the server takes it for the parent's own. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { type ProxyProcess, startProxy } from '../support/proxy.js';
import { forEachServer, type TestServer } from '../support/servers.js';
import { sideBySide } from './support/side-by-side.js';
import { stackFolder, withStack } from './support/stack.js';

const RUBY = {
  name: "a forked child's goodbye with mysql2 of Ruby",
  programs: ['ruby'],
  checks: [['ruby', '-e', 'require "mysql2"']],
  packages: 'ruby ruby-mysql2',
} as const;

/** What the parent does when the child ends. */
type Mode = 'idle' | 'busy';

const CAUSES = { idle: 'quit_of_child', busy: 'quit_during_reply' } as const;

/** What the parent's statements were answered with: a value, or an error. */
interface Answers {
  readonly pid: number;
  readonly child: number;
  readonly before: string;
  /** Of a statement during which the child ended. */
  readonly during?: string;
  readonly after: string;
  readonly reconnected: string;
}

const execute = promisify(execFile);

async function run(ruby: string, url: string, mode: Mode): Promise<Answers> {
  const { stdout } = await execute(ruby, [join(stackFolder(), 'ruby_quit.rb'), mode], {
    env: { ...process.env, MYBOUNCER_TEST_URL: url },
  });
  return JSON.parse(stdout) as Answers;
}

/** The errors are longer than a line. */
function table({ before, during = '', after, reconnected }: Answers): Record<string, string> {
  return { before, during: during.slice(0, 12), after: after.slice(0, 12), reconnected };
}

async function compare(
  t: Test,
  { ruby, server, proxy, mode }: { ruby: string; server: TestServer; proxy: ProxyProcess; mode: Mode },
): Promise<Answers> {
  const direct = await run(ruby, server.url(), mode);
  const proxied = await run(ruby, proxy.url, mode);
  sideBySide(t, `the child ends while its parent is ${mode}`, table(direct), table(proxied));
  t.match(direct.after, /^20(06|13) /, "directly, the parent's connection is lost");
  t.equal(proxied.before, '1');
  t.equal(proxied.reconnected, '4', 'the parent recovers on its next connect');
  const line = await proxy.logged(
    'two processes use one client connection, opened before a fork: it was closed',
  );
  t.match(
    line,
    { level: 'warn', cause: CAUSES[mode], opener: { pid: String(proxied.pid), program: /ruby_quit/ } },
    'the log says what happened',
  );
  const metric = 'mybouncer_shared_sockets_total';
  t.equal(await proxy.metric(metric, `cause="${CAUSES[mode]}"`), 1, 'counted by its cause');
  t.equal(await proxy.metric(metric), 1, 'and nothing else is');
  t.equal(await proxy.metric('mybouncer_server_sessions_opened_total'), 1, 'the server session serves on');
  return proxied;
}

/** Nobody asks anything before the child has gone, so a look at the processes finds nothing. */
async function idle(t: Test, ruby: string, server: TestServer): Promise<void> {
  const proxy = await startProxy(t, { upstream: server.url(), flags: ['--pool-size', '1'] });
  await compare(t, { ruby, server, proxy, mode: 'idle' });
}

/** With the guard, the statement would not even begin while the child lives. */
async function busy(t: Test, ruby: string, server: TestServer): Promise<void> {
  const flags = ['--pool-size', '1', '--fork-guard', 'off'];
  const proxy = await startProxy(t, { upstream: server.url(), flags });
  const { during } = await compare(t, { ruby, server, proxy, mode: 'busy' });
  t.match(during, /two processes are using this connection/, 'the parent is told why');
  const sleeping = await server.query(
    `SELECT id FROM information_schema.processlist WHERE info LIKE '%SLEEP(4), 2' AND id <> CONNECTION_ID()`,
  );
  t.same(sleeping, [], 'its statement is ended');
}

await withStack(t, RUBY, (t, { program }) =>
  forEachServer(t, async (t, server) => {
    await idle(t, program('ruby'), server);
    await busy(t, program('ruby'), server);
  }),
);
