import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { isOwnError } from './client-errors.js';

/** Whose an error is that a client got; metric label. */
export const ErrorSource = {
  /** The server's own, passed on. */
  Server: 'server',
  /** The proxy's: no session, a limit, a rule, a session that was lost. */
  Proxy: 'proxy',
  /** What the client sent was no command of the protocol, or two processes sent it. */
  Client: 'client',
} as const;
export type ErrorSource = (typeof ErrorSource)[keyof typeof ErrorSource];

/** Numbers that the proxy gives to what is against the protocol. */
const FAULTS: ReadonlySet<number> = new Set(
  [
    ServerError.MalformedPacket,
    ServerError.NetPacketsOutOfOrder,
    ServerError.NetPacketTooLarge,
    ServerError.UnknownCommand,
  ].map(({ errno }) => errno),
);

/** Of an error that the proxy gives in place of executing a command. */
export function sourceOfRefusal({ errno }: ErrPacket): ErrorSource {
  return FAULTS.has(errno) ? ErrorSource.Client : ErrorSource.Proxy;
}

/** Of an error that a command ended with before the server had it, or without the server's answer. */
export function sourceOfFailure(err: ErrPacket): ErrorSource {
  return isOwnError(err) ? sourceOfRefusal(err) : ErrorSource.Server;
}
