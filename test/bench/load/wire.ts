import { constants, createHash, publicEncrypt } from 'node:crypto';

/**
 * The little of the client/server protocol that a load generator needs, written against the protocol pages
 * (https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html) and deliberately sharing no code with
 * the proxy: a mistake there must not be repeated, and so hidden, here.
 */

/** LOAD DATA LOCAL, which is asked for only where it is used: proxies may have other sessions for it. */
const LOCAL_FILES = 0x80;

const Capability = {
  LongPassword: 0x1,
  LongFlag: 0x4,
  ConnectWithDb: 0x8,
  Protocol41: 0x200,
  Ssl: 0x800,
  Transactions: 0x2000,
  SecureConnection: 0x8000,
  MultiResults: 0x2_0000,
  PsMultiResults: 0x4_0000,
  PluginAuth: 0x8_0000,
} as const;

/** What most drivers ask for; none of DEPRECATE_EOF, SESSION_TRACK or QUERY_ATTRIBUTES. */
const TLS_CAPABILITIES = Object.values(Capability).reduce((flags, flag) => flags | flag, 0);
const PLAIN_CAPABILITIES = TLS_CAPABILITIES & ~Capability.Ssl;

const UTF8MB4_GENERAL_CI = 45;
const MAX_PACKET = 0x40_0000;

const Command = { Quit: 0x01, Query: 0x03, StmtPrepare: 0x16, StmtExecute: 0x17 } as const;

export interface Credentials {
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface Greeting {
  readonly plugin: string;
  readonly nonce: Buffer;
}

export function packet(sequence: number, payload: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(4 + payload.length);
  framed.writeUIntLE(payload.length, 0, 3);
  framed[3] = sequence;
  payload.copy(framed, 4);
  return framed;
}

export function parseGreeting(payload: Buffer): Greeting {
  let at = payload.indexOf(0, 1) + 1 + 4;
  const first = payload.subarray(at, at + 8);
  // 8 nonce bytes, filler, capabilities (low), charset, status, capabilities (high), nonce length, 10 reserved.
  const nonceLength = payload.readUInt8(at + 8 + 1 + 2 + 1 + 2 + 2);
  at += 8 + 1 + 2 + 1 + 2 + 2 + 1 + 10;
  const restLength = Math.max(13, nonceLength - 8);
  const rest = payload.subarray(at, at + restLength - 1);
  at += restLength;
  return { plugin: nulTerminated(payload, at), nonce: Buffer.concat([first, rest]) };
}

export function nulTerminated(payload: Buffer, from: number): string {
  const end = payload.indexOf(0, from);
  return payload.toString('latin1', from, end === -1 ? payload.length : end);
}

/** How a handshake response begins. */
function fixedPart(capabilities: number): Buffer {
  const fixed = Buffer.alloc(32);
  fixed.writeUInt32LE(capabilities, 0);
  fixed.writeUInt32LE(MAX_PACKET, 4);
  fixed[8] = UTF8MB4_GENERAL_CI;
  return fixed;
}

/** Goes before a TLS handshake; the handshake response, in full, comes after it. */
export const SSL_REQUEST = packet(1, fixedPart(TLS_CAPABILITIES));

/** @param tls - whether it follows an {@link SSL_REQUEST} */
export function handshakeResponse(
  greeting: Greeting,
  credentials: Credentials,
  { tls, localFiles }: { readonly tls: boolean; readonly localFiles: boolean },
): Buffer {
  const proof = passwordProof(greeting, credentials.password);
  return packet(
    tls ? 2 : 1,
    Buffer.concat([
      fixedPart((tls ? TLS_CAPABILITIES : PLAIN_CAPABILITIES) | (localFiles ? LOCAL_FILES : 0)),
      Buffer.from(`${credentials.user}\0`),
      Buffer.of(proof.length),
      proof,
      Buffer.from(`${credentials.database}\0${greeting.plugin}\0`),
    ]),
  );
}

export function passwordProof(greeting: Greeting, password: string): Buffer {
  switch (greeting.plugin) {
    case 'mysql_native_password':
      return scramble('sha1', password, (twice) => [greeting.nonce, twice]);
    case 'caching_sha2_password':
      return scramble('sha256', password, (twice) => [twice, greeting.nonce]);
    default:
      throw new Error(`the load generator does not speak ${greeting.plugin}`);
  }
}

function scramble(algorithm: 'sha1' | 'sha256', password: string, mix: (twice: Buffer) => Buffer[]): Buffer {
  const hash = (...parts: (Buffer | string)[]) => {
    const digest = createHash(algorithm);
    for (const part of parts) {
      digest.update(part);
    }
    return digest.digest();
  };
  const once = hash(password);
  const mask = hash(...mix(hash(once)));
  return Buffer.from(once.map((byte, index) => byte ^ (mask[index] ?? 0)));
}

/** The password for the server's RSA key: caching_sha2_password's full authentication without TLS. */
export function encryptedPassword(password: string, nonce: Buffer, publicKey: Buffer): Buffer {
  const clear = Buffer.from(`${password}\0`);
  const masked = clear.map((byte, index) => byte ^ (nonce[index % nonce.length] ?? 0));
  return publicEncrypt(
    { key: publicKey.toString('latin1'), padding: constants.RSA_PKCS1_OAEP_PADDING },
    masked,
  );
}

export const QUIT = packet(0, Buffer.of(Command.Quit));

export function queryPacket(sql: string): Buffer {
  return packet(0, Buffer.concat([Buffer.of(Command.Query), Buffer.from(sql)]));
}

/** As drivers write the same random bytes into a string. */
export function escapedBlob(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(2 * length);
  let at = 0;
  let seed = 1;
  while (at < length) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    const byte = (seed >>> 16) & 0xff;
    const escaped = ESCAPES.get(byte);
    if (escaped !== undefined) bytes[at++] = BACKSLASH;
    bytes[at++] = escaped ?? byte;
  }
  return bytes.subarray(0, at);
}

