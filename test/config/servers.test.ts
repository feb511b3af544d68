import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadSettings, type Settings } from '../../src/config/load.js';
import { ConfigError } from '../../src/config/problem.js';
import type { KeyName } from '../../src/config/schema.js';
import { addressName, areSeveral } from '../../src/config/servers.js';
import { valueText } from '../../src/config/value-text.js';

const FIRST = 'mysql://app:s3cr%40t@db1:3306/shop?ssl-mode=REQUIRED';

const directory = t.testdir();

async function load(
  lines: readonly string[],
  flags: readonly (readonly [KeyName, readonly string[]])[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Settings> {
  const configFile = join(directory, 'my.yaml');
  writeFileSync(configFile, lines.join('\n'));
  const given = flags.map(([key, values]) => [key, { source: `--${key}`, values }] as const);
  return loadSettings({ flags: new Map(given), configFile, env });
}

async function mistakes(...args: Parameters<typeof load>): Promise<readonly string[]> {
  try {
    await load(...args);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ key, message }) => `${key}: ${message}`);
  }
}

t.test('a list of servers, the first of which has the account of all', async (t) => {
  const settings = await load([
    'servers:',
    `  - url: ${FIRST}`,
    '  - { url: mysql://db2, name: second, role: replica, weight: 3 }',
    '  - { url: "mysql://[::1]:3307", role: primary }',
  ]);
  t.same(settings.servers, [
    {
      name: 'db1:3306',
      address: { kind: 'tcp', host: 'db1', port: 3306 },
      role: 'auto',
      addresses: 'one',
      weight: null,
    },
    {
      name: 'second',
      address: { kind: 'tcp', host: 'db2', port: 3306 },
      role: 'replica',
      addresses: 'one',
      weight: 3,
    },
    {
      name: '[::1]:3307',
      address: { kind: 'tcp', host: '::1', port: 3307 },
      role: 'primary',
      addresses: 'one',
      weight: null,
    },
  ]);
  t.match(settings.upstream, { user: 'app', schema: 'shop', address: { host: 'db1' } });
  t.equal(settings.upstream?.password.reveal(), 's3cr@t');
  t.equal(settings.upstream?.tls?.serverTlsMode, 'require');
  const { upstream } = settings;
  if (upstream === null) throw new Error('there is one');
  t.equal(
    valueText('servers', { ...settings, upstream }),
    'db1:3306 (auto), second (db2:3306, replica, weight 3), [::1]:3307 (primary)',
  );
});

t.test('URLs alone, as flags and in the environment', async (t) => {
  const byFlags = await load([], [['servers', ['mysql://app@db1', 'mysql://db2:4000']]]);
  t.same(
    byFlags.servers.map(({ name }) => name),
    ['db1:3306', 'db2:4000'],
  );
  const byEnv = await load([], [], { MYBOUNCER_SERVERS: 'mysql://app@db1, mysql://db2:4000' });
  t.same(byEnv.servers, byFlags.servers);
});

t.test('what is wrong with them', async (t) => {
  t.same(
    await mistakes([
      'servers:',
      '  - url: mysql://db1',
      '  - { url: mysql://app:hidden@db2, weight: 0 }',
      '  - { url: mysql://db1:3306, rolle: primary }',
      '  - { url: mysql://db4/shop, role: writer }',
      '  - mysql',
    ]),
    [
      'servers[1].weight: "0" is not a whole number from 1 to 1000',
      'servers[2].rolle: is not a known key (did you mean role?)',
      'servers[3].role: "writer" is not one of auto, primary, replica',
      'servers[4].url: is not a URL of the form mysql://USER:PASSWORD@HOST:PORT/SCHEMA',
    ],
  );
  t.same(
    await mistakes([
      'servers:',
      '  - url: mysql://db1',
      '  - url: mysql://app:hidden@db2',
      '  - url: mysql://db1:3306',
      '  - { url: mysql://db4, name: "db1:3306" }',
    ]),
    [
      'servers[0].url: names no user; write mysql://USER:PASSWORD@HOST:PORT/SCHEMA for the first server',
      "servers[1].url: says more than HOST:PORT; account, schema and TLS are those of the first server's URL",
      'servers[2].url: leads to the same address as another one: db1:3306',
      'servers[3].name: is the same name as that of another one',
    ],
  );
});

t.test('what goes with several servers, and what does not', async (t) => {
  const two = ['servers: [{url: mysql://app@db1}, {url: mysql://db2}]'];
  t.same(await mistakes([...two, 'pool_mode: session', 'pool_size: auto', 'fleet: on']), []);
  t.same(await mistakes([...two, 'workers: 2', 'pool_size: auto', 'fleet: on']), []);
  t.same(await mistakes([...two, 'upstream: mysql://app@db1']), [
    'servers: and upstream are one too many: upstream is one server, servers are several',
  ]);
  t.same(await mistakes(['servers: [{url: mysql://app@db1}]', 'workers: 2', 'pool_size: auto']), []);
});

