import type { ClientSocket } from '../streams/client-socket.js';
import { DeadlineList, type Expiring } from './deadline-list.js';

/** How long a client has to read its last packet, in milliseconds. */
const LINGER_MS = 2_000;
/** Connections that may linger at a time; more are closed as soon as the packet is in the kernel. */
const MAX_LINGERING = 1_024;

/**
 * Connections that got a last packet and are to end. Closing a socket while bytes of the client are still unread makes the
 * kernel send a reset, which can overtake that packet; so the client's bytes are read and dropped until it closes too.
 */
export class Lingering {
  readonly #deadlines = new DeadlineList<LingeringSocket>(() => LINGER_MS);

  get size(): number {
    return this.#deadlines.size;
  }

  /** The socket must have an 'error' listener and no reader; it is this list's from here on. */
  end(socket: ClientSocket, lastPacket: Buffer): void {
    socket.end(lastPacket);
    if (socket.destroyed) return;
    if (this.#deadlines.size >= MAX_LINGERING) {
      socket.destroySoon();
      return;
    }
    const entry = new LingeringSocket(socket);
    this.#deadlines.add(entry);
    socket.once('close', () => this.#deadlines.delete(entry));
    socket.resume();
  }

  destroyAll(): void {
    for (const entry of this.#deadlines.entries()) entry.onDeadline();
  }
}

class LingeringSocket implements Expiring {
  deadlineTicket = 0;
  readonly #socket: ClientSocket;

  constructor(socket: ClientSocket) {
    this.#socket = socket;
  }

  onDeadline(): void {
    this.#socket.destroy();
  }
}
