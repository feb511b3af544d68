import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { type Certificate, CertificateMaker } from '../support/certificate-maker.js';
import { eventually, Proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { forEachPrivateServer, type PrivateTestServer, type TestUser } from '../support/servers.js';

const VERSION = 'mybouncer_server_sessions_tls';

t.test('everything that the proxy says to the server is encrypted', { timeout: 300_000 }, async (t) => {
  const maker = await CertificateMaker.start(t);
  const ca = await maker.ca('a CA');
  const expired = await maker.make({ commonName: 'db', names: ['DNS:localhost'], issuer: ca, days: -1 });
  const good = await maker.make({ commonName: 'db', names: ['DNS:localhost'], issuer: ca });
  const client = await maker.make({ commonName: 'the proxy', issuer: ca });
  const current = { cert: join(maker.folder, 'db.crt'), key: join(maker.folder, 'db.key') };
  const put = async ({ cert, key }: Certificate): Promise<void> => {
    await copyFile(cert, current.cert);
    await copyFile(key, current.key);
  };
  await put(good);

  /** In front of an account that is not let in without a certificate: a connection without one would be refused. */
  const start = async (server: PrivateTestServer, user: TestUser): Promise<Proxied> => {
    const schema = await server.createDatabase();
    await server.query(`ALTER USER '${user.user}'@'%' REQUIRE SUBJECT '/CN=the proxy'`);
    const proxy = await startProxy(t, {
      upstream: user.url(schema).replace('127.0.0.1', 'localhost'),
      flags: [
        ...['--server-tls-mode', 'verify_full', '--server-tls-ca', ca.cert],
        ...['--server-tls-cert', client.cert, '--server-tls-key', client.key],
        ...['--pool-size', '3', '--server-login-retry', '100ms'],
      ],
    });
    return new Proxied(t, server, proxy, schema);
  };

  await forEachPrivateServer(
    t,
    async (t, server) => {
      await put(good);
      const user = await server.createUser();
      const world = await start(server, user);
      const { proxy } = world;

      await t.test('statements of all sizes', async (t) => {
        const one = await world.connect();
        const big = 'x'.repeat(3 << 20);
        t.equal(await one.value("SHOW STATUS LIKE 'Ssl_version'"), 'Ssl_version');
        t.equal(await one.value(`SELECT '${big}'`), big);
        const [row] = await one.execute('SELECT ? AS v', [Buffer.alloc(250_000, 7)]);
        t.equal(Buffer.from(row?.['v'] ?? '').length, 250_000);
        await one.run('CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)');
        await Promise.all(
          Array.from({ length: 12 }, async (_, i) => {
            const other = await world.connect();
            for (let round = 0; round < 5; round++)
              await other.run(`REPLACE INTO t VALUES (${i}, REPEAT('${i}-', ${round * 10_000}))`);
            t.equal(await other.value(`SELECT LENGTH(v) FROM t WHERE id = ${i}`), `${i}-`.length * 40_000);
            await other.end();
          }),
        );
        const rows = await one.rows("SELECT REPEAT('y', 60000) AS v FROM t");
        t.equal(rows.length, 12);
        await one.end();
      });

      await t.test('a statement is killed whose client goes', async () => {
        const gone = await world.connect();
        gone.run('DO SLEEP(100)').catch(() => {});
        const asleep = async () =>
          (await server.sessions(user.user)).some(({ info }) => info === 'DO SLEEP(100)');
        await eventually('it runs', asleep);
        gone.destroy();
        await eventually('it is killed', async () => !(await asleep()));
      });

      await t.test('metrics', async (t) => {
        t.ok((await proxy.metric(VERSION, 'version="TLSv1.3"')) > 0);
        for (const version of ['none', 'TLSv1.2'])
          t.equal(await proxy.metric(VERSION, `version="${version}"`), 0);
        t.ok((await proxy.metric('mybouncer_server_tls_handshakes_total', 'kind="resumed"')) > 0);
        t.ok((await proxy.metric('mybouncer_server_tls_handshakes_total', 'kind="full"')) > 0);
        t.ok(proxy.lines.some(({ msg, tls }) => msg === 'server session opened' && tls === 'TLSv1.3'));
      });

      await t.test('idle sessions that the server ends are noticed', async (t) => {
        const one = await world.connect();
        const before = await server.sessions(user.user);
        // One may have gone by itself.
        for (const { id } of before) await server.query(`KILL ${id}`).catch(() => undefined);
        t.equal(await one.value('SELECT 1'), 1);
        await one.end();
      });

      await t.test('the server comes back with a certificate that has expired', async (t) => {
        const one = await world.connect();
        await put(expired);
        await server.restart();
        const error = await (async () => {
          for (;;) {
            const found = await one.error('SELECT 1');
            if (!/restart|not executed|closed/i.test(found.message) || /certificate/.test(found.message))
              return found;
          }
        })();
        t.match(error, { errno: 1429, sqlState: 'HY000' });
        t.match(
          error.message,
          `SSL connection error to server on 'localhost:${server.port}': its certificate, or one that signs it, has expired`,
        );
        await proxy.logged('cannot open a server session');
        t.ok(proxy.lines.some(({ error }) => /has expired/.test(String(error))));
        t.notMatch(JSON.stringify(proxy.lines), user.password, 'and no secrets');
        await put(good);
        await server.restart();
        await eventually('it is served again', () =>
          one.value('SELECT 1').then(
            () => true,
            () => false,
          ),
        );
      });
    },
    {
      timeout: 250_000,
      extraArgs: [`--ssl-ca=${ca.cert}`, `--ssl-cert=${current.cert}`, `--ssl-key=${current.key}`],
    },
  );
});
