import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { SocketWatch } from '../../src/fork-guard/socket-watch.js';
import { findSs } from '../../src/fork-guard/unix-peers.js';
import type { ForkFinding } from '../../src/relay/fork-check.js';
import { ask, canFork, GuardedServer } from './support/forking-client.js';

/** In CI everything has to be there. */
const isCI = process.env['CI'] === 'true';
const options = canFork || isCI ? {} : { skip: 'needs Linux and Python 3' };
const unixOptions =
  (canFork && findSs() !== null) || isCI ? {} : { skip: 'needs Linux, Python 3 and ss (iproute2)' };
const SINGLE: ForkFinding = { kind: 'single' };

function holdersOf(finding: ForkFinding): readonly number[] {
  return finding.kind === 'shared' ? finding.holders : [];
}

function expectShared(t: Test, finding: ForkFinding, opener: number, heir: number, what: string): void {
  t.match(finding, { kind: 'shared', openerPid: opener }, what);
  t.ok(holdersOf(finding).includes(heir), `${what}: the heir is named`);
}

/** Resolves when a command would be answered at once. Other processes of the machine may be in the way for a moment. */
async function untilFree(watch: SocketWatch): Promise<number> {
  for (let asked = 1; ; asked++) {
    const finding = await new Promise<ForkFinding | null>((resolve) => {
      if (watch.check(resolve)) resolve(null);
    });
    if (finding === null) return asked;
    if (finding.kind === 'shared') throw new Error(`it is ${finding.kind}`);
  }
}

t.test('a connection of one process', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { watch } = await server.client(t);
  t.same(await ask(watch), SINGLE);
  t.ok(await untilFree(watch), 'and there is nothing to wait for, where no process is made');
});

t.test('a forked child that keeps the connection', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t, () => ({ program_name: 'shop' }));
  t.same(await ask(watch), SINGLE);
  const heir = Number(await client.run('out = child(linger)'));
  const finding = await ask(watch);
  expectShared(t, finding, client.pid, heir, 'shared');
  t.match(finding, { program: 'shop' });
  t.match(await ask(watch), { kind: 'shared' }, 'and it stays so');
  await client.run(`os.kill(${heir}, signal.SIGKILL); os.waitpid(${heir}, 0)`);
  t.same(await ask(watch), SINGLE, 'until the child has ended');
});

t.test('a child of which nothing was heard before the first command', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t);
  const heir = Number(await client.run('out = child(linger)'));
  await setTimeout(200);
  const finding = await ask(watch);
  expectShared(t, finding, client.pid, heir, 'shared');
  t.match(finding, { program: /python/ }, 'by the name of the process, as the client says none');
});

t.test('whatever the client says of its process', options, async (t) => {
  const server = await GuardedServer.start(t);
  for (const claim of ['1', '99999999', '-1', 'x', String(process.pid)]) {
    const { client, watch } = await server.client(t, () => ({ _pid: claim }));
    const heir = Number(await client.run('out = child(linger)'));
    expectShared(t, await ask(watch), client.pid, heir, `_pid ${claim}`);
  }
});

t.test('a child that closes the connection', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t);
  await client.run('out = child(lambda: (connections[0].close(), linger()))');
  t.same(await ask(watch), SINGLE);
});

t.test('a grandchild, whose parent has closed it', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t);
  await client
    .run(`
r, w = os.pipe()
def middle():
    pid = child(linger)
    connections[0].close()
    os.write(w, str(pid).encode())
    linger()
child(middle)
out = int(os.read(r, 20))`)
    .then(async (heir) => {
      expectShared(t, await ask(watch), client.pid, Number(heir), 'shared');
    });
});

const TWICE = `
r, w = os.pipe()
def middle():
    pid = child(linger)
    os.write(w, str(pid).encode())
pid = child(middle)
os.waitpid(pid, 0)
out = int(os.read(r, 20))`;

t.test('a child that was forked twice, and has another parent by now', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t);
  const heir = Number(await client.run(TWICE));
  expectShared(t, await ask(watch), client.pid, heir, 'shared');
});

t.test('a daemon: the opener has ended, its child goes on', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t, (pid) => ({ _pid: String(pid) }));
  await client.run(TWICE);
  const gone = client.ended();
  client.kill();
  await gone;
  t.same(await ask(watch), SINGLE, 'it is the only one');
  t.ok(await untilFree(watch));
});

t.test('the opener has ended, two children go on', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t);
  const first = Number(await client.run('out = child(linger)'));
  const second = Number(await client.run('out = child(linger)'));
  const gone = client.ended();
  client.kill();
  await gone;
  expectShared(t, await ask(watch), first, second, 'shared');
});

