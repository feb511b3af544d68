import { Capability } from './constants.js';
import { type ConnectAttributes, decodeName, NO_ATTRIBUTES, readAttributes } from './handshake-text.js';
import { MalformedPacketError, PayloadReader } from './payload-reader.js';

/** What a client's first packet is. */
export type LoginPacketKind = 'response41' | 'ssl_request' | 'response320';

/** Bytes before the user name: capabilities, packet size, collation, filler. */
const FIXED_PART = 32;

/** @throws MalformedPacketError when it is too short to be any of them */
export function classifyLoginPacket(payload: Buffer): LoginPacketKind {
  if (payload.length < 4) throw new MalformedPacketError(`login packet of ${payload.length} bytes`);
  const capabilities = payload.readUInt16LE(0);
  // Some versions of Connector/J send only the four bytes of capabilities before TLS begins, the rest send 32.
  if ((capabilities & Capability.Ssl) !== 0 && payload.length <= FIXED_PART) return 'ssl_request';
  return (capabilities & Capability.Protocol41) === 0 ? 'response320' : 'response41';
}

/** Protocol::HandshakeResponse41. */
export interface HandshakeResponse {
  /** Flags that the client set and that were offered to it (unsigned). */
  readonly capabilities: number;
  /** Largest packet that the client says it takes, in bytes. */
  readonly maxPacketSize: number;
  /** Collation id. One byte on the wire: what some connectors put into the byte after it, both servers ignore. */
  readonly collation: number;
  readonly user: string;
  /** Answer to the scramble; a view into the packet. */
  readonly authResponse: Buffer;
  /** null when the client names none; an empty name is none. */
  readonly schema: string | null;
  /** Method that `authResponse` belongs to; null for a client without PLUGIN_AUTH or one that leaves it out. */
  readonly plugin: string | null;
  readonly attributes: ConnectAttributes;
}

/**
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html
 *
 * @param offered the greeting's capabilities: flags that were not offered have no fields in the packet
 * @throws MalformedPacketError
 */
export function decodeHandshakeResponse(payload: Buffer, offered: number): HandshakeResponse {
  const reader = new PayloadReader(payload);
  const capabilities = (reader.uint32() & offered) >>> 0;
  const maxPacketSize = reader.uint32();
  const collation = reader.uint8();
  reader.skip(FIXED_PART - 9);
  const userBytes = reader.nulBytes();
  const authResponse = readAuthResponse(reader, capabilities);
  const schemaBytes = (capabilities & Capability.ConnectWithDb) !== 0 ? reader.nulBytes() : null;
  const plugin = readPlugin(payload, reader, capabilities);
  const attributes = (capabilities & Capability.ConnectAttrs) !== 0 ? readAttributes(reader) : NO_ATTRIBUTES;
  return {
    capabilities,
    maxPacketSize,
    collation,
    user: decodeName(userBytes, collation),
    authResponse,
    schema: schemaBytes === null || schemaBytes.length === 0 ? null : decodeName(schemaBytes, collation),
    plugin,
    attributes,
  };
}

function readAuthResponse(reader: PayloadReader, capabilities: number): Buffer {
  if ((capabilities & Capability.PluginAuthLenencClientData) !== 0) return reader.lenencBytes();
  return (capabilities & Capability.SecureConnection) !== 0
    ? reader.bytes(reader.uint8())
    : reader.nulBytes();
}

/** Both servers take a name whose NUL is missing at the packet's end for none; clients that send it so mean it. */
function readPlugin(payload: Buffer, reader: PayloadReader, capabilities: number): string | null {
  if ((capabilities & Capability.PluginAuth) === 0 || reader.remaining === 0) return null;
  const terminated = payload.indexOf(0, reader.position) >= 0;
  return (terminated ? reader.nulBytes() : reader.rest()).toString('utf8');
}
