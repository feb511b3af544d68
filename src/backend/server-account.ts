import type { Baseline } from '../session/profile.js';
import type { ServerConnectError } from './connect.js';

/** What a login is made of. SHA1(password) will do for an account with mysql_native_password. */
export type ServerPassword = { readonly password: string } | { readonly passwordSha1: Buffer };

/** A password that the server has refused is tried again after this time, in ms: servers lock accounts for such attempts. */
const TRY_AGAIN_MS = 60_000;

/** It is not tried again before `until`, on the scale of performance.now(). */
export interface RefusedPassword {
  readonly password: ServerPassword;
  readonly error: ServerConnectError;
  readonly until: number;
}

/** Told how the proxy's own logins as a user end: error null where the server has taken the password. */
export type OnServerLogin = (password: ServerPassword, error: ServerConnectError | null) => void;

/** A user of the server on whose sessions clients run. */
export class ServerAccount {
  readonly user: string;
  /**
   * Not null for a user that came with its clients, and whom the proxy forgets some time after they have gone (pass-through).
   * There may be thousands, so nothing is kept open for each of them, or looked at every so often.
   */
  readonly onLogin: OnServerLogin | null;
  /** By the server: a guest's password that it does not take. */
  readonly refusals = new Map<object, RefusedPassword>();
  /** Names its pools: a session of one account is never lent to another's client, also where both log in as the same user. */
  readonly poolName: string;
  readonly #passwords: () => string | readonly ServerPassword[];
  /**
   * Of several servers, the one that {@link loginBaseline} and {@link resetBaseline} are of: what clients begin with must not depend
   * on which of them was asked last. Null until one was.
   */
  baselinesOf: { readonly isOver: boolean } | null = null;
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
  constructor(
    user: string,
    passwords: () => string | readonly ServerPassword[],
    {
      poolName = user,
      onLogin = null,
    }: { readonly poolName?: string; readonly onLogin?: OnServerLogin | null } = {},
  ) {
    this.user = user;
    this.poolName = poolName;
    this.onLogin = onLogin;
    this.#passwords = passwords;
  }

  /** Came with its clients: see {@link onLogin}. */
  get isGuest(): boolean {
    return this.onLogin !== null;
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

export function samePassword(one: ServerPassword, other: ServerPassword): boolean {
  if ('password' in one) return 'password' in other && one.password === other.password;
  return 'passwordSha1' in other && one.passwordSha1.equals(other.passwordSha1);
}
