import { constants, publicEncrypt } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { Capability, Command } from '../../src/protocol/constants.js';
import {
  encodeResponse,
  framed,
  maskedPassword,
  nativeResponse,
  type ParsedGreeting,
  parseGreeting,
  sha2Response,
  sslRequest,
  USUAL_CAPABILITIES,
} from '../protocol/support/client-side.js';

/** What an ordinary client with all options sets, and EOF packets as most clients want them. */
export const CLASSIC =
  USUAL_CAPABILITIES |
  Capability.LocalFiles |
  Capability.MultiStatements |
  Capability.MultiResults |
  Capability.PsMultiResults;

/** The same without EOF packets. */
export const MODERN = CLASSIC | Capability.DeprecateEof;

/** How the end of a reply is told. Written from the protocol's pages, not from the code under test. */
export type Shape = 'packet' | 'results' | 'prepare' | 'rows' | 'fields' | 'none';

export interface RawPacket {
  readonly sequenceId: number;
  readonly payload: Buffer;
  /** The EOF between column definitions and rows. */
  readonly endsColumns?: true;
}

export interface RawLogin {
  readonly host: string;
  readonly port: number;
  /** Of a unix socket, in place of host and port. */
  readonly path?: string;
  readonly user: string;
  readonly password: string;
  readonly schema?: string;
  /** {@link CLASSIC} unless given. */
  readonly capabilities?: number;
  readonly collation?: number;
  /** The greeting's own unless given. */
  readonly plugin?: string;
  /** Connect attributes; none unless given. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Asks for TLS, with these options. */
  readonly tls?: ConnectionOptions;
}

/** An ERR packet where none was wanted. */
export class RawError extends Error {
  readonly errno: number;
  readonly sqlState: string;

  constructor(payload: Buffer) {
    const hasState = payload[3] === 0x23;
    super(payload.toString('utf8', hasState ? 9 : 3));
    this.errno = payload.readUInt16LE(1);
    this.sqlState = hasState ? payload.toString('latin1', 4, 9) : '';
  }
}

/** The servers themselves count from 1. */
const FIRST_OF_PROXY = 0x40000000;

/** Any test can be run with the proxy's clients over TLS. */
const OVER_TLS = process.env['TEST_CLIENTS_TLS'] === '1';

const FULL_PACKET = 0xffffff;
/** Bytes kept before the socket is paused: a test that does not read is a client that does not read. */
const HIGH_WATER = 256 * 1024;
const MORE_RESULTS = 0x8;
const CURSOR_EXISTS = 0x40;
const OUT_PARAMETERS = 0x1000;

/** The connection that these coordinates of a URL lead to. */
export function loginOf(url: string, more: Partial<RawLogin> = {}): RawLogin {
  const { hostname, port, username, password, pathname } = new URL(url);
  return {
    host: hostname,
    port: Number(port),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    schema: pathname.slice(1),
    ...more,
  };
}

/**
 * A client of packets and bytes: sends what it is told and hides nothing of what comes back. It reads only when asked
 * to (apart from a small buffer).
 */
export class RawClient {
  /** As connected: underneath TLS, where there is any. */
  readonly raw: Socket;
  /** What packets go over. */
  socket: Socket;
  readonly capabilities: number;
  greeting: ParsedGreeting | null = null;
  /** The packet that ended the login. */
  loginReply: RawPacket | null = null;
  readonly #chunks: Buffer[] = [];
  #buffered = 0;
  #needed = 0;
  #ended = false;
  #wake: () => void = () => undefined;

  constructor({ host, port, path }: Pick<RawLogin, 'host' | 'port' | 'path'>, capabilities = CLASSIC) {
    this.capabilities = capabilities;
    this.raw = path === undefined ? connect({ host, port }) : connect({ path });
    this.raw.setNoDelay(true);
    this.socket = this.raw;
    this.#listen(this.raw);
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#buffered += chunk.length;
      if (this.#buffered >= this.#needed) {
        this.#wake();
        if (this.#buffered > HIGH_WATER) socket.pause();
      }
    });
    // 'close' follows.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Connects and logs in. @throws RawError when it is refused */
  static async login(login: RawLogin): Promise<RawClient> {
    const withSchema = login.schema ? Capability.ConnectWithDb : 0;
    const client = new RawClient(login, (login.capabilities ?? CLASSIC) | withSchema);
    try {
      await client.#logIn(login);
      return client;
    } catch (error) {
      client.destroy();
      throw error;
    }
  }

  get deprecateEof(): boolean {
    return (this.capabilities & Capability.DeprecateEof) !== 0;
  }

