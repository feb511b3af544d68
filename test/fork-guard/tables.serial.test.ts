import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ask, canFork, ForkingClient, GuardedServer } from './support/forking-client.js';
import { bytesRead, endConnections, tables } from './support/time-wait.js';

/*
 * A machine with thousands of connections that have just ended: to read the kernel's table then takes tens of milliseconds. So it
 * matters how often that is done. What is read is counted by the kernel, which makes no difference between this test's
 * servers, as there are none, and the guard.
 */

const ENDED = 14_000;
const COMING = 100;
/** How long it takes to read the tables, at least. */
let readMs = Number.POSITIVE_INFINITY;
const options = canFork ? { timeout: 300_000 } : { skip: 'needs Linux and Python 3' };

/** How often the tables have been read whole while something was done, at most. */
async function reads(action: () => Promise<void>): Promise<number> {
  const { bytes } = tables();
  const before = bytesRead();
  await action();
  return (bytesRead() - before) / bytes;
}

/** A program that has nothing to do with any client of ours. */
async function stranger(t: Test): Promise<ForkingClient> {
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const accepted = once(server, 'connection');
  const client = await ForkingClient.start(t, ['127.0.0.1', (server.address() as AddressInfo).port]);
  await accepted;
  return client;
}

/** Clients of which it is not known at first whose they are. @returns how many are watched */
async function comeOneByOne(server: GuardedServer, client: ForkingClient): Promise<number> {
  let watched = 0;
  for (let i = 0; i < COMING; i++) {
    await client.run(`connections.append(connect(${JSON.stringify(server.address)}))`);
    if (server.guard.watch(await server.accept(), new Map()) !== null) watched++;
    await setTimeout(20);
  }
  return watched;
}

/** Forks children with a socket that nobody has seen before, until it is told to stop. */
const FORK_ON = `
stopped = threading.Event()
def fork_on():
    while not stopped.is_set():
        pair = socket.socketpair()
        child(lambda: time.sleep(0.02))
        for one in pair: one.close()
        time.sleep(0.002)
        while os.waitpid(-1, os.WNOHANG)[0]: pass
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
child(lambda: time.sleep(60))
forking = threading.Thread(target=fork_on)
forking.start()`;

t.test('thousands of connections that have ended', options, async (t) => {
  await endConnections(ENDED);
  const { bytes, rows } = tables();
  for (let i = 0; i < 5; i++) {
    const begun = performance.now();
    tables();
    readMs = Math.min(readMs, performance.now() - begun);
  }
  t.comment(`${rows} rows, ${bytes} bytes, read in ${readMs.toFixed(1)} ms`);
  t.ok(bytes > 500_000, 'are in the table');
});

t.test('children with sockets that are known', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t, (pid) => ({ _pid: String(pid) }));
  await setTimeout(300);
  t.same(await ask(watch), { kind: 'single' });
  const before = server.guard.surveys;
  const count = await reads(async () => {
    await client.run(`
pair = socket.socketpair()
for _ in range(60): os.waitpid(child(lambda: time.sleep(0.02)), 0)`);
  });
  t.ok(server.guard.surveys - before >= 5, 'they were looked at', { surveys: server.guard.surveys - before });
  t.comment(`tables read ${count.toFixed(1)} times for 60 children`);
  t.ok(count < 5, 'the tables are read for sockets that are new, and not for each child');
});

t.test('clients that come one after another', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client } = await server.client(t);
  const begun = performance.now();
  let watched = 0;
  const count = await reads(async () => {
    watched = await comeOneByOne(server, client);
  });
  const seconds = (performance.now() - begun) / 1_000;
  t.comment(`tables read ${count.toFixed(1)} times in ${seconds.toFixed(1)} s`);
  t.ok(count < 3 + seconds, 'where they are is looked for once a second at most');
  t.equal(watched, COMING);
});

t.test('a program that forks on and on with new sockets', options, async (t) => {
  const server = await GuardedServer.start(t);
  const other = await stranger(t);
  await server.client(t);
  // From now on the next clients' processes are not known for a second.
  await setTimeout(300);
  await other.run(FORK_ON);
  const { client, watch } = await server.client(t);
  const own = await server.client(t, () => ({ _pid: String(other.pid) }));
  let asked = 0;
  while (server.guard.hurried === 0 && asked < 500) {
    t.same(await ask(watch), { kind: 'single' });
    asked++;
  }
  t.ok(server.guard.hurried > 0, `after ${asked} commands one does not wait for the tables`);
  const before = server.guard.hurried;
  for (let i = 0; i < 5; i++) await ask(own.watch);
  t.equal(server.guard.hurried, before, 'whose own program it may be waits');
  const begun = performance.now();
  const count = await reads(async () => {
    await comeOneByOne(server, client);
  });
  const share = count / ((performance.now() - begun) / readMs);
  t.comment(`tables read ${count.toFixed(1)} times, ${(share * 100).toFixed(0)} % of the time`);
  t.ok(count > 1, 'they are read');
  t.ok(share < 0.3, 'but not all the time');
  await other.run('stopped.set(); forking.join()');
  await client.run('out = child(linger)');
  t.match(await ask(watch), { kind: 'shared' });
});
