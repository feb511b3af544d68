import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { makeSelfSigned } from '../../src/frontend/self-signed.js';

const run = promisify(execFile);
const DAY_MS = 86_400_000;

t.test('as the runtime reads it', async (t) => {
  const { cert, key } = makeSelfSigned();
  const read = new X509Certificate(cert);
  t.equal(read.subject, 'CN=MyBouncer self-signed certificate');
  t.equal(read.issuer, read.subject);
  t.ok(read.verify(read.publicKey), 'signed by itself');
  t.ok(read.checkPrivateKey(createPrivateKey(key)));
  t.notOk(read.ca, 'it vouches for no other');
  t.match(read.publicKey.asymmetricKeyDetails, { namedCurve: 'prime256v1' });
  const [from, to] = [new Date(read.validFrom).getTime(), new Date(read.validTo).getTime()];
  t.ok(from < Date.now() - DAY_MS / 2, 'for clocks that differ');
  t.ok(to > Date.now() + 3_000 * DAY_MS);
  t.not(new X509Certificate(makeSelfSigned().cert).serialNumber, read.serialNumber);
});

t.test('across the year from which on dates are written in full', async (t) => {
  const { cert } = makeSelfSigned(new Date('2045-06-07T08:09:10.500Z'));
  const read = new X509Certificate(cert);
  t.equal(new Date(read.validFrom).toISOString(), '2045-06-06T08:09:10.000Z');
  t.equal(new Date(read.validTo).toISOString(), '2055-06-05T08:09:10.000Z');
});

t.test('as OpenSSL checks it', async (t) => {
  const path = join(t.testdir({}), 'own.pem');
  await writeFile(path, makeSelfSigned().cert);
  const { stdout } = await run('openssl', ['verify', '-x509_strict', '-CAfile', path, path]).catch(
    (error: { stdout: string; stderr: string }) => ({ stdout: error.stdout + error.stderr }),
  );
  t.match(stdout, / OK$|: OK\n/);
});
