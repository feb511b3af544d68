import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';

const run = promisify(execFile);

/** What a certificate says; all of it is optional but the name. */
export interface CertificateOptions {
  readonly commonName: string;
  /** As OpenSSL writes them: `DNS:db.example`, `IP:127.0.0.1`. */
  readonly names?: readonly string[];
  /** Signed by this one; by itself otherwise. */
  readonly issuer?: Certificate;
  /** Until when it is valid, in days from now; it may be over. */
  readonly days?: number;
}

/** A certificate and its key, as PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Makes certificates in a folder of the test's own. */
export class CertificateMaker {
  readonly folder: string;
  #serial = 0;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async start(t: Test): Promise<CertificateMaker> {
    const folder = await mkdtemp(join(tmpdir(), 'mybouncer-test-tls-'));
    await chmod(folder, 0o755);
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    return new CertificateMaker(folder);
  }

  ca(commonName: string): Promise<Certificate> {
    return this.#make({ commonName }, ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign']);
  }

  make(options: CertificateOptions): Promise<Certificate> {
    const names = options.names ?? [];
    return this.#make(options, names.length === 0 ? [] : [`subjectAltName=${names.join(',')}`]);
  }

  async #make(options: CertificateOptions, extensions: readonly string[]): Promise<Certificate> {
    const base = join(this.folder, String(this.#serial++));
    const [key, request, cert, config] = [`${base}.key`, `${base}.csr`, `${base}.pem`, `${base}.ext`];
    const { commonName, issuer, days = 30 } = options;
    await writeFile(config, `${extensions.join('\n')}\n`);
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const subject = ['-subj', `/CN=${commonName}`];
    await run('openssl', ['req', '-new', ...curve, '-keyout', key, '-out', request, ...subject]);
    const signer =
      issuer === undefined
        ? ['-signkey', key]
        : ['-CA', issuer.cert, '-CAkey', issuer.key, '-set_serial', String(1000 + this.#serial)];
    const form = ['-days', String(days), '-extfile', config];
    await run('openssl', ['x509', '-req', '-in', request, ...signer, ...form, '-out', cert]);
    // A server that runs as another user reads it.
    await chmod(key, 0o644);
    return { cert, key };
  }
}
