import type { Socket } from 'node:net';
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
export function endAfterQuit(socket: Socket, closesFirst: boolean, notAlone: (spoke: boolean) => void): void {
  let isOver = false;
  const over = (shared: boolean, spoke: boolean): void => {
    clearTimeout(timer);
    if (shared && !isOver) notAlone(spoke);
    isOver = true;
    socket.destroy();
  };
  const end = (): void => {
    timer = setTimeout(() => over(false, false), FLUSH_MS).unref();
    socket.end(() => {
      if (isOver) return;
      clearTimeout(timer);
      timer = setTimeout(() => over(true, false), QUIT_GRACE_MS).unref();
    });
  };
  let timer: NodeJS.Timeout | undefined;
  if (closesFirst) timer = setTimeout(end, FIRST_MS).unref();
  else end();
  socket.on('data', () => over(true, true));
  socket.on('error', (error) => over(isForgedRecord(error), true));
  socket.on('end', () => over(false, false));
  socket.on('close', () => over(false, false));
  socket.resume();
}
