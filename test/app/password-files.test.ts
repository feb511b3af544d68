import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { eventually } from '../support/proxied.js';
import { forEachServer } from '../support/servers.js';
import { proxyWithUsers } from './support.js';

await forEachServer(t, async (t, server) => {
  const folder = t.testdir({
    first: 'one\n',
    second: 'same\n',
    server: 'secret\n',
    v1: { token: 'uno' },
    v2: { token: 'dos' },
  });
  // As Kubernetes mounts a secret: the file is a link into ..data, which is a link that is swapped.
  symlinkSync('v1', join(folder, '..data'));
  symlinkSync(join('..data', 'token'), join(folder, 'token'));
  const world = await proxyWithUsers(
    t,
    server,
    (own) => `
failed_login_limit: 0
users:
  - {name: web, password_file: ${folder}/first, server_user: ${own.user}, server_password_file: ${folder}/server}
  - {name: rotated, password: x, old_password_file: ${folder}/second, server_user: ${own.user}, server_password_file: ${folder}/server}
  - {name: pod, password_file: ${folder}/token, server_user: ${own.user}, server_password_file: ${folder}/server}
`,
  );
  const becomes = (user: string, password: string): Promise<void> =>
    eventually(`${user} has another password`, async () => (await world.tried(user, password)) === 'in');
  const complaints = (file: string): number =>
    world.proxy.lines.filter(
      ({ msg, file: about }) => about === join(folder, file) && /cannot be used/.test(msg),
    ).length;

  await t.test('a file that changes is taken in, however it was changed', async (t) => {
    for (const [user, password] of [
      ['web', 'one'],
      ['rotated', 'same'],
      ['rotated', 'x'],
      ['pod', 'uno'],
    ] as const)
      t.equal(await world.tried(user, password), 'in', `${user} ${password}`);
    writeFileSync(join(folder, 'first'), 'two\n');
    await becomes('web', 'two');
    t.match(await world.tried('web', 'one'), /^1045 28000 /, 'the one before counts no more');
    writeFileSync(join(folder, 'first.new'), 'three');
    renameSync(join(folder, 'first.new'), join(folder, 'first'));
    await becomes('web', 'three');
    symlinkSync('v2', join(folder, '..data.new'));
    renameSync(join(folder, '..data.new'), join(folder, '..data'));
    await becomes('pod', 'dos');
    t.match(await world.tried('pod', 'uno'), /^1045 28000 /);
    writeFileSync(join(folder, 'second'), 'other\n');
    await becomes('rotated', 'other');
    t.equal(await world.tried('rotated', 'x'), 'in');
  });

  await t.test('one that cannot be used leaves what there was, and is told once', async (t) => {
    writeFileSync(join(folder, 'first'), '');
    await eventually('it is told', () => complaints('first') > 0);
    t.equal(await world.tried('web', 'three'), 'in');
    rmSync(join(folder, 'token'));
    await eventually('it is told', () => complaints('token') > 0);
    t.equal(await world.tried('pod', 'dos'), 'in');
    mkdirSync(join(folder, 'token'));
    await eventually('another reason is told', () => complaints('token') > 1);
    writeFileSync(join(folder, 'first'), 'four\nlines\n');
    await eventually('and another', () => complaints('first') > 1);
    writeFileSync(join(folder, 'first'), 'four\n');
    await becomes('web', 'four');
    t.equal(complaints('first'), 2);
    t.equal(complaints('token'), 2);
    const line = world.proxy.lines.find(({ file }) => file === join(folder, 'token'));
    t.match(line, { level: 'warn', error: /^cannot read ".*token": there is no such file$/ });
  });

  await t.test(
    "the server's password: the new one, and the one before while the server knows no other",
    async (t) => {
      const { user } = world.user;
      const ended = async (): Promise<void> => {
        for (const { id } of await server.sessions(user)) await server.query(`KILL ${id}`);
      };
      const works = (): Promise<void> =>
        eventually('a session can be opened', async () => {
          try {
            const client = await world.login('web', 'four');
            const value = await client.value('SELECT 42');
            client.destroy();
            return value === '42';
          } catch {
            return false;
          }
        });
      writeFileSync(join(folder, 'server'), 'newer\n');
      await world.proxy.logged('a password file has changed: new connections use what it says now');
      await eventually('it is taken in', () =>
        world.proxy.lines.some(({ msg, file }) => file === join(folder, 'server') && /has changed/.test(msg)),
      );
      await ended();
      await works();
      await server.query(`ALTER USER '${user}'@'%' IDENTIFIED BY 'newer'`);
      await ended();
      await works();
      t.notMatch(world.proxy.logs.join('\n'), /newer|"(two|three|four|dos|other)"/, 'no password in the log');
    },
  );
});
