import { BouncerError } from '../errors.js';
import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';

/** An address that cannot be listened on. The message is one sentence with the address and the reason. */
export class ListenError extends BouncerError {
  readonly code = 'LISTEN_FAILED';
}

/** A client breaks the rules of the login phase; `err` is what it is told before its connection ends. */
export class HandshakeError extends BouncerError {
  readonly code = 'BAD_HANDSHAKE';
  readonly err: ErrPacket;

  constructor(err: ErrPacket, options?: { cause?: unknown }) {
    super(err.message, options);
    this.err = err;
  }
}

/** So many passwords wait to be checked that one more would only wait until its login timed out. */
export class AuthBusyError extends BouncerError {
  readonly code = 'AUTH_BUSY';
  readonly errno = ServerError.ConCount.errno;
  readonly sqlState = ServerError.ConCount.sqlState;
}

/** `ER_NOT_SUPPORTED_AUTH_MODE`, with the servers' own text. */
export const AUTH_MODE_NOT_SUPPORTED: ErrPacket = {
  errno: 1251,
  sqlState: '08004',
  message:
    'Client does not support authentication protocol requested by server; consider upgrading MySQL client',
};

/** `ER_SECURE_TRANSPORT_REQUIRED`, in MySQL's own wording. */
export const SECURE_TRANSPORT_REQUIRED: ErrPacket = {
  ...ServerError.SecureTransportRequired,
  message: 'Connections using insecure transport are prohibited while --require_secure_transport=ON.',
};

/** 1043, 08S01: MySQL's own two words, and the reason behind them. */
export function badHandshake(reason: string): ErrPacket {
  return { ...ServerError.Handshake, message: `Bad handshake: ${reason}` };
}

/** 1045, 28000, in MySQL's own wording. */
export function accessDenied(user: string, host: string, usingPassword: boolean): ErrPacket {
  return {
    ...ServerError.AccessDenied,
    message: `Access denied for user '${user}'@'${host}' (using password: ${usingPassword ? 'YES' : 'NO'})`,
  };
}

/** Errors of other parts that know what a client should be told. */
export function hasErrPacket(error: unknown): error is Error & ErrPacket {
  return (
    error instanceof Error &&
    'errno' in error &&
    typeof error.errno === 'number' &&
    'sqlState' in error &&
    typeof error.sqlState === 'string'
  );
}
