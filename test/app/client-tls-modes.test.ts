import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { type CertificatePair, makeSelfSigned } from '../../src/frontend/self-signed.js';
import { Capability } from '../../src/protocol/constants.js';
import { TestAuthority } from '../support/certificates.js';
import { eventually } from '../support/proxied.js';
import { ProxyProcess, startProxy } from '../support/proxy.js';
import { loginOf, RawClient } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';

await forEachServer(
  t,
  async (t, server) => {
    const schema = await server.createDatabase();
    const upstream = server.url(schema);
    await t.test('authorities that change', (t) => authorities(t, upstream));
    await t.test('off', async (t) => {
      const proxy = await startProxy(t, { upstream, flags: ['--tls-mode', 'disable'] });
      const client = await RawClient.login(loginOf(proxy.url));
      t.equal((client.greeting?.capabilities ?? Capability.Ssl) & Capability.Ssl, 0);
      client.destroy();
    });
    await t.test('required', async (t) => {
      const proxy = await startProxy(t, { upstream, flags: ['--tls-mode', 'require'] });
      await t.rejects(RawClient.login(loginOf(proxy.url)), {
        errno: 3159,
        sqlState: 'HY000',
        message: 'Connections using insecure transport are prohibited while --require_secure_transport=ON.',
      });
      t.equal(
        await proxy.metric('mybouncer_server_sessions_opened_total'),
        0,
        'the server has heard nothing of it',
      );
      const client = await RawClient.login(loginOf(proxy.url, { tls: {} }));
      t.equal(await client.value('SELECT 1'), '1');
      client.destroy();
    });
  },
  { flavors: ['mariadb'], timeout: 180_000 },
);

t.test('files that cannot be used at the start', async (t) => {
  const folder = t.testdir({ 'a.pem': makeSelfSigned().cert, 'b.key': makeSelfSigned().key });
  const flags = ['--tls-cert', join(folder, 'a.pem'), '--tls-key', join(folder, 'b.key')];
  const proxy = new ProxyProcess({ upstream: 'mysql://app:secret@127.0.0.1:1/shop', flags });
  t.equal(await proxy.ended(), 2);
  t.match(proxy.stderr.join('\n'), /--tls-key: tls_key: ".*b\.key" is not the key of tls_cert/);
});

async function authorities(t: Test, upstream: string): Promise<void> {
  const [old, next] = [await TestAuthority.make(t), await TestAuthority.make(t)];
  const [ofOld, ofNext] = [await old.issue('old'), await next.issue('next')];
  const ca = join(t.testdir({ 'ca.pem': old.cert }), 'ca.pem');
  const proxy = await startProxy(t, { upstream, flags: ['--tls-mode', 'verify', '--tls-client-ca', ca] });
  const logIn = async ({ cert, key }: CertificatePair): Promise<string> => {
    try {
      const client = await RawClient.login(loginOf(proxy.url, { tls: { cert, key } }));
      client.destroy();
      return 'ok';
    } catch (error) {
      return error instanceof Error && 'errno' in error ? String(error.errno) : String(error);
    }
  };
  t.equal(await logIn(ofOld), 'ok');
  t.equal(await logIn(ofNext), '1045');
  const before = await shownTo(proxy, ofOld);
  await writeFile(ca, next.cert);
  await eventually('the new one is believed', async () => (await logIn(ofNext)) === 'ok');
  t.equal(await logIn(ofOld), '1045', 'and the old one no more');
  t.equal(await shownTo(proxy, ofNext), before, 'the certificate that was made stays');
}

async function shownTo(proxy: ProxyProcess, { cert, key }: CertificatePair): Promise<string> {
  const client = await RawClient.login(loginOf(proxy.url, { tls: { cert, key } }));
  const { raw } = (client.socket as TLSSocket).getPeerCertificate();
  client.destroy();
  return new X509Certificate(raw).fingerprint256;
}