const BACKSLASH = 0x5c;
const ESCAPES: ReadonlyMap<number, number> = new Map(
  [...'\0\n\r\x1a"\'\\'].map((char, i) => [char.charCodeAt(0), '0nrZ"\'\\'.charCodeAt(i)]),
);

/** A query in as many packets as it needs. */
export function longQuery(around: readonly string[], middle: Buffer): Buffer {
  const [before = '', behind = ''] = around;
  const payload = Buffer.concat([Buffer.of(Command.Query), Buffer.from(before), middle, Buffer.from(behind)]);
  const packets: Buffer[] = [];
  for (let at = 0, sequence = 0; ; sequence++) {
    const part = payload.subarray(at, at + MAX_PAYLOAD);
    packets.push(packet(sequence, part));
    at += part.length;
    if (part.length < MAX_PAYLOAD) return Buffer.concat(packets);
  }
}

const MAX_PAYLOAD = 0xff_ff_ff;

/** The answer to a server that asks for a file: lines of digits, in packets as libmysqlclient sends them, and the empty one behind them. */
export function filePackets(length: number): Buffer {
  const line = Buffer.from(`${'0123456789'.repeat(10)}\n`);
  const packets: Buffer[] = [];
  // The server's question has 1.
  let sequence = 2;
  for (let at = 0; at < length; at += FILE_PACKET, sequence = (sequence + 1) & 0xff)
    packets.push(packet(sequence, Buffer.alloc(Math.min(FILE_PACKET, length - at), line)));
  return Buffer.concat([...packets, packet(sequence, Buffer.alloc(0))]);
}

const FILE_PACKET = 16 * 1024;

export function preparePacket(sql: string): Buffer {
  return packet(0, Buffer.concat([Buffer.of(Command.StmtPrepare), Buffer.from(sql)]));
}

const TYPE_LONG = 3;
const EXECUTE_FIXED = 1 + 4 + 1 + 4;

/**
 * The two forms of an execute with one 32-bit integer parameter. As libmysqlclient does, the first one carries the
 * parameter's type and the following ones rely on it.
 */
export class ExecutePackets {
  readonly #typed: Buffer;
  readonly #untyped: Buffer;
  #typesSent = false;

  constructor(statementId: number) {
    this.#typed = executePacket(statementId, [0, 1, TYPE_LONG, 0]);
    this.#untyped = executePacket(statementId, [0, 0]);
  }

  /** The packet is reused: it must have left before the next call, which a client that awaits replies ensures. */
  next(parameter: number): Buffer {
    const chosen = this.#typesSent ? this.#untyped : this.#typed;
    this.#typesSent = true;
    chosen.writeInt32LE(parameter, chosen.length - 4);
    return chosen;
  }
}

function executePacket(statementId: number, parameterHeader: readonly number[]): Buffer {
  const payload = Buffer.alloc(EXECUTE_FIXED + parameterHeader.length + 4);
  payload[0] = Command.StmtExecute;
  payload.writeUInt32LE(statementId, 1);
  payload.writeUInt32LE(1, 6);
  payload.set(parameterHeader, EXECUTE_FIXED);
  return packet(0, payload);
}
