import { EventEmitter } from 'node:events';
import * as mysql2 from 'mysql2';
import { Capability, HEADER_SIZE, Reply } from '../protocol/constants.js';
import { type ErrPacket, parseErr } from '../protocol/generic-response.js';
import { MalformedPacketError } from '../protocol/payload-reader.js';
import type { ServerChannel } from './server-channel.js';
import { type ServerGreeting, scrambleOf, takeGreeting } from './server-greeting.js';
import { type ServerTls, ServerTlsFilesError, TlsNotOfferedError } from './server-tls.js';
import { isTlsError } from './tls-failure.js';

/**
 * The one place that knows mysql2, and the parts of it that its type declarations leave out. mysql2 does what it is good
 * at (the handshake with every authentication plugin); it never sees the socket, only {@link LoginStream}, so nothing of
 * it stays behind on a session that has logged in. Pinned exactly; `test/backend/mysql2-adapter.test.ts` is the contract.
 */

/** What {@link login} needs. */
export interface LoginOptions {
  readonly user: string;
  readonly password: string;
  /** SHA1(password) in place of it: only mysql_native_password can use it. */
  readonly passwordSha1: Buffer | null;
  /** In place of both: whoever knows it answers the server's scramble as mysql_native_password has it, with 20 bytes. */
  readonly prove?: Prove | null;
  readonly schema: string | null;
  /** Exactly the capability flags to negotiate, as far as the server has them. */
  readonly capabilities: number;
  /** Collation id 1 to 255: the handshake has one byte for it. */
  readonly collation: number;
  readonly attributes: Readonly<Record<string, string>>;
  /** Over a unix socket, as over TLS, passwords may be sent in clear where the plugin wants it so. */
  readonly secureTransport: boolean;
  /** Null: without TLS, whatever the server offers. */
  readonly tls: ServerTls | null;
}

/** @param scramble - of the server's greeting, 20 bytes */
export type Prove = (scramble: Buffer) => Promise<Buffer>;

/**
 * Why a login failed: the server's ERR (`tlsLeftOut`: TLS would have been to be had); the connection could not be made or was lost (null: an orderly end), in the midst
 * of the TLS handshake perhaps; TLS found something wrong, or is not to be had; or a complaint of mysql2's or ours about what
 * the server sent (unknown plugin, bad key, malformed packet).
 */
export type LoginFailure =
  | { readonly err: ErrPacket; readonly tlsLeftOut: boolean }
  | { readonly lost: Error | null; readonly inTlsHandshake: boolean }
  | { readonly tls: Error }
  | { readonly cause: Error };

export interface LoginCallbacks {
  onLoggedIn(greeting: ServerGreeting): void;
  onFailed(failure: LoginFailure): void;
}

/**
 * Authenticates on a fresh channel and leaves it without a handler, at the start of the command phase. Exactly one of
 * the callbacks is called, once, unless the channel closes or is destroyed first: then onFailed with the socket's
 * error, or nothing after {@link ServerChannel.destroy}.
 */
export function login(channel: ServerChannel, options: LoginOptions, callbacks: LoginCallbacks): void {
  const stream = new LoginStream(channel, options, callbacks);
  const passwordSha1 = options.prove ? UNKNOWN_SHA1 : options.passwordSha1;
  // It would answer other methods, with no password at all.
  const mayBeClear = passwordSha1 === null;
  stream.onSecure = () => {
    if (mayBeClear) allowClearPasswords(config, options.password);
  };
  // A fresh configuration each time: mysql2 writes into it.
  const config = new ConnectionConfig({
    user: options.user,
    password: options.password,
    database: options.schema ?? '',
    charsetNumber: options.collation,
    connectAttributes: { ...options.attributes },
    stream: () => stream,
    ...(passwordSha1 === null ? {} : { passwordSha1, authPlugins: onlyNative(options.user) }),
    connectTimeout: 0,
    trace: false,
  });
  config.clientFlags = options.capabilities;
  if (options.secureTransport && mayBeClear) allowClearPasswords(config, options.password);
  // Its defaults are merged in by the constructor; what we say about ourselves is ours alone.
  config.connectAttributes = { ...options.attributes };
  const connection = new Connection({ config });
  connection.once('connect', () => stream.succeed());
  connection.on('error', (error) => stream.fail(error));
}

/** Has mysql2 leave room for an answer of 20 bytes. */
const UNKNOWN_SHA1 = Buffer.alloc(20);

