import { connect, type Socket } from 'node:net';
import { parseErr } from '../../../src/protocol/generic-response.js';
import {
  encodeResponse,
  framed,
  nativeResponse,
  type ParsedGreeting,
  parseGreeting,
  type ResponseFields,
  sha2Response,
} from '../../protocol/support/client-side.js';

export interface Packet {
  readonly sequenceId: number;
  readonly payload: Buffer;
}

/** A client that does exactly what it is told, packet by packet. */
export class RawClient {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(target: { port: number } | { path: string }) {
    this.socket = 'port' in target ? connect({ host: '127.0.0.1', ...target }) : connect(target);
    this.socket.setNoDelay(true);
    this.socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** The next packet, or null when the connection ends instead. */
  async packet(): Promise<Packet | null> {
    for (;;) {
      const buf = this.#received;
      if (buf.length >= 4 && buf.length >= 4 + buf.readUIntLE(0, 3)) {
        const end = 4 + buf.readUIntLE(0, 3);
        this.#received = buf.subarray(end);
        return { sequenceId: buf[3] as number, payload: buf.subarray(4, end) };
      }
      if (this.#ended) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async expect(): Promise<Packet> {
    const packet = await this.packet();
    if (packet === null) throw new Error('the connection ended where a packet was expected');
    return packet;
  }

  async greeting(): Promise<ParsedGreeting> {
    return parseGreeting((await this.expect()).payload);
  }

  /** The next packet, which has to be an ERR, as `1045 28000 text`. */
  async err(): Promise<string> {
    const { payload } = await this.expect();
    const err = parseErr(payload, 0, payload.length);
    return `${err.errno} ${err.sqlState} ${err.message}`;
  }

  async ended(): Promise<void> {
    while ((await this.packet()) !== null);
  }

  send(payload: Uint8Array, sequenceId: number): void {
    this.socket.write(framed(payload, sequenceId));
  }
}

/** A handshake response that answers the greeting with this password by the method named, or the greeting's own. */
export function loginPayload(
  greeting: ParsedGreeting,
  user: string,
  password: string,
  fields: Partial<ResponseFields> = {},
): Buffer {
  const plugin = fields.plugin ?? greeting.plugin;
  const respond = plugin === 'caching_sha2_password' ? sha2Response : nativeResponse;
  return encodeResponse({ user, plugin, authResponse: respond(password, greeting.scramble), ...fields });
}
