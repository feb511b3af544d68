import { ServerConnectError } from '../backend/connect.js';
import type { ServerAccount, Upstream } from '../backend/upstream.js';
import { BouncerError } from '../errors.js';
import { DialBackoff } from '../pool/dial-backoff.js';
import { ServerError } from '../protocol/constants.js';
import type { ServerInfo } from '../session/server-info.js';
import { numberOf } from './client-errors.js';
import type { Killer } from './killer.js';

/** Clients that came before the server was ever reached, and waited in vain. */
export class ServerUnknownError extends BouncerError {
  readonly code = 'SERVER_UNKNOWN';
  readonly errno: number;
  readonly sqlState: string;

  constructor(message: string, errno: number, sqlState: string, cause: unknown) {
    super(message, { cause });
    this.errno = errno;
    this.sqlState = sqlState;
  }
}

/** Whether clients can be greeted, and who sees to it. */
export interface Contact {
  readonly state: { readonly ready: boolean; readonly reason: string };
  start(reached: (info: ServerInfo) => void): void;
  stop(): void;
  /** Resolves when the server is known. @throws ServerUnknownError after `timeoutMs` */
  known(timeoutMs: number): Promise<ServerInfo>;
}

export interface ContactLog {
  error(fields: object, message: string): void;
}

/**
 * The first contact with the server, tried until it succeeds: without it clients can't be greeted in the server's name.
 * A database that starts after its sidecar, or a user that is created later, is not a reason to end.
 */
export class ServerContact implements Contact {
  readonly #killer: Killer;
  readonly #upstream: Upstream;
  readonly #account: ServerAccount;
  readonly #backoff: DialBackoff;
  readonly #log: ContactLog;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;
  #lastError: Error | null = null;

  /** @param retryMs - longest pause between two tries */
  constructor(
    killer: Killer,
    upstream: Upstream,
    account: ServerAccount,
    retryMs: () => number,
    log: ContactLog,
  ) {
    this.#killer = killer;
    this.#upstream = upstream;
    this.#account = account;
    this.#backoff = new DialBackoff(retryMs, Math.random);
    this.#log = log;
  }

  get state(): { readonly ready: boolean; readonly reason: string } {
    if (this.#upstream.facts !== null) return { ready: true, reason: 'ready' };
    return { ready: false, reason: this.#lastError?.message ?? 'the server has not been reached yet' };
  }

  start(reached: (info: ServerInfo) => void): void {
    this.#killer.connect(this.#account).then(
      () => {
        const info = this.#upstream.facts?.info;
        if (info !== undefined && !this.#stopped) reached(info);
      },
      (error: Error) => {
        if (this.#stopped) return;
        const retryInMs = this.#backoff.failed(performance.now(), error);
        if (error.message !== this.#lastError?.message) {
          this.#log.error(
            { error: error.message, retryInMs: Math.round(retryInMs) },
            `cannot reach the server: ${error.message}`,
          );
        }
        this.#lastError = error;
        this.#timer = setTimeout(() => this.start(reached), retryInMs);
      },
    );
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Resolves when the server is known. @throws ServerUnknownError after `timeoutMs` */
  known(timeoutMs: number): Promise<ServerInfo> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#unknown(timeoutMs)), timeoutMs);
      this.#upstream.whenKnown((info) => {
        clearTimeout(timer);
        resolve(info);
      });
    });
  }

  #unknown(waitedMs: number): ServerUnknownError {
    const cause = this.#lastError;
    const { errno, sqlState } =
      cause instanceof ServerConnectError ? numberOf(cause) : ServerError.ConnectToForeign;
    const why = cause?.message ?? 'it has not answered yet';
    return new ServerUnknownError(
      `mybouncer: the server was not reached within ${waitedMs} ms: ${why}`,
      errno,
      sqlState,
      cause,
    );
  }
}

/** The first contact with any of several servers: clients are greeted as soon as one is known. */
export class AnyContact implements Contact {
  readonly #contacts: readonly ServerContact[];

  constructor(contacts: readonly ServerContact[]) {
    this.#contacts = contacts;
  }

  get state(): { readonly ready: boolean; readonly reason: string } {
    const states = this.#contacts.map(({ state }) => state);
    const reasons = states.map(({ reason }) => reason);
    return states.find(({ ready }) => ready) ?? { ready: false, reason: [...new Set(reasons)].join('; ') };
  }

  start(reached: (info: ServerInfo) => void): void {
    let isFirst = true;
    for (const contact of this.#contacts) {
      contact.start((info) => {
        if (isFirst) reached(info);
        isFirst = false;
      });
    }
  }

  stop(): void {
    for (const contact of this.#contacts) contact.stop();
  }

  known(timeoutMs: number): Promise<ServerInfo> {
    return Promise.any(this.#contacts.map((contact) => contact.known(timeoutMs))).catch(
      (error: AggregateError) => {
        throw error.errors[0];
      },
    );
  }
}
