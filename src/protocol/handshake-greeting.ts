import { type AuthPlugin, SCRAMBLE_LENGTH } from './auth-packets.js';
import { HEADER_SIZE } from './constants.js';
import { PayloadWriter } from './payload-writer.js';

export interface GreetingFields {
  /** Version text; a NUL inside would cut it off, so there must be none. */
  readonly versionText: string;
  /** Capability flags, unsigned 32 bits. */
  readonly capabilities: number;
  /** Collation id; the wire has room for its lower eight bits. */
  readonly collation: number;
  readonly status: number;
  /** The method that clients are expected to answer the scramble with. */
  readonly plugin: AuthPlugin;
}

const PROTOCOL_VERSION = 10;
const SCRAMBLE_PART_1 = 8;

/**
 * Protocol::HandshakeV10, encoded once; a client's own greeting is a copy with its connection id and scramble filled in.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html
 */
export class GreetingTemplate {
  readonly #packet: Buffer;
  readonly #idOffset: number;
  readonly #part1Offset: number;
  readonly #part2Offset: number;

  constructor(fields: GreetingFields) {
    const version = Buffer.from(fields.versionText, 'utf8');
    this.#packet = new PayloadWriter(96)
      .uint8(PROTOCOL_VERSION)
      .bytes(version)
      .uint8(0)
      .zeros(4 + SCRAMBLE_PART_1)
      .uint8(0)
      .uint16(fields.capabilities & 0xffff)
      .uint8(fields.collation & 0xff)
      .uint16(fields.status)
      .uint16(fields.capabilities >>> 16)
      .uint8(SCRAMBLE_LENGTH + 1)
      // Six reserved bytes, then MariaDB's extended capabilities: none.
      .zeros(10)
      .zeros(SCRAMBLE_LENGTH - SCRAMBLE_PART_1 + 1)
      .nulText(fields.plugin)
      .packet(0);
    this.#idOffset = HEADER_SIZE + 1 + version.length + 1;
    this.#part1Offset = this.#idOffset + 4;
    this.#part2Offset = this.#part1Offset + SCRAMBLE_PART_1 + 1 + 2 + 1 + 2 + 2 + 1 + 10;
  }

  /** The whole packet, sequence id 0. `scramble`: 20 bytes, none of them NUL. */
  packet(connectionId: number, scramble: Buffer): Buffer {
    const packet = Buffer.allocUnsafe(this.#packet.length);
    packet.set(this.#packet);
    packet.writeUInt32LE(connectionId >>> 0, this.#idOffset);
    for (let i = 0; i < SCRAMBLE_PART_1; i++) packet[this.#part1Offset + i] = scramble[i] as number;
    const behind = this.#part2Offset - SCRAMBLE_PART_1;
    for (let i = SCRAMBLE_PART_1; i < SCRAMBLE_LENGTH; i++) packet[behind + i] = scramble[i] as number;
    return packet;
  }
}
