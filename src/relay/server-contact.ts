import { ServerConnectError } from '../backend/connect.js';
import type { ServerAccount, Upstream } from '../backend/upstream.js';
import { BouncerError } from '../errors.js';
import { DialBackoff } from '../pool/dial-backoff.js';
import { ServerError } from '../protocol/constants.js';
import type { ServerInfo } from '../session/server-info.js';
import { numberOf } from './client-errors.js';
import type { Killer } from './killer.js';
import type { Server } from './server.js';
import type { Servers } from './servers.js';

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

  /** Why the last try was in vain; null while none was. */
  get lastError(): Error | null {
    return this.#lastError;
  }

  /** Resolves when the server is known. @throws ServerUnknownError after `timeoutMs` */
  known(timeoutMs: number): Promise<ServerInfo> {
    return knownWithin(timeoutMs, this.#upstream, () => this.#lastError);
  }
}

function knownWithin(
  timeoutMs: number,
  known: Pick<Upstream, 'whenKnown'>,
  lastError: () => Error | null,
): Promise<ServerInfo> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(unknown(timeoutMs, lastError())), timeoutMs);
    known.whenKnown((info) => {
      clearTimeout(timer);
      resolve(info);
    });
  });
}

function unknown(waitedMs: number, cause: Error | null): ServerUnknownError {
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

/** What {@link AnyContact} goes by. */
export interface AnyContactParts {
  /** Of the first that is reached. */
  readonly knowledge: Pick<Upstream, 'facts' | 'whenKnown'>;
  readonly newContact: (server: Server) => ServerContact;
  /** Why there are no servers, or not all; null where nothing is known to be wrong. */
  readonly trouble: () => Error | null;
}

/** The first contact with any of several servers: clients are greeted as soon as one is known. */
export class AnyContact implements Contact {
  readonly #parts: AnyContactParts;
  readonly #contacts = new Map<Server, ServerContact>();
  #reached: ((info: ServerInfo) => void) | null = null;

  constructor(servers: Pick<Servers, 'follow'>, parts: AnyContactParts) {
    this.#parts = parts;
    servers.follow({
      came: (server) => {
        const contact = parts.newContact(server);
        this.#contacts.set(server, contact);
        if (this.#reached !== null) contact.start(this.#reached);
      },
      gone: (server) => {
        this.#contacts.get(server)?.stop();
        this.#contacts.delete(server);
      },
    });
  }

  get state(): { readonly ready: boolean; readonly reason: string } {
    if (this.#parts.knowledge.facts !== null) return { ready: true, reason: 'ready' };
    const reasons = [...this.#contacts.values()].map(({ state }) => state.reason);
    const trouble = this.#parts.trouble();
    if (trouble !== null) reasons.push(trouble.message);
    return { ready: false, reason: [...new Set(reasons)].join('; ') || 'no server is known yet' };
  }

  start(reached: (info: ServerInfo) => void): void {
    let isFirst = true;
    this.#reached = (info) => {
      if (isFirst) reached(info);
      isFirst = false;
    };
    for (const contact of this.#contacts.values()) contact.start(this.#reached);
  }

  stop(): void {
    for (const contact of this.#contacts.values()) contact.stop();
  }

  known(timeoutMs: number): Promise<ServerInfo> {
    return knownWithin(timeoutMs, this.#parts.knowledge, () => {
      const errors = [...this.#contacts.values()].map(({ lastError }) => lastError);
      return errors.find((error) => error !== null) ?? this.#parts.trouble();
    });
  }
}
