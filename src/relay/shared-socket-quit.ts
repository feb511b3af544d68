import type { Socket } from 'node:net';

/** How long the other end may take to close a connection on which it has said COM_QUIT, in ms; drivers take microseconds. */
export const QUIT_GRACE_MS = 1_000;

/** How long it may take to read the replies that are still on their way, in ms. */
const FLUSH_MS = 60_000;

/**
 * Ends a connection on which COM_QUIT came, and watches whether the other end does, too. If somebody goes on sending, or does
 * not close, whoever said COM_QUIT was not alone: `notAlone` is called, once; `spoke` is true for the former. The client's own
 * listeners must ignore the rest.
 */
export function endAfterQuit(socket: Socket, notAlone: (spoke: boolean) => void): void {
  let isOver = false;
  const over = (shared: boolean, spoke: boolean): void => {
    clearTimeout(timer);
    if (shared && !isOver) notAlone(spoke);
    isOver = true;
    socket.destroy();
  };
  let timer = setTimeout(() => over(false, false), FLUSH_MS).unref();
  socket.on('data', () => over(true, true));
  socket.on('end', () => over(false, false));
  socket.on('close', () => over(false, false));
  socket.end(() => {
    if (isOver) return;
    clearTimeout(timer);
    timer = setTimeout(() => over(true, false), QUIT_GRACE_MS).unref();
  });
  socket.resume();
}
