import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import t from 'tap';
import type { ConfigInput } from '../../src/config/given.js';
import { completeConfig, completeConfigWithUrl, loadSettings, type Settings } from '../../src/config/load.js';
import { ConfigError, formatProblem } from '../../src/config/problem.js';
import { camelCase, KEY_NAMES, type KeyName, keyInfo } from '../../src/config/schema.js';
import { UNSAFE_KINDS } from '../../src/config/unsafe-holds.js';
import type { ServerLogin } from '../../src/config/users.js';

interface Given {
  readonly flags?: Partial<Record<KeyName, string | string[]>>;
  readonly env?: ConfigInput['env'];
  readonly yaml?: string;
  readonly ignoreUpstream?: boolean;
}

const directory = t.testdir({ secrets: {} });
const YAML = join(directory, 'my.yaml');

function input({ flags = {}, env = {}, yaml, ignoreUpstream = false }: Given): ConfigInput {
  if (yaml !== undefined) writeFileSync(YAML, yaml);
  const values = Object.entries(flags).map(
    ([key, value]) => [key as KeyName, { source: `--${key}`, values: [value].flat() }] as const,
  );
  return { flags: new Map(values), configFile: yaml === undefined ? null : YAML, env, ignoreUpstream };
}

/** What the proxy would log in to the server with. */
function passwordOf(login: ServerLogin | undefined): string | undefined {
  const [first] = login?.secrets ?? [];
  return first?.kind === 'password' ? first.password.reveal() : first?.kind;
}

const load = (given: Given): Settings => loadSettings(input(given));

/** The mistakes as lines, with the file's name shortened. */
function mistakes(given: Given): string[] {
  try {
    load(given);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    t.equal(error.code, 'CONFIG_INVALID');
    return error.problems.map((problem) => formatProblem(problem).replaceAll(`${directory}/`, ''));
  }
  return [];
}

const unsafe = (action: string) => Object.fromEntries(UNSAFE_KINDS.map((kind) => [kind, action]));
const HOLDS = unsafe('hold');

t.test('defaults', async (t) => {
  t.same(load({}), {
    upstream: null,
    servers: [],
    pools: [],
    serverCheckInterval: 1_000,
    serverCheckTimeout: 1_000,
    failoverTimeout: 30_000,
    slowStart: 10_000,
    readYourWritesTimeout: 1_000,
    wsrepSyncWait: 'server',
    upstreamPasswordFile: null,
    serverConnectTimeout: 5_000,
    serverLoginRetry: 1_000,
    listen: [{ kind: 'tcp', host: '127.0.0.1', port: 6033 }],
    maxClientConn: 10_000,
    clientLoginTimeout: 10_000,
    failedLoginLimit: 10,
    maxPacketSize: 1_073_741_824,
    forkGuard: 'auto',
    unixSocketMode: 0o777,
    unixSocketOwner: null,
    unixSocketGroup: null,
    tlsMode: 'allow',
    tlsCert: null,
    tlsKey: null,
    tlsClientCa: null,
    tlsMinVersion: 'TLSv1.2',
    queryTimeout: 0,
    transactionTimeout: 0,
    idleTransactionTimeout: 60_000,
    clientIdleTimeout: 0,
    auth: 'users',
    passthroughExpiry: 300_000,
    users: [],
    adminUsers: [],
    poolMode: 'transaction',
    dryRun: false,
    poolSize: 20,
    minPoolSize: 0,
    serverIdleTimeout: 600_000,
    serverLifetime: 3_600_000,
    reserve: { share: 0.1 },
    fleet: 'auto',
    queryWaitTimeout: 5_000,
    maxWaiting: 0,
    onClientDisconnect: 'kill_query',
    onUnsafe: HOLDS,
    maxHeld: 1,
    maxPreparedStatements: 200,
    serverTlsMode: 'prefer',
    serverTlsCa: null,
    serverTlsCert: null,
    serverTlsKey: null,
    serverTlsMinVersion: 'TLSv1.2',
    http: { kind: 'tcp', host: '127.0.0.1', port: 6034 },
    master: false,
    workers: 1,
    exitAfterLastClient: false,
    drainTimeout: 30_000,
    drainDelay: 0,
    topQueries: 500,
    slowQueryThreshold: 0,
    logLevel: 'info',
  });
  t.same(load({ yaml: '' }), load({}), 'an empty file changes nothing');
});

/** Files of certificates have a test of their own, and so has what is bound to another key. */
const NOT_HERE = [
  'users',
  'upstream',
  'servers',
  'pools',
  'upstream_password_file',
  'dry_run',
  'tls_cert',
  'tls_key',
  'tls_client_ca',
  'server_tls_ca',
  'server_tls_cert',
  'server_tls_key',
] as const;
type NotHere = (typeof NOT_HERE)[number];

