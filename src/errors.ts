/**
 * Base of every error this project raises on purpose: one class per condition, a stable `code` for logs and
 * metrics, and the `cause` kept. What a MySQL client is told is decided where the error meets the client.
 */
export abstract class BouncerError extends Error {
  /** Stable, upper snake case; never changes with the wording. */
  abstract readonly code: string;

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}
