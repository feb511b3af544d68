import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { completeConfig, loadSettings, type Settings } from '../../src/config/load.js';
import { ConfigError } from '../../src/config/problem.js';
import type { KeyName } from '../../src/config/schema.js';
import { parseUpstream } from '../../src/config/upstream.js';
import { CertificateMaker } from '../support/certificate-maker.js';

function load(flags: Partial<Record<KeyName, string>>, configFile: string | null = null): Settings {
  const given = Object.entries(flags).map(
    ([key, value]) => [key as KeyName, { source: `--${key.replaceAll('_', '-')}`, values: [value] }] as const,
  );
  return loadSettings({ flags: new Map(given), configFile, env: {} });
}

function mistakes(flags: Partial<Record<KeyName, string>>, configFile: string | null = null): string[] {
  try {
    load(flags, configFile);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ source, key, message }) => `${source}: ${key}: ${message}`);
  }
  return [];
}

t.test('what the upstream URL says', async (t) => {
  const tls = (query: string) => parseUpstream(`mysql://app:hunter2@db/shop?${query}`).tls;
  t.equal(tls(''), undefined);
  t.same(tls('ssl-mode=DISABLED'), { serverTlsMode: 'disable' });
  t.same(tls('ssl-mode=PREFERRED'), { serverTlsMode: 'prefer' });
  t.same(tls('ssl-mode=REQUIRED'), { serverTlsMode: 'require' });
  t.same(tls('ssl_mode=verify_ca'), { serverTlsMode: 'verify_ca' });
  t.same(tls('ssl-mode=Verify-Identity'), { serverTlsMode: 'verify_full' });
  t.same(tls('ssl-ca=/etc/a%20b.pem'), { serverTlsMode: 'verify_ca', serverTlsCa: '/etc/a b.pem' });
  t.same(tls('ssl-mode=VERIFY_IDENTITY&ssl-ca=ca.pem&ssl-cert=c.pem&ssl-key=k.pem'), {
    serverTlsMode: 'verify_full',
    serverTlsCa: 'ca.pem',
    serverTlsCert: 'c.pem',
    serverTlsKey: 'k.pem',
  });
  const socket = parseUpstream('mysql://app@localhost/shop?socket=/run/s&ssl-mode=REQUIRED');
  t.same(socket.tls, { serverTlsMode: 'require' });
  const wrong: readonly [string, RegExp][] = [
    ['ssl-mode=', /ssl-mode that is none of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY/],
    ['ssl-mode=hunter2', /ssl-mode that is none of/],
    ['ssl-mode=REQUIRED&ssl_mode=REQUIRED', /two ssl-mode parameters/],
    ['ssl-ca=', /ssl-ca without a file/],
    ['ssl=true', /"ssl" behind the \?; the only parameters are socket=\/PATH, ssl-mode=MODE/],
  ];
  for (const [query, message] of wrong) {
    t.throws(() => tls(query), { name: 'InvalidValue', message }, query);
    t.throws(() => tls(query), { message: /^(?!.*hunter2)/s }, 'without what was given');
  }
});

t.test('the URL and the keys', async (t) => {
  const url = 'mysql://app@db/?ssl-mode=REQUIRED';
  const settings = load({ upstream: url });
  t.equal(settings.serverTlsMode, 'prefer');
  t.equal(settings.upstream && completeConfig(settings, settings.upstream).serverTlsMode, 'require');
  t.same(mistakes({ upstream: url, server_tls_mode: 'require' }), [], 'the same in both places');
  t.same(mistakes({ upstream: url, server_tls_mode: 'prefer' }), [
    '--server-tls-mode: server_tls_mode: contradicts ssl-mode in the URL of upstream; give one of them',
  ]);
  t.same(mistakes({ upstream: 'mysql://app@db/?ssl-ca=/no/such.pem' }), [
    '--upstream: server_tls_ca: cannot read "/no/such.pem": there is no such file',
  ]);
});

