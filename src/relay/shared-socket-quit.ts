import type { ClientSocket } from '../streams/client-socket.js';
import { isForgedRecord } from './shared-socket.js';

/** How long the other end may take to close a connection on which it has said COM_QUIT, in ms; drivers take microseconds. */
export const QUIT_GRACE_MS = 1_000;

/**
 * How long the other end may take before ours is closed, in ms. To who goes on sending, our end would be a connection that was
 * lost: most libraries look for that before they send, and then nobody would ever know why.
 */
const FIRST_MS = 50;

/** How long it may take to read the replies that are still on their way, in ms. */
const FLUSH_MS = 60_000;

/**
 * Ends a connection on which COM_QUIT came, and watches whether the other end does, too. If somebody goes on sending, or does
 * not close, whoever said COM_QUIT was not alone: `notAlone` is called, once; `spoke` is true for the former. The client's own
 * listeners must ignore the rest. `closesFirst`: its library does not wait for our end.
 */
export function endAfterQuit(
  socket: ClientSocket,
  closesFirst: boolean,
  notAlone: (spoke: boolean) => void,
): void {
  const farewell = new Farewell(socket, closesFirst, notAlone);
  socket.on('data', () => farewell.over(true, true));
  socket.on('error', (error) => farewell.over(isForgedRecord(error), true));
  const over = (): void => farewell.over(false, false);
  socket.on('end', over);
  socket.on('close', over);
  socket.resume();
  if (leaving.length === 0) setImmediate(nextTurn);
  leaving.push(farewell);
}

class Farewell {
  turns = 0;
  isOver = false;
  readonly #socket: ClientSocket;
  readonly #closesFirst: boolean;
  readonly #notAlone: (spoke: boolean) => void;
  #timer: NodeJS.Timeout | null = null;

  constructor(socket: ClientSocket, closesFirst: boolean, notAlone: (spoke: boolean) => void) {
    this.#socket = socket;
    this.#closesFirst = closesFirst;
    this.#notAlone = notAlone;
  }

  over(shared: boolean, spoke: boolean): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (shared && !this.isOver) this.#notAlone(spoke);
    this.isOver = true;
    this.#socket.destroy();
  }

  /** It has not closed at once. */
  wait(): void {
    if (this.#closesFirst) this.#timer = setTimeout(() => this.#end(), FIRST_MS).unref();
    else this.#end();
  }

  #end(): void {
    this.#timer = setTimeout(() => this.over(false, false), FLUSH_MS).unref();
    this.#socket.end(() => {
      if (this.isOver) return;
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.over(true, false), QUIT_GRACE_MS).unref();
    });
  }
}

/**
 * Those who have just said it. Most libraries close right behind it, so that the end is there at the next look at the network:
 * then there is no need for timers, nor for an end of our own before the socket is closed.
 */
let leaving: Farewell[] = [];

function nextTurn(): void {
  const those = leaving;
  leaving = [];
  for (const farewell of those) {
    if (farewell.isOver) continue;
    // The first time is still before that look.
    if (farewell.turns++ === 0) leaving.push(farewell);
    else farewell.wait();
  }
  if (leaving.length > 0) setImmediate(nextTurn);
}
