import { readFileSync, statSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { BouncerError } from '../errors.js';
import type { ServerAddress } from './server-channel.js';

/** How far TLS to the server goes: whether it is asked for, and what of the server's certificate is checked. */
export const ServerTlsMode = {
  Disable: 'disable',
  /**
   * Where the server offers it over a network; its certificate is not looked at. Within the machine only for accounts that
   * are not let in without: nobody can listen there, and it doubles what a short query costs the proxy and the server (14 and
   * 17 us become 28 and 31).
   */
  Prefer: 'prefer',
  /** Always; its certificate is not looked at. */
  Require: 'require',
  /** Its certificate must be signed by a CA that is trusted. */
  VerifyCa: 'verify_ca',
  /** And be for the host that was asked for. */
  VerifyFull: 'verify_full',
} as const;
export type ServerTlsMode = (typeof ServerTlsMode)[keyof typeof ServerTlsMode];

export const TlsVersion = { Tls12: 'TLSv1.2', Tls13: 'TLSv1.3' } as const;
export type TlsVersion = (typeof TlsVersion)[keyof typeof TlsVersion];

/** The keys of the configuration that are about TLS to the server. */
export interface ServerTlsSettings {
  readonly serverTlsMode: ServerTlsMode;
  /** PEM files. Null: the system's CAs, no client certificate. */
  readonly serverTlsCa: string | null;
  readonly serverTlsCert: string | null;
  readonly serverTlsKey: string | null;
  readonly serverTlsMinVersion: TlsVersion;
}

/** Told of what an operator should know and nobody gets an error for. */
export interface ServerTlsObserver {
  /** Mode `prefer`: sessions are not encrypted from now on, as the server does not offer it; or they are again. */
  encrypted(yes: boolean): void;
  /** Files that were changed cannot be used; what was read before still is. */
  filesUnusable(reason: string): void;
}

/** A certificate, key or CA file cannot be used. */
export class ServerTlsFilesError extends BouncerError {
  readonly code = 'SERVER_TLS_FILES_UNUSABLE';
}

/** The server does not offer what the mode demands. */
export class TlsNotOfferedError extends BouncerError {
  readonly code = 'TLS_NOT_OFFERED';
}

/** How soon a user who was refused both ways is tried both ways again; as long as the longest pause between refused logins. */
const TRY_AGAIN_MS = 15_000;

/** Names remembered for that. */
const MAX_TRIED = 1_000;

/** Where systems have their CAs in one file: Debian, Fedora, openSUSE, Alpine and the BSDs. */
const SYSTEM_CA_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
] as const;

/**
 * TLS towards one server: decides whether it is used, holds what handshakes need (files, read again when they have
 * changed) and the last session ticket, with which a handshake is short.
 */
export class ServerTls {
  readonly settings: ServerTlsSettings;
  /** What the certificate must be for; also sent as server name (SNI) unless it is an IP address. */
  readonly #host: string;
  readonly #observer: ServerTlsObserver;
  readonly #files: ContextFiles;
  /** Of the context that made it: a ticket says nothing of a CA that is trusted now. */
  #ticket: { readonly context: tls.SecureContext; readonly session: Buffer } | null = null;
  readonly #withinMachine: boolean;
  /** Mode `prefer` within the machine: users whom the server has refused without TLS. */
  readonly #demanding = new Set<string>();
  /** When a user was last tried with TLS after a refusal without. */
  readonly #triedAt = new Map<string, number>();
  #encrypted: boolean | null = null;
  #troubleTold: string | null = null;
  /** Handshakes since the start, by what they cost. */
  readonly handshakes = { full: 0, resumed: 0 };

  private constructor(
    settings: ServerTlsSettings,
    host: string,
    observer: ServerTlsObserver,
    withinMachine = isLoopback(host),
  ) {
    this.settings = settings;
    this.#host = host;
    this.#observer = observer;
    this.#files = new ContextFiles(settings);
    this.#withinMachine = withinMachine;
  }

  /** Null where TLS is never used: mode `disable`, and `prefer` over a unix socket, as with MySQL's own clients. */
  static of(
    settings: ServerTlsSettings,
    address: ServerAddress,
    observer: ServerTlsObserver,
  ): ServerTls | null {
    const { serverTlsMode: mode } = settings;
    if (mode === ServerTlsMode.Disable) return null;
    if ('socketPath' in address)
      return mode === ServerTlsMode.Prefer ? null : new ServerTls(settings, 'localhost', observer);
    const { host, name = host } = address;
    return new ServerTls(settings, name, observer, isLoopback(host));
  }