/** Three good values of each key as text, and what they are. */
const VALUES: Readonly<Record<Exclude<KeyName, NotHere>, readonly (readonly [string, unknown])[]>> = {
  admin_users: [
    ['operator', ['operator']],
    ['a', ['a']],
    ['b', ['b']],
  ],
  server_check_interval: [
    ['10ms', 10],
    ['2s', 2_000],
    ['3s', 3_000],
  ],
  server_check_timeout: [
    ['10ms', 10],
    ['2s', 2_000],
    ['3s', 3_000],
  ],
  failover_timeout: [
    ['0s', 0],
    ['2s', 2_000],
    ['1m', 60_000],
  ],
  slow_start: [
    ['0s', 0],
    ['2s', 2_000],
    ['1m', 60_000],
  ],
  server_connect_timeout: [
    ['2s', 2_000],
    ['1ms', 1],
    ['1m', 60_000],
  ],
  server_login_retry: [
    ['10ms', 10],
    ['2s', 2_000],
    ['3s', 3_000],
  ],
  server_tls_mode: [
    ['disable', 'disable'],
    ['require', 'require'],
    ['verify_full', 'verify_full'],
  ],
  server_tls_min_version: [
    ['TLSv1.2', 'TLSv1.2'],
    ['TLSv1.3', 'TLSv1.3'],
    ['TLSv1.2', 'TLSv1.2'],
  ],
  listen: [
    ['0.0.0.0:1', [{ kind: 'tcp', host: '0.0.0.0', port: 1 }]],
    ['unix:/run/x', [{ kind: 'unix', path: '/run/x' }]],
    ['[::]:2', [{ kind: 'tcp', host: '::', port: 2 }]],
  ],
  unix_socket_mode: [
    ['0660', 0o660],
    ['777', 0o777],
    ['0o600', 0o600],
  ],
  unix_socket_owner: [
    ['root', 0],
    ['4711', 4_711],
    ['0', 0],
  ],
  unix_socket_group: [
    ['root', 0],
    ['4711', 4_711],
    ['0', 0],
  ],
  max_client_conn: [
    ['1', 1],
    ['1000000', 1_000_000],
    ['007', 7],
  ],
  client_login_timeout: [
    ['1s', 1_000],
    ['2s', 2_000],
    ['3s', 3_000],
  ],
  failed_login_limit: [
    ['0', 0],
    ['3', 3],
    ['1000000', 1_000_000],
  ],
  query_timeout: [
    ['1s', 1_000],
    ['0', 0],
    ['1m30s', 90_000],
  ],
  transaction_timeout: [
    ['5m', 300_000],
    ['1s', 1_000],
    ['0', 0],
  ],
  idle_transaction_timeout: [
    ['0', 0],
    ['1s', 1_000],
    ['1m', 60_000],
  ],
  client_idle_timeout: [
    ['8h', 28_800_000],
    ['0', 0],
    ['1s', 1_000],
  ],
  auth: [
    ['passthrough', 'passthrough'],
    ['users', 'users'],
    ['passthrough', 'passthrough'],
  ],
  passthrough_expiry: [
    ['1s', 1_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
  ],
  max_packet_size: [
    ['1KiB', 1_024],
    ['1M', 1_048_576],
    ['1GiB', 1_073_741_824],
  ],
  fork_guard: [
    ['off', false],
    ['on', true],
    ['auto', 'auto'],
  ],
  pool_mode: [
    ['session', 'session'],
    ['transaction', 'transaction'],
    ['session', 'session'],
  ],
  pool_size: [
    ['1', 1],
    ['auto', 'auto'],
    ['3', 3],
  ],
  min_pool_size: [
    ['0', 0],
    ['1', 1],
    ['100000', 100_000],
  ],
  server_idle_timeout: [
    ['0s', 0],
    ['1s', 1_000],
    ['2h', 7_200_000],
  ],
  server_lifetime: [
    ['0s', 0],
    ['1m', 60_000],
    ['1d', 86_400_000],
  ],
  tls_mode: [
    ['disable', 'disable'],
    ['require', 'require'],
    ['allow', 'allow'],
  ],
  tls_min_version: [
    ['TLSv1.3', 'TLSv1.3'],
    ['TLSv1.2', 'TLSv1.2'],
    ['TLSv1.3', 'TLSv1.3'],
  ],
  reserve: [
    ['0', { count: 0 }],
    ['12.5%', { share: 0.125 }],
    ['20', { count: 20 }],
  ],
  fleet: [
    ['on', true],
    ['off', false],
    ['auto', 'auto'],
  ],
  query_wait_timeout: [
    ['1s', 1_000],
    ['24d', 2_073_600_000],
    ['3s', 3_000],
  ],
  max_waiting: [
    ['0', 0],
    ['1', 1],
    ['1000000', 1_000_000],
  ],
  read_your_writes_timeout: [
    ['0s', 0],
    ['250ms', 250],
    ['2s', 2_000],
  ],
  wsrep_sync_wait: [
    ['server', 'server'],
    ['1', 1],
    ['15', 15],
  ],
  on_client_disconnect: [
    ['finish', 'finish'],
    ['kill_query', 'kill_query'],
    ['finish', 'finish'],
  ],
  on_unsafe: [
    ['error', unsafe('error')],
    ['user_lock=error, temporary_table = warn', { ...HOLDS, user_lock: 'error', temporary_table: 'warn' }],
    ['unknown=warn', { ...HOLDS, unknown: 'warn' }],
  ],
  max_held: [
    ['80%', 0.8],
    ['0.25', 0.25],
    ['0 %', 0],
  ],
  max_prepared_statements: [
    ['1', 1],
    ['2', 2],
    ['3', 3],
  ],
  http: [
    ['off', null],
    ['127.0.0.1:1', { kind: 'tcp', host: '127.0.0.1', port: 1 }],
    ['[::1]:0', { kind: 'tcp', host: '::1', port: 0 }],
  ],
  master: [
    ['on', true],
    ['off', false],
    ['yes', true],
  ],
  workers: [
    ['2', 2],
    ['auto', 'auto'],
    ['32', 32],
  ],
  exit_after_last_client: [
    ['on', true],
    ['off', false],
    ['yes', true],
  ],
  drain_timeout: [
    ['0', 0],
    ['1s', 1_000],
    ['2s', 2_000],
  ],
  top_queries: [
    ['0', 0],
    ['1', 1],
    ['10000', 10_000],
  ],
  slow_query_threshold: [
    ['0', 0],
    ['1ms', 1],
    ['2s', 2_000],
  ],
  drain_delay: [
    ['0', 0],
    ['3s', 3_000],
    ['4s', 4_000],
  ],
  log_level: [
    ['silent', 'silent'],
    ['trace', 'trace'],
    ['warn', 'warn'],
  ],
};

t.test('for every key a flag beats the environment, and that the file', async (t) => {
  t.same(Object.keys(VALUES).sort(), KEY_NAMES.filter((key) => !NOT_HERE.some((one) => one === key)).sort());
  for (const [key, [flag, variable, line]] of Object.entries(VALUES)) {
    if (flag === undefined || variable === undefined || line === undefined)
      throw new Error('three values are needed');
    const yaml = `${key}: '${line[0]}'\n`;
    const env = { [`MYBOUNCER_${key.toUpperCase()}`]: variable[0] };
    const value = (given: Given): unknown =>
      Object.entries(load(given)).find(([name]) => name === camelCase(key))?.[1];
    t.same(value({ yaml }), line[1], `${key} from the file`);
    t.same(value({ yaml, env }), variable[1], `${key} from the environment`);
    t.same(value({ yaml, env, flags: { [key]: flag[0] } }), flag[1], `${key} from the flag`);
  }
});

t.test('the upstream', async (t) => {
  const yaml = 'upstream: mysql://file@h\n';
  const shared = { DATABASE_URL: 'mysql://shared@h' };
  const own = { ...shared, MYBOUNCER_UPSTREAM: 'mysql://own@h' };
  t.equal(load({ yaml }).upstream?.user, 'file');
  t.equal(load({ yaml, env: shared }).upstream?.user, 'shared');
  t.equal(load({ yaml, env: own }).upstream?.user, 'own');
  t.equal(load({ yaml, env: own, flags: { upstream: 'mysql://flag@h' } }).upstream?.user, 'flag');
  const foreign = { DATABASE_URL: 'postgres://h' };
  t.equal(
    load({ env: foreign, flags: { upstream: 'mysql://flag@h' } }).upstream?.user,
    'flag',
    'another database of the app',
  );
  t.match(mistakes({ env: foreign }), [/^env DATABASE_URL: upstream: is a postgres/]);
  const given = { yaml: 'upstream: nonsense\n', env: foreign, ignoreUpstream: true };
  t.equal(load(given).upstream, null, 'left unread for a sandbox');
});

t.test('lists', async (t) => {
  const addresses = [
    { kind: 'tcp', host: '::1', port: 1 },
    { kind: 'unix', path: '/run/x' },
  ];
  t.same(load({ flags: { listen: ['[::1]:1', 'unix:/run/x'] } }).listen, addresses);
  t.same(load({ env: { MYBOUNCER_LISTEN: '[::1]:1, unix:/run/x' } }).listen, addresses);
  t.same(load({ yaml: 'listen:\n  - "[::1]:1"\n  - unix:/run/x\n' }).listen, addresses);
  t.equal(
    load({ flags: { listen: ['127.0.0.1:0', '127.0.0.1:0'] } }).listen.length,
    2,
    'any free port, twice',
  );
  t.equal(load({ flags: { pool_size: ['1', '2'] } }).poolSize, 2, 'the last of a repeated flag counts');
});

t.test('actions for kinds of holds', async (t) => {
  const map = 'on_unsafe: {user_lock: error, unknown: warn}\n';
  t.same(load({ yaml: map }).onUnsafe, { ...HOLDS, user_lock: 'error', unknown: 'warn' });
  t.same(load({ yaml: 'on_unsafe: {}\n' }).onUnsafe, HOLDS);
  const wrong = [
    [
      'on_unsafe: {user_lok: warn}',
      'my.yaml:1:23: on_unsafe.user_lok: is not a kind of hold (did you mean user_lock?)',
    ],
    [
      'on_unsafe: {xa: eror}',
      'my.yaml:1:17: on_unsafe.xa: "eror" is not one of hold, warn, error (did you mean error?)',
    ],
    ['on_unsafe: {xa: [warn]}', 'my.yaml:1:17: on_unsafe.xa: must be one of hold, warn, error'],
    ['on_unsafe:', 'my.yaml:1:11: on_unsafe: has no value'],
    [
      'on_unsafe: [warn]',
      'my.yaml:1:12: on_unsafe: must be one of hold, warn, error, or a map of kinds such as {user_lock: error}',
    ],
  ] as const;
  for (const [yaml, message] of wrong) t.same(mistakes({ yaml: `${yaml}\n` }), [message], yaml);
  const env = (MYBOUNCER_ON_UNSAFE: string) => mistakes({ env: { MYBOUNCER_ON_UNSAFE } })[0] ?? '';
  t.match(
    env('get_lock=warn'),
    /^env MYBOUNCER_ON_UNSAFE: on_unsafe: "get_lock" .* \(did you mean user_lock\?\)$/,
  );
  t.match(env('refuse'), /"refuse" is neither one of hold, warn, error nor of the form KIND=ACTION$/);
  t.match(env('wrn'), /did you mean warn\?$/);
  t.match(env('xa=warn,xa=error'), /names xa twice$/);
  t.match(env('nonsense_kind=warn'), /is not a kind of hold; kinds are temporary_table, /);
  t.match(env('xa='), /on_unsafe\.xa: "" is not one of/);
});

t.test('shares', async (t) => {
  const share = (text: string) => load({ flags: { max_held: text } }).maxHeld;
  for (const [text, value] of [
    ['100%', 1],
    ['12.5%', 0.125],
    ['0', 0],
    ['1', 1],
    ['1.0', 1],
  ] as const)
    t.equal(share(text), value, text);
  for (const text of ['101%', '1.1', '-1', 'all', '', '%', '1e-1'])
    t.match(
      mistakes({ flags: { max_held: text } }),
      [/ is not a share from 0% to 100%, or from 0 to 1$/],
      text,
    );
  t.match(mistakes({ flags: { max_held: '80' } }), [/\(did you mean 80%\?\)$/]);
});

t.test('an empty variable is not set', async (t) => {
  const env = { MYBOUNCER_POOL_SIZE: '', DATABASE_URL: '', MYBOUNCER_CONFIG: '', MYBOUNCER_HTTP: undefined };
  t.same(load({ env }), load({}));
});

t.test('variables of Kubernetes services are none of ours', async (t) => {
  const env = {
    MYBOUNCER_SERVICE_HOST: '10.0.0.1',
    MYBOUNCER_SERVICE_PORT: '6033',
    MYBOUNCER_SERVICE_PORT_MYSQL: '6033',
    MYBOUNCER_PORT: 'tcp://10.0.0.1:6033',
    MYBOUNCER_PORT_6033_TCP: 'tcp://10.0.0.1:6033',
    MYBOUNCER_PORT_6033_TCP_ADDR: '10.0.0.1',
    MYBOUNCER_ADMIN_SERVICE_HOST: '10.0.0.1',
    MYBOUNCER_ADMIN_PORT: 'tcp://10.0.0.1:6033',
  };
  t.same(mistakes({ env }), []);
  t.same(mistakes({ env: { MYBOUNCER_PORT: '6033' } }), [
    'env MYBOUNCER_PORT: is not a known variable (did you mean MYBOUNCER_LISTEN?)',
  ]);
});

t.test('every mistake is named with its key and place', async (t) => {
  const yaml = [
    'pool_sise: 5',
    'pool_size: abc',
    'pool_size: 7',
    'log_level: loud',
    'listen: [127.0.0.1:6033, 6044, "127.0.0.1:6033"]',
    'query_wait_timeout: 5',
    'http:',
    'max_packet_size: 2GiB',
    'server_login_retry: 1ms',
    'pool_mode: [session]',
    'max_client_conn: {a: b}',
    'client_login_timeout: 0',
    '__proto__: 3',
  ].join('\n');
  const env = {
    MYBOUNCER_POOLSIZE: '5',
    MYBOUNCER_USERS: 'x',
    MYBOUNCER_POOL_SIZE: '0',
    MYBOUNCER_BOGUS: 'hunter2',
  };
  const found = mistakes({ yaml, env, flags: { pool_size: '1.5', drain_timeout: '25d' } });
  t.same(found.sort(), [
    '--drain_timeout: drain_timeout: "25d" is too long: the most is 24d',
    '--pool_size: pool_size: "1.5" is not a whole number from 1 to 100000, nor auto',
    'env MYBOUNCER_BOGUS: is not a known variable',
    'env MYBOUNCER_POOLSIZE: is not a known variable (did you mean MYBOUNCER_POOL_SIZE?)',
    'env MYBOUNCER_POOL_SIZE: pool_size: "0" is not a whole number from 1 to 100000, nor auto',
    'env MYBOUNCER_USERS: users: can only be set in the configuration file',
    'my.yaml:10:12: pool_mode: must be a single value, not a list',
    'my.yaml:11:18: max_client_conn: must be a single value, not a map of keys',
    'my.yaml:12:23: client_login_timeout: "0" is too short: the least is 1ms',
    'my.yaml:13:1: __proto__: is not a known key',
    'my.yaml:1:1: pool_sise: is not a known key (did you mean pool_size?)',
    'my.yaml:2:12: pool_size: "abc" is not a whole number from 1 to 100000, nor auto',
    'my.yaml:3:1: pool_size: is set twice, first at my.yaml:2:1',
    'my.yaml:4:12: log_level: "loud" is not one of fatal, error, warn, info, debug, trace, silent',
    'my.yaml:5:26: listen[1]: "6044" names no host (did you mean 127.0.0.1:6044?)',
    'my.yaml:5:32: listen[2]: "127.0.0.1:6033" is given twice',
    'my.yaml:6:21: query_wait_timeout: "5" is not a duration with a unit such as 250ms, 5s or 1m30s (did you mean 5s?)',
    'my.yaml:7:6: http: has no value',
    'my.yaml:8:18: max_packet_size: "2GiB" is not from 1KiB to 1GiB',
    'my.yaml:9:21: server_login_retry: "1ms" is too short: the least is 10ms',
  ]);
});

t.test('whatever is on or off is written as YAML users write it', async (t) => {
  const switches = KEY_NAMES.filter((name) => /on\|off$/.test(keyInfo(name).placeholder));
  t.strictSame(switches, ['fork_guard', 'dry_run', 'fleet', 'master', 'exit_after_last_client']);
  for (const name of switches) {
    const read = (value: string): unknown =>
      Reflect.get(load({ yaml: `pool_mode: session\n${name}: ${value}\n` }), camelCase(name));
    for (const word of ['on', 'true', 'yes', 'ON', 'True', '"yes"'])
      t.equal(read(word), true, `${name}: ${word}`);
    for (const word of ['off', 'false', 'no', 'Off', '"false"'])
      t.equal(read(word), false, `${name}: ${word}`);
    const [mistake] = mistakes({ flags: { [name]: ['maybe'] } });
    const words = keyInfo(name).placeholder.startsWith('auto')
      ? 'not one of auto, on, off'
      : 'neither on nor off';
    t.equal(mistake, `--${name}: ${name}: "maybe" is ${words}`);
  }
});

t.test('a dry run is one of pool mode session', async (t) => {
  for (const word of ['on', 'true', 'yes'])
    t.equal(load({ yaml: `pool_mode: session\ndry_run: ${word}\n` }).dryRun, true, word);
  t.equal(load({ flags: { dry_run: ['off'] } }).dryRun, false);
  t.same(mistakes({ yaml: 'pool_size: 5\ndry_run: true\n' }), [
    'my.yaml:2:10: dry_run: finds out what pool_mode transaction would do, while clients have sessions of their own: it needs pool_mode session',
  ]);
  t.match(mistakes({ env: { MYBOUNCER_DRY_RUN: 'on' }, yaml: 'pool_mode: transaction\n' }), [
    /^env MYBOUNCER_DRY_RUN: dry_run: .* needs pool_mode session$/,
  ]);
  t.same(mistakes({ flags: { dry_run: ['maybe'] } }), ['--dry_run: dry_run: "maybe" is neither on nor off']);
});

t.test('addresses that collide', async (t) => {
  t.same(mistakes({ yaml: 'http: 127.0.0.1:6033\n' }), [
    'my.yaml:1:7: http: is the same address as one of listen: 127.0.0.1:6033',
  ]);
  t.same(mistakes({ env: { MYBOUNCER_LISTEN: '127.0.0.1:6034' } }), [
    'env MYBOUNCER_LISTEN: http: is the same address as one of listen: 127.0.0.1:6034',
  ]);
  t.same(mistakes({ flags: { http: '127.0.0.1:0', listen: '127.0.0.1:0' } }), []);
});

t.test('the file itself', async (t) => {
  const missing = { flags: new Map(), env: {}, configFile: join(directory, 'missing.yaml') };
  t.throws(() => loadSettings(missing), {
    message: /^--config: cannot read ".*missing\.yaml": there is no such file$/,
  });
  t.throws(() => loadSettings({ ...missing, configFile: directory }), { message: /: it is a directory$/ });
  const env = { MYBOUNCER_CONFIG: '/nowhere/x.yaml' };
  t.throws(() => loadSettings({ ...missing, configFile: null, env }), {
    message: /^env MYBOUNCER_CONFIG: cannot read/,
  });
  const latin1 = join(directory, 'latin1.yaml');
  writeFileSync(latin1, Buffer.from('pool_mode: s\xe9ssion\n', 'latin1'));
  t.throws(() => loadSettings({ ...missing, configFile: latin1 }), { message: /it is not UTF-8 text$/ });
  writeFileSync(YAML, 'pool_size: 7\n');
  t.equal(loadSettings({ ...missing, configFile: null, env: { MYBOUNCER_CONFIG: YAML } }).poolSize, 7);
});

const SALT_AND_DIGEST = 'abcdefghij0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijk./0123';

t.test('users', async (t) => {
  mkdirSync(join(directory, 'secrets'), { recursive: true });
  writeFileSync(join(directory, 'secrets', 'worker'), 'from file\r\n');
  const { users } = load({
    yaml: [
      'users:',
      '  - name: plain',
      '    password: 0123',
      '  - {name: empty, password: ""}',
      '  - name: worker',
      '    password_file: secrets/worker',
      '  - name: mapped',
      '    password: own',
      '    server_user: app',
      '    server_password: theirs',
      '  - name: hashed',
      `    hash: $A$005$${SALT_AND_DIGEST}`,
      '    server_user: app',
      '    server_password: ""',
      '  - name: hex',
      `    hash: 0x${Buffer.from(`$A$005$${SALT_AND_DIGEST}`).toString('hex')}`,
      '    server_user: app',
      '    server_password: x',
    ].join('\n'),
  });
  const shown = users.map(({ name, credential, server }) => [
    name,
    credential.kind === 'password'
      ? credential.password.reveal()
      : credential.kind === 'caching_sha2_hash' && credential.reveal().rounds,
    server.user,
    passwordOf(server),
  ]);
  t.same(shown, [
    ['plain', '0123', 'plain', '0123'],
    ['empty', '', 'empty', ''],
    ['worker', 'from file', 'worker', 'from file'],
    ['mapped', 'own', 'app', 'theirs'],
    ['hashed', 5_000, 'app', ''],
    ['hex', 5_000, 'app', 'x'],
  ]);
  for (const yaml of ['users:\n', 'users: []\n']) t.same(load({ yaml }).users, [], 'no users');
});

t.test('limits of users', async (t) => {
  const { users } = load({
    yaml: [
      'query_timeout: 9s',
      'users:',
      '  - {name: web, password: x, query_timeout: 1500ms, client_idle_timeout: 1h, max_client_conn: 5}',
      '  - {name: reports, password: x, query_timeout: 0, transaction_timeout: 1m, idle_transaction_timeout: 0}',
    ].join('\n'),
  });
  t.same(
    users.map(({ limits }) => limits),
    [
      {
        queryTimeout: 1_500,
        transactionTimeout: undefined,
        idleTransactionTimeout: undefined,
        clientIdleTimeout: 3_600_000,
        maxClientConn: 5,
      },
      {
        queryTimeout: 0,
        transactionTimeout: 60_000,
        idleTransactionTimeout: 0,
        clientIdleTimeout: undefined,
        maxClientConn: undefined,
      },
    ],
  );
  const wrong = [
    'query_timeout: 999ms',
    'users:',
    '  - {name: a, password: x, query_timeout: 5}',
    '  - {name: b, password: x, max_client_conn: 0}',
    '  - {name: c, password: x, query_timout: 5s}',
  ].join('\n');
  t.strictSame(mistakes({ yaml: wrong }).sort(), [
    'my.yaml:1:16: query_timeout: "999ms" is too short: the least is 1s, or 0 for no limit',
    'my.yaml:3:43: users[0].query_timeout: "5" is not a duration with a unit such as 250ms, 5s or 1m30s (did you mean 5s?)',
    'my.yaml:4:45: users[1].max_client_conn: "0" is not a whole number from 1 to 1000000',
    'my.yaml:5:28: users[2].query_timout: is not a known key (did you mean query_timeout?)',
  ]);
});

t.test('mistakes in users, told without their passwords', async (t) => {
  writeFileSync(join(directory, 'secrets', 'empty'), '\n');
  writeFileSync(join(directory, 'secrets', 'two'), 'hunter2\nhunter2\n');
  const yaml = [
    'users:',
    '  - name: a',
    '    password: hunter2',
    '    hash: 0x2441hunter2',
    '  - name: a',
    '    passwrd: hunter2',
    '  - hunter2',
    '  - name:',
    '    password: hunter2',
    '  - password: hunter2',
    '  - {name: c, password_file: secrets/missing}',
    '  - {name: d, password_file: secrets/empty}',
    '  - {name: e, password_file: secrets/two}',
    '  - {name: f, password: hunter2, server_user: x}',
    '  - {name: g, password: hunter2, server_password: hunter2}',
    `  - {name: h, hash: $A$005$${SALT_AND_DIGEST}}`,
    '  - {name: "", password: [hunter2]}',
    '  - {name: i, password: "hunter2\\0"}',
    '  - {name: j, password:}',
    '  - {name: c, password: hunter2}',
  ].join('\n');
  const found = mistakes({ yaml });
  t.same(found.sort(), [
    'my.yaml:10:5: users[4].name: is missing',
    'my.yaml:11:30: users[5].password_file: cannot read "secrets/missing": there is no such file',
    'my.yaml:12:30: users[6].password_file: "secrets/empty" is empty',
    'my.yaml:13:30: users[7].password_file: "secrets/two" holds more than one line, or a NUL byte',
    'my.yaml:14:47: users[8].server_user: needs server_password or server_password_file as well (server_password: "" for an empty one)',
    'my.yaml:15:51: users[9].server_password: needs server_user as well',
    'my.yaml:16:21: users[10].hash: cannot log in to the server; give server_user and server_password as well',
    'my.yaml:17:12: users[11].name: is empty',
    'my.yaml:17:26: users[11].password: must be a single value, not a list',
    'my.yaml:18:25: users[12].password: has a NUL byte, which the protocol cannot carry',
    'my.yaml:19:24: users[13].password: has no value',
    'my.yaml:20:12: users[14].name: is the same name as at my.yaml:11:12',
    'my.yaml:2:5: users[0]: has password and hash; only one of them can be used',
    'my.yaml:4:11: users[0].hash: cannot log in to the server; give server_user and server_password as well',
    'my.yaml:4:11: users[0].hash: is not a hash of a password: it must begin with $A$005$ (or with 0x and that in hexadecimal), with * or with sha256:',
    'my.yaml:5:5: users[1]: needs one of password, password_file and hash',
    'my.yaml:6:5: users[1].passwrd: is not a known key (did you mean password?)',
    'my.yaml:7:5: users[2]: must be a map with a name and a password',
    'my.yaml:8:10: users[3].name: has no value',
  ]);
  t.same(mistakes({ yaml: 'users: hunter2\n' }), [
    'my.yaml:1:8: users: must be a list of users, each with a name and a password',
  ]);
});

const NATIVE = '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19';
const SHA2_DIGEST = `sha256:${'0a'.repeat(32)}`;

t.test('hashes, second passwords, and what the server login is made of', async (t) => {
  writeFileSync(join(directory, 'secrets', 'new'), 'new\n');
  const yaml = [
    'users:',
    `  - {name: native, hash: "${NATIVE}", old_hash: "${NATIVE.toLowerCase()}"}`,
    `  - {name: fast, hash: "${SHA2_DIGEST}", server_user: app, server_password_file: secrets/new}`,
    '  - {name: rotated, password_file: secrets/new, old_password: old}',
    `  - {name: half, hash: "${NATIVE}", old_password: old}`,
    `  - {name: mapped, password: x, old_hash: $A$005$${SALT_AND_DIGEST}, server_user: app, server_password: y}`,
  ].join('\n');
  const { users } = load({ yaml });
  const file = join(directory, 'secrets', 'new');
  const shown = users.map(({ name, credential, old, server }) => [
    name,
    credential.kind,
    old?.kind ?? null,
    server.user,
    server.secrets.map((one) => (one.kind === 'password' ? [one.password.reveal(), one.file] : one.of)),
  ]);
  t.strictSame(shown, [
    ['native', 'native_hash', 'native_hash', 'native', ['current', 'old']],
    ['fast', 'sha2_digest', null, 'app', [['new', file]]],
    [
      'rotated',
      'password',
      'password',
      'rotated',
      [
        ['new', file],
        ['old', null],
      ],
    ],
    ['half', 'native_hash', 'password', 'half', ['current', ['old', null]]],
    ['mapped', 'password', 'caching_sha2_hash', 'app', [['y', null]]],
  ]);
  const text = `${JSON.stringify(users)}${inspect(users, { depth: 9, showHidden: true })}`;
  t.notMatch(text, /2470c0|24, 70|0a0a|0a 0a|ABCDEFGH/i, 'no hash is shown');
  const own = completeConfigWithUrl(
    load({ yaml: `users: [{name: app, hash: "${NATIVE}"}]\n` }),
    'mysql://app:s@db',
  );
  t.equal(passwordOf(own.users[0]?.server), 's', "the URL's account needs no proof");

  const wrong = [
    'users:',
    `  - {name: a, hash: "${SHA2_DIGEST}"}`,
    `  - {name: b, hash: "${NATIVE}", old_hash: "${SHA2_DIGEST}"}`,
    `  - {name: c, password: x, hash: "${NATIVE.slice(1)}"}`,
    '  - {name: d, password: x, old_password: hunter2, old_password_file: secrets/new}',
    '  - {name: e, password: x, server_user: y, server_password: hunter2, server_password_file: secrets/new}',
    '  - {name: f, password: x, old_password_file: secrets/none}',
    `  - {name: g, hash: "*hunter2"}`,
    `  - {name: h, hash: "sha256:hunter2", server_user: y, server_password: ""}`,
  ].join('\n');
  t.strictSame(mistakes({ yaml: wrong }).sort(), [
    'my.yaml:2:21: users[0].hash: cannot log in to the server; give server_user and server_password as well',
    'my.yaml:3:76: users[1].old_hash: and hash are of methods that no client can use at once',
    'my.yaml:4:34: users[2].hash: cannot log in to the server; give server_user and server_password as well',
    'my.yaml:4:34: users[2].hash: is not a hash of a password: it must begin with $A$005$ (or with 0x and that in hexadecimal), with * or with sha256:',
    'my.yaml:4:5: users[2]: has password and hash; only one of them can be used',
    'my.yaml:5:5: users[3]: has old_password and old_password_file; only one of them can be used',
    'my.yaml:6:5: users[4]: has server_password and server_password_file; only one of them can be used',
    'my.yaml:7:47: users[5].old_password_file: cannot read "secrets/none": there is no such file',
    'my.yaml:8:21: users[6].hash: cannot log in to the server; give server_user and server_password as well',
    'my.yaml:8:21: users[6].hash: is not a mysql_native_password hash: that is * and 40 hexadecimal digits',
    'my.yaml:9:21: users[7].hash: has no 64 hexadecimal digits behind sha256:',
  ]);
});

t.test('guard rails', async (t) => {
  const yaml = [
    'users:',
    '  - {name: a, password: x, allowed_addresses: [10.0.0.0/8, "::1", fd00::/8, unix], schemas: [shop, Shop2], read_only: yes}',
    '  - {name: b, password: x, allowed_addresses: 192.168.1.7, schemas: shop, read_only: false}',
    '  - {name: c, password: x}',
  ].join('\n');
  const [a, b, c] = load({ yaml }).users.map(({ guards }) => guards);
  const hosts = [
    '10.255.0.1',
    '11.0.0.1',
    '::1',
    '::2',
    'fd12::3',
    'fd12::3%eth0',
    'localhost',
    '192.168.1.7',
    'unknown',
  ];
  const allowed = (one: typeof a): string[] => hosts.filter((host) => one?.addresses?.allows(host));
  t.strictSame(allowed(a), ['10.255.0.1', '::1', 'fd12::3', 'fd12::3%eth0', 'localhost']);
  t.strictSame(allowed(b), ['192.168.1.7']);
  t.strictSame(
    [a?.schemas, a?.readOnly, b?.schemas, b?.readOnly],
    [['shop', 'Shop2'], true, ['shop'], false],
  );
  t.strictSame(c, { addresses: null, certificate: null, schemas: null, readOnly: false });
  const wrong = [
    'users:',
    '  - {name: a, password: x, allowed_addresses: [10.0.0.0/33, localhost, 10.0.0]}',
    '  - {name: b, password: x, allowed_addresses: [], schemas: [""], read_only: maybe}',
  ].join('\n');
  const address = 'is not an address such as 10.1.2.3, a network such as 10.0.0.0/8 or fd00::/8, or unix';
  t.strictSame(mistakes({ yaml: wrong }).sort(), [
    'my.yaml:2:48: users[0].allowed_addresses[0]: "10.0.0.0/33" has a prefix of more than 32 bits',
    `my.yaml:2:61: users[0].allowed_addresses[1]: "localhost" ${address} (did you mean 127.0.0.1, ::1 or unix?)`,
    `my.yaml:2:72: users[0].allowed_addresses[2]: "10.0.0" ${address}`,
    'my.yaml:3:47: users[1].allowed_addresses: is an empty list; leave the key out for no limit',
    'my.yaml:3:61: users[1].schemas[0]: is empty',
    'my.yaml:3:77: users[1].read_only: "maybe" is neither on nor off',
  ]);
});

t.test('the password of the upstream from a file', async (t) => {
  writeFileSync(join(directory, 'secrets', 'upstream'), 'from a file\r\n');
  const path = join(directory, 'secrets', 'upstream');
  const settings = load({ yaml: 'upstream: mysql://app@db\nupstream_password_file: secrets/upstream\n' });
  t.equal(settings.upstream?.password.reveal(), 'from a file');
  t.equal(settings.upstreamPasswordFile, path);
  if (settings.upstream === null) throw new Error('an upstream was given');
  const [own] = completeConfig(settings, settings.upstream).users;
  t.match(own?.server.secrets, [{ kind: 'password', file: path }]);
  t.equal(passwordOf(own?.server), 'from a file');
  const env = { MYBOUNCER_UPSTREAM: 'mysql://app@db', MYBOUNCER_UPSTREAM_PASSWORD_FILE: path };
  t.equal(load({ env }).upstream?.password.reveal(), 'from a file');
  t.strictSame(mistakes({ flags: { upstream: 'mysql://app:hunter2@db', upstream_password_file: path } }), [
    '--upstream_password_file: upstream_password_file: and a password in the URL of upstream are one too many',
  ]);
  t.strictSame(mistakes({ flags: { upstream_password_file: path } }), [
    '--upstream_password_file: upstream_password_file: is the password of an upstream, and none is set',
  ]);
  t.strictSame(mistakes({ yaml: 'upstream: mysql://app@db\nupstream_password_file: secrets/nowhere\n' }), [
    'my.yaml:2:25: upstream_password_file: cannot read "secrets/nowhere": there is no such file',
  ]);
  t.equal(load({ env, ignoreUpstream: true }).upstreamPasswordFile, null, 'none of a sandbox');
});

t.test("the upstream's own user", async (t) => {
  const url = 'mysql://app:s%40cret@db/shop';
  const alone = completeConfigWithUrl(load({}), url);
  t.match(alone.users, [{ name: 'app', server: { user: 'app' } }]);
  t.equal(passwordOf(alone.users[0]?.server), 's@cret');
  const settings = load({ yaml: 'users: [{name: b, password: x}]\n', flags: { upstream: url } });
  if (settings.upstream === null) throw new Error('an upstream was given');
  t.same(
    completeConfig(settings, settings.upstream).users.map(({ name }) => name),
    ['app', 'b'],
  );
  const replaced = completeConfigWithUrl(load({ yaml: 'users: [{name: app, password: other}]\n' }), url);
  t.equal(replaced.users.length, 1);
  t.equal(passwordOf(replaced.users[0]?.server), 'other', 'an entry of that name takes its place');
  t.throws(() => completeConfigWithUrl(settings, 'nonsense'), { name: 'ConfigError' });
});

t.test('neither a configuration nor an error shows a password', async (t) => {
  const yaml =
    'upstream: mysql://app:hunter2@db\nusers: [{name: b, password: hunter2, server_user: c, server_password: hunter2}]\n';
  const settings = load({ yaml });
  const config = completeConfigWithUrl(settings, 'mysql://app:hunter2@db');
  for (const text of [
    JSON.stringify(config),
    inspect(config, { depth: 9, showHidden: true }),
    `${settings.upstream}`,
  ]) {
    t.notMatch(text, /hunter2/);
  }
  const wrong: readonly Given[] = [
    { flags: { pool_size: 'mysql://app:hunter2@db' } },
    { flags: { listen: 'mysql://app:hunter2@db:1' } },
    { env: { MYBOUNCER_UPSTREAM: 'app:hunter2@db' } },
    { yaml: 'upstream: mysql://app:hunter2/@db\n' },
    { yaml: 'upstream: [mysql://app:hunter2@db]\n' },
    { yaml: 'upstream: mysql://app: hunter2@db\n' },
  ];
  for (const given of wrong) {
    const lines = mistakes(given);
    t.equal(lines.length, 1, JSON.stringify(given));
    t.notMatch(lines.join(), /hunter2/);
  }
});
