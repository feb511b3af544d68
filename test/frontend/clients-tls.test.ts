import t, { type Test } from 'tap';
import { makeSelfSigned } from '../../src/frontend/self-signed.js';
import { TlsAcceptor } from '../../src/frontend/tls-acceptor.js';
import { CLIENTS, MYSQLCLIENT_CHANGE, NEW_MARIADB, type RealClient } from './support/clients.js';
import { HASHED_PASSWORD, MARIADB, MYSQL, serve, startHarness } from './support/harness.js';

/** Not one of the addresses that clients take for this machine and trust. */
const ELSEWHERE = '127.0.0.2';
const UNTRUSTED = /^2026 .*(?:self-signed|NOT trusted)/;

const tlsOf = (): TlsAcceptor => new TlsAcceptor({ ...makeSelfSigned(), ca: null }, 'TLSv1.2');

/** As in CI, where everything is there, so that what is missing is a failure. */
async function isMissing(t: Test, client: RealClient): Promise<boolean> {
  const missing = await client.missing();
  if (missing === null) return false;
  if (process.env['CI'] === 'true') t.fail(`${missing} is missing`);
  else t.pass('skipped', { skip: `${missing} is missing` });
  return true;
}

for (const client of [...CLIENTS, MYSQLCLIENT_CHANGE]) {
  t.test(`${client.name} over TLS, by a self-signed certificate`, async (t) => {
    if (await isMissing(t, client)) return;
    for (const server of [MARIADB, MYSQL]) {
      const { port, logins } = await startHarness(t, { server, tls: tlsOf(), tlsRequired: true });
      const target = { port, tls: true } as const;
      t.equal(await client.login({ ...target, user: 'app', password: 'secret' }), 'ok', server.flavor);
      t.equal(logins.length, 1);
      t.ok(logins.every(({ fingerprint }) => fingerprint !== null));
      t.match(await client.login({ ...target, user: 'app', password: 'wrong' }), /^1045 /);
      if (client !== MYSQLCLIENT_CHANGE) {
        const hashed = { ...target, user: 'hashed', password: HASHED_PASSWORD };
        t.equal(await client.login(hashed), 'ok', 'full authentication');
      }
    }
  });
}

t.test('clients that prefer TLS need not be told', async (t) => {
  for (const client of CLIENTS.filter(({ name }) => name === 'mysql (command line)')) {
    if (await isMissing(t, client)) continue;
    const { port, logins } = await startHarness(t, { server: MYSQL, tls: tlsOf() });
    t.equal(await client.login({ port, user: 'app', password: 'secret' }), 'ok');
    t.ok(logins[0]?.fingerprint, 'it has asked for it');
  }
});

t.test(NEW_MARIADB.name, async (t) => {
  const client = NEW_MARIADB;
  if (await isMissing(t, client)) return;
  const listen = [{ kind: 'tcp', host: ELSEWHERE, port: 0 } as const];
  const harness = await startHarness(t, { tls: tlsOf(), listen });
  const target = { host: ELSEWHERE, port: harness.port };
  t.equal(
    await client.login({ ...target, user: 'app', password: 'secret' }),
    'ok',
    'it knows it by the password',
  );
  t.equal(harness.logins.length, 1);
  t.match(await client.login({ ...target, user: 'app', password: 'wrong' }), /^1045 /);

  // Somebody between the two, with a certificate of its own, cannot prove it.
  const between = await startHarness(t, {
    tls: tlsOf(),
    listen,
    onLogin: (login) => {
      between.logins.push(login);
      serve({ ...login, info: Buffer.from(`\x01${'0'.repeat(64)}`, 'latin1') });
    },
  });
  const fooled = { host: ELSEWHERE, port: between.port, user: 'app', password: 'secret' };
  t.match(await client.login(fooled), UNTRUSTED, 'a wrong proof');

  const plain = await startHarness(t, { listen });
  const refused = await client.login({ ...fooled, port: plain.port });
  t.match(refused, /^2026 .*SSL is required, but the server does not support it/);

  const likeMysql = await startHarness(t, { server: MYSQL, tls: tlsOf(), listen });
  t.match(await client.login({ ...fooled, port: likeMysql.port }), UNTRUSTED, 'as with MySQL itself');

  const here = await startHarness(t, { server: MYSQL, tls: tlsOf() });
  t.equal(await client.login({ port: here.port, user: 'app', password: 'secret' }), 'ok', 'on this machine');
  t.equal(await client.login({ socketPath: here.socketPath, user: 'app', password: 'secret' }), 'ok');
});
