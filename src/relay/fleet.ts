import type { FleetPlace } from '../backend/server-room.js';
import { BouncerError } from '../errors.js';

/** Proxies that can share a server: further ones have no number, and take themselves for one more. */
export const MAX_MEMBERS = 64;

/** A free number was taken by another proxy so many times in a row. */
const MAX_ATTEMPTS = 2 * MAX_MEMBERS;

/** The answers to the question who is there made no sense. */
export class FleetError extends BouncerError {
  readonly code = 'FLEET';
}

/** One statement over a connection that lasts; rows of its reply. @throws whatever kept it from being answered */
export type Ask = (statement: string) => Promise<readonly (readonly (string | null)[])[]>;

export interface FleetView extends FleetPlace {
  /** Of the lock that this proxy has, from 1; null where there are too many proxies. */
  readonly number: number | null;
  /** When the question was sent whose answer this is, on the scale of performance.now(). */
  readonly at: number;
}

export const lockName = (number: number): string => `'mybouncer.${number}'`;

const NUMBERS = Array.from({ length: MAX_MEMBERS }, (_, i) => i + 1);

/** Needs no privilege on either server; ids of connections, NULL where nobody has the lock. */
const LOOK = `SELECT CONNECTION_ID(),${NUMBERS.map((n) => `IS_USED_LOCK(${lockName(n)})`).join()} LIMIT 1`;

/**
 * The proxies on a server, each of which has a numbered user lock there. The server gives a lock back when the connection
 * ends that took it, however that came about; so whether one still has it is asked each time, and it is taken again over
 * whatever connection there is then.
 */
export class Fleet {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** Who is there now, this one included: it takes a number first where it has none. @throws FleetError, and what `Ask` throws */
  async look(): Promise<FleetView> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const at = performance.now();
      const [row] = await this.#ask(LOOK);
      const [own, ...holders] = row ?? [];
      if (!own) throw new FleetError('the server does not tell who has user locks');
      const taken = NUMBERS.filter((n) => holders[n - 1] != null);
      const mine = NUMBERS.find((n) => holders[n - 1] === own);
      if (mine !== undefined) return { members: taken.length, rank: taken.indexOf(mine), number: mine, at };
      const free = NUMBERS.find((n) => holders[n - 1] == null);
      if (free === undefined) return { members: MAX_MEMBERS + 1, rank: MAX_MEMBERS, number: null, at };
      const [got] = await this.#ask(`SELECT GET_LOCK(${lockName(free)},0)`);
      if (got?.[0] == null) throw new FleetError('the server gives no user locks');
    }
    throw new FleetError('all user locks are taken away before they can be had');
  }
}
