import { constants, hash, X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type SecureVersion, type Server, type TLSSocket, type TlsOptions } from 'node:tls';

/** What the proxy shows of itself, and whom it believes: PEM. */
export interface TlsMaterial {
  /** Its own certificate first, then what leads to one that clients know. */
  readonly cert: string;
  readonly key: string;
  /** Whose certificates clients have to show; null where they are not asked for one. */
  readonly ca: string | null;
}

/** A client whose connection is encrypted now. */
export interface SecuredClient {
  readonly kind: 'secured';
  /** Nothing has been read of it yet. It has an 'error' listener; an 'error' does not always close it. */
  readonly socket: TLSSocket;
  /** SHA-256 of the certificate that this client was shown. */
  readonly fingerprint: Buffer;
  /** What is wrong with the certificate that the client was asked for; null where nothing is, or nobody asked. */
  readonly certificateError: string | null;
  /** The common name in the certificate that it has shown; null where it has shown no good one, or that has no such name. */
  readonly certificate: string | null;
}

/** The TLS handshake failed, and the connection is closed. `left`: the client has gone, without a word. */
export interface FailedHandshake {
  readonly kind: 'failed';
  readonly reason: string;
  readonly left: boolean;
}

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** Since the start. */
export interface TlsCounts {
  readonly connections: ReadonlyMap<TlsVersion, number>;
  readonly failures: number;
}

interface Waiting {
  readonly fingerprint: Buffer;
  readonly done: (result: SecuredClient | FailedHandshake) => void;
}

/** The login's own deadline counts. */
const NO_TIMEOUT_MS = 0x7fffffff;

/**
 * Encrypts connections that began in clear. One TLS server of the runtime's, which never listens: it is given the sockets,
 * and so settles what a lone TLSSocket would leave to us (who is told of errors, whether the client's certificate is good).
 */
export class TlsAcceptor {
  readonly #server: Server;
  readonly #minVersion: SecureVersion;
  /** By the socket underneath. */
  readonly #waiting = new WeakMap<object, Waiting>();
  readonly #connections = new Map<TlsVersion, number>([
    ['TLSv1.2', 0],
    ['TLSv1.3', 0],
  ]);
  #failures = 0;
  #material: TlsMaterial;
  #fingerprint: Buffer;

  /** @throws whatever the runtime has to say against the material */
  constructor(material: TlsMaterial, minVersion: TlsVersion) {
    this.#minVersion = minVersion;
    this.#material = material;
    this.#fingerprint = fingerprintOf(material.cert);
    this.#server = createServer({
      ...this.#contextOptions(material),
      requestCert: material.ca !== null,
      // Who shows no good certificate is told so in MySQL's words, when it has said who it is.
      rejectUnauthorized: false,
      handshakeTimeout: NO_TIMEOUT_MS,
    });
    this.#server.on('secureConnection', (socket) => this.#secured(socket));
    this.#server.on('tlsClientError', (error, socket) => this.#failed(error, socket));
  }

  /** In use for new connections. */
  get material(): TlsMaterial {
    return this.#material;
  }

  get counts(): TlsCounts {
    return { connections: this.#connections, failures: this.#failures };
  }

  /** From the next handshake on. @throws whatever the runtime has to say against the material; the old one stays then */
  replace(material: TlsMaterial): void {
    if ((material.ca === null) !== (this.#material.ca === null))
      throw new TypeError('whether clients are asked for a certificate is settled at the start');
    const fingerprint = fingerprintOf(material.cert);
    // Sessions of before cannot be resumed: their tickets were made under the old context's keys.
    this.#server.setSecureContext(this.#contextOptions(material));
    this.#material = material;
    this.#fingerprint = fingerprint;
  }

  /**
   * @param socket paused, without a reader; what has been read of it beyond the client's wish for TLS is put back in front. It
   *   must not be used any more, but for its 'close' and to destroy it.
   * @param done called once, unless the socket is destroyed before that and it does not matter any more
   */
  accept(socket: Socket, done: Waiting['done']): void {
    // Its 'close' is on the way.
    if (socket.destroyed) return;
    this.#waiting.set(socket, { fingerprint: this.#fingerprint, done });
    this.#server.emit('connection', socket);
  }

  #contextOptions({ cert, key, ca }: TlsMaterial): TlsOptions {
    return {
      cert,
      key,
      ...(ca === null ? {} : { ca }),
      minVersion: this.#minVersion,
      // No client needs it, and it costs the server more than the client.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    };
  }

  #secured(socket: TLSSocket): void {
    const version = socket.getProtocol();
    if (version === 'TLSv1.2' || version === 'TLSv1.3')
      this.#connections.set(version, (this.#connections.get(version) ?? 0) + 1);
    const waiting = this.#take(socket);
    if (waiting === null) {
      socket.destroy();
      return;
    }
    const { fingerprint, done } = waiting;
    const certificateError = this.#certificateError(socket);
    const isGood = this.#material.ca !== null && certificateError === null;
    const certificate = isGood ? commonName(socket) : null;
    done({ kind: 'secured', socket, fingerprint, certificateError, certificate });
  }

  #failed(error: Error, socket: TLSSocket): void {
    this.#failures++;
    const waiting = this.#take(socket);
    socket.destroy();
    waiting?.done({ kind: 'failed', ...describe(error) });
  }

  /** Null where nobody waits any more. */
  #take(socket: TLSSocket): Waiting | null {
    // The runtime does not say in public which socket a TLSSocket was made of.
    const raw: unknown = '_parent' in socket ? socket._parent : null;
    if (typeof raw !== 'object' || raw === null) return null;
    const waiting = this.#waiting.get(raw) ?? null;
    this.#waiting.delete(raw);
    return waiting;
  }

  #certificateError(socket: TLSSocket): string | null {
    if (this.#material.ca === null || socket.authorized) return null;
    if (socket.getPeerX509Certificate() === undefined) return 'the client has shown none';
    const { authorizationError } = socket;
    return authorizationError === undefined || authorizationError === null
      ? 'not verified'
      : String(authorizationError);
  }
}

/** Null also for one with several. */
function commonName(socket: TLSSocket): string | null {
  const subject: unknown = socket.getPeerX509Certificate()?.toLegacyObject().subject;
  const name: unknown =
    typeof subject === 'object' && subject !== null && 'CN' in subject ? subject.CN : null;
  return typeof name === 'string' ? name : null;
}

/** SHA-256 of a certificate in PEM, or of the first of several. */
export function fingerprintOf(cert: string): Buffer {
  return hash('sha256', new X509Certificate(cert).raw, 'buffer');
}

/** OpenSSL's words that do not say enough. */
const REASONS: Readonly<Record<string, string>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: 'what the client sent is not TLS',
  ERR_SSL_HTTP_REQUEST: 'what the client sent is not TLS',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the client has no version of TLS that is allowed (tls_min_version)',
  ERR_SSL_NO_SHARED_CIPHER: 'the client has no cipher that fits the certificate',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'the client does not trust the certificate (alert unknown ca)',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'the client does not accept the certificate (alert bad certificate)',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    'the client does not accept the certificate (alert certificate unknown)',
};

function describe(error: Error): Omit<FailedHandshake, 'kind'> {
  const code = codeOf(error);
  const left = code === 'ECONNRESET' || code === 'EPIPE';
  if (left) return { reason: 'the client closed the connection during the TLS handshake', left };
  const said = 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
  return { reason: REASONS[code ?? ''] ?? `TLS handshake failed: ${said}`, left };
}

function codeOf(error: Error): string | null {
  return 'code' in error && typeof error.code === 'string' ? error.code : null;
}
