import { ServerConnectError } from '../backend/connect.js';
import { type PoolError, PoolTimeoutError } from '../pool/errors.js';
import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';

/** Everything the proxy itself says begins so: a reader of an app's log must see who is speaking. */
const WHO = 'mybouncer: ';

export function clientError(kind: { errno: number; sqlState: string }, text: string): ErrPacket {
  return { errno: kind.errno, sqlState: kind.sqlState, message: WHO + text };
}

/** No session was to be had. When the server itself refused, the client gets the server's own number. */
export function checkoutError(error: PoolError): ErrPacket {
  const cause = error.cause;
  if (cause instanceof ServerConnectError) {
    const text =
      error instanceof PoolTimeoutError ? `${error.message}; last attempt: ${cause.message}` : cause.message;
    return { errno: cause.errno, sqlState: cause.sqlState, message: WHO + text };
  }
  return clientError(ServerError.ConCount, error.message);
}

/** The session ended under a statement: it may have been executed or not, so it is not sent again. */
export function lostDuringQuery(why: string): ErrPacket {
  return clientError(
    ServerError.ServerLost,
    `Lost connection to MySQL server during query (${why}); the statement may or may not have been executed`,
  );
}

/** The session ended between two statements, and with it what the client had on it. */
export function lostWhileHeld(why: string, what: readonly string[]): ErrPacket {
  return clientError(
    ServerError.ServerLost,
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

export function emptyCommand(): ErrPacket {
  return clientError(ServerError.MalformedPacket, 'Malformed communication packet: an empty command');
}

export function outOfOrder(sequenceId: number): ErrPacket {
  return clientError(
    ServerError.NetPacketsOutOfOrder,
    `Got packets out of order: a command began with sequence id ${sequenceId}`,
  );
}