  /** The id that the greeting said. */
  get id(): number {
    return this.greeting?.connectionId ?? 0;
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Resolves when the other side has closed; what it sent before is thrown away. */
  async ended(): Promise<void> {
    while ((await this.packet()) !== null);
  }

  /** Whatever bytes these are. */
  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** A payload as a packet, or several where it is too long for one. */
  send(payload: Buffer, sequenceId = 0): void {
    for (const part of packets(payload, sequenceId)) this.socket.write(part);
  }

  /** The next packet as it came on the wire, or null when the connection ends instead. */
  async packet(): Promise<RawPacket | null> {
    if (!(await this.#available(4))) return null;
    const header = this.#take(4);
    const length = header.readUIntLE(0, 3);
    if (!(await this.#available(length))) return null;
    return { sequenceId: header[3] as number, payload: this.#take(length) };
  }

  async expect(): Promise<RawPacket> {
    const packet = await this.packet();
    if (packet === null) throw new Error('the connection ended where a packet was expected');
    return packet;
  }

  /** All packets of one reply. */
  async reply(shape: Shape, infile: Buffer | null = null): Promise<RawPacket[]> {
    const taken: RawPacket[] = [];
    const next = async (): Promise<Buffer> => {
      const packet = await this.expect();
      taken.push(packet);
      return packet.payload;
    };
    switch (shape) {
      case 'none':
        break;
      case 'packet':
        await next();
        break;
      case 'results':
        await this.#results(next, taken, infile);
        break;
      case 'rows':
        await this.#rows(next);
        break;
      case 'fields':
        while (!isEnd(await next()));
        break;
      case 'prepare':
        await this.#prepared(next);
        break;
    }
    return taken;
  }

  command(
    command: Command,
    payload: Uint8Array | string = '',
    shape: Shape = 'packet',
  ): Promise<RawPacket[]> {
    this.send(commandPayload(command, payload));
    return this.reply(shape);
  }

  query(sql: string | Buffer, infile: Buffer | null = null): Promise<RawPacket[]> {
    this.send(commandPayload(Command.Query, sql));
    return this.reply('results', infile);
  }

  /** A query that must not fail. */
  async must(sql: string | Buffer): Promise<RawPacket[]> {
    return unlessErr(await this.query(sql));
  }

  /** First column of the first row of a text result. */
  async value(sql: string): Promise<string> {
    const reply = await this.must(sql);
    const row = reply[this.deprecateEof ? 2 : 3]?.payload ?? Buffer.alloc(1);
    return row.toString('utf8', 1, 1 + (row[0] as number));
  }

  /** Prepares a statement that must not fail; returns its id. */
  async prepare(sql: string): Promise<number> {
    const reply = unlessErr(await this.command(Command.StmtPrepare, sql, 'prepare'));
    return (reply[0] as RawPacket).payload.readUInt32LE(1);
  }

  async #logIn(login: RawLogin): Promise<void> {
    const first = (await this.expect()).payload;
    if (first[0] === 0xff) throw new RawError(first);
    const greeting = parseGreeting(first);
    this.greeting = greeting;
    const plugin = login.plugin ?? greeting.plugin;
    const { attributes } = login;
    const tls = login.tls ?? (OVER_TLS && greeting.connectionId >= FIRST_OF_PROXY ? {} : undefined);
    const encrypted = tls === undefined ? 0 : Capability.Ssl;
    if (tls !== undefined) await this.#secure(tls);
    this.send(
      encodeResponse({
        user: login.user,
        capabilities:
          this.capabilities | Capability.PluginAuth | encrypted | (attributes ? Capability.ConnectAttrs : 0),
        collation: login.collation ?? 45,
        plugin,
        authResponse: responseOf(plugin, login.password, greeting.scramble),
        ...(login.schema ? { schema: login.schema } : {}),
        ...(attributes ? { attributes: Object.entries(attributes) } : {}),
      }),
      tls === undefined ? 1 : 2,
    );
    let { scramble } = greeting;
    for (;;) {
      const packet = await this.expect();
      const { payload, sequenceId } = packet;
      switch (payload[0]) {
        case 0x00:
          this.loginReply = packet;
          return;
        case 0xff:
          throw new RawError(payload);
        case 0xfe: {
          const nameEnd = payload.indexOf(0, 1);
          scramble = Buffer.from(payload.subarray(nameEnd + 1, nameEnd + 21));
          this.send(
            responseOf(payload.toString('latin1', 1, nameEnd), login.password, scramble),
            sequenceId + 1,
          );
          break;
        }
        case 0x01:
          // Fast authentication succeeded (3), or the password must come by RSA (4), or here is the key.
          if (payload[1] === 3) break;
          if (payload[1] === 4) this.send(Buffer.of(2), sequenceId + 1);
          else {
            const padding = constants.RSA_PKCS1_OAEP_PADDING;
            const masked = maskedPassword(login.password, scramble);
            this.send(publicEncrypt({ key: payload.subarray(1), padding }, masked), sequenceId + 1);
          }
          break;
        default:
          throw new Error(`unexpected login packet ${payload.toString('hex')}`);
      }
    }
  }

  /** The connection goes on over TLS. */
  async #secure(options: ConnectionOptions): Promise<void> {
    this.send(sslRequest(this.capabilities), 1);
    this.raw.removeAllListeners('data').removeAllListeners('close');
    this.socket = connectTls({ socket: this.raw, rejectUnauthorized: false, ...options });
    this.#listen(this.socket);
    await once(this.socket, 'secureConnect');
  }

  async #results(next: () => Promise<Buffer>, taken: RawPacket[], infile: Buffer | null): Promise<void> {
    for (;;) {
      let head = await next();
      if (head[0] === 0xfb) {
        this.#sendFile((taken.at(-1)?.sequenceId ?? 0) + 1, infile);
        head = await next();
      }
      if (head[0] === 0xff) return;
      let status: number;
      if (head[0] === 0x00) status = okStatus(head);
      else {
        for (let columns = lenenc(head, 0).value; columns > 0; columns--) {
          if ((await next())[0] === 0xff) return;
        }
        const end = this.deprecateEof ? null : await next();
        if (end !== null && (end.readUInt16LE(3) & CURSOR_EXISTS) !== 0) return;
        if (end !== null) taken.push({ ...(taken.pop() as RawPacket), endsColumns: true });
        const last = await this.#rows(next);
        if (last[0] === 0xff) return;
        status = this.#endStatus(last);
        // MySQL says it of OUT parameters only here (as its own library knows).
        const before = end?.readUInt16LE(3) ?? 0;
        if ((before & OUT_PARAMETERS) !== 0) status |= before & MORE_RESULTS;
      }
      if ((status & MORE_RESULTS) === 0) return;
    }
  }

  /** Rows up to what ends them, which is returned. */
  async #rows(next: () => Promise<Buffer>): Promise<Buffer> {
    for (;;) {
      const payload = await next();
      if (isEnd(payload)) return payload;
      for (let part = payload; part.length === FULL_PACKET; ) part = await next();
    }
  }

  async #prepared(next: () => Promise<Buffer>): Promise<void> {
    const head = await next();
    if (head[0] === 0xff) return;
    for (const count of [head.readUInt16LE(7), head.readUInt16LE(5)]) {
      if (count === 0) continue;
      for (let i = 0; i < count + (this.deprecateEof ? 0 : 1); i++) await next();
    }
  }

  #endStatus(payload: Buffer): number {
    return this.deprecateEof ? okStatus(payload) : payload.readUInt16LE(3);
  }

