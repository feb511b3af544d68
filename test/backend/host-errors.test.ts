import { networkInterfaces } from 'node:os';
import t from 'tap';
import { ServerConnectError } from '../../src/backend/connect.js';
import { Upstream } from '../../src/backend/upstream.js';
import { ProfileRegistry } from '../../src/session/profile.js';
import { forEachPrivateServer } from '../support/servers.js';

/** The servers count no errors of loopback. */
const address = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address;

const extraArgs = [
  '--bind-address=*',
  '--skip-name-resolve=OFF',
  '--host-cache-size=128',
  '--max-connect-errors=3',
];

await forEachPrivateServer(
  t,
  async (t, server) => {
    if (address === undefined) {
      t.pass('skipped', { skip: 'this machine has no address but loopback' });
      return;
    }
    const options = { connectTimeoutMs: 10_000, maxPreparedStatements: 0, attributes: {}, tls: null };
    const upstream = new Upstream(
      { ...options, address: { host: address, port: server.port } },
      new ProfileRegistry(),
    );
    const user = await server.createUser();

    await t.test('wrong passwords and unknown names get nobody blocked (1129)', async (t) => {
      for (let i = 0; i < 6; i++) t.notOk(await upstream.tryLogin(user.user, `wrong ${i}`));
      for (let i = 0; i < 6; i++) t.notOk(await upstream.tryLogin(`nobody_${i}`, 'wrong'));
      t.ok(await upstream.tryLogin(user.user, user.password));
    });

    await t.test('nor do accounts with a method that is not known here', async (t) => {
      if (server.isMysql) return;
      await server.query("INSTALL SONAME 'auth_ed25519'");
      const authentication = "IDENTIFIED VIA ed25519 USING PASSWORD('secret')";
      const other = await server.createUser({ authentication });
      for (let i = 0; i < 6; i++) {
        const error: unknown = await upstream.tryLogin(other.user, 'secret').catch((refusal) => refusal);
        t.ok(error instanceof ServerConnectError);
        t.match(error, { errno: 2059, message: /client_ed25519/ });
      }
      t.ok(await upstream.tryLogin(user.user, user.password));
    });
  },
  { extraArgs },
);
