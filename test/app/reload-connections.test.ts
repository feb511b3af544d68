/** The reloadable keys that are about connections: a new value takes effect in the process that runs. */
import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { TcpSwitch } from '../relay/support/tcp-switch.js';
import { TestAuthority } from '../support/certificates.js';
import { listening } from '../support/listening.js';
import { loginOf, RawClient } from '../support/raw-client.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';
import { applied, type Keys, reloading } from './reloading.js';

await forEachServer(
  t,
  async (t, server) => {
    await t.test('TLS with clients', (t) => clientTls(t, server));
    await t.test('sessions that cannot be opened', (t) => dialling(t, server));
  },
  { flavors: ['mariadb'] },
);

async function clientTls(t: Test, server: TestServer): Promise<void> {
  const [old, next] = [await TestAuthority.make(t), await TestAuthority.make(t)];
  const [first, second] = [await old.issue('proxy'), await next.issue('proxy')];
  const [ofOld, ofNext] = [await old.issue('client'), await next.issue('client')];
  const keys = (authority: TestAuthority, { certPath, keyPath }: typeof first): Keys => ({
    tls_mode: 'verify',
    tls_cert: certPath,
    tls_key: keyPath,
    tls_client_ca: authority.certPath,
  });
  const world = await reloading(t, server, keys(old, first));
  /** The certificate that a client with this one is shown. */
  const seen = async ({ cert, key }: typeof first): Promise<string> => {
    const client = await RawClient.login(loginOf(world.proxy.url, { tls: { cert, key } }));
    const { raw } = (client.socket as TLSSocket).getPeerCertificate();
    client.destroy();
    return new X509Certificate(raw).fingerprint256;
  };
  const of = ({ cert }: typeof first): string => new X509Certificate(cert).fingerprint256;
  t.equal(await seen(ofOld), of(first));
  await world.write(keys(next, second));
  world.proxy.signal('SIGHUP');
  await world.proxy.logged('configuration read anew');
  t.equal(await seen(ofNext), of(second));
  await t.rejects(seen(ofOld));
}

async function dialling(t: Test, server: TestServer): Promise<void> {
  const target = { host: server.host, port: server.port };
  const way = await TcpSwitch.open(t, target);
  const silence = await listening(t, () => {});
  const world = await reloading(t, server, {}, { way: (url) => way.url(url) });
  const [console, client] = [await world.admin(), await world.connect()];
  const keys = { server_connect_timeout: '200ms', server_login_retry: '10ms', query_wait_timeout: '1s' };
  t.match(await world.reload(console, keys), [
    applied('server_connect_timeout'),
    applied('server_login_retry'),
    applied('query_wait_timeout'),
  ]);
  way.target = silence;
  await console.run('RECONNECT');
  t.match(await client.error('SELECT 1'), { errno: 1429, message: /no answer within 200 ms/ });
  const { retryInMs } = await world.proxy.logged('cannot open a server session');
  t.ok(Number(retryInMs) <= 10);
  way.target = target;
  await world.reload(console, {});
  t.equal(await client.value('SELECT 1'), 1);
  for (const one of [console, client]) await one.end();
}
