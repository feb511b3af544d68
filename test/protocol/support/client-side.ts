/** The client's side of the login phase, written from the protocol's pages and not from the code under test. */
import { createHash } from 'node:crypto';
import { Capability } from '../../../src/protocol/constants.js';

export interface ParsedGreeting {
  readonly protocolVersion: number;
  readonly versionText: string;
  readonly connectionId: number;
  readonly scramble: Buffer;
  readonly capabilities: number;
  readonly collation: number;
  readonly status: number;
  readonly scrambleLength: number;
  /** The six reserved bytes, and the four that MariaDB uses for extended capabilities. */
  readonly filler: Buffer;
  readonly extended: Buffer;
  readonly plugin: string;
}

/** @param payload without header */
export function parseGreeting(payload: Buffer): ParsedGreeting {
  const versionEnd = payload.indexOf(0, 1);
  const at = versionEnd + 1;
  const pluginStart = at + 44;
  return {
    protocolVersion: payload.readUInt8(0),
    versionText: payload.toString('utf8', 1, versionEnd),
    connectionId: payload.readUInt32LE(at),
    scramble: Buffer.concat([payload.subarray(at + 4, at + 12), payload.subarray(at + 31, at + 43)]),
    capabilities: (payload.readUInt16LE(at + 13) | (payload.readUInt16LE(at + 18) << 16)) >>> 0,
    collation: payload.readUInt8(at + 15),
    status: payload.readUInt16LE(at + 16),
    scrambleLength: payload.readUInt8(at + 20),
    filler: payload.subarray(at + 21, at + 27),
    extended: payload.subarray(at + 27, at + 31),
    plugin: payload.toString('utf8', pluginStart, payload.indexOf(0, pluginStart)),
  };
}

function digest(algorithm: 'sha1' | 'sha256', ...parts: Uint8Array[]): Buffer {
  const h = createHash(algorithm);
  for (const part of parts) h.update(part);
  return h.digest();
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ (b[i % b.length] as number)));
}

export function nativeResponse(password: string, scramble: Buffer): Buffer {
  if (password === '') return Buffer.alloc(0);
  const stage1 = digest('sha1', Buffer.from(password));
  return xor(stage1, digest('sha1', scramble, digest('sha1', stage1)));
}

export function sha2Response(password: string, scramble: Buffer): Buffer {
  if (password === '') return Buffer.alloc(1);
  const stage1 = digest('sha256', Buffer.from(password));
  return xor(stage1, digest('sha256', digest('sha256', stage1), scramble));
}

/** NUL-terminated and XORed with the scramble: what RSA then encrypts. */
export function maskedPassword(password: string, scramble: Buffer): Buffer {
  return xor(Buffer.from(`${password}\0`), scramble);
}

/** Capabilities that an ordinary client sets. */
export const USUAL_CAPABILITIES =
  Capability.LongPassword |
  Capability.LongFlag |
  Capability.Protocol41 |
  Capability.Transactions |
  Capability.SecureConnection |
  Capability.PluginAuth |
  Capability.PluginAuthLenencClientData;

export interface ResponseFields {
  capabilities?: number;
  maxPacketSize?: number;
  /** The collation's byte and the one behind it. */
  collation?: number;
  user: string | Buffer;
  authResponse?: Buffer;
  /** Sent only when the capabilities say so, as the next two. */
  schema?: string;
  plugin?: string;
  attributes?: Iterable<readonly [string, string]>;
}

export function framed(payload: Uint8Array, sequenceId: number): Buffer {
  const header = Buffer.alloc(4);
  header.writeUIntLE(payload.length, 0, 3);
  header[3] = sequenceId;
  return Buffer.concat([header, payload]);
}

function lenenc(bytes: Buffer): Buffer {
  if (bytes.length < 251) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const length = Buffer.of(0xfc, bytes.length & 0xff, bytes.length >> 8);
  if (bytes.length > 0xffff)
    return Buffer.concat([length.fill(0xfd, 0, 1), Buffer.of(bytes.length >> 16), bytes]);
  return Buffer.concat([length, bytes]);
}

export function encodeAttributes(attributes: Iterable<readonly [string, string]>): Buffer {
  const pairs: Buffer[] = [];
  for (const [name, value] of attributes) pairs.push(lenenc(Buffer.from(name)), lenenc(Buffer.from(value)));
  return lenenc(Buffer.concat(pairs));
}

/** HandshakeResponse41 without header. */
export function encodeResponse(fields: ResponseFields): Buffer {
  const capabilities = fields.capabilities ?? USUAL_CAPABILITIES;
  const has = (flag: number): boolean => (capabilities & flag) !== 0;
  const fixed = Buffer.alloc(32);
  fixed.writeUInt32LE(capabilities >>> 0, 0);
  fixed.writeUInt32LE(fields.maxPacketSize ?? 0x1000000, 4);
  fixed.writeUInt16LE(fields.collation ?? 45, 8);
  const auth = fields.authResponse ?? Buffer.alloc(0);
  const parts = [
    fixed,
    typeof fields.user === 'string' ? Buffer.from(fields.user) : fields.user,
    Buffer.alloc(1),
  ];
  if (has(Capability.PluginAuthLenencClientData)) parts.push(lenenc(auth));
  else if (has(Capability.SecureConnection)) parts.push(Buffer.of(auth.length), auth);
  else parts.push(auth, Buffer.alloc(1));
  if (has(Capability.ConnectWithDb)) parts.push(Buffer.from(`${fields.schema ?? ''}\0`));
  if (has(Capability.PluginAuth)) parts.push(Buffer.from(`${fields.plugin ?? 'mysql_native_password'}\0`));
  if (has(Capability.ConnectAttrs)) parts.push(encodeAttributes(fields.attributes ?? []));
  return Buffer.concat(parts);
}

/** SSLRequest without header: the beginning of a HandshakeResponse41. */
export function sslRequest(capabilities: number = USUAL_CAPABILITIES): Buffer {
  return encodeResponse({ user: '', capabilities: capabilities | Capability.Ssl }).subarray(0, 32);
}
