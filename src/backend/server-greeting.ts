import { Capability, HEADER_SIZE } from '../protocol/constants.js';
import { MalformedPacketError, PayloadReader } from '../protocol/payload-reader.js';

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

/** Filler after the greeting's scramble length: 6 reserved bytes, then MariaDB's extended capabilities. */
const EXTENDED_CAPABILITIES_OFFSET = 6;

/**
 * Reads the greeting, and changes in place what mysql2 would negotiate unasked: MariaDB's extended capabilities
 * (extended metadata adds a field to column definitions that ordinary clients misread) and multi-factor authentication.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html
 */
export function takeGreeting(packet: Buffer): ServerGreeting {
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
  const extendedAt = reader.position;
  reader.skip(4);
  if ((capabilities & Capability.LongPassword) === 0) packet.fill(0, extendedAt, reader.position);
  return { protocolVersion, versionText, connectionId, capabilities, collation, status };
}

/** Of a greeting that {@link takeGreeting} accepts: 8 bytes behind the connection id, 12 behind the reserved ones. */
export function scrambleOf(packet: Buffer): Buffer {
  const first = packet.indexOf(0, HEADER_SIZE + 1) + 1 + 4;
  const second = first + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 10;
  return Buffer.concat([packet.subarray(first, first + 8), packet.subarray(second, second + 12)]);
}
