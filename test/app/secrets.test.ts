import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { nativeDigest, sha2Digest } from '../../src/protocol/auth-scramble.js';
import { eventually } from '../support/proxied.js';
import { forEachServer } from '../support/servers.js';
import { proxyWithUsers } from './support.js';

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));

/** In every secret of this test, and in nothing else. */
const MARK = 'HUSH';

/** Everything that may be made of a secret and must not be seen either. */
function forms(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const hashes = [nativeDigest(bytes), sha2Digest(bytes)].map((digest) => digest.toString('hex'));
  return [
    secret,
    encodeURIComponent(secret),
    bytes.toString('hex'),
    bytes.toString('base64').slice(0, -4),
    ...hashes,
  ];
}

function children(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

await forEachServer(t, async (t, server) => {
  const secrets = ['url', 'plain', 'file', 'old', 'oldfile', 'server', 'hashed', 'guess'].map(
    (place) => `${MARK} ${place} 1@`,
  );
  const [url = '', plain, file, old, oldFile, serverPassword = '', hashed = '', guess = ''] = secrets;
  const upstream = await server.createUser({ password: url });
  const account = await server.createUser({ password: serverPassword });
  const digest = sha2Digest(hashed).toString('hex');
  const folder = t.testdir({ file: `${file}\n`, old: `${oldFile}\n`, server: `${serverPassword}\n` });
  const mapped = `server_user: ${account.user}, server_password_file: server`;
  const yaml = `
failed_login_limit: 0
users:
  - {name: plain, password: "${plain}", old_password: "${old}", server_user: ${account.user}, server_password: "${serverPassword}"}
  - {name: file, password_file: file, old_password_file: old, ${mapped}}
  - {name: hashed, hash: "sha256:${digest}", old_hash: "sha256:${digest}", ${mapped}}
  - {name: wrong, password: "${plain}", server_user: ${account.user}, server_password: "${guess}"}
`;
  const world = await proxyWithUsers(t, server, () => yaml, {
    user: upstream,
    folder,
    flags: ['--log-level', 'trace'],
  });
  const { proxy } = world;
  const seen: string[] = [];

  for (const [user, password] of [
    ['plain', plain],
    ['plain', old],
    ['file', file],
    ['file', oldFile],
    ['hashed', hashed],
  ] as const) {
    const client = await world.login(user, password ?? '');
    t.equal(await client.value('SELECT 1'), '1');
    client.destroy();
    for (const name of [user, 'nobody']) seen.push(await world.tried(name, guess));
  }
  seen.push(await world.tried(upstream.user, guess));
  t.equal(await world.tried(upstream.user, url), 'in');
  seen.push(await world.tried('wrong', plain ?? ''));
  const changing = await world.connect({ user: 'plain', password: plain ?? '' });
  await changing.connection
    .changeUser({ user: 'file', password: guess })
    .catch((error: unknown) => seen.push(String(error)));
  writeFileSync(join(folder, 'file'), `${guess}\n${guess}\n`);
  await eventually('the file is complained of', () =>
    proxy.lines.some(({ msg }) => /cannot be used/.test(msg)),
  );
  proxy.signal('SIGUSR1');
  await proxy.logged('a signal that means nothing here');
  for (const path of ['/metrics', '/status', '/readyz'])
    seen.push(await (await fetch(`${proxy.http}${path}`)).text());
  for (const pid of [proxy.pid, ...children(proxy.pid)])
    seen.push(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  seen.push(execFileSync('ps', ['-ww', '-o', 'args', '-p', String(proxy.pid)], { encoding: 'utf8' }));
  for (const thread of readdirSync(`/proc/${proxy.pid}/task`))
    seen.push(readFileSync(`/proc/${proxy.pid}/task/${thread}/comm`, 'utf8'));

  const runs: readonly (readonly [string, readonly string[]])[] = [
    [yaml, ['doctor', upstream.url()]],
    [yaml.replace('name: file,', `name: file, passwrd: "${guess}",`), ['check', upstream.url()]],
    [yaml.replaceAll('sha256:', 'sha256'), ['check', `mysql://a:${encodeURIComponent(url)}/@b`]],
    [
      `users: ["${guess}", {name: "x", password: ["${guess}"], hash: "${guess}"}\n`,
      ['check', upstream.url()],
    ],
  ];
  for (const [text, words] of runs) {
    writeFileSync(join(folder, 'file'), `${file}\n`);
    writeFileSync(join(folder, 'other.yaml'), text);
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [MAIN, ...words, '--config', join(folder, 'other.yaml')],
      {
        encoding: 'utf8',
      },
    );
    t.not(status, null);
    seen.push(stdout, stderr);
  }
  await proxy.stop();
  seen.push(...proxy.logs, ...proxy.stderr);
  const everything = seen.join('\n');
  t.ok(
    proxy.lines.some(({ msg }) => msg === 'login denied'),
    'there is something to be seen',
  );
  t.match(everything, /cannot log in|may log in/, 'doctor has had its say');
  t.strictSame(
    everything.split('\n').filter((line) => line.includes(MARK)),
    [],
  );
  for (const secret of secrets)
    for (const form of forms(secret))
      t.notOk(everything.toLowerCase().includes(form.toLowerCase()), `a form of ${secret}`);
});
