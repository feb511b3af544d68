import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { encodeResponse, nativeResponse, USUAL_CAPABILITIES } from '../protocol/support/client-side.js';
import { CertificateMaker } from '../support/certificate-maker.js';
import { eventually } from '../support/proxied.js';
import { commandPayload, loginOf, RawClient, RawError } from '../support/raw-client.js';
import { forEachPrivateServer, type PrivateTestServer, type TestUser } from '../support/servers.js';
import { denied, type PassThrough, passThrough } from './support/guests.js';

const maker = await CertificateMaker.start(t);
const db = await maker.make({ commonName: 'db', issuer: await maker.ca('a CA') });

/** Users of MariaDB who give their password to nobody: what they prove to the server is all that the proxy ever sees. */
await forEachPrivateServer(
  t,
  async (t, server) => {
    const proxy = await passThrough(t, server, ['--server-lifetime', '1h']);
    await t.test('the server judges the first one, the proxy those after it', (t) =>
      judged(t, server, proxy),
    );
    await t.test('many at once', (t) => atOnce(t, server, proxy));
    await t.test('another password', (t) => changed(t, server));
    await t.test('what the server refuses', (t) => refused(t, server, proxy));
    await t.test('clients that do not answer', (t) => silent(t, server, proxy));
    await t.test('the password itself, once it is shown', (t) => shown(t, server, proxy));
    await t.test('no secret is in the log', async (t) => {
      const log = proxy.proxy.logs.join('\n');
      const rows = await server.query<{ hash: string }>(
        "SELECT JSON_VALUE(Priv, '$.authentication_string') AS hash FROM mysql.global_priv WHERE User LIKE 'u\\_%'",
      );
      t.ok(rows.length > 3);
      for (const { hash } of rows) t.notMatch(log.toUpperCase(), hash.slice(1));
    });
  },
  {
    flavors: ['mariadb'],
    timeout: 180_000,
    // Logins that cannot be repeated are encrypted wherever that is offered.
    extraArgs: [`--ssl-cert=${db.cert}`, `--ssl-key=${db.key}`],
  },
);

type Login = Pick<TestUser, 'user' | 'password'>;

function login(proxy: PassThrough, { user, password }: Login): Promise<RawClient> {
  return RawClient.login(loginOf(proxy.proxy.url, { user, password, schema: proxy.schema }));
}

async function told(proxy: PassThrough, who: Login): Promise<RawError | string> {
  try {
    const client = await login(proxy, who);
    const value = await client.value("SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)");
    client.destroy();
    return value;
  } catch (error) {
    if (error instanceof RawError) return error;
    throw error;
  }
}

async function judged(t: Test, server: PrivateTestServer, proxy: PassThrough): Promise<void> {
  const user = await server.createUser({ password: 'pässwörd €' });
  t.match(await told(proxy, { ...user, password: 'wrong' }), denied(user.user));
  const client = await login(proxy, user);
  t.equal(client.loginReply?.sequenceId, 4, 'it was sent another scramble');
  t.equal(await client.value('SELECT 1'), '1');
  const again = await login(proxy, user);
  t.equal(again.loginReply?.sequenceId, 2, 'the next one is not');
  t.equal(await again.value('SELECT 1'), '1');
  t.match(await told(proxy, { ...user, password: 'wrong' }), denied(user.user));
  t.match(await told(proxy, { ...user, password: '' }), denied(user.user, 'NO'));
  // What the proxy has learned opens sessions, as many as are needed.
  for (const { id } of await server.sessions(user.user)) await server.query(`KILL ${id}`).catch(() => {});
  await client.must('BEGIN');
  await again.must('BEGIN');
  t.not(await client.value('SELECT CONNECTION_ID()'), await again.value('SELECT CONNECTION_ID()'));
  t.equal(await client.value("SELECT SUBSTRING_INDEX(USER(), '@', 1)"), user.user);
  client.destroy();
  again.destroy();
}

async function atOnce(t: Test, server: PrivateTestServer, proxy: PassThrough): Promise<void> {
  const user = await server.createUser();
  const before = await server.status('Connections');
  const all = await Promise.all(Array.from({ length: 40 }, () => login(proxy, user)));
  t.equal(all.length, 40);
  t.ok((await server.status('Connections')) - before < 20, 'of whom most have waited for the first');
  for (const client of all) client.destroy();
}

async function changed(t: Test, server: PrivateTestServer): Promise<void> {
  const proxy = await passThrough(t, server, ['--passthrough-expiry', '2s']);
  const user = await server.createUser({ password: 'first' });
  const [first, second] = [user, { ...user, password: 'second' }];
  const client = await login(proxy, first);
  t.equal(await client.value('SELECT 1'), '1');
  await server.query(`ALTER USER '${user.user}'@'%' IDENTIFIED BY 'second'`);
  t.equal(await told(proxy, second), user.user, 'the new one works at once');
  t.match(await told(proxy, first), denied(user.user), 'and then the old one no more');
  t.equal(await client.value('SELECT 1'), '1', 'who is logged in stays so');
  await server.query(`ALTER USER '${user.user}'@'%' IDENTIFIED BY 'third'`);
  await eventually(
    'the one before works until the expiry',
    async () => (await told(proxy, second)) !== user.user,
  );
  t.match(await told(proxy, second), denied(user.user));
  t.equal(await told(proxy, { ...user, password: 'third' }), user.user);
  client.destroy();
}