/** Every other method that mysql2 knows would log in with the empty password. */
function onlyNative(user: string): Readonly<Record<string, unknown>> {
  const refuse = (method: string) => () => () =>
    Promise.reject(
      new Error(
        `the server wants ${method} for '${user}', and of its password only the mysql_native_password hash is known here: give server_user and server_password, or the password itself`,
      ),
    );
  const methods = ['caching_sha2_password', 'sha256_password', 'mysql_clear_password'];
  return Object.fromEntries(methods.map((method) => [method, refuse(method)]));
}

/** The undeclared part of mysql2's exports that this adapter uses. */
interface Mysql2Internals {
  readonly Connection: new (options: { config: Mysql2Config }) => EventEmitter;
  readonly ConnectionConfig: new (options: Readonly<Record<string, unknown>>) => Mysql2Config;
}
interface Mysql2Config {
  clientFlags: number;
  connectAttributes: Record<string, string>;
  socketPath?: string;
  authPlugins?: Readonly<Record<string, () => () => Buffer>>;
}
const { Connection, ConnectionConfig } = mysql2 as unknown as Mysql2Internals;

/** What each plugin of mysql2's has its own way of finding out: that nobody can listen. */
function allowClearPasswords(config: Mysql2Config, password: string): void {
  // caching_sha2_password, and what is sent unasked, look whether it is set.
  config.socketPath = 'secure';
  // sha256_password looks at the stream's class, and would ask for a key that servers do not give here.
  config.authPlugins = { sha256_password: () => () => Buffer.from(`${password}\0`) };
}

/** How far the change to TLS has come. `Asked`: mysql2 is about to answer the greeting; `Handshake`: its answer waits. */
const TlsPhase = { None: 0, Asked: 1, Handshake: 2, Secure: 3 } as const;
type TlsPhase = (typeof TlsPhase)[keyof typeof TlsPhase];

/**
 * What mysql2 takes for its socket while it logs in: passes packets on and rewrites the greeting. An ERR ends the login
 * here: mysql2 would decode it with the connection's charset, which does not hold before the handshake is over.
 *
 * TLS is ours as well. mysql2 sees a server without: its answer to the greeting is held back, the part of it that is the
 * SSLRequest sent ahead, and the whole when the channel is secure; all sequence ids are one more on the wire from then on.
 */
class LoginStream extends EventEmitter {
  readonly #channel: ServerChannel;
  readonly #tls: ServerTls | null;
  readonly #user: string;
  readonly #callbacks: LoginCallbacks;
  /** The connection will be encrypted before anything else is sent. */
  onSecure: () => void = () => {};
  #pending: Buffer = Buffer.alloc(0);
  #greeting: ServerGreeting | null = null;
  #scramble: Buffer = Buffer.alloc(0);
  /** Null once it was asked. */
  #prove: Prove | null;
  /** As on the wire. */
  #sequenceId = 0;
  #phase: TlsPhase = TlsPhase.None;
  #settled = false;
  /** The server asks for a method that there is not: it has been told so, and its own answer is awaited. */
  #parting: Error | null = null;
  /** The method that the server has asked for. */
  #method = '';

  constructor(channel: ServerChannel, { tls, user, prove }: LoginOptions, callbacks: LoginCallbacks) {
    super();
    this.#prove = prove ?? null;
    this.#channel = channel;
    this.#tls = tls;
    this.#user = user;
    this.#callbacks = callbacks;
    channel.handler = {
      onBytes: (buf, start, end) => this.#onBytes(buf, start, end),
      onDrain: () => {},
      onClosed: (lost) =>
        this.#fail(
          this.#phase >= TlsPhase.Handshake && isTlsError(lost)
            ? { tls: lost }
            : { lost, inTlsHandshake: this.#phase === TlsPhase.Handshake },
        ),
    };
  }

