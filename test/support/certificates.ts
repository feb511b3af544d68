import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';

const run = promisify(execFile);

/** A certificate and its key as files, and what is in them. */
export interface IssuedCertificate {
  readonly certPath: string;
  readonly keyPath: string;
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority of a test's own; made by OpenSSL's command line, and not by the code under test. */
export class TestAuthority {
  readonly folder: string;
  readonly certPath: string;
  readonly cert: string;
  readonly #keyPath: string;
  #issued = 0;

  private constructor(folder: string, certPath: string, keyPath: string, cert: string) {
    this.folder = folder;
    this.certPath = certPath;
    this.cert = cert;
    this.#keyPath = keyPath;
  }

  static async make(t: Test, name = 'Test authority'): Promise<TestAuthority> {
    const folder = await mkdtemp(join(tmpdir(), 'mybouncer-ca-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const [certPath, keyPath] = [join(folder, 'ca.pem'), join(folder, 'ca.key')];
    await openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      keyPath,
      '-out',
      certPath,
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
    );
    return new TestAuthority(folder, certPath, keyPath, await readFile(certPath, 'utf8'));
  }

  /** @param days from now on; below 0: it has expired */
  async issue(name: string, days = 2): Promise<IssuedCertificate> {
    const base = join(this.folder, `issued-${++this.#issued}`);
    const [requestPath, certPath, keyPath, extPath] = [
      `${base}.csr`,
      `${base}.pem`,
      `${base}.key`,
      `${base}.ext`,
    ];
    await openssl('req', '-new', ...NEW_KEY, keyPath, '-out', requestPath, '-subj', `/CN=${name}`);
    await writeFile(extPath, `subjectAltName=DNS:${name},IP:127.0.0.1\n`);
    const by = ['-CA', this.certPath, '-CAkey', this.#keyPath, '-CAcreateserial', '-extfile', extPath];
    await openssl('x509', '-req', '-in', requestPath, '-out', certPath, '-days', String(days), ...by);
    const [cert, key] = [await readFile(certPath, 'utf8'), await readFile(keyPath, 'utf8')];
    return { certPath, keyPath, cert, key };
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout'] as const;

async function openssl(...args: readonly string[]): Promise<void> {
  await run('openssl', args);
}