async function refused(t: Test, server: PrivateTestServer, proxy: PassThrough): Promise<void> {
  const [locked, expired, busy, none] = await Promise.all([
    server.createUser(),
    server.createUser(),
    server.createUser(),
    server.createUser({ password: '' }),
  ]);
  const encrypted = await server.createUser();
  await server.query(`ALTER USER '${encrypted.user}'@'%' REQUIRE SSL`);
  t.equal(await told(proxy, encrypted), encrypted.user, 'an account that has to use TLS');
  await server.query(`ALTER USER '${locked.user}'@'%' ACCOUNT LOCK`);
  await server.query(`ALTER USER '${expired.user}'@'%' PASSWORD EXPIRE`);
  await server.query(`ALTER USER '${busy.user}'@'%' WITH MAX_USER_CONNECTIONS 1`);
  t.match(await told(proxy, locked), { errno: 4151, message: /locked/ });
  t.match(await told(proxy, { ...locked, password: 'wrong' }), { errno: 1045 });
  t.match(await told(proxy, expired), { errno: 1820, message: /You must SET PASSWORD/ });
  const direct = await proxy.direct({ user: busy.user, password: busy.password });
  t.match(await told(proxy, busy), { errno: 1226, message: /max_user_connections/ });
  await direct.end();
  await eventually('it has left', async () => (await server.sessions(busy.user)).length === 0);
  const one = await login(proxy, busy);
  await one.must('BEGIN');
  t.equal((await told(proxy, none)) as string, none.user, 'the empty password');
  t.match(await told(proxy, { ...none, password: 'some' }), denied(none.user));
  t.match(await told(proxy, { user: 'nobody_at_all', password: 'some' }), denied('nobody_at_all'));
  one.destroy();
}

/** A login that is asked for an answer, and says what it is told to. */
async function half(t: Test, proxy: PassThrough, user: string, answer: Buffer | null): Promise<RawClient> {
  const { host, port } = loginOf(proxy.proxy.url);
  const client = new RawClient({ host, port });
  const greeting = await client.expect();
  t.equal(greeting.payload[0], 10);
  client.send(
    encodeResponse({
      user,
      capabilities: USUAL_CAPABILITIES,
      plugin: 'mysql_native_password',
      authResponse: nativeResponse('guess', Buffer.alloc(20, 7)),
    }),
    1,
  );
  const asked = await client.expect();
  t.equal(asked.payload[0], 0xfe);
  t.match(asked.payload.toString('latin1'), /mysql_native_password/);
  if (answer !== null) client.send(answer, asked.sequenceId + 1);
  return client;
}

async function silent(t: Test, server: PrivateTestServer, proxy: PassThrough): Promise<void> {
  const { user, password } = await server.createUser();
  for (const length of [1, 19, 21, 32]) {
    const client = await half(t, proxy, user, Buffer.alloc(length, 1));
    t.match(new RawError((await client.expect()).payload), denied(user), `an answer of ${length} bytes`);
    await client.ended();
  }
  const gone = await Promise.all(
    Array.from({ length: 6 }, () => half(t, proxy, user, null).catch(() => null)),
  );
  for (const client of gone) client?.destroy();
  t.equal(await told(proxy, { user, password }), user, 'others are not kept out');
  await eventually('the server waits for nobody', async () => {
    const rows = await server.query<{ User: string }>('SHOW PROCESSLIST');
    return rows.every(({ User }) => User !== 'unauthenticated user');
  });
  const client = await login(proxy, { user, password });
  client.send(commandPayload(Command.Ping));
  t.equal((await client.expect()).payload[0], 0);
  client.destroy();
}

/** By caching_sha2_password, which asks for the password itself: from then on each method is as fast as the other. */
async function shown(t: Test, server: PrivateTestServer, proxy: PassThrough): Promise<void> {
  const { user, password } = await server.createUser();
  t.equal(await told(proxy, { user, password }), user);
  const sha2 = (): Promise<RawClient> =>
    RawClient.login(loginOf(proxy.proxy.url, { user, password, plugin: 'caching_sha2_password' }));
  const logins: (number | undefined)[] = [];
  for (const kind of ['asked', 'known']) {
    const client = await sha2();
    t.equal(await client.value('SELECT 1'), '1', kind);
    logins.push(client.loginReply?.sequenceId);
    client.destroy();
  }
  // Asked once more, then with a key and what it encrypts; the second time with a proof alone.
  t.strictSame(logins, [8, 3]);
  t.equal(await told(proxy, { user, password }), user, 'and the other method goes on as before');
}
