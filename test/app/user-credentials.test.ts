import t from 'tap';
import { nativeDigest, sha2Digest } from '../../src/protocol/auth-scramble.js';
import { eventually } from '../support/proxied.js';
import { forEachServer } from '../support/servers.js';
import { proxyWithUsers } from './support.js';

const nativeHash = (password: string): string => `*${nativeDigest(password).toString('hex').toUpperCase()}`;

await forEachServer(t, async (t, server) => {
  await t.test('a user known by hash: what clients prove, and what the server gets', async (t) => {
    const byNative = await server.createUser({ password: 'native pass' });
    const world = await proxyWithUsers(
      t,
      server,
      (own) => `
users:
  - {name: ${byNative.user}, hash: "${nativeHash('native pass')}"}
  - {name: fast, hash: "sha256:${sha2Digest('fast pass').toString('hex')}", server_user: ${own.user}, server_password: ${own.password}}
`,
    );
    const plugin = 'mysql_native_password';
    const denied = /^1045 28000 Access denied for user '.*'@'127\.0\.0\.1' \(using password: YES\)$/;
    t.match(await world.tried(byNative.user, 'wrong', { plugin }), denied);
    t.match(await world.tried('fast', 'wrong'), denied);
    const fast = await world.login('fast', 'fast pass', { plugin: 'caching_sha2_password' });
    t.match(await fast.value('SELECT CURRENT_USER()'), new RegExp(`^${world.user.user}@`));
    const switched = await world.login('fast', 'fast pass', { plugin });
    t.equal(await switched.value('SELECT 1'), '1', 'a client that begins with another method is switched');
    for (const begins of [plugin, 'caching_sha2_password']) {
      const result = await world.tried(byNative.user, 'native pass', { plugin: begins });
      if (server.isMysql) {
        t.match(
          result,
          /^1429 HY000 mybouncer: the server wants caching_sha2_password for 'u_.*', and of its password only the mysql_native_password hash is known here: give server_user and server_password, or the password itself \(client \d+\)$/,
        );
      } else {
        t.equal(result, 'in');
      }
    }
    if (server.isMysql) return;
    const client = await world.login(byNative.user, 'native pass', { plugin });
    t.match(await client.value('SELECT CURRENT_USER()'), new RegExp(`^${byNative.user}@`));
    t.ok((await server.sessions(byNative.user)).length > 0, 'by the hash alone');
  });

  await t.test('two passwords: either for clients, and the one that works for the server', async (t) => {
    const account = await server.createUser({ password: 'old pass' });
    const world = await proxyWithUsers(
      t,
      server,
      () => `
pool_size: 2
users:
  - {name: ${account.user}, password: new pass, old_password: old pass}
  - {name: ${account.user}h, hash: "${nativeHash('new pass')}", old_hash: "${nativeHash('old pass')}", server_user: ${account.user}, server_password: old pass}
`,
    );
    const methods = ['mysql_native_password', 'caching_sha2_password'];
    const works = async (password: string): Promise<void> => {
      for (const plugin of methods) {
        const client = await world.login(account.user, password, { plugin });
        t.equal(await client.value('SELECT 6 * 7'), '42', `${password} by ${plugin}`);
        client.destroy();
      }
    };
    await works('old pass');
    await works('new pass');
    for (const password of ['old pass', 'new pass']) {
      t.equal(await world.tried(`${account.user}h`, password, { plugin: 'mysql_native_password' }), 'in');
      t.match(await world.tried(account.user, `${password}x`), /^1045 /);
      t.match(await world.tried(`${account.user}h`, `${password}x`), /^1045 /);
    }
    t.match(await world.tried(account.user, ''), /^1045 .*using password: NO/);
    await eventually('the log tells who still uses the old one', () =>
      world.proxy.lines.some(({ msg, user }) => msg.includes('old password') && user === account.user),
    );

    await server.query(`ALTER USER '${account.user}'@'%' IDENTIFIED BY 'new pass'`);
    for (const { id } of await server.sessions(account.user)) await server.query(`KILL ${id}`);
    await eventually('the new password is the one that works', async () => {
      const [session] = await server.sessions(account.user);
      return session !== undefined;
    });
    await works('old pass');
    await works('new pass');
    t.notOk(
      world.proxy.logs.some((line) => /(old|new) pass["x]/.test(line)),
      'no password in the log',
    );
  });
});
