import { BouncerError } from '../errors.js';
import { maskUrlPasswords } from './secret.js';

/** One mistake in the configuration. None of its fields ever holds a password, whatever was mistyped. */
export interface Problem {
  /** Where it was written: `mybouncer.yaml:3:12`, `--pool-size`, `env MYBOUNCER_POOL_SIZE`, `argument`. */
  readonly source: string;
  /** The key it concerns, such as `pool_size` or `users[1].hash`; null where it concerns no key (a syntax error). */
  readonly key: string | null;
  readonly message: string;
}

/** The problem as one line of text. */
export function formatProblem(problem: Problem): string {
  const { source, key, message } = problem;
  return key === null ? `${source}: ${message}` : `${source}: ${key}: ${message}`;
}

/** The configuration cannot be used. Holds every mistake found, not only the first one. */
export class ConfigError extends BouncerError {
  readonly code = 'CONFIG_INVALID';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.problems = problems;
  }
}

/** Thrown by the parser of a single value; the loader adds key and source. The message must not quote secrets. */
export class InvalidValue extends BouncerError {
  readonly code = 'CONFIG_VALUE_INVALID';
}

const LONGEST_QUOTE = 60;

/**
 * A value as it may be shown in a message: on one line, in quotes, shortened, and without the password of a URL that was given
 * for the wrong key. Never pass it the value of a secret key.
 */
export function quoteValue(value: string, longest = LONGEST_QUOTE): string {
  const safe = maskUrlPasswords(value);
  return JSON.stringify(safe.length > longest ? `${safe.slice(0, longest)}…` : safe);
}
