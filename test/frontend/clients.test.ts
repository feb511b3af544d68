import t, { type Test } from 'tap';
import { PasswordHasher } from '../../src/frontend/password-hasher.js';
import { LocalUsers } from '../../src/frontend/users.js';
import type { ServerInfo } from '../../src/session/server-info.js';
import { CLIENTS, MYSQLCLIENT_CHANGE, type RealClient } from './support/clients.js';
import {
  HASHED_PASSWORD,
  type Harness,
  MARIADB,
  MYSQL,
  serve,
  startHarness,
  USERS,
} from './support/harness.js';

const GOOD = [
  ['app', 'secret'],
  ['nopass', ''],
  ['jürgen', 'pässwörd'],
] as const;
const BAD = [
  ['app', 'wrong', 'YES'],
  ['app', '', 'NO'],
  ['nopass', 'not empty', 'YES'],
  ['hashed', 'wrong', 'YES'],
  ['stranger', 'secret', 'YES'],
] as const;

function transports(
  harness: Harness,
): readonly (readonly [string, { port: number } | { socketPath: string }])[] {
  return [
    ['TCP', { port: harness.port }],
    ['unix socket', { socketPath: harness.socketPath }],
  ];
}

/** As in CI, where everything is there, so that what is missing is a failure. */
async function isMissing(t: Test, client: RealClient): Promise<boolean> {
  const missing = await client.missing();
  if (missing === null) return false;
  if (process.env['CI'] === 'true') t.fail(`${missing} is missing`);
  else t.pass('skipped', { skip: `${missing} is missing` });
  return true;
}

for (const client of CLIENTS) {
  for (const server of [MARIADB, MYSQL]) {
    t.test(`${client.name}, as if to ${server.flavor}`, async (t) => {
      if (await isMissing(t, client)) return;
      await t.test('who may log in', (t) => allowed(t, client, server));
      await t.test('who may not', (t) => refused(t, client, server));
      await t.test('full authentication, then fast', (t) => full(t, client, server));
    });
  }
}

for (const client of [...CLIENTS, MYSQLCLIENT_CHANGE]) {
  const change = client.change?.bind(client);
  if (change === undefined) continue;
  t.test(`COM_CHANGE_USER by ${client.name}`, async (t) => {
    if (await isMissing(t, client)) return;
    // All of one kind, so that an unknown name meets the same exchange as a known one.
    const known = USERS.filter(({ secret }) => 'password' in secret);
    const users = new LocalUsers(known, new PasswordHasher());
    // mysql2 takes an empty password for "the same as before".
    const usable = (password: string): boolean => password !== '' || client.name !== 'mysql2';
    // MariaDB's driver for Node refuses to send it to MySQL.
    const servers = client.name === 'mariadb (npm)' ? [MARIADB] : [MARIADB, MYSQL];
    for (const server of servers) {
      const { port } = await startHarness(t, { server, users, onLogin: (login) => serve(login, users) });
      const app = { user: 'app', password: 'secret', port };
      for (const [user, password] of GOOD) {
        if (!usable(password)) continue;
        t.equal(await change(app, { user, password }), 'ok', `${user}, as if on ${server.flavor}`);
      }
      for (const [user, password] of BAD) {
        if (!usable(password)) continue;
        t.match(await change(app, { user, password }), '1045 ', `${user} with '${password}'`);
      }
    }
  });
}

async function allowed(t: Test, client: RealClient, server: ServerInfo): Promise<void> {
  const harness = await startHarness(t, { server });
  for (const [transport, where] of transports(harness)) {
    for (const [user, password] of GOOD) {
      t.equal(await client.login({ user, password, ...where }), 'ok', `${user} over ${transport}`);
      t.match(harness.logins.at(-1), {
        user: { name: user },
        remote: { kind: 'port' in where ? 'tcp' : 'unix' },
      });
    }
  }
}

async function refused(t: Test, client: RealClient, server: ServerInfo): Promise<void> {
  const harness = await startHarness(t, { server });
  for (const [transport, where] of transports(harness)) {
    const host = 'port' in where ? '127.0.0.1' : 'localhost';
    // The words are the same over both, and a process each takes its time.
    for (const [user, password, using] of 'port' in where ? BAD : BAD.slice(0, 1)) {
      const answer = await client.login({ user, password, ...where });
      const words = `Access denied for user '${user}'@'${host}' (using password: ${using})`;
      t.match(answer, '1045 ', `${user} with '${password}' over ${transport}`);
      t.match(answer, words);
    }
  }
  t.equal(harness.logins.length, 0);
}

async function full(t: Test, client: RealClient, server: ServerInfo): Promise<void> {
  for (const transport of ['port', 'socketPath'] as const) {
    // A new one each time: it has never seen the password.
    const harness = await startHarness(t, { server });
    const target = { user: 'hashed', password: HASHED_PASSWORD, [transport]: harness[transport] };
    t.equal(await client.login(target), 'ok', `full over ${transport}`);
    t.equal(await client.login(target), 'ok', `again over ${transport}`);
    // PyMySQL before 1.1 answers a switched scramble wrongly, so that it needs full authentication each time.
    if (server !== MYSQL) continue;
    t.same(
      harness.logins.map(({ preface }) => preface.length > 0),
      [false, true],
    );
  }
}
