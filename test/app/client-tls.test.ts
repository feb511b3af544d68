import { X509Certificate } from 'node:crypto';
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { type CertificatePair, makeSelfSigned } from '../../src/frontend/self-signed.js';
import { eventually } from '../support/proxied.js';
import { type ProxyProcess, startProxy } from '../support/proxy.js';
import { loginOf, RawClient } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';

const READ_AGAIN = 'TLS files have changed: read again';
const UNUSABLE = 'TLS files have changed and cannot be used: the old ones stay in use';

await forEachServer(
  t,
  async (t, server) => {
    const schema = await server.createDatabase();
    const upstream = server.url(schema);
    await t.test('files that change', (t) => changing(t, upstream));
    await t.test('a secret as Kubernetes mounts it', (t) => mounted(t, upstream));
  },
  { flavors: ['mariadb'], timeout: 180_000 },
);

/** The certificate that a new client is shown. */
async function shown(proxy: ProxyProcess): Promise<string> {
  const client = await RawClient.login(loginOf(proxy.url, { tls: {} }));
  const { raw } = (client.socket as TLSSocket).getPeerCertificate();
  client.destroy();
  return new X509Certificate(raw).fingerprint256;
}

function of({ cert }: CertificatePair): string {
  return new X509Certificate(cert).fingerprint256;
}

function count(proxy: ProxyProcess, message: string): number {
  return proxy.lines.filter(({ msg }) => msg === message).length;
}

async function changing(t: Test, upstream: string): Promise<void> {
  const [first, second, third] = [makeSelfSigned(), makeSelfSigned(), makeSelfSigned()];
  const folder = t.testdir({ 'tls.pem': first.cert, 'tls.key': first.key });
  const [cert, key] = [join(folder, 'tls.pem'), join(folder, 'tls.key')];
  const proxy = await startProxy(t, { upstream, flags: ['--tls-cert', cert, '--tls-key', key] });
  const open = await RawClient.login(loginOf(proxy.url, { tls: {} }));
  t.equal(await shown(proxy), of(first));
  await writeFile(cert, second.cert);
  await writeFile(key, second.key);
  await eventually('it is shown', async () => (await shown(proxy)) === of(second));
  await writeFile(`${cert}.new`, third.cert);
  await rename(`${cert}.new`, cert);
  await eventually('it is told', () => count(proxy, UNUSABLE) === 1);
  t.equal(await shown(proxy), of(second), 'the old one stays');
  t.match(proxy.lines.at(-1) && proxy.lines.find(({ msg }) => msg === UNUSABLE), {
    level: 'error',
    files: [cert, key],
    reason: `tls_key: ${JSON.stringify(key)} is not the key of tls_cert`,
  });
  await writeFile(`${key}.new`, third.key);
  await rename(`${key}.new`, key);
  await eventually('it is shown', async () => (await shown(proxy)) === of(third));
  t.equal(await open.value('SELECT 1'), '1', 'an open connection goes on');
  t.equal(count(proxy, UNUSABLE), 1);
  t.notMatch(proxy.logs.join('\n'), /PRIVATE KEY/);
  open.destroy();
}

async function mounted(t: Test, upstream: string): Promise<void> {
  const folder = t.testdir({});
  const versions = [makeSelfSigned(), makeSelfSigned()] as const;
  for (const [i, pair] of versions.entries()) {
    await mkdir(join(folder, `..v${i}`));
    await writeFile(join(folder, `..v${i}/tls.crt`), pair.cert);
    await writeFile(join(folder, `..v${i}/tls.key`), pair.key);
  }
  await symlink('..v0', join(folder, '..data'));
  await symlink('..data/tls.crt', join(folder, 'tls.crt'));
  await symlink('..data/tls.key', join(folder, 'tls.key'));
  const flags = ['--tls-cert', join(folder, 'tls.crt'), '--tls-key', join(folder, 'tls.key')];
  const proxy = await startProxy(t, { upstream, flags });
  t.equal(await shown(proxy), of(versions[0]));
  await symlink('..v1', join(folder, '..data_tmp'));
  await rename(join(folder, '..data_tmp'), join(folder, '..data'));
  await eventually('it is shown', async () => (await shown(proxy)) === of(versions[1]));
  await eventually('it is told', () => count(proxy, READ_AGAIN) === 1);
  t.equal(count(proxy, UNUSABLE), 0);
}
