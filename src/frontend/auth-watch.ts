import { isIPv6 } from 'node:net';
import type { AuthObserver } from './auth-step.js';
import type { FrontendLog } from './log.js';

export interface AuthWatchOptions {
  /** Denials to one address within {@link WINDOW_MS} that are told at once; 0: all are. */
  readonly free: number;
  readonly log: FrontendLog;
  /** In ms, monotonic. */
  readonly now?: () => number;
}

/** Denials are counted until there has been none for this time, in ms. */
const WINDOW_MS = 60_000;

/** The first answer that waits, in ms; each further one twice as long, up to the longest. */
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 4_000;

/** Addresses that are remembered; the one that was denied the longest ago is forgotten first. */
const MAX_ADDRESSES = 10_000;

/**
 * Answers that wait at a time: each has a client's place. Beyond it, the one that waits longest is let go: whoever fails that
 * often at once must not keep others out.
 */
const MAX_WAITING = 500;

/** The use of a password that is being replaced is told once in this time for each user, in ms. */
const TELL_FORMER_MS = 60_000;

interface Denials {
  count: number;
  lastAt: number;
}

/**
 * Makes guessing slow: whoever is denied often is told so late. By address, as servers do not lock a user out for what somebody
 * else tries. Only denials wait, never a login that is right: behind one address there may be all workers of a host, of which one
 * has a wrong password; so loopback and the unix socket are no exception.
 */
export class AuthWatch implements AuthObserver {
  readonly #options: AuthWatchOptions;
  readonly #now: () => number;
  /** The latest denial last. */
  readonly #denials = new Map<string, Denials>();
  /** What lets each answer go, in the order in which they began to wait. */
  readonly #waiting = new Set<() => void>();
  readonly #formerToldAt = new Map<string, number>();

  constructor(options: AuthWatchOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Answers that wait now. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Addresses that are remembered now. */
  get addresses(): number {
    return this.#denials.size;
  }

  /** {@link AuthObserver} */
  denied(host: string): Promise<void> | null {
    const delay = this.#count(networkOf(host));
    return delay === 0 ? null : this.#wait(delay);
  }

  /** {@link AuthObserver} */
  formerProven(user: string, host: string): void {
    const now = this.#now();
    if (now < (this.#formerToldAt.get(user) ?? Number.NEGATIVE_INFINITY) + TELL_FORMER_MS) return;
    this.#formerToldAt.set(user, now);
    this.#options.log.warn({ user, host }, 'a client has logged in with the old password of its user');
  }

  /** @returns the time to wait, in ms */
  #count(network: string): number {
    const now = this.#now();
    const { free } = this.#options;
    const known = this.#denials.get(network);
    const count = known === undefined || now - known.lastAt > WINDOW_MS ? 1 : known.count + 1;
    this.#denials.delete(network);
    this.#denials.set(network, { count, lastAt: now });
    if (this.#denials.size > MAX_ADDRESSES) {
      const [oldest = ''] = this.#denials.keys();
      this.#denials.delete(oldest);
    }
    if (free === 0 || count <= free) return 0;
    return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(count - free - 1, 10));
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const letGo = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(letGo);
        resolve();
      };
      const timer = setTimeout(letGo, ms);
      timer.unref();
      this.#waiting.add(letGo);
      if (this.#waiting.size <= MAX_WAITING) return;
      const [longest] = this.#waiting;
      longest?.();
    });
  }
}

/** The address; of IPv6 its first 64 bits, since whoever has one address there has all of them. */
function networkOf(host: string): string {
  if (!isIPv6(host)) return host;
  const [head = '', tail] = (host.split('%')[0] ?? '').split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const behind = tail === '' ? [] : tail.split(':');
    while (groups.length + behind.length < 8) groups.push('0');
  }
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