  /** For a login at a server whose greeting says whether it `offers` TLS. @throws TlsNotOfferedError where there must be one */
  isUsed(offers: boolean, user: string): boolean {
    const { serverTlsMode: mode } = this.settings;
    if (mode !== ServerTlsMode.Prefer) {
      if (!offers) throw new TlsNotOfferedError(`it does not offer TLS, and server_tls_mode is ${mode}`);
      return true;
    }
    if (this.#withinMachine) return offers && this.#demanding.has(user);
    if (this.#encrypted !== offers) {
      const isNews = this.#encrypted !== null || !offers;
      this.#encrypted = offers;
      if (isNews) this.#observer.encrypted(offers);
    }
    return offers;
  }

  /**
   * A server that offers TLS has refused a user who came without. It may be for that (REQUIRE SSL, require_secure_transport):
   * servers don't always say. True: the next login of this user is another one, and {@link refusedAllTheSame} is to be told
   * if it fails. Not often for the same user: servers count failures.
   */
  refusedInClear(user: string): boolean {
    if (this.settings.serverTlsMode !== ServerTlsMode.Prefer) return false;
    // Another login of this user has found out while this one was under way.
    if (this.#demanding.has(user)) return true;
    const now = performance.now();
    if (now - (this.#triedAt.get(user) ?? Number.NEGATIVE_INFINITY) < TRY_AGAIN_MS) return false;
    if (this.#triedAt.size >= MAX_TRIED) this.#triedAt.clear();
    this.#triedAt.set(user, now);
    this.#demanding.add(user);
    return true;
  }

  /** It was something else, and no reason to encrypt what this user does from now on. */
  refusedAllTheSame(user: string): void {
    this.#demanding.delete(user);
  }

  /** Begins the handshake on a socket whose peer waits for it. @throws ServerTlsFilesError */
  connect(socket: net.Socket): tls.TLSSocket {
    const context = this.#context();
    const { serverTlsMode: mode } = this.settings;
    const host = this.#host;
    const ticket = this.#ticket?.context === context ? this.#ticket.session : null;
    const secure = tls.connect({
      socket,
      secureContext: context,
      rejectUnauthorized: mode === ServerTlsMode.VerifyCa || mode === ServerTlsMode.VerifyFull,
      checkServerIdentity: (_name, certificate) =>
        mode === ServerTlsMode.VerifyFull ? tls.checkServerIdentity(host, certificate) : undefined,
      ...(net.isIP(host) === 0 ? { servername: host.replace(/\.$/, '') } : {}),
      ...(ticket === null ? {} : { session: ticket }),
    });
    secure.once('secureConnect', () => {
      if (secure.isSessionReused()) this.handshakes.resumed++;
      else this.handshakes.full++;
    });
    // Only of servers whose certificate was found good, where it is looked at.
    secure.on('session', (session) => {
      this.#ticket = { context, session };
    });
    // Whatever is wrong with a ticket must not be so for ever.
    secure.once('error', () => {
      if (ticket !== null && this.#ticket?.session === ticket) this.#ticket = null;
    });
    return secure;
  }

  /** What cannot be had of the files now keeps its last form: of a renewal, half may be done. */
  #context(): tls.SecureContext {
    const known = this.#files.context;
    try {
      const context = this.#files.read();
      this.#troubleTold = null;
      return context;
    } catch (error) {
      if (!(error instanceof ServerTlsFilesError) || known === null) throw error;
      if (error.message !== this.#troubleTold) this.#observer.filesUnusable(error.message);
      this.#troubleTold = error.message;
      return known;
    }
  }
}

/** The files of one configuration as OpenSSL takes them; read when they are other files than last time. */
class ContextFiles {
  readonly #settings: ServerTlsSettings;
  #stamp: string | null = null;
  /** The last one that could be made. */
  context: tls.SecureContext | null = null;

  constructor(settings: ServerTlsSettings) {
    this.#settings = settings;
  }

  /** @throws ServerTlsFilesError */
  read(): tls.SecureContext {
    const { serverTlsCa, serverTlsCert, serverTlsKey, serverTlsMinVersion, serverTlsMode } = this.#settings;
    const verifies = serverTlsMode === ServerTlsMode.VerifyCa || serverTlsMode === ServerTlsMode.VerifyFull;
    const ca = verifies ? (serverTlsCa ?? systemCaFile()) : null;
    const files = [ca, serverTlsCert, serverTlsKey];
    const stamp = files.map((path) => (path === null ? '' : stampOf(path))).join();
    if (this.context !== null && stamp === this.#stamp) return this.context;
    const [caText, cert, key] = files.map((path) => (path === null ? undefined : textOf(path)));
    try {
      this.context = tls.createSecureContext({
        minVersion: serverTlsMinVersion,
        ...(caText === undefined ? {} : { ca: caText }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      });
    } catch (error) {
      const named = files.filter((path) => path !== null).join(', ');
      throw new ServerTlsFilesError(`${named} cannot be used: ${messageOf(error)}`, { cause: error });
    }
    this.#stamp = stamp;
    return this.context;
  }
}

/** As written: what another name leads to may change. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (net.isIPv4(host) && host.startsWith('127.'));
}

/** Null: there is none, so that the CAs count that the runtime brings along. */
function systemCaFile(): string | null {
  const named = process.env['SSL_CERT_FILE'];
  if (named !== undefined && named !== '') return named;
  return SYSTEM_CA_FILES.find((path) => statSync(path, { throwIfNoEntry: false }) !== undefined) ?? null;
}

function stampOf(path: string): string {
  try {
    const { dev, ino, size, mtimeMs } = statSync(path);
    return `${dev}.${ino}.${size}.${mtimeMs}`;
  } catch (error) {
    throw new ServerTlsFilesError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function textOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ServerTlsFilesError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
