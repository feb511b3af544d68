import t, { type Test } from 'tap';
import { ServerAccount } from '../../src/backend/upstream.js';
import { ControlConnection } from '../../src/relay/control-connection.js';
import { Killer } from '../../src/relay/killer.js';
import { RelayCounters } from '../../src/relay/relay-counters.js';
import { upstreamOf } from '../backend/support/upstream.js';
import { eventually } from '../support/proxied.js';
import type { TestServer, TestUser } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';
import { TcpSwitch } from './support/tcp-switch.js';

const SILENT = { warn: (): void => {} };

await t.test('while the server is down, it is in a hurry only where something waits', async (t) => {
  const nobody = Object.assign(new Error('connect ECONNREFUSED'), { nobodyThere: true });
  const attempts = { idle: 0, waited: 0 };
  const controlOf = (which: keyof typeof attempts): ControlConnection =>
    new ControlConnection({
      open: () => {
        attempts[which]++;
        return Promise.reject(nobody);
      },
      retryMs: () => 3_600_000,
      unreachable: () => {},
      elsewhere: () => {},
    });
  const [idle, waited] = [controlOf('idle'), controlOf('waited')];
  await t.rejects(idle.connect());
  const order = { statement: 'KILL 1', patient: true, wanted: () => true, sent: () => {}, done: () => {} };
  waited.send(order);
  await eventually('many attempts', () => attempts.waited >= 30);
  t.ok(attempts.idle < 10, `${attempts.idle} attempts for nobody`);
  // Somebody comes while it pauses.
  const before = attempts.idle;
  idle.send(order);
  await eventually('it hurries', () => attempts.idle > before + 5);
  await idle.close();
  await waited.close();
});

await forEachServer(t, async (t, server) => {
  const user = await server.createUser();
  await t.test('without clients it is given up after a minute', (t) => rests(t, server, user));
  await t.test('one that nobody answers on is noticed, whatever is sent', (t) => unanswered(t, server, user));
  await t.test('its end is told to whoever waits for an answer', (t) => closed(t, server, user));
});

function killerFor(t: Test, port: number, user: TestUser): { killer: Killer; account: ServerAccount } {
  const upstream = upstreamOf({ host: '127.0.0.1', port }, { connectTimeoutMs: 5_000 });
  const killer = new Killer(upstream, new RelayCounters(), () => 1_000, SILENT);
  t.teardown(() => killer.close());
  return { killer, account: new ServerAccount(user.user, () => user.password) };
}

async function rests(t: Test, server: TestServer, user: TestUser): Promise<void> {
  const { killer, account } = killerFor(t, server.port, user);
  const count = async (): Promise<number> => (await server.sessions(user.user)).length;
  await killer.connect(account);
  t.equal(await count(), 1);
  const pass = async (seconds: number, watched: boolean): Promise<void> => {
    const session = await killer.connect(account);
    for (let i = 0; i < seconds; i++) {
      if (watched) killer.watch(account);
      killer.secondPassed();
      // These seconds are shorter than what a busy server may take.
      await eventually('the sign of life is answered', () => !session.busy);
    }
  };
  await pass(100, true);
  t.equal(await count(), 1, 'a client is there');
  await pass(59, false);
  t.equal(await count(), 1, 'it may come back');
  await pass(5, false);
  await eventually('it is closed', async () => (await count()) === 0);
  killer.watch(account);
  await eventually('the next client opens it again', async () => (await count()) === 1);
  await pass(100, false);
  await eventually('it is closed again', async () => (await count()) === 0);
  const refusal = await new Promise((resolve) => killer.forward('KILL 999999999', account, resolve));
  t.match(refusal, { errno: 1094 }, 'and opened for whoever needs it');
}

async function unanswered(t: Test, server: TestServer, user: TestUser): Promise<void> {
  const hole = await TcpSwitch.open(t, server);
  const { killer, account } = killerFor(t, hole.port, user);
  await killer.connect(account);
  t.equal(hole.count, 1);
  hole.swallow();
  const told: unknown[] = [];
  // One more each second: none of them is an answer.
  for (let i = 0; i < 5; i++) {
    killer.forward('KILL 999999999', account, (err) => told.push(err));
    killer.secondPassed();
  }
  await eventually('it is given up', () => told.length === 5);
  await eventually('there is another one', async () => {
    const err = await new Promise((resolve) => killer.forward('KILL 999999999', account, resolve));
    return (err as { errno?: number } | null)?.errno === 1094;
  });
  t.equal(hole.count, 2);
}

/** As when its server is left: a client may wait for what is asked there. */
async function closed(t: Test, server: TestServer, user: TestUser): Promise<void> {
  const hole = await TcpSwitch.open(t, server);
  const { killer, account } = killerFor(t, hole.port, user);
  const session = await killer.connect(account);
  hole.swallow();
  const told: unknown[] = [];
  killer.forward('KILL 999999999', account, (err) => told.push(err));
  killer.checkServer(session, (lives) => told.push(lives));
  t.same(told, []);
  await killer.close();
  t.match(told, [{ message: /lost/ }, false]);
}
