/** A fault of the bench itself or of something it needs; `code` is stable, the message is for people. */
export class BenchError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'BenchError';
    this.code = code;
  }
}

/** The user pressed Ctrl-C, or the bench was told to end. */
export class BenchInterrupted extends BenchError {
  constructor(signal: string) {
    super('bench_interrupted', `interrupted by ${signal}`);
    this.name = 'BenchInterrupted';
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