  #sendFile(sequenceId: number, content: Buffer | null): void {
    let id = sequenceId;
    if (content !== null && content.length > 0) {
      for (const part of packets(content, id)) {
        this.socket.write(part);
        id++;
      }
    }
    this.socket.write(framed(Buffer.alloc(0), id & 0xff));
  }

  /** Waits for so many bytes; false when the connection ends first. */
  async #available(size: number): Promise<boolean> {
    while (this.#buffered < size) {
      if (this.#ended) return false;
      this.#needed = size;
      this.socket.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#needed = 0;
    }
    return true;
  }

  #take(size: number): Buffer {
    this.#buffered -= size;
    const parts: Buffer[] = [];
    for (let missing = size; missing > 0; ) {
      const chunk = this.#chunks[0] as Buffer;
      const part = chunk.subarray(0, missing);
      parts.push(part);
      missing -= part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, size);
  }
}

/** A command's payload: its byte, then the rest. */
export function commandPayload(command: Command, payload: Uint8Array | string = ''): Buffer {
  return Buffer.concat([Buffer.of(command), Buffer.from(payload)]);
}

/** Splits a payload into packets; one that fills its last packet is followed by an empty one. */
export function packets(payload: Buffer, sequenceId = 0): Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start <= payload.length; start += FULL_PACKET) {
    const id = (sequenceId + parts.length) & 0xff;
    parts.push(framed(payload.subarray(start, start + FULL_PACKET), id));
  }
  return parts;
}

/** The error in a reply, or null. It is always the last packet. */
export function errOf(reply: readonly RawPacket[]): RawError | null {
  const payload = reply.at(-1)?.payload;
  return payload !== undefined && payload[0] === 0xff ? new RawError(payload) : null;
}

export function unlessErr(reply: RawPacket[]): RawPacket[] {
  const error = errOf(reply);
  if (error !== null) throw error;
  return reply;
}

function responseOf(plugin: string, password: string, scramble: Buffer): Buffer {
  return plugin === 'caching_sha2_password'
    ? sha2Response(password, scramble)
    : nativeResponse(password, scramble);
}

/** ERR, EOF, or the OK that takes EOF's place. */
function isEnd(payload: Buffer): boolean {
  return payload[0] === 0xff || (payload[0] === 0xfe && payload.length < FULL_PACKET);
}

function okStatus(payload: Buffer): number {
  const { end } = lenenc(payload, lenenc(payload, 1).end);
  return payload.readUInt16LE(end);
}

function lenenc(payload: Buffer, at: number): { value: number; end: number } {
  const first = payload[at] as number;
  const size = first < 0xfb ? 0 : first === 0xfc ? 2 : first === 0xfd ? 3 : 8;
  if (size === 0) return { value: first, end: at + 1 };
  return { value: payload.readUIntLE(at + 1, Math.min(size, 6)), end: at + 1 + size };
}
