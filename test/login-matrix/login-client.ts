/** A client that logs in by each method, over each transport, and tells how it went. Written from the protocol's pages. */
import { constants, publicEncrypt } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { Capability, Command } from '../../src/protocol/constants.js';
import {
  encodeResponse,
  framed,
  maskedPassword,
  nativeResponse,
  type ParsedGreeting,
  parseGreeting,
  sha2Response,
  USUAL_CAPABILITIES,
} from '../protocol/support/client-side.js';
import { type ClientKind, firstAnswer, SHA2 } from './client-kinds.js';

/** How the password went over: what the exchange itself looked like. */
export type Via = 'proof' | 'fast' | 'RSA' | 'clear' | 'nothing';

export type Outcome =
  /** `as`: what CURRENT_USER() says, without its host. */
  | { readonly kind: 'in'; readonly as: string; readonly via: Via }
  | { readonly kind: 'refused'; readonly errno: number; readonly sqlState: string; readonly text: string }
  /** The client was asked for a method that it does not know. */
  | { readonly kind: 'gave up'; readonly asked: string }
  /** The client wants TLS and is not offered any. */
  | { readonly kind: 'no TLS' }
  /** TLS could not be agreed on. */
  | { readonly kind: 'TLS failed'; readonly code: string }
  | { readonly kind: 'ended' };

export type Where =
  | { readonly host: string; readonly port: number; readonly localAddress?: string }
  | { readonly path: string };

export interface Login {
  readonly where: Where;
  readonly kind: ClientKind;
  readonly user: string;
  readonly password: string;
  readonly schema: string | null;
  /** null: without TLS. */
  readonly tls: ConnectionOptions | null;
}

interface Packet {
  readonly sequenceId: number;
  readonly payload: Buffer;
}