  /** mysql2's side: Writable. */
  write(bytes: Buffer): boolean {
    if (this.#settled || this.#parting !== null) return true;
    if (this.#prove !== null) {
      this.#askForProof(this.#prove, bytes);
      return true;
    }
    if (this.#phase === TlsPhase.Asked) this.#askForTls(this.#tls as ServerTls, bytes);
    else this.#send(bytes);
    return true;
  }

  /** `response`: of the whole login. It waits for what belongs into it. */
  #askForProof(prove: Prove, response: Buffer): void {
    this.#prove = null;
    prove(this.#scramble).then(
      (proof) => {
        if (this.#settled) return;
        putProof(response, proof);
        this.write(response);
      },
      (error: unknown) => this.#fail({ cause: error instanceof Error ? error : new Error(String(error)) }),
    );
  }

  /** mysql2 closes after a fatal error, which it also reports: the owner of the channel then ends it. */
  end(): void {}
  destroy(): void {}

  succeed(): void {
    if (this.#settled || this.#greeting === null) return;
    if (this.#pending.length > 0) {
      this.fail(new MalformedPacketError('the server sent bytes after the end of the login'));
      return;
    }
    this.#settle();
    this.#callbacks.onLoggedIn(this.#greeting);
  }

  fail(cause: Error): void {
    if (this.#parting !== null || !hasNoMethod(cause)) this.#fail({ cause });
    else this.#part(isOurs(cause) ? cause : new NoMethodError(this.#user, this.#method, cause));
  }

  /**
   * Whoever hangs up in the midst of a handshake, or sends what can be no answer, is an error to the server, and after some of
   * them (max_connect_errors) it lets nobody in from this host. A wrong answer ends with its ERR instead.
   */
  #part(cause: Error): void {
    if (this.#settled) return;
    this.#parting = cause;
    const answer = Buffer.alloc(HEADER_SIZE + (this.#method === ED25519 ? ED25519_LENGTH : 1));
    answer.writeUIntLE(answer.length - HEADER_SIZE, 0, 3);
    answer[3] = this.#sequenceId;
    this.#channel.write(answer);
  }

  #send(bytes: Buffer): void {
    bytes[3] = (bytes[3] as number) + this.#shift;
    this.#sequenceId = nextSequence(bytes);
    this.#channel.write(bytes);
  }

  /** How far the sequence ids of the wire are ahead of mysql2's. */
  get #shift(): number {
    return this.#phase === TlsPhase.Secure ? 1 : 0;
  }

  /** `response`: of the whole login, its capabilities included, servers believe the beginning that goes ahead in clear. */
  #askForTls(tls: ServerTls, response: Buffer): void {
    const capabilities = response.readUInt32LE(HEADER_SIZE) | Capability.Ssl;
    response.writeUInt32LE(capabilities >>> 0, HEADER_SIZE);
    const request = Buffer.from(response.subarray(0, HEADER_SIZE + SSL_REQUEST_SIZE));
    request.writeUIntLE(SSL_REQUEST_SIZE, 0, 3);
    this.#channel.write(request);
    this.#phase = TlsPhase.Handshake;
    try {
      this.#channel.secure(
        (socket) => tls.connect(socket),
        () => {
          if (this.#settled) return;
          this.#phase = TlsPhase.Secure;
          this.#send(response);
        },
      );
    } catch (error) {
      if (!(error instanceof ServerTlsFilesError)) throw error;
      this.#fail({ tls: error });
    }
  }

  #fail(failure: LoginFailure): void {
    if (this.#settled) return;
    this.#settle();
    this.#callbacks.onFailed(this.#parting === null ? failure : { cause: this.#parting });
  }

  #settle(): void {
    this.#settled = true;
    this.#channel.handler = null;
  }

  /** Hands on whole packets only, one at a time, each in a buffer of its own (mysql2 keeps slices of the scramble). */
  #onBytes(buf: Buffer, start: number, end: number): void {
    if (this.#phase === TlsPhase.Handshake) {
      // It is not known yet who has sent them.
      this.fail(new MalformedPacketError('bytes before the TLS handshake was done'));
      return;
    }
    this.#pending = Buffer.concat([this.#pending, buf.subarray(start, end)]);
    while (!this.#settled && this.#pending.length >= HEADER_SIZE) {
      const size = HEADER_SIZE + this.#pending.readUIntLE(0, 3);
      if (size > MAX_LOGIN_PACKET) {
        this.fail(new MalformedPacketError(`a login packet of ${size} bytes`));
        return;
      }
      if (this.#pending.length < size) return;
      const packet = Buffer.from(this.#pending.subarray(0, size));
      this.#pending = this.#pending.subarray(size);
      this.#onPacket(packet);
    }
  }

  #onPacket(packet: Buffer): void {
    try {
      if (packet[HEADER_SIZE] === Reply.Err) {
        const err = parseErr(packet, HEADER_SIZE, packet.length);
        const offered = ((this.#greeting?.capabilities ?? 0) & Capability.Ssl) !== 0;
        this.#fail({ err, tlsLeftOut: offered && this.#phase === TlsPhase.None });
        return;
      }
      if (this.#parting !== null) {
        // It would let us in without any password, or asks for more.
        this.#fail({ cause: this.#parting });
        return;
      }
      // mysql2 would only print a warning, on the console.
      if (packet[3] !== this.#sequenceId) throw new MalformedPacketError('packets out of order');
      this.#sequenceId = nextSequence(packet);
      if (this.#greeting === null) {
        this.#scramble = scrambleOf(packet);
        this.#onGreeting(takeGreeting(packet));
      }
      if (packet[HEADER_SIZE] === AUTH_SWITCH) this.#method = switchedMethod(packet);
      packet[3] = (packet[3] as number) - this.#shift;
    } catch (error) {
      if (error instanceof TlsNotOfferedError) this.#fail({ tls: error });
      else if (error instanceof MalformedPacketError) this.fail(error);
      else throw error;
      return;
    }
    this.emit('data', packet);
  }

  /** @throws TlsNotOfferedError | MalformedPacketError */
  #onGreeting(greeting: ServerGreeting): void {
    this.#greeting = greeting;
    const offers = (greeting.capabilities & Capability.Ssl) !== 0;
    // One that cannot be repeated does not wait to be told.
    const isRelayed = this.#prove !== null && offers && this.#tls !== null;
    if (this.#tls?.isUsed(offers, this.#user) !== true && !isRelayed) return;
    // Somebody on the way could have put them there, to be taken for what the server says under TLS.
    if (this.#pending.length > 0) throw new MalformedPacketError('bytes after the greeting, before TLS');
    this.#phase = TlsPhase.Asked;
    this.onSecure();
  }
}

/** Into a HandshakeResponse41, in place of an answer as long: behind 32 fixed bytes, the user, and its length. */
function putProof(response: Buffer, proof: Buffer): void {
  const at = response.indexOf(0, HEADER_SIZE + 32) + 1;
  if (response[at] !== proof.length) throw new TypeError(`an answer of ${proof.length} bytes has no room`);
  proof.copy(response, at + 1);
}

const AUTH_SWITCH = 0xfe;
const ED25519 = 'client_ed25519';
/** Bytes of a signature: any other number is an error of the handshake. */
const ED25519_LENGTH = 64;

function switchedMethod(packet: Buffer): string {
  const end = packet.indexOf(0, HEADER_SIZE + 1);
  return packet.toString('latin1', HEADER_SIZE + 1, end < 0 ? packet.length : end);
}

function hasNoMethod(cause: Error): boolean {
  return (
    'code' in cause &&
    (cause.code === 'AUTH_SWITCH_PLUGIN_ERROR' || cause.code === 'MYSQL_CLEAR_PASSWORD_NOT_ENABLED')
  );
}

/** The server wants a method for an account that there is not, or that would give the password away. */
class NoMethodError extends Error {
  readonly code = 'AUTH_SWITCH_PLUGIN_ERROR';

  constructor(user: string, method: string, cause: Error) {
    const why = CLEAR_METHODS.has(method) ? 'sends passwords in clear and is not used' : 'is not known here';
    super(
      `the server wants ${method} for '${user}', which ${why}: let the account log in by mysql_native_password (MariaDB) or caching_sha2_password (MySQL), or its clients work as one that does (server_user)`,
      { cause },
    );
  }
}

const CLEAR_METHODS: ReadonlySet<string> = new Set(['mysql_clear_password', 'dialog']);

/** From {@link onlyNative}. */
function isOurs(cause: Error): boolean {
  return (
    'code' in cause &&
    cause.code === 'AUTH_SWITCH_PLUGIN_ERROR' &&
    cause.message.startsWith('the server wants ')
  );
}

function nextSequence(packet: Buffer): number {
  return ((packet[3] as number) + 1) & 0xff;
}

/** Payload of Protocol::SSLRequest: capabilities, largest packet, collation and filler, the beginning of the response. */
const SSL_REQUEST_SIZE = 32;

/** No packet of the login is near this: a greeting has some 100 bytes, an RSA key 450, an ERR at most 520. */
const MAX_LOGIN_PACKET = 16 * 1024;