t.test('a name that stands for all of its addresses', async (t) => {
  const one = ['servers: [{url: "mysql://app:s3cret@db/shop", addresses: all}]'];
  const settings = await load([
    ...one,
    'pools: {shop: {}, ro: {role: replica, servers: ["db:3306"], users: x}}',
  ]);
  t.match(settings.servers, [{ name: 'db:3306', addresses: 'all' }]);
  t.ok(areSeveral(settings.servers), 'one entry is several servers');
  const { upstream } = settings;
  if (upstream === null) throw new Error('there is one');
  t.equal(valueText('servers', { ...settings, upstream }), 'db:3306 (auto, all addresses)');
  t.same(await mistakes([...one, 'workers: 2']), []);
  t.same(
    await mistakes([
      'servers:',
      '  - {url: "mysql://app@10.0.0.1", addresses: all}',
      '  - {url: "mysql://[::1]", addresses: all}',
      '  - {url: "mysql://localhost?socket=/run/db", addresses: all}',
      '  - {url: mysql://db, addresses: some}',
    ]),
    ['servers[3].addresses: "some" is not one of one, all'],
  );
  t.same(
    await mistakes([
      'servers:',
      '  - {url: "mysql://app@10.0.0.1", addresses: all}',
      '  - {url: "mysql://[::1]", addresses: all}',
      '  - {url: mysql://db, addresses: all}',
    ]),
    [0, 1].map((n) => `servers[${n}].addresses: is all, which takes a DNS name in the url, and no address`),
  );
  const [host, at] = ['db', '10.0.0.1'].map((name) => ({ kind: 'tcp', host: name, port: 3306 }) as const);
  if (host === undefined || at === undefined) throw new Error('there are two');
  t.equal(addressName('db:3306', host, at), 'db/10.0.0.1:3306');
  t.equal(addressName('shop', host, { ...at, host: '::1' }), 'shop/[::1]:3306');
});

t.test('pools by name', async (t) => {
  const two = ['servers: [{url: mysql://app@db1/shop}, {url: mysql://db2, name: second}]'];
  const { pools } = await load([
    ...two,
    'listen: [127.0.0.1:1, 127.0.0.1:2]',
    'pools:',
    '  shop: {}',
    '  shop_ro: {role: replica, servers: [second], databases: [ro, all=], users: report, max_lag: 5s}',
  ]).catch(() => ({ pools: null }));
  t.equal(pools, null, 'an alias of nothing');
  const settings = await load([
    ...two,
    'listen: [127.0.0.1:1, 127.0.0.1:2]',
    'pools:',
    '  shop: {read_only_transactions: strict}',
    '  shop_ro: {role: replica, servers: [second], databases: [ro, all=other], users: report, max_lag: 5s}',
    '  strict: {role: replica, listen: 127.0.0.1:2, read_your_writes: on, fallback_to_primary: off}',
  ]);
  const plain = {
    role: 'primary',
    servers: null,
    users: [],
    databases: [],
    listen: [],
    maxLag: null,
    readYourWrites: false,
    fallbackToPrimary: true,
    readOnlyTransactions: null,
  };
  t.same(settings.pools, [
    { ...plain, name: 'shop', readOnlyTransactions: 'strict' },
    {
      ...plain,
      name: 'shop_ro',
      role: 'replica',
      servers: ['second'],
      users: ['report'],
      databases: [
        { alias: 'ro', schema: null },
        { alias: 'all', schema: 'other' },
      ],
      maxLag: 5_000,
    },
    {
      ...plain,
      name: 'strict',
      role: 'replica',
      listen: [{ kind: 'tcp', host: '127.0.0.1', port: 2 }],
      readYourWrites: true,
      fallbackToPrimary: false,
    },
  ]);
  const pool = (text: string): Promise<readonly string[]> =>
    mistakes([...two, 'pools:', '  shop: {}', ...text.split('\n').map((line) => `  ${line}`)]);
  t.same(
    await mistakes([...two, 'pools: {ro: {role: replica, users: [x], read_your_writes: on}}', 'workers: 2']),
    [
      'pools.ro.read_your_writes: needs workers: 1, since each worker knows only of what its own clients have written',
    ],
  );
  t.same(await pool('ro: {role: replica}'), ["pools.ro: is nobody's: give it listen, databases or users"]);
  t.same(await pool('ro: {role: replica, users: [a], servers: [third], listen: 127.0.0.1:9}'), [
    'pools.ro.servers: names "third", which is none of servers',
    'pools.ro.listen: has 127.0.0.1:9, which is none of listen',
  ]);
  t.same(await pool('a: {users: [x], max_lag: 1s, read_your_writes: on}\nb: {role: replica, users: [x]}'), [
    'pools.a.max_lag: is for pools of role replica',
    'pools.a.read_your_writes: is for pools of role replica: a primary has all writes',
    'pools.b.users: has x, and so has the pool a',
  ]);
  t.same(await pool('a: {users: [x], read_only_transactions: ro}\nro: {role: replica}'), []);
  t.same(
    await pool('a: {users: [x], read_only_transactions: b}\nb: {users: [y], read_only_transactions: c}'),
    [
      'pools.a.read_only_transactions: names "b", which is no pool of role replica',
      'pools.b.read_only_transactions: names "c", which is no pool of role replica',
    ],
  );
  t.same(await pool('ro: {role: replica, users: [x], read_only_transactions: ro}'), [
    'pools.ro.read_only_transactions: is for pools of role primary',
  ]);
  t.same(await pool('ro: {role: reader, usrs: [x]}'), [
    'pools.ro.role: "reader" is not one of primary, replica',
    'pools.ro.usrs: is not a known key (did you mean users?)',
  ]);
  t.same(
    await mistakes(['servers: [{url: mysql://app@db1}, {url: mysql://db2}]', 'pools: {ro: {databases: ro}}']),
    [
      'pools.ro.databases: has ro, and the first URL of servers names no schema that it could stand for; write ro=SCHEMA',
    ],
  );
  t.same(await mistakes(['upstream: mysql://app@db1', 'pools: {shop: {}}']), [
    'pools: are for several servers; set servers',
  ]);
});
