import { BouncerError } from '../../errors.js';
import { ServerError, type ServerErrorKind } from '../../protocol/constants.js';
import type { ErrPacket } from '../../protocol/generic-response.js';

/** A statement that the console refuses; its client gets the text. */
export class ConsoleError extends BouncerError {
  readonly code = 'CONSOLE_STATEMENT_REFUSED';
  readonly err: ErrPacket;

  constructor(kind: ServerErrorKind, message: string) {
    super(message);
    this.err = { ...kind, message };
  }
}

/** It is none that the console knows. */
export function notUnderstood(what: string): ConsoleError {
  return new ConsoleError(
    ServerError.Parse,
    `${what}: this is the admin console of mybouncer, which knows SHOW and a few commands; HELP lists them`,
  );
}
