import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parse } from 'yaml';
import * as z from 'zod';
import { loadSettings } from '../../src/config/load.js';
import { exampleText, GENERATED_FILES, jsonSchemaText, referenceText } from '../../src/config/reference.js';
import { envNames, flagName, KEY_NAMES, keyInfo } from '../../src/config/schema.js';
import { USER_KEYS } from '../../src/config/user-schema.js';

/** The folder of package.json, which lies above the compiled tests. */
function projectRoot(from: string): string {
  const file = join(from, 'package.json');
  return existsSync(file) ? dirname(realpathSync(file)) : projectRoot(dirname(from));
}

const deploy = join(projectRoot(dirname(fileURLToPath(import.meta.url))), 'deploy');

t.test('the files in deploy/ are what the table says', async (t) => {
  for (const [name, generate] of Object.entries(GENERATED_FILES)) {
    t.equal(readFileSync(join(deploy, name), 'utf8'), generate(), `${name}: if not, run "npm run docs"`);
  }
});

t.test('the reference names every key, flag and variable', async (t) => {
  const text = referenceText();
  for (const name of KEY_NAMES) {
    t.ok(text.includes(`### \`${name}\`\n`), name);
    if (keyInfo(name).fileOnly === true) continue;
    for (const word of [flagName(name), ...envNames(name)]) t.ok(text.includes(`\`${word}\``), word);
  }
  for (const key of USER_KEYS) t.ok(text.includes(`| \`${key}\` |`), key);
});

t.test('the example is valid, and its comments are the defaults', async (t) => {
  const load = (yaml: string) => {
    const configFile = join(t.testdir({ 'my.yaml': yaml }), 'my.yaml');
    return loadSettings({ flags: new Map(), env: {}, configFile });
  };
  const example = load(exampleText());
  t.equal(example.upstream?.user, 'app');
  const { upstream, ...rest } = load('');
  t.equal(upstream, null);
  t.same({ ...example, upstream: null }, { ...rest, upstream });
  // The lines of users:, servers: and pools: are examples, not defaults.
  const examples = /^#(?:users|servers|pools):\n(?:# {2}.*\n)+/gm;
  t.equal(exampleText().match(examples)?.length, EXAMPLES.length, 'they are there');
  const uncommented = exampleText()
    .replace(examples, '')
    .replace(/^#(?=[a-z_]+:| {2}- )/gm, '');
  for (const name of KEY_NAMES)
    t.equal(new RegExp(`^${name}:`, 'm').test(uncommented), !EXAMPLES.includes(name), name);
  t.same({ ...load(uncommented), upstream: null }, { ...rest, upstream, adminUsers: ['operator'] });
});

const EXAMPLES = ['servers', 'pools', 'users'];

t.test('the JSON schema', async (t) => {
  const schema = z.fromJSONSchema(JSON.parse(jsonSchemaText()));
  const accepts = (yaml: string): boolean => schema.safeParse(parse(yaml)).success;
  const good = [
    exampleText(),
    '{}',
    'pool_size: 5',
    'pool_size: "5"',
    'listen: 127.0.0.1:1',
    'listen: [127.0.0.1:1, unix:/x]',
    'query_wait_timeout: 1m30s',
    'drain_timeout: "0"',
    'max_packet_size: 16M',
    'http: off',
    'master: on',
    'master: true',
    'master: "no"',
    'fleet: auto',
    'fork_guard: false',
    'on_unsafe: warn',
    'on_unsafe: user_lock=warn',
    'on_unsafe: {user_lock: error, xa: hold}',
    'max_held: 80%',
    'max_held: 0.5',
    'max_held: 1',
    'servers: [{url: mysql://app@db1}, {url: mysql://db2, name: two, role: replica, weight: 3}]',
    'pools: {shop: {}, shop_ro: {role: replica, databases: [ro, other=shop], max_lag: 5s, read_your_writes: on}}',
    'users: [{name: a, password: b}, {name: c, hash: x, server_user: d, server_password: e}]',
  ];
  for (const yaml of good) t.ok(accepts(yaml), yaml.slice(0, 60));
  const bad = [
    'pool_sise: 5',
    'pool_size: 0',
    'pool_size: 1.5',
    'pool_size: abc',
    'listen: []',
    'listen: 6033',
    'query_wait_timeout: 5',
    'query_wait_timeout: 5 s',
    'max_packet_size: 1024',
    'pool_mode: statement',
    'master: auto',
    'fleet: maybe',
    'upstream:',
    'on_unsafe: refuse',
    'on_unsafe: {user_lok: error}',
    'on_unsafe: {user_lock: eror}',
    'max_held: 80',
    'max_held: 101%',
    'users: [{password: b}]',
    'users: [{name: a}]',
    'users: [{name: a, password: b, password_file: c}]',
  ];
  for (const yaml of bad) t.notOk(accepts(yaml), yaml);
});
