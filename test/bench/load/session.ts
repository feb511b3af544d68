import { connect, type Socket } from 'node:net';
import type { LoadPlan } from './plan.js';
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
} from './wire.js';

/** One read buffer for all connections: Node calls back synchronously, and nothing is kept across calls. */
const READ_BUFFER = Buffer.allocUnsafe(256 * 1024);

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

/** A connection to a server or a proxy, from the login on. Lean on purpose: no promise, no timer, no copy. */
export class LoadSession {
  readonly #socket: Socket;
  readonly #events: SessionEvents;
  readonly #plan: LoadPlan;
  readonly #replies = new ReplyReader();
  /** What takes the bytes now: the login, a prepare's packets, or (undefined) the replies. */
  #packets: ((payload: Buffer, sequence: number) => void) | undefined;
  #pending: Buffer = Buffer.alloc(0);
  #greeting: Greeting | undefined;
  #over = false;

  constructor(plan: LoadPlan, events: SessionEvents) {
    this.#plan = plan;
    this.#events = events;
    this.#packets = (payload, sequence) => this.#login(payload, sequence);
    this.#socket = connect({
      host: plan.host,
      port: plan.port,
      noDelay: true,
      onread: { buffer: READ_BUFFER, callback: (length) => this.#read(length) },
    });
    this.#socket.on('error', (error) => this.#lost(error.message));
    this.#socket.on('close', () => this.#lost('the connection was closed'));
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

  #read(length: number): boolean {
    if (this.#over) {
      return true;
    }
    if (this.#packets !== undefined) {
      this.#assemble(length);
      return true;
    }
    const completed = this.#replies.feed(READ_BUFFER, length);
    for (let reply = 0; reply < completed; reply += 1) {
      this.#events.onReply(this.#replies.takeError());
    }
    return true;
  }

  #assemble(length: number): void {
    const arrived = READ_BUFFER.subarray(0, length);
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
      this.#socket.write(handshakeResponse(this.#greeting, this.#plan.credentials));
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
        if (payload[1] === FULL_AUTH) {
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
