import type { Logger } from 'pino';
import type { Config } from '../config/load.js';
import { loadTlsFiles, type TlsFiles, type TlsKeys, tlsPaths } from '../config/tls-files.js';
import { makeSelfSigned } from '../frontend/self-signed.js';
import { TlsAcceptor, type TlsMaterial } from '../frontend/tls-acceptor.js';
import { FileWatch } from './file-watch.js';

/** TLS with clients: the certificate, given or made, and its files, which may change. */
export class ClientTls {
  /** null where TLS is not offered. */
  readonly acceptor: TlsAcceptor | null;
  /** Whether a login over TCP has to use it. */
  readonly required: boolean;
  #keys: TlsKeys;
  readonly #log: Logger;
  #watch: FileWatch | null;
  /** The certificate is none of a file's. */
  #isMade = false;

  /** @throws TlsFilesError */
  constructor(config: Config, log: Logger) {
    const keys = tlsKeysOf(config);
    this.#keys = keys;
    this.#log = log;
    this.required = keys.mode === 'require' || keys.mode === 'verify';
    this.acceptor =
      keys.mode === 'disable'
        ? null
        : new TlsAcceptor(this.#materialOf(loadTlsFiles(keys)), config.tlsMinVersion);
    this.#watch = this.#newWatch();
  }

  /** Other files are named; they have been found to fit. Connections that are open stay as they are. */
  apply(config: Config): void {
    this.#keys = { ...tlsKeysOf(config), mode: this.#keys.mode };
    this.#watch?.close();
    this.#watch = this.#newWatch();
    this.#reload();
  }

  #newWatch(): FileWatch | null {
    const paths = tlsPaths(this.#keys);
    return paths.length === 0 ? null : new FileWatch(paths, () => this.#reload());
  }

  close(): void {
    this.#watch?.close();
  }

  #materialOf({ pair, ca }: TlsFiles): TlsMaterial {
    this.#isMade = pair === null;
    if (pair === null) return { ...makeSelfSigned(), ca };
    const { cert, key, expires } = pair;
    if (expires.getTime() < Date.now())
      this.#log.warn(
        { file: this.#keys.cert, expires },
        'the TLS certificate has expired: clients may refuse it',
      );
    return { cert, key, ca };
  }

  #reload(): void {
    if (this.acceptor === null) return;
    const files = tlsPaths(this.#keys);
    try {
      const read = loadTlsFiles(this.#keys);
      const { material } = this.acceptor;
      // Where only the authorities are in files, the certificate that was made stays.
      const stays = read.pair === null && this.#isMade;
      this.acceptor.replace(stays ? { ...material, ca: read.ca } : this.#materialOf(read));
      this.#log.info({ files }, 'TLS files have changed: read again');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#log.error(
        { files, reason },
        'TLS files have changed and cannot be used: the old ones stay in use',
      );
    }
  }
}

export function tlsKeysOf({
  tlsMode: mode,
  tlsCert: cert,
  tlsKey: key,
  tlsClientCa: clientCa,
}: Pick<Config, 'tlsMode' | 'tlsCert' | 'tlsKey' | 'tlsClientCa'>): TlsKeys {
  return { mode, cert, key, clientCa };
}
