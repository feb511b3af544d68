import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { type Certificate, CertificateMaker } from '../support/certificate-maker.js';
import { forEachPrivateServer } from '../support/servers.js';
import { HELD_BACK, Site, tlsArguments } from './support/tls-site.js';

t.test('a server that has another certificate after a restart', { timeout: 300_000 }, async (t) => {
  const maker = await CertificateMaker.start(t);
  const ca = await maker.ca('a CA');
  const first = await maker.make({ commonName: 'db', names: ['DNS:localhost'], issuer: ca });
  const second = await maker.make({ commonName: 'db', names: ['DNS:localhost'], issuer: ca });
  const expired = await maker.make({ commonName: 'db', names: ['DNS:localhost'], issuer: ca, days: -1 });
  const current = { cert: join(maker.folder, 'db.crt'), key: join(maker.folder, 'db.key') };
  const put = async ({ cert, key }: Certificate): Promise<void> => {
    await copyFile(cert, current.cert);
    await copyFile(key, current.key);
  };
  await put(first);
  await forEachPrivateServer(
    t,
    async (t, server) => {
      const site = new Site(server, { serverTlsMode: 'verify_full', serverTlsCa: ca.cert });
      t.equal(await site.version(), 'TLSv1.2');
      t.equal(await site.version(), 'TLSv1.2');
      t.equal(site.resumed, '1 full, 1 resumed', 'with TLS 1.2 as well');
      await put(second);
      await server.restart();
      t.equal(await site.version(), 'TLSv1.2');
      t.equal(site.resumed, '2 full, 1 resumed', 'a ticket of the server before is worth nothing');
      await put(expired);
      await server.restart();
      t.match(
        await site.refusal(),
        { ...HELD_BACK, message: /has expired$/ },
        'nor does it make an old one good',
      );
      const strict = new Site(server, { serverTlsMinVersion: 'TLSv1.3' });
      t.match(await strict.refusal(), {
        ...HELD_BACK,
        message: /no TLS version in common with us, server_tls_min_version is TLSv1.3/,
      });
      await put(first);
    },
    { extraArgs: [...tlsArguments(current, ca), '--tls-version=TLSv1.2'] },
  );
});
