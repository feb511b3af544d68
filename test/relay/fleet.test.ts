import t, { type Test } from 'tap';
import { eventually } from '../support/proxied.js';
import { forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';
import { Census, Member } from './support/fleet.js';

const MAX_CONNECTIONS = 60;
/** Less the reserve of a tenth. */
const FOR_PROXIES = 54;
/** Connections of each proxy's own, which are part of its share. */
const OWN = 2;

/** What one proxy's pool has where so many share. */
const shareOf = (members: number): number => FOR_PROXIES / members - OWN;

await forEachPrivateServer(
  t,
  async (t, server) => {
    await t.test('three proxies under load', (t) => threeProxies(t, server));
  },
  { extraArgs: [`--max-connections=${MAX_CONNECTIONS}`], timeout: 240_000 },
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
    census.most = 0;
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
