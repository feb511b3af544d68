import { copyFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CertificateMaker } from '../support/certificate-maker.js';
import { forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';
import { HELD_BACK, Site, tlsArguments } from './support/tls-site.js';

t.test('a server with a certificate', { timeout: 300_000 }, async (t) => {
  const maker = await CertificateMaker.start(t);
  const ca = await maker.ca('a CA');
  const other = await maker.ca('another CA');
  const names = ['DNS:localhost', 'DNS:db.example'];
  const server1 = await maker.make({ commonName: 'db', names, issuer: ca });
  const client = await maker.make({ commonName: 'the client', issuer: ca });
  const expired = await maker.make({ commonName: 'an old client', issuer: ca, days: -1 });
  const stranger = await maker.make({ commonName: 'a stranger', issuer: other });

  const suite = async (t: Test, server: PrivateTestServer): Promise<void> => {
    const tcp = (host: string) => ({ address: { host, port: server.port } });

    t.test('each mode', async (t) => {
      const verified = { serverTlsCa: ca.cert } as const;
      t.equal(await new Site(server).version(), 'TLSv1.3');
      t.equal(await new Site(server, { serverTlsMode: 'verify_ca', ...verified }).version(), 'TLSv1.3');
      t.equal(await new Site(server, { serverTlsMode: 'verify_full', ...verified }).version(), 'TLSv1.3');
      t.equal(await new Site(server, { serverTlsMinVersion: 'TLSv1.3' }).version(), 'TLSv1.3');
      const disabled = new Site(server, { serverTlsMode: 'disable' });
      t.equal(disabled.tls, null);
      t.equal(await disabled.version(), '');
    });

    t.test('whatever it is that is logged in with', async (t) => {
      for (const schema of ['app', null]) {
        for (const password of ['secret', '', 'x'.repeat(200)]) {
          const { user } = await server.createUser({ password });
          const site = new Site(server, {}, { user, password, schema });
          t.equal(await site.version(), 'TLSv1.3', 'in full');
          t.equal(await site.version(), 'TLSv1.3', 'from its cache');
        }
      }
      if (!server.isMysql) return;
      const authentication = "IDENTIFIED WITH sha256_password BY 'secret'";
      const { user, password } = await server.createUser({ authentication });
      t.equal(await new Site(server, {}, { user, password }).version(), 'TLSv1.3');
    });

    t.test('a unix socket: only where it is demanded', async (t) => {
      const address = { socketPath: server.socketPath };
      t.equal(await new Site(server, { serverTlsMode: 'prefer' }, { address }).version(), '');
      t.equal(await new Site(server, {}, { address }).version(), 'TLSv1.3');
    });

    t.test('handshakes are resumed, on the server as here', async (t) => {
      const site = new Site(server, { serverTlsMode: 'verify_full', serverTlsCa: ca.cert });
      const hits = await server.status('Ssl_session_cache_hits');
      for (let i = 0; i < 4; i++) await site.version();
      t.equal(site.resumed, '1 full, 3 resumed');
      // MariaDB does not count those by ticket.
      if (server.isMysql) t.ok((await server.status('Ssl_session_cache_hits')) >= hits + 3);
      const certified = new Site(server, { serverTlsCert: client.cert, serverTlsKey: client.key });
      for (let i = 0; i < 3; i++) await certified.version();
      t.equal(certified.resumed, '1 full, 2 resumed', 'with a client certificate, too');
    });

    t.test('a certificate of a CA that is not ours', async (t) => {
      for (const serverTlsMode of ['verify_ca', 'verify_full'] as const) {
        const site = new Site(server, { serverTlsMode, serverTlsCa: other.cert });
        const error = await site.refusal();
        t.match(error, HELD_BACK);
        t.equal(
          error.message,
          `SSL connection error to server on 'localhost:${server.port}': its certificate is not signed by a CA of ${other.cert} (SELF_SIGNED_CERT_IN_CHAIN)`,
        );
        const system = await new Site(server, { serverTlsMode }).refusal();
        t.match(system, { ...HELD_BACK, message: /not signed by a CA of the system's/ });
        t.equal(site.resumed, '0 full, 0 resumed');
      }
    });

    t.test('a certificate for another host', async (t) => {
      const settings = { serverTlsMode: 'verify_full', serverTlsCa: ca.cert } as const;
      const error = await new Site(server, settings, tcp('127.0.0.1')).refusal();
      t.match(error, {
        ...HELD_BACK,
        message: /is for another name, and server_tls_mode is verify_full: .*127\.0\.0\.1/,
      });
      t.equal(
        await new Site(server, { ...settings, serverTlsMode: 'verify_ca' }, tcp('127.0.0.1')).version(),
        'TLSv1.3',
      );
    });

    t.test('an address that is known by a name: the certificate is for that', async (t) => {
      const settings = { serverTlsMode: 'verify_full', serverTlsCa: ca.cert } as const;
      const at = (name: string) => ({ address: { host: '127.0.0.1', port: server.port, name } });
      t.equal(await new Site(server, settings, at('db.example')).version(), 'TLSv1.3');
      t.match(await new Site(server, settings, at('db.other')).refusal(), {
        ...HELD_BACK,
        message: /is for another name, and server_tls_mode is verify_full: .*db\.other/,
      });
    });

    t.test('a client certificate that the server refuses', async (t) => {
      const strange = new Site(server, { serverTlsCert: stranger.cert, serverTlsKey: stranger.key });
      t.match(await strange.refusal(), {
        ...HELD_BACK,
        message: `refuses the client certificate ${stranger.cert} (unknown ca)`,
      });
      const old = new Site(server, { serverTlsCert: expired.cert, serverTlsKey: expired.key });
      t.match(await old.refusal(), {
        ...HELD_BACK,
        message: `refuses the client certificate ${expired.cert} (certificate expired)`,
      });
    });

    t.test('accounts that demand TLS', async (t) => {
      const { user, password } = await server.createUser();
      const plain = { serverTlsMode: 'disable' } as const;
      const certified = { serverTlsCert: client.cert, serverTlsKey: client.key };
      await server.query(`ALTER USER '${user}'@'%' REQUIRE SSL`);
      t.match(await new Site(server, plain, { user, password }).refusal(), {
        errno: 1045,
        refused: 'credentials',
      });
      t.equal(await new Site(server, {}, { user, password }).version(), 'TLSv1.3');
      await server.query(`ALTER USER '${user}'@'%' REQUIRE X509`);
      t.match(await new Site(server, {}, { user, password }).refusal(), {
        errno: 1045,
        refused: 'credentials',
      });
      const site = new Site(server, certified, { user, password });
      for (let i = 0; i < 3; i++) t.equal(await site.version(), 'TLSv1.3');
      t.equal(site.resumed, '1 full, 2 resumed', 'resumed, and still known by its certificate');
      await server.query(`ALTER USER '${user}'@'%' REQUIRE SUBJECT '/CN=the client'`);
      t.equal(await new Site(server, certified, { user, password }).version(), 'TLSv1.3');
      await server.query(`ALTER USER '${user}'@'%' REQUIRE SUBJECT '/CN=somebody else'`);
      t.match(await new Site(server, certified, { user, password }).refusal(), { errno: 1045 });
    });

    t.test('preferred within the machine: for accounts that are not let in without', async (t) => {
      const { user, password } = await server.createUser();
      const prefer = { serverTlsMode: 'prefer' } as const;
      for (const host of ['localhost', '127.0.0.1'])
        t.equal(await new Site(server, prefer, tcp(host)).version(), '');
      await server.query(`ALTER USER '${user}'@'%' REQUIRE SSL`);
      const site = new Site(server, prefer, { user, password });
      for (let i = 0; i < 3; i++) t.equal(await site.version(), 'TLSv1.3');
      t.equal(site.resumed, '1 full, 2 resumed');
      t.same(site.told, [], 'nothing to tell');
      const wrong = new Site(server, prefer, { user, password: 'wrong' });
      t.match(await wrong.refusal(), { errno: 1045 });
      t.equal(wrong.resumed, '1 full, 0 resumed', 'tried once more');
      t.match(await wrong.refusal(), { errno: 1045 });
      t.equal(wrong.resumed, '1 full, 0 resumed', 'but not each time');
      const other = await server.createUser();
      const mistaken = new Site(server, prefer, { ...other, password: 'wrong' });
      t.match(await mistaken.refusal(), { errno: 1045 });
      const right = new Site(server, prefer, {
        user: other.user,
        password: other.password,
        tls: mistaken.tls,
      });
      t.equal(await right.version(), '', 'a wrong password is no reason for TLS from then on');
      await server.query('SET GLOBAL require_secure_transport = ON');
      t.teardown(() => server.query('SET GLOBAL require_secure_transport = OFF'));
      t.equal(await new Site(server, prefer).version(), 'TLSv1.3');
    });

    t.test('files that change are read again', async (t) => {
      const [cert, key] = [
        join(maker.folder, `${server.flavor}.crt`),
        join(maker.folder, `${server.flavor}.key`),
      ];
      await copyFile(expired.cert, cert);
      await copyFile(expired.key, key);
      const { user, password } = await server.createUser();
      await server.query(`ALTER USER '${user}'@'%' REQUIRE X509`);
      const site = new Site(server, { serverTlsCert: cert, serverTlsKey: key }, { user, password });
      t.match(await site.refusal(), { ...HELD_BACK, message: /certificate expired/ });
      await copyFile(client.cert, cert);
      t.match(await site.refusal(), { ...HELD_BACK, message: /certificate expired/ }, 'half of a renewal');
      t.match(await site.refusal(), HELD_BACK);
      t.equal(site.told.length, 1, 'told once');
      t.match(site.told[0], /key values mismatch/);
      await copyFile(client.key, key);
      t.equal(await site.version(), 'TLSv1.3');
      t.equal(await site.version(), 'TLSv1.3');
      t.equal(site.resumed.split(',')[1], ' 1 resumed');
      await writeFile(key, 'nothing');
      t.equal(await site.version(), 'TLSv1.3', 'as before');
      t.equal(site.told.length, 2);
      await copyFile(client.key, key);
      await utimes(key, 1, 1);
      const { full } = site.tls?.handshakes ?? { full: 0 };
      t.equal(await site.version(), 'TLSv1.3');
      t.equal(site.tls?.handshakes.full, full + 1, 'a ticket that other files had brought is not used');
    });

    t.test('files that are not there', async (t) => {
      const missing = join(maker.folder, 'missing.pem');
      const error = await new Site(server, { serverTlsMode: 'verify_ca', serverTlsCa: missing }).refusal();
      t.match(error, { ...HELD_BACK, message: `${missing} cannot be read: ENOENT` });
    });
  };
  await forEachPrivateServer(t, suite, { extraArgs: tlsArguments(server1, ca) });
});
