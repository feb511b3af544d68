import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { loadSettings, type Settings } from '../../src/config/load.js';
import { ConfigError, formatProblem } from '../../src/config/problem.js';
import { loadTlsFiles, tlsPaths } from '../../src/config/tls-files.js';
import { makeSelfSigned } from '../../src/frontend/self-signed.js';
import { TestAuthority } from '../support/certificates.js';

const own = makeSelfSigned();
const other = makeSelfSigned();
const ENCRYPTED =
  '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAc\n-----END ENCRYPTED PRIVATE KEY-----\n';

function load(configFile: string, env: Record<string, string> = {}): Settings {
  return loadSettings({ flags: new Map(), env, configFile });
}

function mistakes(configFile: string, env: Record<string, string> = {}): string[] {
  try {
    load(configFile, env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(formatProblem);
  }
}

t.test('paths start where they are written', async (t) => {
  const folder = t.testdir({ 'own.pem': own.cert, 'own.key': own.key, 'both.pem': own.cert + own.key });
  const write = async (yaml: string): Promise<string> => {
    const path = join(folder, 'my.yaml');
    await writeFile(path, yaml);
    return path;
  };
  const relative = load(await write('tls_cert: own.pem\ntls_key: ./own.key\n'));
  t.match(relative, { tlsCert: join(folder, 'own.pem'), tlsKey: join(folder, 'own.key') });
  const absolute = load(await write(`tls_cert: ${folder}/both.pem\ntls_key: ${folder}/both.pem\n`));
  t.match(absolute, { tlsCert: join(folder, 'both.pem'), tlsKey: join(folder, 'both.pem') }, 'one file');
  t.match(load(await write('tls_cert: ""\n')), { tlsCert: null });
  const given = load(await write('tls_key: own.key\n'), { MYBOUNCER_TLS_CERT: join(folder, 'own.pem') });
  t.match(given, { tlsCert: join(folder, 'own.pem') });
});

t.test('what is wrong is told by key and place', async (t) => {
  const folder = t.testdir({
    'own.pem': own.cert,
    'own.key': own.key,
    'other.key': other.key,
    'locked.key': ENCRYPTED,
    'empty.pem': '',
    'binary.pem': Buffer.of(0xff, 0xfe),
    folder: {},
  });
  const at = (name: string): string => JSON.stringify(join(folder, name));
  const file = join(folder, 'my.yaml');
  for (const [yaml, ...expected] of [
    ['tls_cert: own.pem\ntls_key: own.key'],
    ['tls_cert: own.pem', `${file}:1:11: tls_cert: needs tls_key as well (it may be the same file)`],
    ['tls_key: own.key', `${file}:1:10: tls_key: needs tls_cert as well`],
    [
      'tls_cert: own.pem\ntls_key: other.key',
      `${file}:2:10: tls_key: ${at('other.key')} is not the key of tls_cert`,
    ],
    [
      'tls_cert: gone.pem\ntls_key: gone.key',
      `${file}:1:11: tls_cert: cannot read ${at('gone.pem')}: there is no such file`,
      `${file}:2:10: tls_key: cannot read ${at('gone.key')}: there is no such file`,
    ],
    [
      'tls_cert: own.key\ntls_key: own.pem',
      `${file}:1:11: tls_cert: ${at('own.key')} holds no certificate in PEM form`,
      `${file}:2:10: tls_key: ${at('own.pem')} holds no private key in PEM form`,
    ],
    [
      'tls_cert: folder\ntls_key: locked.key',
      `${file}:1:11: tls_cert: cannot read ${at('folder')}: it is a directory`,
      `${file}:2:10: tls_key: ${at('locked.key')} holds a key with a passphrase, which nobody is there to give`,
    ],
    [
      'tls_cert: binary.pem\ntls_key: own.key',
      `${file}:1:11: tls_cert: cannot read ${at('binary.pem')}: it is not UTF-8 text`,
    ],
    [
      'tls_mode: verify',
      `${file}:1:11: tls_mode: verify needs tls_client_ca: whose certificates clients must have`,
    ],
    [
      'tls_mode: verify\ntls_client_ca: empty.pem',
      `${file}:2:16: tls_client_ca: ${at('empty.pem')} holds no certificate in PEM form`,
    ],
    [
      'tls_mode: require\ntls_client_ca: own.pem',
      `${file}:2:16: tls_client_ca: has no effect with tls_mode require; set tls_mode to verify`,
    ],
    ['tls_mode: verify\ntls_client_ca: own.pem'],
    // Nothing is used, so nothing is read.
    ['tls_mode: disable\ntls_cert: gone.pem\ntls_key: gone.key\ntls_client_ca: gone.pem'],
    ['tls_mode: maybe', `${file}:1:11: tls_mode: "maybe" is not one of disable, allow, require, verify`],
    ['tls_min_version: TLSv1.1', `${file}:1:18: tls_min_version: "TLSv1.1" is not one of TLSv1.2, TLSv1.3`],
  ] as const) {
    await writeFile(file, `${yaml}\n`);
    t.same(mistakes(file), expected, yaml);
  }
  await writeFile(file, '');
  t.same(mistakes(file, { MYBOUNCER_TLS_CERT: '/gone.pem', MYBOUNCER_TLS_KEY: join(folder, 'own.key') }), [
    'env MYBOUNCER_TLS_CERT: tls_cert: cannot read "/gone.pem": there is no such file',
  ]);
});

t.test('the contents', async (t) => {
  const authority = await TestAuthority.make(t);
  const issued = await authority.issue('proxy.example');
  const folder = t.testdir({ mount: {} });
  await mkdir(join(folder, 'secret'));
  await writeFile(join(folder, 'secret/chain.pem'), issued.cert + authority.cert);
  await symlink('../secret/chain.pem', join(folder, 'mount/tls.crt'));
  const keys = {
    mode: 'verify',
    cert: join(folder, 'mount/tls.crt'),
    key: issued.keyPath,
    clientCa: authority.certPath,
  } as const;
  const { pair, ca } = loadTlsFiles(keys);
  t.match(pair, { cert: issued.cert + authority.cert, key: issued.key });
  t.ok((pair?.expires.getTime() ?? 0) > Date.now());
  t.equal(ca, authority.cert);
  t.same(tlsPaths(keys), [keys.cert, keys.key, keys.clientCa]);
  t.same(tlsPaths({ ...keys, mode: 'disable' }), []);
  t.throws(() => loadTlsFiles({ ...keys, key: authority.certPath }), {
    code: 'TLS_FILES_UNUSABLE',
    message: /^tls_key: .*holds no private key in PEM form$/,
  });
});
