import { readFile } from 'node:fs/promises';
import type { Test } from 'tap';
import { type Certificate, CertificateMaker } from './certificate-maker.js';

/** A certificate and its key as files, and what is in them. */
export interface IssuedCertificate {
  readonly certPath: string;
  readonly keyPath: string;
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority of a test's own, for what clients and the proxy show each other. */
export class TestAuthority {
  readonly folder: string;
  readonly certPath: string;
  readonly cert: string;
  readonly #maker: CertificateMaker;
  readonly #own: Certificate;

  private constructor(maker: CertificateMaker, own: Certificate, cert: string) {
    this.folder = maker.folder;
    this.certPath = own.cert;
    this.cert = cert;
    this.#maker = maker;
    this.#own = own;
  }

  static async make(t: Test, name = 'Test authority'): Promise<TestAuthority> {
    const maker = await CertificateMaker.start(t);
    const own = await maker.ca(name);
    return new TestAuthority(maker, own, await readFile(own.cert, 'utf8'));
  }

  /** @param days from now on; below 0: it has expired */
  async issue(name: string, days = 2): Promise<IssuedCertificate> {
    const names = [`DNS:${name}`, 'IP:127.0.0.1'];
    const { cert: certPath, key: keyPath } = await this.#maker.make({
      commonName: name,
      names,
      issuer: this.#own,
      days,
    });
    const [cert, key] = [await readFile(certPath, 'utf8'), await readFile(keyPath, 'utf8')];
    return { certPath, keyPath, cert, key };
  }
}
