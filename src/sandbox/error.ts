import { BouncerError } from '../errors.js';

export const SandboxFault = {
  /** No MariaDB or MySQL server program was found, and none could be installed. */
  NoServer: 'SANDBOX_NO_SERVER',
  /** The packages of MariaDB could not be installed. */
  Install: 'SANDBOX_INSTALL_FAILED',
  /** The server could not make its data directory. */
  Initialize: 'SANDBOX_INITIALIZE_FAILED',
  /** The server did not come up, or went away while it did. */
  Start: 'SANDBOX_START_FAILED',
} as const;
export type SandboxFault = (typeof SandboxFault)[keyof typeof SandboxFault];

/** A private database server could not be had; the message is a sentence that says what to do about it. */
export class SandboxError extends BouncerError {
  readonly code: SandboxFault;

  constructor(code: SandboxFault, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
