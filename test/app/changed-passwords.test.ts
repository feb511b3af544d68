import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { eventually } from '../support/proxied.js';
import { RawError } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';
import { proxyWithUsers } from './support.js';

/**
 * The server's password changes first, and sessions end by their age: logins are refused for a while, with longer and longer
 * pauses between them. The file's new one is tried as soon as it is known.
 */
await forEachServer(t, async (t, server) => {
  const folder = t.testdir({ server: 'secret\n' });
  const own = await server.createUser();
  const { user } = own;
  const yaml = (lifetime: string): string => `
server_lifetime: ${lifetime}
server_login_retry: 100ms
users:
  - {name: web, password: web, server_user: ${user}, server_password_file: server}
`;
  const world = await proxyWithUsers(t, server, () => yaml('1h'), { folder, user: own });
  const client = await world.login('web', 'web');
  const asked = async (): Promise<string | number> => {
    try {
      return await client.value('SELECT 42');
    } catch (error) {
      if (error instanceof RawError) return error.errno;
      throw error;
    }
  };
  t.equal(await asked(), '42');
  await server.query(`ALTER USER '${user}'@'%' IDENTIFIED BY 'another one'`);
  t.equal(await asked(), '42', 'the session goes on');
  writeFileSync(join(folder, 'mybouncer.yaml'), yaml('1s'));
  world.proxy.signal('SIGHUP');
  await eventually('sessions have ended by their age', async () => (await asked()) === 1045);
  t.ok((await world.proxy.metric('mybouncer_server_sessions_closed_total', 'reason="lifetime"')) > 0);
  const refusals = (): number =>
    world.proxy.lines.filter(
      ({ msg, retryInMs }) => msg === 'cannot open a server session' && retryInMs !== null,
    ).length;
  // Until a pause is longer than it takes to notice the file.
  for (const end = Date.now() + 3_000; Date.now() < end; await delay(50)) t.equal(await asked(), 1045);
  t.ok(refusals() > 0);
  writeFileSync(join(folder, 'server'), 'another one\n');
  await eventually('the file is taken in', () =>
    world.proxy.lines.some((line) => line['file'] === join(folder, 'server') && /has changed/.test(line.msg)),
  );
  t.equal(await asked(), '42', 'at once');
  t.notMatch(world.proxy.logs.join('\n'), 'another one');
});
