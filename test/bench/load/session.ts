import { connect, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, connect as tlsConnect } from 'node:tls';
import type { ClientPlan } from './plan.js';
import { describeError, ReplyReader } from './reply-reader.js';
import {
  encryptedPassword,
  type Greeting,
  handshakeResponse,
  nulTerminated,
  packet,
  parseGreeting,
  passwordProof,
  QUIT,
  SSL_REQUEST,
} from './wire.js';

/** One read buffer for all connections: Node calls back synchronously, and nothing is kept across calls. */
const READ_BUFFER = Buffer.allocUnsafe(256 * 1024);

/** Made at the first use: to make it for each connection would cost more than the handshake. */
let secureContext: SecureContext | undefined;

const OK = 0x00;
const AUTH_MORE = 0x01;
const AUTH_SWITCH = 0xfe;
const ERR = 0xff;
const FAST_AUTH_DONE = 3;
const FULL_AUTH = 4;
const REQUEST_PUBLIC_KEY = 2;

export interface SessionEvents {
  /** Logged in; the session may send. */
  onReady(): void;
  /** A reply is complete; `error` is the ERR's text, if it was one. */
  onReply(error: string | undefined): void;
  /** The connection ended without `quit()`, or the login was refused. Nothing follows. */
  onLost(reason: string): void;
}

/** Where all sessions of a run add up what they have read. */
export interface Traffic {
  received: number;
}

/** A connection to a server or a proxy, from the login on. Lean on purpose: no promise, no timer, no copy. */
export class LoadSession {
  #socket: Socket;
  readonly #events: SessionEvents;
  readonly #plan: ClientPlan;
  readonly #traffic: Traffic;
  readonly #replies = new ReplyReader();
  /** What a server gets that asks for a file. */
  readonly #file: Buffer | null;
  /** What takes the bytes now: the login, a prepare's packets, or (undefined) the replies. */
  #packets: ((payload: Buffer, sequence: number) => void) | undefined;
  #pending: Buffer = Buffer.alloc(0);
  #greeting: Greeting | undefined;
  #over = false;

  constructor(plan: ClientPlan, traffic: Traffic, events: SessionEvents, file: Buffer | null = null) {
    this.#plan = plan;
    this.#file = file;
    this.#traffic = traffic;
    this.#events = events;
    this.#packets = (payload, sequence) => this.#login(payload, sequence);
    if (plan.tls) {
      this.#socket = connect({ ...plan.address, noDelay: true });
      this.#socket.on('data', (bytes) => this.#take(bytes, bytes.length));
    } else {
      const callback = (length: number) => this.#take(READ_BUFFER, length);
      this.#socket = connect({ ...plan.address, noDelay: true, onread: { buffer: READ_BUFFER, callback } });
    }
    this.#watch();
  }

  #watch(): void {
    this.#socket.on('error', (error) => this.#lost(error.message));
    this.#socket.on('close', () => this.#lost('the connection was closed'));
  }

  /** The server has greeted and is silent until the client's first record: nothing can be lost in between. */
  #encrypt(): void {
    const plain = this.#socket;
    plain.removeAllListeners('data');
    plain.write(SSL_REQUEST);
    secureContext ??= createSecureContext();
    this.#socket = tlsConnect({ socket: plain, secureContext, rejectUnauthorized: false });
    this.#socket.on('data', (bytes) => this.#take(bytes, bytes.length));
    this.#watch();
  }

  /** Sends a whole command; the reply is announced by `onReply`. */
  send(command: Buffer): void {
    this.#socket.write(command);
  }

  /** Sends a COM_STMT_PREPARE; `done` gets the statement's id instead of `onReply` being called. */
  prepare(command: Buffer, done: (statementId: number) => void): void {
    let remaining = 1;
    let statementId = 0;
    let first = true;
    this.#packets = (payload) => {
      if (payload[0] === ERR) {
        this.#refuse(describeError(payload, 1, payload.length));
        return;
      }
      if (first) {
        first = false;
        statementId = payload.readUInt32LE(1);
        const columns = payload.readUInt16LE(5);
        const parameters = payload.readUInt16LE(7);
        // Each list of definitions is followed by an EOF; an empty list is left out, EOF and all.
        remaining += (columns && columns + 1) + (parameters && parameters + 1);
      }
      remaining -= 1;
      if (remaining === 0) {
        this.#packets = undefined;
        done(statementId);
      }
    };
    this.#socket.write(command);
  }

  quit(): void {
    this.#over = true;
    this.#socket.end(QUIT);
  }

  #lost(reason: string): void {
    if (!this.#over) {
      this.#over = true;
      this.#events.onLost(reason);
    }
  }

  #refuse(reason: string): void {
    this.#lost(reason);
    this.#socket.destroy();
  }

  #take(chunk: Buffer, length: number): boolean {
    this.#traffic.received += length;
    if (this.#over) {
      return true;
    }
    if (this.#packets !== undefined) {
      this.#assemble(chunk.subarray(0, length));
      return true;
    }
    const completed = this.#replies.feed(chunk, length);
    if (this.#replies.takeFileRequest() && this.#file !== null) this.#socket.write(this.#file);
    for (let reply = 0; reply < completed; reply += 1) {
      this.#events.onReply(this.#replies.takeError());
    }
    return true;
  }

  #assemble(arrived: Buffer): void {
    const bytes = this.#pending.length === 0 ? arrived : Buffer.concat([this.#pending, arrived]);
    let at = 0;
    while (this.#packets !== undefined && bytes.length - at >= 4) {
      const end = at + 4 + bytes.readUIntLE(at, 3);
      if (end > bytes.length) {
        break;
      }
      this.#packets(bytes.subarray(at + 4, end), bytes[at + 3] ?? 0);
      at = end;
    }
    this.#pending = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
  }

  #login(payload: Buffer, sequence: number): void {
    if (payload[0] === ERR) {
      this.#refuse(describeError(payload, 1, payload.length));
    } else if (this.#greeting === undefined) {
      this.#greeting = parseGreeting(payload);
      if (this.#plan.tls) {
        this.#encrypt();
      }
      const { credentials, tls } = this.#plan;
      const localFiles = this.#file !== null;
      this.#socket.write(handshakeResponse(this.#greeting, credentials, { tls, localFiles }));
    } else {
      this.#authenticate(this.#greeting, payload, sequence + 1);
    }
  }

  #authenticate(greeting: Greeting, payload: Buffer, sequence: number): void {
    const { password } = this.#plan.credentials;
    switch (payload[0]) {
      case OK:
        this.#packets = undefined;
        this.#events.onReady();
        return;
      case AUTH_SWITCH: {
        const plugin = nulTerminated(payload, 1);
        const nonce = Buffer.from(payload.subarray(1 + plugin.length + 1, 1 + plugin.length + 1 + 20));
        this.#greeting = { plugin, nonce };
        this.#socket.write(packet(sequence, passwordProof(this.#greeting, password)));
        return;
      }
      case AUTH_MORE:
        if (payload[1] === FULL_AUTH && this.#plan.tls) {
          this.#socket.write(packet(sequence, Buffer.from(`${password}\0`)));
        } else if (payload[1] === FULL_AUTH) {
          this.#socket.write(packet(sequence, Buffer.of(REQUEST_PUBLIC_KEY)));
        } else if (payload[1] !== FAST_AUTH_DONE) {
          const key = payload.subarray(1);
          this.#socket.write(packet(sequence, encryptedPassword(password, greeting.nonce, key)));
        }
        return;
      default:
        this.#refuse(`unexpected login packet 0x${payload.toString('hex', 0, 8)}`);
    }
  }
}
