import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { eventually } from '../support/proxied.js';
import { forEachServer } from '../support/servers.js';
import { proxyWithUsers } from './support.js';

await forEachServer(t, async (t, server) => {
  const folder = t.testdir({ web: 'one pass\n', old: 'old pass\n', server: 'secret\n' });
  const own = await server.createUser();
  const { user } = own;
  const world = await proxyWithUsers(
    t,
    server,
    () => `
failed_login_limit: 0
users:
  - {name: web, password_file: web, old_password_file: old, server_user: ${user}, server_password_file: server}
`,
    { folder, user: own },
  );
  const becomes = (password: string): Promise<void> =>
    eventually('the client has another password', async () => (await world.tried('web', password)) === 'in');
  const takenIn = (file: string): Promise<void> =>
    eventually('it is taken in', () =>
      world.proxy.lines.some((line) => line['file'] === join(folder, file) && /has changed/.test(line.msg)),
    );
  /** However often its sessions and the pool's patience end. */
  const works = (): Promise<void> =>
    eventually('a session can be opened', async () => {
      for (const { id } of await server.sessions(user)) await server.query(`KILL ${id}`).catch(() => {});
      try {
        const client = await world.login('web', 'two pass');
        const value = await client.value('SELECT 42');
        client.destroy();
        return value === '42';
      } catch {
        return false;
      }
    });

  for (const password of ['one pass', 'old pass']) t.equal(await world.tried('web', password), 'in');
  writeFileSync(join(folder, 'web'), 'two pass\n');
  await becomes('two pass');
  t.match(await world.tried('web', 'one pass'), /^1045 28000 /, 'the one before counts no more');
  t.equal(await world.tried('web', 'old pass'), 'in');
  writeFileSync(join(folder, 'old'), 'one pass\n');
  await becomes('one pass');
  t.match(await world.tried('web', 'old pass'), /^1045 28000 /);

  writeFileSync(join(folder, 'server'), 'newer pass\n');
  await takenIn('server');
  await works();
  await server.query(`ALTER USER '${user}'@'%' IDENTIFIED BY 'newer pass'`);
  await works();
  t.notMatch(world.proxy.logs.join('\n'), /(one|two|newer) pass|old pass(?!word)/, 'no password in the log');
});
