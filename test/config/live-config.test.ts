import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LiveConfig } from '../../src/config/live-config.js';
import { completeConfig, type Loaded, load } from '../../src/config/load.js';
import { ConfigError } from '../../src/config/problem.js';

/** A configuration file that changes. */
function world(t: Test, yaml: string) {
  const file = join(t.testdir({ 'password.txt': 'of a file' }), 'mybouncer.yaml');
  const read = (text: string): Loaded => {
    writeFileSync(file, text);
    return load({ flags: new Map(), env: {}, configFile: file });
  };
  const { settings, sources } = read(yaml);
  if (settings.upstream === null) throw new Error('no upstream');
  const live = new LiveConfig(completeConfig(settings, settings.upstream), sources);
  return { live, reload: (text: string) => live.reload(read(text)) };
}

const URL = 'upstream: mysql://app:one@db:3306/shop';

t.test('the password of the upstream may change, where it leads to may not', async (t) => {
  const { live, reload } = world(t, URL);
  const { values } = live;
  t.strictSame(reload('upstream: mysql://app:two@db:3306/shop'), [
    {
      key: 'upstream',
      old: 'mysql://app:[secret]@db:3306/shop',
      new: 'mysql://app:[secret]@db:3306/shop (another password)',
      effect: 'applied',
    },
    {
      key: 'users[app]',
      old: 'password [secret]',
      new: 'password [secret] (another secret)',
      effect: 'applied',
    },
  ]);
  t.equal(live.values, values, 'the object stays');
  t.equal(values.upstream.password.reveal(), 'two');
  t.strictSame(
    values.users.map(({ name, server }) => [name, server.user]),
    [['app', 'app']],
  );
  for (let i = 0; i < 2; i++) {
    t.match(reload('upstream: mysql://app:three@elsewhere:3306/shop'), [
      { key: 'upstream', new: 'mysql://app:[secret]@elsewhere:3306/shop', effect: 'needs restart' },
    ]);
    t.equal(values.upstream.password.reveal(), 'two');
  }
  t.strictSame(reload('upstream: mysql://app:two@db:3306/shop'), []);
});

t.test('a password in a file is looked after by itself', async (t) => {
  const yaml = 'upstream: mysql://app@db:3306/shop\nupstream_password_file: password.txt';
  const { live, reload } = world(t, yaml);
  writeFileSync(join(t.testdirName, 'password.txt'), 'another');
  t.strictSame(reload(yaml), []);
  t.match(reload(URL), [{ key: 'upstream_password_file', effect: 'needs restart' }]);
  t.equal(live.values.upstream.password.reveal(), 'of a file');
});

t.test('whoever follows a key is told once, when all values are there', async (t) => {
  const { live, reload } = world(t, URL);
  const told: string[] = [];
  live.on(['pool_size', 'reserve'], () => told.push(`${live.values.poolSize} ${live.values.maxWaiting}`));
  live.on(['listen'], () => told.push('listen'));
  reload(`${URL}\npool_size: 4\nreserve: 3\nmax_waiting: 7\nlisten: 127.0.0.1:1`);
  t.strictSame(told, ['4 7']);
  live.set('pool_size', '5');
  t.strictSame(told, ['4 7', '5 7']);
  t.equal(live.sourceOf('pool_size'), 'SET');
  t.match(live.sourceOf('max_waiting'), /mybouncer\.yaml:4:14$/);
  t.equal(live.sourceOf('min_pool_size'), 'default');
});

t.test('what stays keeps what depends on it', async (t) => {
  const { live, reload } = world(t, `${URL}?ssl-mode=DISABLED`);
  t.match(reload(`${URL}?ssl-mode=REQUIRED`), [{ key: 'server_tls_mode', effect: 'needs restart' }]);
  t.equal(live.values.serverTlsMode, 'disable');
});

t.test('values that do not fit the others are refused', async (t) => {
  const { live } = world(t, URL);
  t.throws(() => live.set('server_tls_cert', '/nowhere'), ConfigError);
  t.throws(() => live.set('query_timeout', '5'), { message: /^SET: query_timeout: "5" is not a duration/ });
  t.throws(() => live.set('users', 'x'), RangeError);
  t.throws(() => live.set('listen', '127.0.0.1:1'), RangeError);
  t.equal(live.values.serverTlsCert, null);
});

t.test('users are compared in all that they are', async (t) => {
  const user = (more: string): string =>
    `${URL}\nusers:\n  - {name: web, password: x, server_user: s, server_password: y${more}}`;
  const { reload } = world(t, user(''));
  t.strictSame(reload(user('')), []);
  for (const [more, shown] of [
    [', max_client_conn: 3', /max_client_conn 3$/],
    [', allowed_addresses: 10.0.0.0/8', /allowed_addresses 10\.0\.0\.0\/8$/],
    [', allowed_addresses: 10.0.0.0/9', /allowed_addresses 10\.0\.0\.0\/9$/],
    [', schemas: [shop]', /schemas shop$/],
    [', read_only: true', /read_only$/],
    [', old_password: z', /, old_password \[secret\]/],
    [', query_timeout: 3s', /query_timeout 3s$/],
  ] as const) {
    t.match(reload(user(more)), [{ key: 'users[web]', new: shown }], more);
    t.strictSame(reload(user(more)), []);
  }
  t.match(reload(URL), [{ key: 'users[web]', new: '' }]);
});
