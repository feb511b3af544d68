import t, { type Test } from 'tap';
import { LEASE_MS } from '../../src/relay/steady-share.js';
import { eventually, Proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';
import { Census, Member } from './support/fleet.js';

const MAX_CONNECTIONS = 60;
/** Less the reserve of a tenth. */
const FOR_PROXIES = 54;
/** Connections of each proxy's own, which are part of its share. */
const OWN = 2;

/** What one proxy's pool has where so many share. */
const shareOf = (members: number): number => FOR_PROXIES / members - OWN;

const OPTIONS = { extraArgs: [`--max-connections=${MAX_CONNECTIONS}`], timeout: 240_000 };

await forEachPrivateServer(
  t,
  (t, server) => t.test('three proxies under load', (t) => threeProxies(t, server)).then(() => {}),
  OPTIONS,
);

// These mostly wait.
await forEachPrivateServer(
  t,
  async (t, server) => {
    await t.test('what clients hold is never cut', (t) => heldSessions(t, server));
    await t.test('a control connection that is lost', (t) => lostControl(t, server));
    await t.test('a proxy whose host says nothing more', (t) => silentHost(t, server));
    await t.test('pool_size as a number', (t) => fixedSize(t, server));
  },
  { ...OPTIONS, atOnce: true },
);

async function threeProxies(t: Test, server: PrivateTestServer): Promise<void> {
  // Of different accounts, one of which may do nothing at all.
  const [one, two] = [await server.createUser(), await server.createUser()];
  await server.query(`REVOKE ALL PRIVILEGES, GRANT OPTION FROM '${two.user}'@'%'`);
  const urls = [server.url(), one.url(), `mysql://${two.user}:${two.password}@${server.host}:${server.port}`];
  const census = new Census(server);
  const members: Member[] = [];
  const settled = async (what: string): Promise<void> => {
    const began = performance.now();
    const count = members.length;
    await eventually(`${count} have their shares`, async () => {
      const shares = await Promise.all(members.map((member) => member.share()));
      return shares.every((share) => share === shareOf(count));
    });
    const known = performance.now() - began;
    await eventually(
      `${count} use them`,
      () => census.last <= FOR_PROXIES && census.last > FOR_PROXIES - 2 * count,
    );
    t.comment(
      `${what}: shares after ${Math.round(known)} ms, sessions after ${Math.round(performance.now() - began)} ms; ${census.most} connections at most`,
    );
    t.ok(
      census.most <= FOR_PROXIES + OWN + 1,
      `${what}: ${census.most} connections at most, of ${FOR_PROXIES}`,
    );
    for (const member of members) t.equal(await member.members(), count);
    census.most = 0;
  };
  for (const [i, url] of urls.entries()) {
    members.push(await Member.start(t, server, url));
    await settled(`${i + 1} proxies`);
  }
  const [first, second, third] = members;
  if (first === undefined || second === undefined || third === undefined) throw new RangeError('three');
  await second.end('SIGKILL');
  members.splice(1, 1);
  await settled('one was killed');
  await first.end('SIGTERM');
  members.splice(0, 1);
  await settled('one was stopped');
  await third.rest();
  await census.stop();
  t.strictSame([first.errors, third.errors], [[], []], 'no client heard of it');
  t.ok(census.samples > 100, `${census.samples} looks at the server`);
  for (const { proxy } of [first, third])
    t.equal(proxy.lines.filter(({ msg }) => msg === 'cannot open a server session').length, 0);
  const told = third.proxy.lines.filter(({ msg }) => msg === 'pool size').map((line) => line['proxies']);
  t.strictSame(
    told.filter((count, i) => count !== told[i - 1]),
    [3, 2, 1],
    'the log says so',
  );
}

async function fleetProxy(
  t: Test,
  server: PrivateTestServer,
  flags: readonly string[] = [],
): Promise<Proxied> {
  const proxy = await startProxy(t, { upstream: server.url(), flags: ['--pool-size', 'auto', ...flags] });
  return new Proxied(t, server, proxy, 'app');
}

function share({ proxy }: Proxied): Promise<number> {
  return proxy.metric('mybouncer_pool_share');
}

function sharesAre(members: readonly Proxied[], expected: number): Promise<void> {
  return eventually(`shares are ${expected}`, async () =>
    (await Promise.all(members.map(share))).every((one) => one === expected),
  );
}

async function heldSessions(t: Test, server: PrivateTestServer): Promise<void> {
  const first = await fleetProxy(t, server);
  const clients = await Promise.all(Array.from({ length: 40 }, () => first.connect()));
  await server.query('CREATE TABLE app.held (v INT)');
  await Promise.all(clients.map((client) => client.run('BEGIN')));
  await Promise.all(clients.map((client, i) => client.run(`INSERT INTO held VALUES (${i})`)));
  const second = await fleetProxy(t, server);
  await sharesAre([first, second], shareOf(2));
  t.equal(await first.proxy.settled(40, 'mybouncer_server_sessions', 'state="active"'), 40);
  const late = first.connect().then((client) => client.value('SELECT 1'));
  await Promise.all(clients.map((client) => client.run('COMMIT')));
  t.equal(await late, 1);
  const [{ n } = { n: 0 }] = await server.query<{ n: number }>('SELECT COUNT(*) AS n FROM app.held');
  t.equal(n, 40, 'all of them were committed');
  await eventually('the rest is returned', async () => (await sessionsOf(first)) <= shareOf(2));
  await server.query('DROP TABLE app.held');
  await Promise.all([first.proxy.stop(), second.proxy.stop()]);
}

async function sessionsOf({ proxy }: Proxied): Promise<number> {
  return proxy.metric('mybouncer_server_sessions');
}

async function holderOf(server: PrivateTestServer, number: number): Promise<number | null> {
  const [row] = await server.query<{ id: number | null }>(`SELECT IS_USED_LOCK('mybouncer.${number}') AS id`);
  return row?.id ?? null;
}

async function lostControl(t: Test, server: PrivateTestServer): Promise<void> {
  const members = [await fleetProxy(t, server), await fleetProxy(t, server)];
  await sharesAre(members, shareOf(2));
  const sizes = (): unknown[] =>
    members.map(({ proxy }) => proxy.lines.filter(({ msg }) => msg === 'pool size').at(-1)?.['poolSize']);
  const before = sizes();
  let isSlow = false;
  for (let i = 0; i < 3; i++) {
    const held = await holderOf(server, 1);
    const began = performance.now();
    await server.query(`KILL ${held}`);
    await eventually(
      'it has its number again',
      async () => ![held, null].includes(await holderOf(server, 1)),
    );
    // Where that took longer than what is known counts, they have lost their shares, and get them again.
    isSlow ||= performance.now() - began > LEASE_MS / 2;
    if (isSlow) await sharesAre(members, shareOf(2));
    else
      t.strictSame(await Promise.all(members.map(share)), [shareOf(2), shareOf(2)], 'nobody lost anything');
  }
  if (!isSlow) t.strictSame(sizes(), before);
  for (const { proxy } of members) await proxy.stop();
  t.equal(await holderOf(server, 1), null, 'the lock goes with the proxy');
}

/** A process that stands still is to the server what a host is that has gone: nothing is closed. */
async function silentHost(t: Test, server: PrivateTestServer): Promise<void> {
  const [first, second] = [await fleetProxy(t, server), await fleetProxy(t, server)];
  await sharesAre([first, second], shareOf(2));
  const client = await second.connect();
  await client.value('SELECT 1');
  const began = performance.now();
  second.proxy.signal('SIGSTOP');
  await sharesAre([first], shareOf(1));
  t.comment(`all of it after ${Math.round(performance.now() - began)} ms`);
  second.proxy.signal('SIGCONT');
  await second.proxy.logged(
    'no word from the server about other proxies: the pool keeps one session, and those that clients hold',
  );
  t.equal(await client.value('SELECT 1'), 1);
  await sharesAre([first, second], shareOf(2));
  await Promise.all([first.proxy.stop(), second.proxy.stop()]);
}

async function fixedSize(t: Test, server: PrivateTestServer): Promise<void> {
  const flags = ['--pool-size', '40', '--fleet', 'on'];
  const nowhere = await startProxy(t, {
    upstream: 'mysql://a:b@127.0.0.1:1',
    flags,
    untilListening: true,
  });
  t.equal(await nowhere.metric('mybouncer_pool_share'), 1, 'before it is known who is there');
  await nowhere.stop();
  const on = await fleetProxy(t, server, flags);
  t.equal(await share(on), 40);
  const [auto, off] = [await fleetProxy(t, server), await fleetProxy(t, server, ['--fleet', 'off'])];
  await sharesAre([on, auto], shareOf(2));
  t.equal(await share(off), shareOf(1), 'it does not look');
  t.equal(await off.proxy.metric('mybouncer_fleet_members'), 0);
  const fixed = await fleetProxy(t, server, ['--pool-size', '30']);
  t.equal(await share(fixed), 30);
  t.equal(await on.proxy.metric('mybouncer_fleet_members'), 2);
  await Promise.all([on, auto, off, fixed].map(({ proxy }) => proxy.stop()));
}
