import { ServerConnectError } from '../backend/connect.js';
import { type PoolError, PoolTimeoutError } from '../pool/errors.js';
import { ServerError } from '../protocol/constants.js';
import {
  type ErrPacket,
  encodeErrPacket,
  MAX_ERROR_MESSAGE,
  messageBytes,
} from '../protocol/generic-response.js';
import { NoServerError } from './server-router.js';
import type { Opener } from './shared-socket.js';

/** Everything the proxy itself says begins so: a reader of an app's log must see who is speaking. */
const WHO = 'mybouncer: ';

export function clientError(kind: { errno: number; sqlState: string }, text: string): ErrPacket {
  return { errno: kind.errno, sqlState: kind.sqlState, message: WHO + text };
}

/** As Galera says it of its own wait (`wsrep_sync_wait`). */
export function replicaBehind(waitedMs: number): ErrPacket {
  return clientError(
    ServerError.LockWaitTimeout,
    `The replica has not what this client has written, and there is no primary to ask (read_your_writes_timeout: ${waitedMs} ms); try again`,
  );
}

/** Whether the proxy says it, rather than the server. */
export function isOwnError({ message }: ErrPacket): boolean {
  return message.startsWith(WHO);
}

/**
 * The packet of an error for this client. What the proxy says itself ends with the client's id, as log lines and SHOW CLIENTS
 * have it, so that an app's log leads to the proxy's; a text that is too long is cut before it. What the server says, or what
 * is said in its words, stays as it is. Every error that is made here goes through this on its way to a client.
 */
export function encodeForClient(sequenceId: number, err: ErrPacket, client: number): Buffer {
  if (!isOwnError(err)) return encodeErrPacket(sequenceId, err);
  const id = ` (client ${client})`;
  const message = messageBytes(err.message, MAX_ERROR_MESSAGE - id.length).toString() + id;
  return encodeErrPacket(sequenceId, { ...err, message });
}

/** No session was to be had. When the server itself refused, the client gets the server's own number. */
export function checkoutError(error: PoolError): ErrPacket {
  const cause = error.cause;
  if (cause instanceof ServerConnectError) {
    const text =
      error instanceof PoolTimeoutError ? `${error.message}; last attempt: ${cause.message}` : cause.message;
    return clientError(numberOf(cause), text);
  }
  const kind = error instanceof NoServerError ? ServerError.ConnectToForeign : ServerError.ConCount;
  return clientError(kind, error.message);
}

/** What clients are told of a server that could not be reached: its own number, where it said anything. */
export function numberOf({ errno, sqlState }: ServerConnectError): { errno: number; sqlState: string } {
  return isLibraryError(errno) ? ServerError.ConnectToForeign : { errno, sqlState };
}

function isLibraryError(errno: number): boolean {
  return errno >= 2000 && errno < 3000;
}

/** The session ended under a statement: it may have been executed or not, so it is not sent again. */
export function lostDuringQuery(why: string): ErrPacket {
  return clientError(
    ServerError.NetRead,
    `Lost connection to MySQL server during query (${why}); the statement may or may not have been executed`,
  );
}

/** `cause`: why the statement was to be ended whose session is lost now. */
export function withCause(err: ErrPacket, cause: ErrPacket | null): ErrPacket {
  if (cause === null) return err;
  // The server says so of what the proxy itself asks before a statement, too.
  if (err.errno === ServerError.QueryInterrupted.errno) return cause;
  return { ...err, message: `${err.message}. ${cause.message}` };
}

/** The session ended under a statement of a transaction that the statement could not have ended. */
export function lostDuringTransaction(why: string): ErrPacket {
  return clientError(
    ServerError.NetRead,
    `Lost connection to MySQL server during query (${why}); its transaction was not committed. ` +
      'The connection can be used on',
  );
}

/** The same, for a transaction that may be begun again at once: whoever reckons with deadlocks does so by itself. */
export function beginAgain(err: ErrPacket): ErrPacket {
  return { ...err, ...ServerError.LockDeadlock, message: `${err.message}; try restarting transaction` };
}

/** The session ended before the statement had begun. */
export function lostBeforeQuery(why: string): ErrPacket {
  return clientError(
    ServerError.NetRead,
    `Lost connection to MySQL server (${why}). This statement was not executed; ` +
      'the connection can be used on',
  );
}

/** The session ended between two statements, and with it what the client had on it. */
export function lostWhileHeld(why: string, what: readonly string[]): ErrPacket {
  return clientError(
    ServerError.NetRead,
    `Lost connection to MySQL server (${why}); gone with it: ${what.join(', ')}. ` +
      'This statement was not executed; the connection can be used on',
  );
}

/** Somebody else has used the session since: what is there now is not this client's. */
export function diagnosticsGone(): ErrPacket {
  return clientError(
    ServerError.UnknownError,
    'the warnings and counts of the previous statement cannot be told: another client has used its session since; ' +
      'ask for them in a statement of its own',
  );
}

export function malformedCommand(command: string): ErrPacket {
  return clientError(ServerError.MalformedPacket, `Malformed communication packet: ${command} is too short`);
}

export function packetTooLarge(limit: number): ErrPacket {
  return clientError(
    ServerError.NetPacketTooLarge,
    `Got a packet bigger than the ${limit} bytes that max_packet_size allows`,
  );
}

/** The server's own word for a command longer than it takes. It ends the connection, there as here. */
export const PACKET_TOO_LARGE: ErrPacket = {
  ...ServerError.NetPacketTooLarge,
  message: "Got a packet bigger than 'max_allowed_packet' bytes",
};

export function emptyCommand(): ErrPacket {
  return clientError(ServerError.MalformedPacket, 'Malformed communication packet: an empty command');
}

/**
 * Two processes use one connection, which is closed. `kind`: an error that drivers and frameworks answer by connecting anew,
 * and that libmariadb passes on (it does not a library's own 2006 and 2013).
 */
export function socketShared(
  { pid, program }: Opener,
  kind: { errno: number; sqlState: string } = ServerError.ConnectionKilled,
): ErrPacket {
  const by = pid === null ? '' : ` by pid ${pid.slice(0, MAX_NAME)}`;
  const named = program === null ? '' : ` (program ${program.slice(0, MAX_NAME)})`;
  return clientError(
    kind,
    `Lost connection to MySQL server: two processes are using this connection: it was opened${by}${named} before a fork; ` +
      'open connections after the fork, or drop inherited ones there: gunicorn post_fork or uWSGI @postfork with ' +
      'engine.dispose(close=False) for SQLAlchemy, on_worker_boot for puma (threads: one connection each)',
  );
}

/** Characters of what a client says of itself. */
const MAX_NAME = 64;
