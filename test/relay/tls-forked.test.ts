import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { withStack } from '../stacks/support/stack.js';
import { eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';

const PYTHON = { name: 'forked processes over TLS', modules: ['pymysql'], packages: 'python3-pymysql' };

/** Opens a connection over TLS and forks; first the child asks something, then the parent. Prints what each has got. */
const PROGRAM = `
import json, os, pymysql, signal, sys
signal.alarm(60)
where = json.loads(sys.argv[1])
connection = pymysql.connect(ssl={'check_hostname': False}, **where)
def ask(who):
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT '%s'" % who)
        told = cursor.fetchone()[0]
    except Exception as error:
        told = type(error).__name__
    print(json.dumps([who, told]), flush=True)
ask('before')
child = os.fork()
if child == 0:
    ask('child')
    os._exit(0)
os.waitpid(child, 0)
ask('parent')
os._exit(0)
`;

async function run(python: string, where: object): Promise<Record<string, string>> {
  const child = spawn(python, ['-c', PROGRAM, JSON.stringify(where)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = (await text(child.stdout)).trim().split('\n');
  return Object.fromEntries(lines.map((line) => JSON.parse(line) as [string, string]));
}

function counted({ proxy }: ProxiedUser, cause: string): Promise<number> {
  return proxy.metric('mybouncer_shared_sockets_total', `cause="${cause}"`);
}

async function placesOf(
  t: Test,
  server: TestServer,
  guard: string,
): Promise<{ world: ProxiedUser; places: Record<string, object> }> {
  const path = join(tmpdir(), `mybouncer-forked-${process.pid}-${server.flavor}-${guard}.sock`);
  const world = await proxiedUser(t, server, ['--listen', `unix:${path}`, '--fork-guard', guard]);
  const { user, password } = world.user;
  const { host, port } = world.proxy;
  return {
    world,
    places: {
      TCP: { user, password, host, port: Number(port) },
      'a unix socket': { user, password, unix_socket: path },
    },
  };
}

async function unguarded(t: Test, server: TestServer, python: string): Promise<void> {
  const { world, places: all } = await placesOf(t, server, 'off');
  for (const [place, where] of Object.entries(all)) {
    const before = await counted(world, 'tls_record');
    const told = await run(python, where);
    t.match(told, { before: 'before', child: 'child' }, `whoever is first, over ${place}`);
    t.match(told['parent'], /Error$/, 'the other one has lost it, and gets no row');
    await eventually('it is counted', async () => (await counted(world, 'tls_record')) === before + 1);
    t.match(
      world.proxy.lines.findLast(({ cause }) => cause === 'tls_record'),
      { level: 'warn', opener: { program: 'pymysql' } },
    );
  }
}

async function guarded(t: Test, server: TestServer, python: string): Promise<void> {
  const { world, places: all } = await placesOf(t, server, 'auto');
  for (const [place, where] of Object.entries(all)) {
    const before = await counted(world, 'fork_guard');
    const told = await run(python, where);
    t.match(told, { before: 'before', child: /Error$/, parent: /Error$/ }, `over ${place}`);
    await eventually('it is counted', async () => (await counted(world, 'fork_guard')) === before + 1);
  }
  t.equal(await counted(world, 'tls_record'), 0, 'it was seen before');
}

await withStack(t, PYTHON, (t, { python }) =>
  forEachServer(
    t,
    async (t, server) => {
      await t.test('without the guard', (t) => unguarded(t, server, python));
      await t.test('with the guard', (t) => guarded(t, server, python));
    },
    { flavors: ['mariadb'], timeout: 300_000 },
  ),
);
