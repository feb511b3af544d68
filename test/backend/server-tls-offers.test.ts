import t from 'tap';
import { Capability, HEADER_SIZE } from '../../src/protocol/constants.js';
import { CertificateMaker } from '../support/certificate-maker.js';
import { listening, onward } from '../support/listening.js';
import { forEachPrivateServer } from '../support/servers.js';
import { HELD_BACK, noTls, Site, tlsArguments } from './support/tls-site.js';

/** An address of this machine's that does not look like one: TLS is preferred there as it is to another host. */
function elsewhere({ port }: { readonly port: number }) {
  return { address: { host: '0.0.0.0', port } };
}

for (const flavor of ['mariadb', 'mysql'] as const) {
  t.test(`${flavor} without TLS`, { timeout: 300_000 }, async (t) => {
    await forEachPrivateServer(
      t,
      async (t, server) => {
        for (const serverTlsMode of ['require', 'verify_ca', 'verify_full'] as const) {
          const error = await new Site(server, { serverTlsMode }).refusal();
          t.match(error, HELD_BACK);
          t.equal(
            error.message,
            `SSL connection error to server on 'localhost:${server.port}': it does not offer TLS, and server_tls_mode is ${serverTlsMode}`,
          );
        }
        t.equal(await new Site(server, { serverTlsMode: 'prefer' }).version(), '');
        const site = new Site(server, { serverTlsMode: 'prefer' }, elsewhere(server));
        t.equal(await site.version(), '');
        t.equal(await site.version(), '');
        t.same(site.told, [false], 'told once');
      },
      { flavors: [flavor], extraArgs: noTls(flavor) },
    );
  });
}

t.test('somebody on the way takes the TLS out of the greeting', { timeout: 300_000 }, async (t) => {
  const maker = await CertificateMaker.start(t);
  const ca = await maker.ca('a CA');
  const db = await maker.make({ commonName: 'db', names: ['DNS:localhost'], issuer: ca });
  await forEachPrivateServer(
    t,
    async (t, server) => {
      let stripping = false;
      const relay = await listening(t, (client) => {
        const upstream = onward(client, server);
        client.pipe(upstream);
        upstream.once('data', (greeting: Buffer) => {
          if (stripping) takeTlsOut(greeting);
          client.write(greeting);
          upstream.pipe(client);
        });
      });
      const preferring = new Site(relay, { serverTlsMode: 'prefer' }, elsewhere(relay));
      const requiring = new Site(relay, {}, elsewhere(relay));
      t.equal(await preferring.version(), 'TLSv1.3');
      t.equal(await requiring.version(), 'TLSv1.3');
      t.same(preferring.told, [], 'as it should be');
      stripping = true;
      for (let i = 0; i < 3; i++) t.equal(await preferring.version(), '', 'goes on without');
      t.same(preferring.told, [false], 'told once');
      t.match(await requiring.refusal(), { ...HELD_BACK, message: /does not offer TLS/ });
      stripping = false;
      t.equal(await preferring.version(), 'TLSv1.3');
      t.same(preferring.told, [false, true]);
      t.equal(await requiring.version(), 'TLSv1.3');
    },
    { extraArgs: tlsArguments(db, ca) },
  );
});

/** Clears CLIENT_SSL, which is in the lower half of the capabilities, behind the version, an id and 9 bytes. */
function takeTlsOut(greeting: Buffer): void {
  const at = greeting.indexOf(0, HEADER_SIZE + 1) + 1 + 4 + 9;
  greeting.writeUInt16LE(greeting.readUInt16LE(at) & ~Capability.Ssl, at);
}
