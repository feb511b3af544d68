import { EventEmitter } from 'node:events';
import * as mysql2 from 'mysql2';
import { Capability, HEADER_SIZE, Reply } from '../protocol/constants.js';
import { type ErrPacket, parseErr } from '../protocol/generic-response.js';
import { MalformedPacketError, PayloadReader } from '../protocol/payload-reader.js';
import type { ServerChannel } from './server-channel.js';

/**
 * The one place that knows mysql2, and the parts of it that its type declarations leave out. mysql2 does what it is good
 * at (the handshake with every authentication plugin); it never sees the socket, only {@link LoginStream}, so nothing of
 * it stays behind on a session that has logged in. Pinned exactly; `test/backend/mysql2-adapter.test.ts` is the contract.
 */

/** What {@link login} needs. */
export interface LoginOptions {
  readonly user: string;
  readonly password: string;
  readonly schema: string | null;
  /** Exactly the capability flags to negotiate, as far as the server has them. */
  readonly capabilities: number;
  /** Collation id 1 to 255: the handshake has one byte for it. */
  readonly collation: number;
  readonly attributes: Readonly<Record<string, string>>;
  /** Over a unix socket or TLS passwords may be sent in clear where the plugin wants it so. */
  readonly secureTransport: boolean;
}

/** The parts of `Protocol::HandshakeV10` that outlive the login. */
export interface ServerGreeting {
  readonly protocolVersion: number;
  /** As sent; MariaDB up to 10.11 puts `5.5.5-` in front. */
  readonly versionText: string;
  readonly connectionId: number;
  readonly capabilities: number;
  readonly collation: number;
  readonly status: number;
}

/**
 * Why a login failed: the server's ERR; the connection could not be made or was lost (null: an orderly end); or a
 * complaint of mysql2's or ours about what the server sent (unknown plugin, bad key, malformed packet).
 */
export type LoginFailure =
  | { readonly err: ErrPacket }
  | { readonly lost: Error | null }
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
  const stream = new LoginStream(channel, callbacks);
  // A fresh configuration each time: mysql2 writes into it.
  const config = new ConnectionConfig({
    user: options.user,
    password: options.password,
    database: options.schema ?? '',
    charsetNumber: options.collation,
    connectAttributes: { ...options.attributes },
    // Asked only whether it is set: passwords may then go in clear (caching_sha2_password's full authentication).
    ...(options.secureTransport ? { socketPath: 'secure' } : {}),
    stream: () => stream,
    connectTimeout: 0,
    trace: false,
  });
  config.clientFlags = options.capabilities;
  // Its defaults are merged in by the constructor; what we say about ourselves is ours alone.
  config.connectAttributes = { ...options.attributes };
  const connection = new Connection({ config });
  connection.once('connect', () => stream.succeed());
  connection.on('error', (error) => stream.fail(error));
}

/** The undeclared part of mysql2's exports that this adapter uses. */
interface Mysql2Internals {
  readonly Connection: new (options: { config: Mysql2Config }) => EventEmitter;
  readonly ConnectionConfig: new (options: Readonly<Record<string, unknown>>) => Mysql2Config;
}
interface Mysql2Config {
  clientFlags: number;
  connectAttributes: Record<string, string>;
}
const { Connection, ConnectionConfig } = mysql2 as unknown as Mysql2Internals;

/**
 * What mysql2 takes for its socket while it logs in: passes packets on and rewrites the greeting. An ERR ends the login
 * here: mysql2 would decode it with the connection's charset, which does not hold before the handshake is over.
 */
class LoginStream extends EventEmitter {
  readonly #channel: ServerChannel;
  readonly #callbacks: LoginCallbacks;
  #pending: Buffer = Buffer.alloc(0);
  #greeting: ServerGreeting | null = null;
  #sequenceId = 0;
  #settled = false;
  /** The server asks for a method that there is not: it has been told so, and its own answer is awaited. */
  #parting: Error | null = null;
  /** The method that the server has asked for. */
  #method = '';

  constructor(channel: ServerChannel, callbacks: LoginCallbacks) {
    super();
    this.#channel = channel;
    this.#callbacks = callbacks;
    channel.handler = {
      onBytes: (buf, start, end) => this.#onBytes(buf, start, end),
      onDrain: () => {},
      onClosed: (lost) => this.#fail({ lost }),
    };
  }

  /** mysql2's side: Writable. */
  write(bytes: Buffer): boolean {
    if (this.#settled || this.#parting !== null) return true;
    this.#sequenceId = nextSequence(bytes);
    this.#channel.write(bytes);
    return true;
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
    else this.#part(cause);
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
        this.#fail({ err: parseErr(packet, HEADER_SIZE, packet.length) });
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
      this.#greeting ??= takeGreeting(packet);
      if (packet[HEADER_SIZE] === AUTH_SWITCH) this.#method = switchedMethod(packet);
    } catch (error) {
      if (!(error instanceof MalformedPacketError)) throw error;
      this.fail(error);
      return;
    }
    this.emit('data', packet);
  }
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

function nextSequence(packet: Buffer): number {
  return ((packet[3] as number) + 1) & 0xff;
}

/** No packet of the login is near this: a greeting has some 100 bytes, an RSA key 450, an ERR at most 520. */
const MAX_LOGIN_PACKET = 16 * 1024;

/** Filler after the greeting's scramble length: 6 reserved bytes, then MariaDB's extended capabilities. */
const EXTENDED_CAPABILITIES_OFFSET = 6;

/**
 * Reads the greeting, and changes in place what mysql2 would negotiate unasked: MariaDB's extended capabilities
 * (extended metadata adds a field to column definitions that ordinary clients misread) and multi-factor authentication.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html
 */
function takeGreeting(packet: Buffer): ServerGreeting {
  const reader = new PayloadReader(packet, HEADER_SIZE);
  const protocolVersion = reader.uint8();
  if (protocolVersion !== 10)
    throw new MalformedPacketError(`handshake version ${protocolVersion}: not a MySQL server's greeting`);
  const versionText = reader.nulBytes().toString();
  const connectionId = reader.uint32();
  reader.skip(8 + 1);
  const lower = reader.uint16();
  const collation = reader.uint8();
  const status = reader.uint16();
  const upperAt = reader.position;
  const capabilities = (lower | (reader.uint16() << 16)) >>> 0;
  packet.writeUInt16LE((capabilities & ~Capability.MultiFactorAuth) >>> 16, upperAt);
  reader.skip(1 + EXTENDED_CAPABILITIES_OFFSET);
  if ((capabilities & Capability.LongPassword) === 0) packet.fill(0, reader.position, reader.position + 4);
  reader.skip(4);
  return { protocolVersion, versionText, connectionId, capabilities, collation, status };
}
