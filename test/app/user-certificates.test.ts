import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { TestAuthority } from '../support/certificates.js';
import { eventually } from '../support/proxied.js';
import { ProxyProcess } from '../support/proxy.js';
import { forEachServer } from '../support/servers.js';
import { proxyWithUsers, told } from './support.js';

const run = promisify(execFile);

/** A user who needs a certificate of its name, besides its password. */
const ours = await TestAuthority.make(t);
const stranger = await TestAuthority.make(t, 'Another authority');
const [app, other, foreign] = [
  await ours.issue('app 1'),
  await ours.issue('app 2'),
  await stranger.issue('app 1'),
];
const shown = ({ cert, key }: { readonly cert: string; readonly key: string }) => ({ tls: { cert, key } });

const PYTHON = `
import sys, pymysql
port, ca, cert, key = sys.argv[1:]
connection = pymysql.connect(host='127.0.0.1', port=int(port), user='app', password='secret',
    ssl_cert=cert, ssl_key=key, ssl_disabled=False, ssl_verify_cert=False)
cursor = connection.cursor()
cursor.execute('SELECT 42')
print(cursor.fetchone()[0])
`;

await forEachServer(t, async (t, server) => {
  // Shorter than the folder of the tests' own may be.
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const socket = join(folder, 'proxy.sock');
  const account = await server.createUser();
  const login = `server_user: ${account.user}, server_password: secret`;
  const world = await proxyWithUsers(
    t,
    server,
    () => `
failed_login_limit: 0
tls_mode: verify
tls_client_ca: ${ours.certPath}
users:
  - {name: app, password: secret, certificate: app 1, ${login}}
  - {name: any, password: secret, ${login}}
`,
    { flags: ['--listen', `unix:${socket}`] },
  );
  const denied = (user: string, host = '127.0.0.1'): string =>
    `1045 28000 Access denied for user '${user}'@'${host}' (using password: YES)`;

  await t.test('a login', async (t) => {
    t.equal(await world.tried('app', 'secret', shown(app)), 'in');
    t.equal(await world.tried('app', 'wrong', shown(app)), denied('app'), 'the password counts as ever');
    t.equal(await world.tried('app', 'secret', shown(other)), denied('app'), 'a good one of another name');
    t.equal(await world.tried('app', 'secret', shown(foreign)), denied('app'), 'the name, by somebody else');
    t.equal(await world.tried('app', 'secret', { tls: {} }), denied('app'), 'none');
    t.match(await world.tried('app', 'secret'), /^3159 /, 'without TLS');
    for (const certificate of [app, other])
      t.equal(await world.tried('any', 'secret', shown(certificate)), 'in', 'users who need no name');
    const overSocket = { path: socket };
    t.equal(await world.tried('app', 'secret', overSocket), denied('app', 'localhost'), 'over a unix socket');
    t.equal(await world.tried('any', 'secret', overSocket), 'in');
    await eventually('the log says why, the client is not told', () =>
      world.proxy.lines.some(({ user, reason }) => user === 'app' && reason === 'certificate'),
    );
  });

  await t.test('COM_CHANGE_USER', async (t) => {
    const change = async (by: typeof app): Promise<string> => {
      const client = await world.connect({
        user: 'any',
        password: 'secret',
        ssl: { ...by, rejectUnauthorized: false },
      });
      try {
        await client.connection.changeUser({ user: 'app', password: 'secret', database: world.schema });
        return String(await client.value("SELECT 'in'"));
      } catch (error) {
        return told(error);
      } finally {
        client.destroy();
      }
    };
    t.equal(await change(app), 'in');
    t.equal(await change(other), denied('app'));
  });

  await t.test('PyMySQL', async (t) => {
    const python = async ({ certPath, keyPath }: typeof app): Promise<string> =>
      run('/usr/bin/python3', [
        '-c',
        PYTHON,
        String(world.proxy.port),
        ours.certPath,
        certPath,
        keyPath,
      ]).then(
        ({ stdout }) => stdout.trim(),
        (error: { stderr: string }) => error.stderr,
      );
    const missing = await run('/usr/bin/python3', ['-c', 'import pymysql']).then(
      () => false,
      () => true,
    );
    if (missing) {
      if (process.env['CI'] === 'true') t.fail('PyMySQL is missing: install python3-pymysql');
      else t.pass('skipped', { skip: 'PyMySQL is missing: install python3-pymysql' });
      return;
    }
    t.equal(await python(app), '42');
    t.match(await python(other), /1045, "Access denied for user 'app'@'127.0.0.1' \(using password: YES\)"/);
  });

  await t.test('the command line', async (t) => {
    const cli = async ({ certPath, keyPath }: typeof app): Promise<string> => {
      const where = ['--protocol=tcp', '--host=127.0.0.1', `--port=${world.proxy.port}`, '--user=app'];
      const tls = ['--ssl', `--ssl-cert=${certPath}`, `--ssl-key=${keyPath}`, '--execute=SELECT 42'];
      const env = { ...process.env, MYSQL_PWD: 'secret' };
      return run('mariadb', ['--no-defaults', ...where, ...tls, '--batch', '--skip-column-names'], {
        env,
      }).then(
        ({ stdout }) => stdout.trim(),
        (error: { stderr: string }) => error.stderr,
      );
    };
    t.equal(await cli(app), '42');
    t.match(await cli(other), /ERROR 1045 \(28000\)/);
  });
});

t.test('it needs clients to be asked for certificates', async (t) => {
  const file = `${t.testdir({
    'mybouncer.yaml': 'users:\n  - {name: app, password: x, certificate: app 1}\n',
  })}/mybouncer.yaml`;
  const proxy = new ProxyProcess({
    upstream: 'mysql://app:secret@127.0.0.1:1/shop',
    flags: ['--config', file],
  });
  t.equal(await proxy.ended(), 2);
  t.match(proxy.stderr.join('\n'), /users\[0\]\.certificate.*needs tls_mode: verify/);
});
