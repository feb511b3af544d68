import { createHmac, randomBytes } from 'node:crypto';
import { AuthBusyError } from './errors.js';

/** What the server says of a name and a password. Rejects, when it can't be asked, with an error that has `errno` and `sqlState`. */
export type TryLogin = (user: string, password: string) => Promise<boolean>;

export interface ServerTriesOptions {
  readonly tryLogin: TryLogin;
  /** Tries at the same time: each is a connection to the server. */
  readonly maxAtOnce: number;
  /** How long a try may wait for its turn, in ms: after that, its client has gone. */
  readonly patienceMs: number;
  /** In ms, monotonic. */
  readonly now?: () => number;
}

/** Tries that may wait, and those of one user among them: one who guesses must not keep the others out. */
const MAX_WAITING = 256;
const MAX_WAITING_OF_USER = 32;

/** So long the same wrong password is not tried again, in ms: a worker that starts over and over would have the account locked. */
const REFUSED_MS = 2_000;
const MAX_REFUSED = 4_096;

interface Try {
  readonly user: string;
  readonly password: string;
  readonly since: number;
  readonly resolve: (right: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Asks the server whether passwords are right: a few at a time, the same one only once, however many clients come with it.
 * What tells tries apart is a digest under a key of this process: passwords are kept by those under way alone.
 */
export class ServerTries {
  readonly #options: ServerTriesOptions;
  readonly #now: () => number;
  readonly #key = randomBytes(32);
  readonly #underWay = new Map<string, Promise<boolean>>();
  readonly #waiting: Try[] = [];
  /** Until when; oldest first. */
  readonly #refused = new Map<string, number>();
  #running = 0;

  constructor(options: ServerTriesOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** @throws AuthBusyError (rejection) when too many wait already, and what `tryLogin` throws */
  ask(user: string, password: string): Promise<boolean> {
    const name = createHmac('sha256', this.#key).update(`${user}\0${password}`).digest('base64');
    const now = this.#now();
    if ((this.#refused.get(name) ?? now) > now) return Promise.resolve(false);
    let answer = this.#underWay.get(name);
    if (answer === undefined) {
      answer = this.#begin(user, password).then((right) => {
        if (!right) this.#remember(name);
        return right;
      });
      this.#underWay.set(name, answer);
      const over = (): boolean => this.#underWay.delete(name);
      answer.then(over, over);
    }
    return answer;
  }

  #remember(name: string): void {
    const now = this.#now();
    this.#refused.delete(name);
    for (const [oldest, until] of this.#refused) {
      if (until > now && this.#refused.size < MAX_REFUSED) break;
      this.#refused.delete(oldest);
    }
    this.#refused.set(name, now + REFUSED_MS);
  }

  #begin(user: string, password: string): Promise<boolean> {
    const ofUser = this.#waiting.filter((one) => one.user === user).length;
    if (this.#waiting.length >= MAX_WAITING || ofUser >= MAX_WAITING_OF_USER) return Promise.reject(busy());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ user, password, since: this.#now(), resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    const { tryLogin, maxAtOnce, patienceMs } = this.#options;
    while (this.#running < maxAtOnce) {
      const one = this.#waiting.shift();
      if (one === undefined) return;
      if (this.#now() - one.since > patienceMs) {
        one.reject(busy());
        continue;
      }
      this.#running++;
      tryLogin(one.user, one.password)
        .then(one.resolve, one.reject)
        .finally(() => {
          this.#running--;
          this.#next();
        });
    }
  }
}

function busy(): AuthBusyError {
  return new AuthBusyError('Too many connections: too many passwords wait to be tried on the server');
}