/** Packets over a socket that may become a TLS one. */
class Wire {
  #socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(where: Where) {
    this.#socket = connect(where);
    this.#socket.on('error', () => undefined);
    this.#listen(this.#socket);
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  async packet(): Promise<Packet | null> {
    for (;;) {
      const buf = this.#received;
      if (buf.length >= 4 && buf.length >= 4 + buf.readUIntLE(0, 3)) {
        const end = 4 + buf.readUIntLE(0, 3);
        this.#received = buf.subarray(end);
        return { sequenceId: buf[3] as number, payload: Buffer.from(buf.subarray(4, end)) };
      }
      if (this.#ended) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  send(payload: Uint8Array, sequenceId: number): void {
    this.#socket.write(framed(payload, sequenceId));
  }

  /** @returns null, or why it failed */
  secure(options: ConnectionOptions): Promise<string | null> {
    const raw = this.#socket;
    raw.removeAllListeners('data').removeAllListeners('close');
    return new Promise((resolve) => {
      const socket: TLSSocket = connectTls({ ...options, socket: raw, rejectUnauthorized: false }, () => {
        this.#socket = socket;
        resolve(null);
      });
      this.#listen(socket);
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      socket.on('close', () => resolve('closed'));
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

const SAFE = { minVersion: 'TLSv1.2' } as const;

/** One connection: its login, then whatever it is told to do. */
export class LoginClient {
  readonly #wire: Wire;
  readonly #login: Login;
  #scramble: Buffer = Buffer.alloc(0);
  #capabilities = 0;

  private constructor(login: Login) {
    this.#login = login;
    this.#wire = new Wire(login.where);
  }

  /** Logs in, asks who it is, leaves. */
  static async run(login: Login): Promise<Outcome> {
    const client = new LoginClient(login);
    try {
      const outcome = await client.#logIn();
      return outcome.kind === 'in' ? await client.#withName(outcome) : outcome;
    } finally {
      client.destroy();
    }
  }

  /** Logs in, and stays. @throws when it is refused */
  static async open(login: Login): Promise<LoginClient> {
    const client = new LoginClient(login);
    const outcome = await client.#logIn();
    if (outcome.kind !== 'in') {
      client.destroy();
      throw new Error(`not logged in: ${JSON.stringify(outcome)}`);
    }
    return client;
  }

  destroy(): void {
    this.#wire.destroy();
  }

  async #logIn(): Promise<Outcome> {
    const { kind, tls, user, password, schema } = this.#login;
    const first = await this.#wire.packet();
    if (first === null) return { kind: 'ended' };
    if (first.payload[0] === 0xff) return refusal(first.payload);
    const greeting = parseGreeting(first.payload);
    this.#scramble = greeting.scramble;
    this.#capabilities = this.#wanted(greeting);
    let sequenceId = 1;
    if (tls !== null) {
      if ((greeting.capabilities & Capability.Ssl) === 0) return { kind: 'no TLS' };
      this.#capabilities |= Capability.Ssl;
      this.#wire.send(sslRequest(this.#capabilities), sequenceId++);
      const failure = await this.#wire.secure({ ...SAFE, ...tls });
      if (failure !== null) return { kind: 'TLS failed', code: failure };
    }
    const authResponse = firstAnswer(kind, password, (method) => this.#response(method, password));
    if (kind.protocol === '4.0') {
      // Capabilities (2), packet size (3), user, the old hash.
      this.#wire.send(Buffer.from(`\x05\0\xff\xff\xff${user}\0KGFEDCBA`, 'latin1'), sequenceId);
    } else {
      const more = { plugin: kind.method, ...(schema === null ? {} : { schema }) };
      const oldHash = kind.protocol === '4.1 with the old hash' && password !== '';
      this.#wire.send(
        encodeResponse({
          user,
          capabilities: this.#capabilities,
          authResponse: oldHash ? Buffer.from('KGFEDCBA') : authResponse,
          ...more,
        }),
        sequenceId,
      );
    }
    return this.#converse(kind, password, viaOf(password));
  }

  #wanted(greeting: ParsedGreeting): number {
    const { kind, schema } = this.#login;
    const without =
      kind.protocol === 'named methods'
        ? 0
        : Capability.PluginAuth |
          Capability.PluginAuthLenencClientData |
          (kind.protocol === '4.1' ? 0 : Capability.SecureConnection);
    const wanted = (USUAL_CAPABILITIES & ~without) | (schema === null ? 0 : Capability.ConnectWithDb);
    return (wanted & greeting.capabilities) >>> 0;
  }

  /** Becomes another user by COM_CHANGE_USER. */
  async change(kind: ClientKind, user: string, password: string, schema: string | null): Promise<Outcome> {
    const answer = firstAnswer(kind, password, (method) => this.#response(method, password));
    const withMethod = kind.protocol === 'named methods';
    this.#wire.send(
      Buffer.concat([
        Buffer.of(Command.ChangeUser),
        Buffer.from(`${user}\0`),
        Buffer.of(answer.length),
        answer,
        Buffer.from(`${schema ?? ''}\0`),
        Buffer.of(45, 0),
        withMethod ? Buffer.from(`${kind.method}\0`) : Buffer.alloc(0),
      ]),
      0,
    );
    const outcome = await this.#converse(kind, password, viaOf(password));
    return outcome.kind === 'in' ? this.#withName(outcome) : outcome;
  }

  /** Who the server says that it is; null when the connection has ended. */
  async name(): Promise<string | null> {
    this.#wire.send(Buffer.from('\x03SELECT CURRENT_USER()'), 0);
    const head = await this.#wire.packet();
    if (head === null) return null;
    if (head.payload[0] === 0xff) throw new Error(`no name: ${JSON.stringify(refusal(head.payload))}`);
    const [, , row, end] = [
      await this.#wire.packet(),
      await this.#wire.packet(),
      await this.#wire.packet(),
      await this.#wire.packet(),
    ];
    if (row === null || row === undefined || end === null) return null;
    const text = row.payload.toString('utf8', 1);
    return text.slice(0, text.lastIndexOf('@'));
  }

  /** Resolves when the other side has closed. */
  async ended(): Promise<void> {
    while ((await this.#wire.packet()) !== null);
  }

  async #withName(outcome: Outcome & { kind: 'in' }): Promise<Outcome> {
    const as = await this.name();
    return as === null ? { kind: 'ended' } : { ...outcome, as };
  }

  /** From the first answer to OK or ERR. */
  async #converse(kind: ClientKind, password: string, first: Via): Promise<Outcome> {
    let via = first;
    for (;;) {
      const packet = await this.#wire.packet();
      if (packet === null) return { kind: 'ended' };
      const { payload, sequenceId } = packet;
      const answer = (bytes: Uint8Array): void => this.#wire.send(bytes, sequenceId + 1);
      switch (payload[0]) {
        case 0x00:
          return { kind: 'in', as: '', via };
        case 0xff:
          return refusal(payload);
        case 0xfe: {
          const end = payload.indexOf(0, 1);
          const method = payload.toString('latin1', 1, end);
          if (!kind.knows.includes(method)) return { kind: 'gave up', asked: method };
          this.#scramble = Buffer.from(payload.subarray(end + 1, end + 21));
          via = viaOf(password);
          answer(this.#response(method, password));
          break;
        }
        case 0x01:
          if (payload[1] === 3) via = 'fast';
          else if (payload[1] === 4) via = this.#sendPassword(kind, password, answer);
          else answer(encrypted(payload.subarray(1), password, this.#scramble));
          break;
        default:
          throw new Error(`unexpected packet ${payload.toString('hex')}`);
      }
    }
  }

  /** Full authentication: the password itself. */
  #sendPassword(kind: ClientKind, password: string, answer: (bytes: Uint8Array) => void): Via {
    const guarded = this.#login.tls !== null || 'path' in this.#login.where;
    const clear = kind.sends === 'clear' || (kind.sends === 'guarded' && guarded);
    answer(clear ? Buffer.from(`${password}\0`) : Buffer.of(2));
    return clear ? 'clear' : 'RSA';
  }

  #response(method: string, password: string): Buffer {
    return method === SHA2
      ? sha2Response(password, this.#scramble)
      : nativeResponse(password, this.#scramble);
  }
}

/** Until something else is said. */
function viaOf(password: string): Via {
  return password === '' ? 'nothing' : 'proof';
}

function sslRequest(capabilities: number): Buffer {
  const payload = Buffer.alloc(32);
  payload.writeUInt32LE((capabilities | Capability.Ssl) >>> 0);
  payload.writeUInt32LE(0x1000000, 4);
  payload[8] = 45;
  return payload;
}

function encrypted(key: Buffer, password: string, scramble: Buffer): Buffer {
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return publicEncrypt({ key, padding }, maskedPassword(password, scramble));
}

function refusal(payload: Buffer): Outcome {
  const hasState = payload[3] === 0x23;
  return {
    kind: 'refused',
    errno: payload.readUInt16LE(1),
    sqlState: hasState ? payload.toString('latin1', 4, 9) : '',
    text: payload.toString('utf8', hasState ? 9 : 3),
  };
}
