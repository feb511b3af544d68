import { Departure } from './departure.js';

/** The connection that is to end at a safe point. */
export interface DrainedClient {
  /** Between commands, with none on its way as far as is known, and with nothing on the server that is the client's. */
  readonly isAtRest: boolean;
  /** Whole seconds that it has been idle for. */
  readonly idleSeconds: number;
  /** Since it connected, in ms. */
  readonly age: number;
  /** Bytes that have come from the client. */
  readonly bytesRead: number;
  end(reason: string): void;
}

/**
 * Ends one client's connection while the proxy drains. A client cannot be told to come back later: whatever is sent unasked
 * is taken for the reply to its next command, and a command that meets a closed connection is an error in most drivers. So a
 * connection is closed where no command is to be expected: after it has been quiet for a while, or in place of the answer to
 * a COM_PING, which drivers and their pools send to learn whether a connection is still good.
 */
export class ClientDrain {
  readonly #client: DrainedClient;
  #begun = false;
  #lastCall = false;
  #quiet = 0;
  #bytesRead = -1;

  constructor(client: DrainedClient) {
    this.#client = client;
  }

  /** Not for clients that come while the proxy drains: somebody opens connections with a PING. */
  begin(): void {
    this.#begun = true;
  }

  /**
   * To be called again and again, at a moment when all that has arrived has been read.
   * @param patience - calls for which the client has to be quiet; 0 closes it as soon as it has nothing open, from now on
   */
  tick(patience: number): void {
    const client = this.#client;
    this.#lastCall = patience === 0;
    const { bytesRead } = client;
    const isFirst = this.#bytesRead < 0;
    const spoke = bytesRead !== this.#bytesRead;
    this.#bytesRead = bytesRead;
    if (!client.isAtRest) {
      this.#quiet = 0;
      return;
    }
    this.#quiet = spoke ? 0 : this.#quiet + 1;
    const isLongIdle = isFirst && client.idleSeconds >= LONG_IDLE_SECONDS;
    const isQuiet = this.#quiet >= patience && (client.age >= YOUNG_MS || patience === 0);
    if (isLongIdle || isQuiet) client.end(Departure.Drained);
  }

  /** A command has been dealt with. */
  paused(): void {
    if (this.#lastCall && this.#client.isAtRest) this.#client.end(Departure.Drained);
  }

  /** A COM_PING has come. @returns whether the connection was closed in answer to it */
  pinged(): boolean {
    if (!this.#begun || !this.#client.isAtRest) return false;
    this.#client.end(Departure.Drained);
    return true;
  }
}

/** Seconds are counted when they pass, so that this is one full second at least. */
const LONG_IDLE_SECONDS = 2;

/** Whoever has just connected is about to say something, however busy its machine is, in ms. */
const YOUNG_MS = 5_000;
