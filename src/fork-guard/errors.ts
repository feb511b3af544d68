import { BouncerError } from '../errors.js';

/** `fork_guard: on` where the system does not show what it would look at. */
export class ForkGuardError extends BouncerError {
  readonly code = 'FORK_GUARD_UNABLE';
}
