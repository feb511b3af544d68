import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { clientError } from './client-errors.js';

/** How many clients each user has, for a user whose `max_client_conn` says how many it may. */
export class UserPlaces {
  readonly #used = new Map<string, number>();

  /** @returns whether there was a place under `limit` */
  take(user: string, limit: number): boolean {
    const used = this.#used.get(user) ?? 0;
    if (used >= limit) return false;
    this.#used.set(user, used + 1);
    return true;
  }

  release(user: string): void {
    const used = this.#used.get(user) ?? 0;
    if (used > 1) this.#used.set(user, used - 1);
    else this.#used.delete(user);
  }
}

/** As the servers say it of their own limit for a user. */
export function tooManyOfUser(user: string, limit: number): ErrPacket {
  return clientError(
    ServerError.UserLimitReached,
    `User '${user}' has exceeded the 'max_client_conn' resource (current value: ${limit})`,
  );
}
