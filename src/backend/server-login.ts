import { randomBytes } from 'node:crypto';
import { Collation, ServerError } from '../protocol/constants.js';
import {
  type ConnectedServer,
  connectServer,
  noPasswordYet,
  Refusal,
  ServerConnectError,
} from './connect.js';
import type { Prove } from './mysql2-adapter.js';
import {
  type OnServerLogin,
  type ServerAccount,
  type ServerPassword,
  samePassword,
} from './server-account.js';
import type { ServerAddress } from './server-channel.js';
import type { ServerTls } from './server-tls.js';

export interface LoginOptions {
  readonly address: ServerAddress;
  readonly connectTimeoutMs: number;
  /** Connection attributes: `program_name` and the like. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly tls: ServerTls | null;
}

/** {@link ServerAccount.refusals}: an account that is locked, or may not come from here, is asked about this often. */
const REFUSED_MS = 10_000;

/** Logins at one server: with the passwords of an account, with what a client has said, or with what its client proves. */
export class ServerLogin {
  readonly #options: LoginOptions;

  constructor(options: LoginOptions) {
    this.#options = options;
  }

  /** With the next of the account's passwords where the server refuses one. @throws ServerConnectError */
  async connect(
    account: ServerAccount,
    schema: string | null,
    capabilities: number,
    signal: AbortSignal,
  ): Promise<ConnectedServer> {
    const passwords = account.attempts(performance.now());
    const [first] = passwords;
    if (first === undefined) throw noPasswordYet(this.#options.address, account.user);
    if (account.onLogin !== null)
      return this.#connectGuest(account, account.onLogin, first, schema, capabilities, signal);
    for (const [index, password] of passwords.entries()) {
      try {
        const connected = await this.#connect(account.user, password, schema, capabilities, signal);
        account.letIn(password, first, performance.now());
        return connected;
      } catch (error) {
        const wrong = error instanceof ServerConnectError && error.errno === ServerError.AccessDenied.errno;
        if (!wrong || index === passwords.length - 1) throw error;
      }
    }
    throw new TypeError('a login has neither succeeded nor failed');
  }

  /** By what somebody else answers to the server's scramble. @throws ServerConnectError */
  prove(user: string, prove: Prove, signal: AbortSignal): Promise<ConnectedServer> {
    return this.#connect(user, { prove }, null, 0, signal);
  }

  /**
   * Whether the server takes this password from this user.
   * @throws ServerConnectError for any other answer than that user or password are wrong, and for none
   */
  async try(user: string, password: string, signal: AbortSignal): Promise<boolean> {
    const isTaken = await this.#isTaken(user, password, signal);
    // Over a socket the server may go by who the proxy is on its system (unix_socket, auth_socket) and not ask for a password
    // at all: then anybody would be that user.
    if (!isTaken || !('socketPath' in this.#options.address)) return isTaken;
    return !(await this.#isTaken(user, randomBytes(24).toString('base64'), signal));
  }

  async #isTaken(user: string, password: string, signal: AbortSignal): Promise<boolean> {
    try {
      const { channel } = await this.#connect(user, { password }, null, 0, signal);
      await new Promise<void>((resolve) => channel.quit(resolve));
      return true;
    } catch (error) {
      if (error instanceof ServerConnectError && error.accessDenied) return false;
      throw error;
    }
  }

  async #connectGuest(
    account: ServerAccount,
    onLogin: OnServerLogin,
    password: ServerPassword,
    schema: string | null,
    capabilities: number,
    signal: AbortSignal,
  ): Promise<ConnectedServer> {
    const { user, refusals } = account;
    const refusal = refusals.get(this);
    if (refusal && samePassword(refusal.password, password) && performance.now() < refusal.until)
      throw refusal.error;
    try {
      const connected = await this.#connect(user, password, schema, capabilities, signal);
      refusals.delete(this);
      onLogin(password, null);
      return connected;
    } catch (error) {
      if (error instanceof ServerConnectError) {
        if (error.refused === Refusal.Credentials) {
          // The same password will not become right; a lock may be lifted.
          const until = error.accessDenied ? Number.POSITIVE_INFINITY : performance.now() + REFUSED_MS;
          refusals.set(this, { password, error, until });
        }
        onLogin(password, error);
      }
      throw error;
    }
  }

  #connect(
    user: string,
    password: ServerPassword | { readonly prove: Prove },
    schema: string | null,
    capabilities: number,
    signal: AbortSignal,
  ): Promise<ConnectedServer> {
    const { address, connectTimeoutMs, attributes, tls } = this.#options;
    return connectServer({
      address,
      user,
      ...password,
      schema,
      capabilities,
      // The widest character set that both servers know under one number; each client's own is set before it is served.
      collation: Collation.Utf8mb4GeneralCi,
      connectTimeoutMs,
      attributes,
      tls,
      signal,
    });
  }
}
