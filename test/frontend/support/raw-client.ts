import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { parseErr } from '../../../src/protocol/generic-response.js';
import {
  encodeResponse,
  framed,
  nativeResponse,
  type ParsedGreeting,
  parseGreeting,
  type ResponseFields,
  sha2Response,
  sslRequest,
} from '../../protocol/support/client-side.js';

const SSL_REQUEST = framed(sslRequest(), 1);

export interface Packet {
  readonly sequenceId: number;
  readonly payload: Buffer;
}

/** A client that does exactly what it is told, packet by packet. */
export class RawClient {
  /** TLS once it is {@link secure}. */
  socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(target: { port: number } | { path: string }) {
    this.socket = 'port' in target ? connect({ host: '127.0.0.1', ...target }) : connect(target);
    this.socket.setNoDelay(true);
    this.socket.on('data', this.#onData);
    this.socket.on('error', () => undefined);
    this.socket.on('close', this.#onClose);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#received = Buffer.concat([this.#received, chunk]);
    this.#wake();
  };

  readonly #onClose = (): void => {
    this.#ended = true;
    this.#wake();
  };

  /**
   * Asks for TLS, and resolves once it is there. The next packet's sequence id is 2.
   * @param send what becomes of the bytes of the request and of TLS; they are sent as they come unless given
   * @throws what the handshake failed with
   */
  async secure(
    options: ConnectionOptions = {},
    send: ((bytes: Buffer, raw: Socket) => void) | null = null,
  ): Promise<TLSSocket> {
    const raw = this.socket;
    raw.off('data', this.#onData).off('close', this.#onClose);
    if (send === null) raw.write(SSL_REQUEST);
    else send(SSL_REQUEST, raw);
    const carrier = send === null ? raw : carrierOf(raw, (bytes) => send(bytes, raw));
    const socket = connectTls({ socket: carrier, rejectUnauthorized: false, ...options });
    socket.on('data', this.#onData).on('close', this.#onClose);
    this.socket = socket;
    // TLS 1.3: the server may still refuse what the client takes for done.
    await once(socket, 'secureConnect');
    socket.on('error', () => undefined);
    return socket;
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

/** A connection whose writes go elsewhere. */
function carrierOf(raw: Socket, send: (bytes: Buffer) => void): Duplex {
  const carrier = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      send(chunk);
      done();
    },
  });
  raw.on('data', (chunk: Buffer) => carrier.push(chunk));
  raw.on('close', () => carrier.destroy());
  carrier.on('close', () => raw.destroy());
  return carrier;
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
