import t from 'tap';
import { CertificateMaker } from '../support/certificate-maker.js';
import { forEachPrivateServer } from '../support/servers.js';
import { examined } from './support/examined.js';

t.test('TLS towards the server', { timeout: 300_000 }, async (t) => {
  const maker = await CertificateMaker.start(t);
  const ca = await maker.ca('a CA');
  const db = await maker.make({ commonName: 'db', names: ['DNS:localhost'], issuer: ca });
  const client = await maker.make({ commonName: 'client', issuer: ca });
  await forEachPrivateServer(
    t,
    async (t, server) => {
      const upstream = server.url();
      const verified = { server_tls_mode: 'verify_full', server_tls_ca: ca.cert };

      const plain = await examined({ upstream });
      t.match(plain.get('tls'), { level: 'ok', text: 'not used within the machine' });
      const off = await examined({ upstream, server_tls_mode: 'disable' });
      t.match(off.get('tls'), { level: 'ok', text: 'not used (server_tls_mode disable)' });
      const required = await examined({ upstream, server_tls_mode: 'require' });
      t.match(required.get('tls').text, 'TLSv1.3, certificate not verified (server_tls_mode require)');
      const good = await examined({ upstream: upstream.replace('127.0.0.1', 'localhost'), ...verified });
      t.match(good.get('tls').text, 'TLSv1.3, certificate verified (server_tls_mode verify_full)');
      t.strictSame(
        good.bad.filter((line) => !/definitions|process list/.test(line)),
        [],
      );

      const wrong = await examined({ upstream, ...verified });
      t.strictSame(wrong.bad, ['fail server']);
      t.match(wrong.get('server'), {
        text: /^SSL connection error .* is for another name, .* \(2026\)$/,
        advice: /^See server_tls_mode and the files of server_tls_ca/,
      });

      const { user, url } = await server.createUser();
      await server.query(`ALTER USER '${user}'@'%' REQUIRE X509`);
      const refused = await examined({ upstream: url() });
      t.match(refused.get(`login ${user}`), {
        text: /\(1045\)$/,
        advice: /REQUIRE X509 or SUBJECT needs server_tls_cert/,
      });
      const let_in = await examined({
        upstream: url(),
        server_tls_cert: client.cert,
        server_tls_key: client.key,
      });
      t.match(let_in.get('tls').text, 'TLSv1.3, certificate not verified (server_tls_mode prefer)');
      t.equal(let_in.get(`login ${user}`).level, 'ok');
    },
    { extraArgs: [`--ssl-ca=${ca.cert}`, `--ssl-cert=${db.cert}`, `--ssl-key=${db.key}`] },
  );
});

t.test('a server without TLS', { timeout: 300_000 }, async (t) => {
  await forEachPrivateServer(
    t,
    async (t, server) => {
      const required = await examined({ upstream: server.url(), server_tls_mode: 'require' });
      t.match(required.get('server'), {
        level: 'fail',
        text: /does not offer TLS, and server_tls_mode is require/,
      });
      const elsewhere = await examined({ upstream: server.url().replace('127.0.0.1', '0.0.0.0') });
      t.match(elsewhere.get('tls'), { level: 'warn', text: /not encrypted: it does not offer TLS/ });
    },
    { flavors: ['mariadb'], extraArgs: ['--skip-ssl'] },
  );
});