t.test('what the keys demand of each other', async (t) => {
  const maker = await CertificateMaker.start(t);
  const ca = await maker.ca('a CA');
  const one = await maker.make({ commonName: 'one', issuer: ca });
  const two = await maker.make({ commonName: 'two', issuer: ca });
  const pair = { server_tls_cert: one.cert, server_tls_key: one.key };
  t.same(mistakes({ server_tls_mode: 'verify_full', server_tls_ca: ca.cert, ...pair }), []);
  t.same(mistakes({ server_tls_mode: 'verify_ca' }), [], 'with the CAs of the system');
  t.same(mistakes(pair), [], 'preferred');
  for (const mode of ['disable', 'prefer', 'require']) {
    t.same(mistakes({ server_tls_mode: mode, server_tls_ca: ca.cert }), [
      `--server-tls-ca: server_tls_ca: is not looked at while server_tls_mode is ${mode}; set verify_ca or verify_full`,
    ]);
  }
  t.same(mistakes({ server_tls_cert: one.cert }), [
    '--server-tls-cert: server_tls_cert: needs server_tls_key as well',
  ]);
  t.same(mistakes({ server_tls_key: one.key }), [
    '--server-tls-key: server_tls_key: needs server_tls_cert as well',
  ]);
  t.match(mistakes({ server_tls_mode: 'disable', ...pair }), [
    /is not used while server_tls_mode is disable/,
  ]);
  t.match(mistakes({ ...pair, server_tls_key: two.key }), [
    /^--server-tls-cert: server_tls_cert: ".*" and ".*" cannot be used: key values mismatch$/,
  ]);
  const rubbish = join(maker.folder, 'rubbish.pem');
  await writeFile(rubbish, 'hunter2');
  t.match(mistakes({ server_tls_mode: 'verify_ca', server_tls_ca: rubbish }), [
    /holds no certificate in PEM form/,
  ]);
  t.match(mistakes({ ...pair, server_tls_key: rubbish }), [/cannot be used: (?!.*hunter2)/]);
  t.match(mistakes({ ...pair, server_tls_cert: '/no/such' }), [
    /cannot read "\/no\/such": there is no such file/,
  ]);
  t.match(mistakes({ server_tls_mode: 'verify-ca' }), [
    /did you mean verify_ca|is not one of disable, prefer/,
  ]);
  t.match(mistakes({ server_tls_min_version: 'TLSv1.1' }), [/is not one of TLSv1.2, TLSv1.3/]);
});

t.test('a sandbox is not asked for what another server has', async (t) => {
  const configFile = join(t.testdir({ 'my.yaml': 'server_tls_mode: verify_full\n' }), 'my.yaml');
  const read = (ignoreUpstream: boolean) =>
    loadSettings({ flags: new Map(), env: {}, configFile, ignoreUpstream }).serverTlsMode;
  t.equal(read(false), 'verify_full');
  t.equal(read(true), 'prefer');
});

t.test('paths in the file start at its directory', async (t) => {
  const maker = await CertificateMaker.start(t);
  const ca = await maker.ca('a CA');
  await mkdir(join(maker.folder, 'conf'));
  const file = join(maker.folder, 'conf', 'my.yaml');
  const name = ca.cert.slice(maker.folder.length + 1);
  await writeFile(file, `server_tls_mode: verify_ca\nserver_tls_ca: ../${name}\n`);
  t.equal(load({}, file).serverTlsCa, ca.cert);
  await writeFile(file, 'server_tls_mode: verify_ca\nserver_tls_ca: missing.pem\n');
  t.same(mistakes({}, file), [
    `${file}:2:16: server_tls_ca: cannot read "${join(maker.folder, 'conf', 'missing.pem')}": there is no such file`,
  ]);
  await writeFile(file, 'server_tls_ca: ""\n');
  t.equal(load({}, file).serverTlsCa, null, 'an empty one is none');
  await writeFile(file, 'server_tls_ca:\n');
  t.match(mistakes({}, file), [/server_tls_ca: has no value/]);
});