t.test('forks while it is being asked', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t);
  const heirs = client.run('time.sleep(0.05); out = child(linger)');
  let finding = await ask(watch);
  while (finding.kind === 'single') {
    await setTimeout(1);
    finding = await ask(watch);
  }
  expectShared(t, finding, client.pid, Number(await heirs), 'seen');
});

t.test('workers that connect by themselves, after they were forked', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client } = await server.client(t);
  const address = JSON.stringify(server.address);
  const watches: SocketWatch[] = [];
  for (let i = 0; i < 8; i++) {
    await client.run(`child(lambda: (globals().update(own=connect(${address})), linger()))`);
    const watch = server.guard.watch(await server.accept(), new Map());
    if (watch === null) throw new Error('the client cannot be watched');
    watches.push(watch);
    t.same(
      await Promise.all(watches.map(ask)),
      watches.map(() => SINGLE),
    );
  }
});

t.test('all connections of a process are shared by one fork', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t);
  const other = await server.client(t);
  await client.run(`connections += [connect(${JSON.stringify(server.address)}) for _ in range(40)]`);
  const watches = [watch];
  for (let i = 0; i < 40; i++) {
    const next = server.guard.watch(await server.accept(), new Map());
    if (next !== null) watches.push(next);
  }
  t.equal(watches.length, 41);
  const heir = Number(await client.run('out = child(linger)'));
  for (const finding of await Promise.all(watches.map(ask)))
    expectShared(t, finding, client.pid, heir, 'each');
  t.same(await ask(other.watch), SINGLE, "but no other process's");
});

t.test('a command that is kept waiting when its client goes', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t);
  await client.run('out = child(linger)');
  const kept = !watch.check(() => t.fail('a closed watch has answered'));
  t.ok(kept, 'it has to wait');
  t.throws(() => watch.check(() => {}), TypeError, 'one question at a time');
  watch.close();
  watch.close();
  await setTimeout(200);
});

t.test('over a unix socket', unixOptions, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fork-guard-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const server = await GuardedServer.start(t, join(folder, 'a socket 12 * 34'));
  const { client, watch } = await server.client(t);
  t.same(await ask(watch), SINGLE);
  await client.run("subprocess.run(['true'])");
  t.same(await ask(watch), SINGLE);
  const heir = Number(await client.run('out = child(linger)'));
  expectShared(t, await ask(watch), client.pid, heir, 'shared');
});

t.test('programs that it runs', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t);
  await client.run(`
def noise(run):
    for _ in range(60):
        run()
kinds = [
    lambda: subprocess.run(['true']),
    lambda: subprocess.run(['true'], close_fds=False),
    lambda: subprocess.run(['true'], preexec_fn=lambda: None),
    lambda: os.system('true'),
    lambda: os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0),
]
threads = [threading.Thread(target=noise, args=(kind,)) for kind in kinds]
for thread in threads: thread.start()`);
  const counts = new Map<string, number>();
  let running = true;
  const end = client.run('for thread in threads: thread.join()').then(() => {
    running = false;
  });
  while (running) {
    const { kind } = await ask(watch);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    await setTimeout(Math.random() * 3);
  }
  await end;
  t.comment(`300 programs run, findings: ${JSON.stringify([...counts])}`);
  t.notOk(counts.has('shared'), 'a program about to run is no second user');
  const heir = Number(await client.run('out = child(linger)'));
  expectShared(t, await ask(watch), client.pid, heir, 'a real one among them');
});

const INHERITED: Readonly<Record<string, string>> = {
  'a program': "out = subprocess.Popen(['sleep', '600'], close_fds=False).pid",
  'the program once more': `
out = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], close_fds=False).pid`,
  'a shell with a subshell': `
out = subprocess.Popen(['sh', '-c', '(sleep 600; true) | (sleep 600; true)'], close_fds=False).pid`,
  'subshells whose shell has ended': `
out = subprocess.run(['sh', '-c', '(sleep 600; true) & (sleep 600; true) &'], close_fds=False).returncode`,
};

for (const [what, run] of Object.entries(INHERITED)) {
  t.test(`a left-over descriptor: ${what}`, options, async (t) => {
    const server = await GuardedServer.start(t);
    for (const claims of [true, false]) {
      const { client, watch } = await server.client(t, (pid) => (claims ? { _pid: String(pid) } : {}));
      await client.run(`connections[0].set_inheritable(True)${run.startsWith('\n') ? run : `;${run}`}`);
      for (let i = 0; i < 10; i++) {
        t.same(await ask(watch), SINGLE);
        await setTimeout(20);
      }
    }
  });
}
