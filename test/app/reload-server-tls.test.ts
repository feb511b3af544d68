/** The reloadable keys that are about TLS to the server: a new value takes effect in the process that runs. */
import t, { type Test } from 'tap';
import { CertificateMaker } from '../support/certificate-maker.js';
import { eventually } from '../support/proxied.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachPrivateServer } from '../support/servers.js';
import { applied, errorOf, type Keys, reloading } from './reloading.js';

await forEachPrivateServer(t, serverTls, { flavors: ['mysql'] });

async function serverTls(t: Test, server: TestServer): Promise<void> {
  const maker = await CertificateMaker.start(t);
  const [ca, other] = [await maker.ca('a CA'), await maker.ca('another CA')];
  const [own, another] = [
    await maker.make({ commonName: 'one', issuer: ca }),
    await maker.make({ commonName: 'two', issuer: ca }),
  ];
  const [good] = [await maker.make({ commonName: 'db', names: ['DNS:localhost'], issuer: ca })];
  const keys = (of: typeof own, by: typeof ca): Keys => ({
    server_tls_mode: 'verify_full',
    server_tls_ca: by.cert,
    server_tls_cert: of.cert,
    server_tls_key: of.key,
  });
  await server.query(`SET GLOBAL ssl_ca='${ca.cert}', ssl_cert='${good.cert}', ssl_key='${good.key}'`);
  await server.query('ALTER INSTANCE RELOAD TLS');
  const world = await reloading(t, server, keys(own, ca), {
    way: (url) => url.replace('127.0.0.1', 'localhost'),
  });
  const [console, client] = [await world.admin(), await world.connect()];
  t.equal(await client.value('SELECT 1'), 1);
  await server.query(`ALTER USER '${world.user.user}'@'%' REQUIRE SUBJECT '/CN=two'`);
  await console.run('RECONNECT');
  t.match(await client.error('SELECT 1'), { errno: 1045 });
  t.match(await world.reload(console, keys(another, ca)), [
    applied('server_tls_cert'),
    applied('server_tls_key'),
  ]);
  await eventually('it is let in', async () => (await errorOf(client.value('SELECT 1'))) === 'no error');
  t.match(await world.reload(console, keys(another, other)), [applied('server_tls_ca')]);
  await console.run('RECONNECT');
  t.match(await client.error('SELECT 1'), { errno: 1429 }, 'nobody vouches for the server any more');
  for (const one of [console, client]) await one.end();
}
