import type { AppProcess } from '../pool/app-process.js';
import type { ClientSocket } from '../streams/client-socket.js';
import type { Written } from '../writes/written.js';
import { type AbandonedClient, endStatement } from './abandonment.js';
import type { ClientReply } from './client-reply.js';
import { type CommandLoop, Stage } from './command-loop.js';
import { Departure } from './departure.js';
import type { NamedClient } from './relay-observer.js';
import type { ReplyEffects } from './reply-effects.js';

/** The connection that ends. */
export interface EndingConnection extends AbandonedClient, NamedClient {
  readonly connectionId: number;
  readonly process: AppProcess;
  readonly written: Written | null;
}

/** The parts of it that have an end of their own. */
export interface EndingParts {
  readonly socket: ClientSocket;
  readonly loop: CommandLoop;
  readonly reply: ClientReply;
  readonly effects: ReplyEffects;
}

/** The end of a client's connection, for whatever reason: of its socket, of what it has under way, and of its place among others. */
export class ConnectionEnd {
  readonly #connection: EndingConnection;
  readonly #socket: ClientSocket;
  readonly #loop: CommandLoop;
  readonly #reply: ClientReply;
  readonly #effects: ReplyEffects;

  constructor(connection: EndingConnection, { socket, loop, reply, effects }: EndingParts) {
    this.#connection = connection;
    this.#socket = socket;
    this.#loop = loop;
    this.#reply = reply;
    this.#effects = effects;
  }

  /** Sends what is queued, then closes. */
  end(departure: string): void {
    if (this.#isOver) return;
    this.#socket.end();
    this.close(departure);
  }

  /** COM_QUIT. */
  quit(): void {
    this.#leave(Departure.Quit);
    this.#loop.sharing.quit();
  }

  /** The client has gone, or must go. Its statement is ended, its session cleaned and given back. */
  close(departure: string): void {
    if (this.#isOver) return;
    this.#leave(departure);
    // What was written before goes out; half-open connections are not kept.
    if (this.#socket.writableEnded) this.#destroySoon();
    else this.#socket.destroy();
  }

  get #isOver(): boolean {
    return this.#loop.stage === Stage.Closed;
  }

  /** As soon as the client has taken what was written, or has had the time to. */
  #destroySoon(): void {
    const socket = this.#socket;
    socket.destroySoon();
    if (socket.destroyed) return;
    const timer = setTimeout(() => socket.destroy(), LAST_WORDS_MS);
    timer.unref();
    socket.once('close', () => clearTimeout(timer));
  }

  #leave(departure: string): void {
    const connection = this.#connection;
    const { services, virtual } = connection;
    const inside = this.#loop.stage === Stage.Streaming;
    this.#loop.stage = Stage.Closed;
    this.#loop.sharing.close();
    services.clients.remove(connection);
    services.processes.leave(connection.process);
    if (connection.written !== null) services.ownWrites?.registry.leave(connection.written);
    this.#reply.abandon();
    const { observer } = services;
    if (inside) {
      observer.clientClosed?.(connection, departure, true);
      virtual.abandonInside();
    } else {
      this.#effects.resumeServer();
      const endsStatement = endStatement(connection, departure === Departure.Gone);
      observer.clientClosed?.(connection, departure, endsStatement);
      virtual.abandon();
    }
  }
}

/** How long a client whose connection has ended may take to read what was sent before, in ms: it has its place as long. */
const LAST_WORDS_MS = 5_000;
