import { randomBytes } from 'node:crypto';
import { recoverNative } from '../protocol/auth-scramble.js';
import { type ConnectedServer, Refusal, ServerConnectError } from './connect.js';
import { callInternal, InternalCommandError, queryCommand } from './internal-commands.js';
import type { Prove } from './mysql2-adapter.js';
import type { ServerSession } from './server-session.js';

/** What is known of a password by a client's proof and the account's hash: enough to log in by mysql_native_password. */
export interface NativePassword {
  /** SHA1(SHA1(password)) */
  readonly digest: Buffer;
  /** SHA1(password) */
  readonly passwordSha1: Buffer;
}

interface RelayOptions {
  readonly address: string;
  /** How long the server may wait for the client's answer, in ms. */
  readonly patienceMs: number;
}

/** MariaDB's, for an account that has to set another password first. */
const MUST_CHANGE_PASSWORD = 1820;

/** Shows an account its own definition, without any privilege (MariaDB). */
const OWN_ACCOUNT = queryCommand('SHOW CREATE USER');

/**
 * A login on the server that waits for a client's answer: the client is sent the server's scramble in place of one of ours, and
 * its answer is the server's to judge. It is of no use for a second login. But MariaDB shows the account its own hash, and with
 * that the answer gives SHA1(password) away, which is what the proxy logs in with from then on, and proves that the account is one
 * by password at all (a server that goes by who the proxy is would take any answer).
 */
export class NativeRelay {
  readonly scramble: Buffer;
  readonly #connecting: Promise<ConnectedServer>;
  readonly #newSession: (connected: ConnectedServer) => ServerSession;
  readonly #address: string;
  readonly #answer: (response: Buffer) => void;
  readonly #patienceMs: number;
  readonly #timer: NodeJS.Timeout;
  #answered = false;

  private constructor(
    scramble: Buffer,
    connecting: Promise<ConnectedServer>,
    answer: (response: Buffer) => void,
    newSession: (connected: ConnectedServer) => ServerSession,
    { address, patienceMs }: RelayOptions,
  ) {
    this.scramble = scramble;
    this.#connecting = connecting;
    this.#answer = answer;
    this.#newSession = newSession;
    this.#address = address;
    this.#patienceMs = patienceMs;
    this.#timer = setTimeout(() => this.cancel(), patienceMs);
  }

  /** Resolves when the server has greeted. @throws ServerConnectError */
  static open(
    connect: (prove: Prove) => Promise<ConnectedServer>,
    newSession: (connected: ConnectedServer) => ServerSession,
    options: RelayOptions,
  ): Promise<NativeRelay> {
    return new Promise((resolve, reject) => {
      const connecting = connect(
        (scramble) =>
          new Promise((answer) =>
            resolve(new NativeRelay(scramble, connecting, answer, newSession, options)),
          ),
      );
      // Once the server has greeted, whoever asks for the end hears of it.
      connecting.catch(reject);
    });
  }

  /** Settles when the server has no connection of this any more. */
  async over(): Promise<void> {
    await this.#connecting.catch(() => {});
  }

  /**
   * Nobody answers. Whoever hangs up in the midst of a login, or says nothing, is an error to the server, and after some of them
   * it lets nobody in from this host; a wrong answer is none.
   */
  cancel(): void {
    if (this.#answered) return;
    this.#answered = true;
    clearTimeout(this.#timer);
    this.#answer(randomBytes(20));
    // Whoever cancels it wants no answer: the server may still let anybody in.
    this.#connecting.then(
      ({ channel }) => channel.quit(() => {}),
      () => {},
    );
  }

  /**
   * @param response - the client's, 20 bytes
   * @returns null where it is wrong
   * @throws ServerConnectError for any other answer of the server's, and for none
   */
  async prove(response: Buffer): Promise<NativePassword | null> {
    if (this.#answered) return null;
    this.#answered = true;
    clearTimeout(this.#timer);
    this.#answer(response);
    let connected: ConnectedServer;
    try {
      connected = await this.#connecting;
    } catch (error) {
      if (error instanceof ServerConnectError && error.accessDenied) return null;
      throw error;
    }
    const session = this.#newSession(connected);
    const timer = setTimeout(() => session.fail('it did not show its own account in time'), this.#patienceMs);
    try {
      const [reply] = await callInternal(session, [OWN_ACCOUNT]);
      return this.#recover(response, reply?.rows[0]?.[0] ?? '');
    } catch (error) {
      if (error instanceof InternalCommandError && error.err.errno === MUST_CHANGE_PASSWORD)
        throw new ServerConnectError(this.#address, Refusal.Credentials, error.err);
      throw error;
    } finally {
      clearTimeout(timer);
      void session.quit();
    }
  }

  /** An account may have several methods: which of the hashes is the password's, the answer itself tells. */
  #recover(response: Buffer, definition: string): NativePassword | null {
    for (const [, hex] of definition.matchAll(/'\*([0-9A-F]{40})'/g)) {
      const digest = Buffer.from(hex as string, 'hex');
      const passwordSha1 = recoverNative(response, this.scramble, digest);
      if (passwordSha1 !== null) return { digest, passwordSha1 };
    }
    return null;
  }
}
