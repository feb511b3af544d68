import t from 'tap';
import { forEachPrivateServer, type TestServer } from '../support/servers.js';
import { proxyWithUsers, told } from './support.js';

/** Methods of accounts besides the server's usual one: whether the proxy can log in by them, and what it says if not. */

interface Method {
  readonly authentication: string;
  /** What is said of it; null: it works. */
  readonly refused: RegExp | null;
}

const ED25519 =
  /^1429 HY000 mybouncer: the server wants client_ed25519 for '(\w+)', which is not known here: let the account log in by mysql_native_password \(MariaDB\).* \(server_user\) \(client \d+\)$/;
const PAM =
  /^1429 HY000 mybouncer: the server wants dialog for '(\w+)', which sends passwords in clear and is not used: /;

async function methodsOf(server: TestServer): Promise<Readonly<Record<string, Method>>> {
  if (server.isMysql)
    return {
      sha256_password: { authentication: "IDENTIFIED WITH sha256_password BY 'secret'", refused: null },
    };
  await server.query("INSTALL PLUGIN IF NOT EXISTS ed25519 SONAME 'auth_ed25519'");
  await server.query("INSTALL PLUGIN IF NOT EXISTS pam SONAME 'auth_pam'");
  const [ed25519, native] = ['ed25519', 'mysql_native_password'].map(
    (method) => `${method} USING PASSWORD('secret')`,
  );
  return {
    ed25519: { authentication: `IDENTIFIED VIA ${ed25519}`, refused: ED25519 },
    'ed25519 first, then mysql_native_password': {
      authentication: `IDENTIFIED VIA ${ed25519} OR ${native}`,
      refused: ED25519,
    },
    'mysql_native_password first, then ed25519': {
      authentication: `IDENTIFIED VIA ${native} OR ${ed25519}`,
      refused: null,
    },
    PAM: { authentication: 'IDENTIFIED VIA pam', refused: PAM },
  };
}

// Of its own: once a MariaDB has such an account, it answers for names that it has not as if they were one of its kind.
await forEachPrivateServer(t, async (t, server) => {
  const methods = Object.entries(await methodsOf(server));
  const accounts = await Promise.all(
    methods.map(([, { authentication }]) => server.createUser({ password: 'secret', authentication })),
  );
  const entries = accounts.map(
    ({ user }, i) =>
      `  - { name: client_${i}, password: its-own, server_user: ${user}, server_password: secret }\n`,
  );
  const world = await proxyWithUsers(t, server, () => `auth: passthrough\nusers:\n${entries.join('')}`);
  for (const [i, [name, { refused }]] of methods.entries()) {
    const user = accounts[i]?.user ?? '';
    await t.test(name, async (t) => {
      const who = async (login: string, password: string): Promise<string> => {
        try {
          const client = await world.login(login, password, { schema: '' });
          return await client.value("SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)");
        } catch (error) {
          return told(error);
        }
      };
      for (const [kind, login, password] of [
        ['a configured user', `client_${i}`, 'its-own'],
        ['pass-through', user, 'secret'],
      ] as const) {
        const said = await who(login, password);
        if (refused === null) t.equal(said, user, kind);
        else t.equal(refused.exec(said)?.[1], user, `${kind}: ${said}`);
      }
      t.equal(
        await world.tried(`client_${i}`, 'wrong', { schema: '' }),
        `1045 28000 Access denied for user 'client_${i}'@'127.0.0.1' (using password: YES)`,
      );
    });
  }
});
