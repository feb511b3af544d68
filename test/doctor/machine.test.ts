import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type ListenOptions } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { checkAddresses } from '../../src/doctor/addresses.js';
import { checkClientTls } from '../../src/doctor/client-tls.js';
import type { Finding } from '../../src/doctor/finding.js';
import { checkForkGuard } from '../../src/doctor/fork-guard.js';
import { checkOpenFiles } from '../../src/doctor/open-files.js';
import { versionFinding } from '../../src/doctor/server-login.js';
import { describeForkGuard } from '../../src/fork-guard/capabilities.js';
import { TestAuthority } from '../support/certificates.js';
import { settings } from './support/examined.js';

t.test('the fork guard', async (t) => {
  const all = { unable: null, limits: [] };
  const some = { unable: null, limits: ['/proc is mounted with hidepid=2'] };
  const none = { unable: 'beos does not show it', limits: [] };
  t.match(checkForkGuard({ forkGuard: false }, all), {
    level: 'warn',
    text: /^fork_guard is off: .*only noticed afterwards/,
    advice: /^Set fork_guard to auto/,
  });
  t.notMatch(checkForkGuard({ forkGuard: false }, none).advice, /auto/, 'where that would not help');
  for (const forkGuard of ['auto', true] as const) {
    t.match(checkForkGuard({ forkGuard }, all), {
      level: 'ok',
      text: /other hosts.*only noticed afterwards/,
    });
    t.match(checkForkGuard({ forkGuard }, some), {
      level: 'warn',
      text: /but \/proc is mounted with hidepid=2;/,
    });
  }
  t.match(checkForkGuard({ forkGuard: 'auto' }, none), {
    level: 'warn',
    text: /beos.*only noticed afterwards/,
  });
  t.match(checkForkGuard({ forkGuard: true }, none), { level: 'fail', text: /would not start$/ });
  const { unable, limits } = describeForkGuard();
  const here = unable === null && limits.length === 0 ? 'ok' : 'warn';
  t.equal(checkForkGuard(settings({})).level, here, 'as it is here');
});

t.test('TLS with clients', async (t) => {
  const authority = await TestAuthority.make(t);
  const { certPath, keyPath } = await authority.issue('proxy', 30);
  const here = [{ kind: 'tcp', host: '127.0.0.1', port: 6033 } as const];
  const everywhere = [{ kind: 'tcp', host: '0.0.0.0', port: 6033 } as const];
  const defaults = settings({});
  const check = (keys: Partial<typeof defaults>, inDays = 0) =>
    checkClientTls({ ...defaults, ...keys }, new Date(Date.now() + inDays * 86_400_000));
  t.match(check({ listen: here }), {
    level: 'ok',
    text: /^tls_mode allow, TLSv1.2 or newer, .*made at start/,
  });
  t.match(check({ listen: everywhere }), { level: 'warn', advice: 'Set tls_cert and tls_key' });
  t.match(check({ listen: here, tlsMode: 'disable' }), { level: 'ok', text: /^it is off/ });
  t.match(check({ listen: everywhere, tlsMode: 'disable' }), {
    level: 'warn',
    advice: /Set tls_mode to allow/,
  });
  const given = { tlsCert: certPath, tlsKey: keyPath, listen: everywhere };
  t.match(check(given), { level: 'ok', text: /is good until \d{4}-\d\d-\d\d$/ });
  t.match(check(given, 20), { level: 'warn', advice: /^Replace it/ });
  t.match(check(given, 31), { level: 'fail', text: /has expired on/ });
});

t.test('open files', async (t) => {
  const keys = { maxClientConn: 1_000, poolSize: 20 };
  t.equal(checkOpenFiles(keys, 100_000).level, 'ok');
  t.equal(checkOpenFiles(keys, Number.POSITIVE_INFINITY).level, 'ok');
  t.match(checkOpenFiles(keys, 1_024), {
    level: 'warn',
    text: /^the limit is 1024 here/,
    advice: /ulimit -n \d{4};/,
  });
  t.match(checkOpenFiles(keys, null), { level: 'warn', text: /does not tell/ });
});

t.test('versions', async (t) => {
  const level = (flavor: 'mariadb' | 'mysql', versionText: string, versionNumber: number) =>
    versionFinding({ flavor, versionText, versionNumber, collation: 45, capabilities: 0 }).level;
  t.equal(level('mysql', '5.7.44', 50_744), 'fail');
  t.equal(level('mysql', '8.0.22', 80_022), 'ok');
  t.equal(level('mysql', '9.7.4', 90_704), 'ok');
  t.equal(level('mariadb', '5.5.5-10.1.48-MariaDB', 100_148), 'fail');
  t.equal(level('mariadb', '5.5.5-10.11.19-MariaDB-0+deb12u1', 101_119), 'ok');
});

/** Somebody who listens there until the test ends. */
async function occupy(t: Test, where: ListenOptions): Promise<number> {
  const other = createServer().listen(where);
  await once(other, 'listening');
  t.teardown(() => other.close());
  const address = other.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const levels = (findings: readonly Finding[]): string[] =>
  findings.map(({ level, about }) => `${level} ${about}`);

t.test('addresses', async (t) => {
  await t.test('free', async (t) => {
    const path = join(t.testdir({}), 's');
    t.strictSame(levels(await checkAddresses(settings({ listen: `unix:${path}` }))), [
      'ok listen',
      'ok http',
    ]);
    t.notOk(existsSync(path), 'as it was');
    t.strictSame(levels(await checkAddresses(settings({ http: 'off' }))), ['ok listen']);
  });

  await t.test('in use by another program', async (t) => {
    const port = await occupy(t, { host: '127.0.0.1', port: 0 });
    const path = join(t.testdir({}), 's');
    await occupy(t, { path });
    for (const listen of [`127.0.0.1:${port}`, `unix:${path}`]) {
      const found = await checkAddresses(settings({ listen }));
      t.strictSame(levels(found), ['fail listen', 'ok http'], listen);
      t.match(found[0], { text: `${listen} is in use, and no MyBouncer answers` });
      const [unsure] = await checkAddresses(settings({ listen, http: 'off' }));
      t.match(
        unsure,
        { level: 'warn', text: /by a MyBouncer that runs already or by another program$/ },
        listen,
      );
    }
    t.strictSame(levels(await checkAddresses(settings({ http: `127.0.0.1:${port}` }))), [
      'ok listen',
      'fail http',
    ]);
  });

  await t.test('that cannot be had', async (t) => {
    const [found] = await checkAddresses(settings({ listen: '192.0.2.1:6033' }));
    t.match(found, { level: 'fail', text: /^cannot listen on 192\.0\.2\.1:6033: no network interface/ });
    const [noFolder] = await checkAddresses(settings({ listen: 'unix:/nowhere/s' }));
    t.match(noFolder, { level: 'fail', text: /permission denied, or the directory does not exist/ });
  });
});
