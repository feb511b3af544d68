import type { Baseline } from '../session/profile.js';

/** What a login is made of. SHA1(password) will do for an account with mysql_native_password. */
export type ServerPassword = { readonly password: string } | { readonly passwordSha1: Buffer };

/** A password that the server has refused is tried again after this time, in ms: servers lock accounts for such attempts. */
const TRY_AGAIN_MS = 60_000;

/** A user of the server on whose sessions clients run. */
export class ServerAccount {
  readonly user: string;
  /** Names its pools: a session of one account is never lent to another's client, also where both log in as the same user. */
  readonly poolName: string;
  readonly #passwords: () => string | readonly ServerPassword[];
  /** Variables right after this user's login, `init_connect` included; null until its first session was opened. */
  loginBaseline: Baseline | null = null;
  /** Variables after COM_RESET_CONNECTION: the globals, without what the login brought. */
  resetBaseline: Baseline | null = null;
  /** Let in last, while another one comes first. */
  #standIn: ServerPassword | null = null;
  #firstRefusedAt = Number.NEGATIVE_INFINITY;

  /**
   * @param passwords - asked at each login, since a secret may change while the proxy runs; where there are several, the first
   *   is the one that is meant to work
   * @param poolName - of no other account
   */
  constructor(user: string, passwords: () => string | readonly ServerPassword[], poolName = user) {
    this.user = user;
    this.poolName = poolName;
    this.#passwords = passwords;
  }

  /** What to log in with, one after the other until the server takes it. @param now - in ms, monotonic */
  attempts(now: number): readonly ServerPassword[] {
    const given = this.#passwords();
    const passwords = typeof given === 'string' ? [{ password: given }] : given;
    const standIn = this.#standIn;
    if (standIn === null || now - this.#firstRefusedAt >= TRY_AGAIN_MS) return passwords;
    const known = passwords.find((one) => samePassword(one, standIn));
    return known === undefined ? passwords : [known, ...passwords.filter((one) => one !== known)];
  }

  /** The server let it in. `first`: of those of {@link attempts} the one that was tried first. */
  letIn(password: ServerPassword, first: ServerPassword, now: number): void {
    if (samePassword(password, first)) {
      if (this.#standIn !== null && !samePassword(password, this.#standIn)) this.#standIn = null;
      return;
    }
    this.#standIn = password;
    this.#firstRefusedAt = now;
  }

  /** Another password comes first now: it has not been refused yet. */
  passwordChanged(): void {
    this.#standIn = null;
  }
}

function samePassword(one: ServerPassword, other: ServerPassword): boolean {
  if ('password' in one) return 'password' in other && one.password === other.password;
  return 'passwordSha1' in other && one.passwordSha1.equals(other.passwordSha1);
}
