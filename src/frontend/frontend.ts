import { ServerError } from '../protocol/constants.js';
import { encodeErr } from '../protocol/generic-response.js';
import type { ServerInfo } from '../session/server-info.js';
import type { ClientSocket } from '../streams/client-socket.js';
import type { AuthObserver } from './auth-step.js';
import { ClientLogin, ignoreSocketError } from './client-login.js';
import { ClientSlots, type ReleaseSlot } from './client-slots.js';
import { DeadlineList } from './deadline-list.js';
import { Greeter } from './greeter.js';
import { Lingering } from './lingering.js';
import { type ListenAddress, Listener, type SocketOwner } from './listener.js';
import { type FrontendLog, LogBurst, LogThrottle } from './log.js';
import { LoginBudget } from './login-budget.js';
import type { LoginResult } from './login-result.js';
import type { LoginOutcome, LoginServices } from './login-services.js';
import { hostName, remoteOf } from './remote-address.js';
import type { RsaKeys } from './rsa-keys.js';
import { ScrambleSource } from './scramble-source.js';
import type { TlsAcceptor } from './tls-acceptor.js';
import type { Authenticator } from './users.js';

/** Numbers may change: they are read when they are needed. */
export interface FrontendOptions {
  /** Addresses, and descriptors of sockets that somebody else has bound. */
  readonly listen: readonly (ListenAddress | number)[];
  /** Permission bits of unix sockets. MySQL's own are 0o777. */
  readonly unixSocketMode: number;
  /** {@link SocketOwner}; the process's own unless given. */
  readonly unixSocketOwner?: SocketOwner;
  /** At least 1. */
  readonly maxClients: number;
  /** For who is turned away: `max_client_conn is 10000`. */
  readonly maxClientsReason: string;
  /** client_login_timeout in milliseconds, from accept to the end of the login. */
  readonly loginTimeoutMs: number;
  readonly users: Authenticator;
  /** Shared with COM_CHANGE_USER. */
  readonly keys: RsaKeys;
  readonly log: FrontendLog;
  /** Shared with COM_CHANGE_USER; without it, every denial is told at once. */
  readonly observer?: AuthObserver;
  /** Whether anybody may log in from an address (`localhost`: over a unix socket); everybody may without it. */
  readonly admits?: (host: string) => boolean;
  /** See {@link LoginServices}, as the next. */
  readonly tls: TlsAcceptor | null;
  readonly tlsRequired: boolean;
  /** As above, and the next three. */
  readonly serverInfo: () => ServerInfo | null;
  readonly whenServerKnown: () => Promise<ServerInfo>;
  readonly nextConnectionId: () => number;
  readonly onLogin: (login: LoginResult) => void;
}

/** Denials that are told in the log one by one, before there is one line a second. */
const DENIALS_TOLD = 20;

/** Numbers since the start, but for the first two, which are of now. */
export interface FrontendCounts {
  /** Clients that hold a place under max_client_conn. */
  readonly clients: number;
  readonly loggingIn: number;
  /** Turned away with 1040 because all places were taken. */
  readonly turnedAway: number;
  /** Logins by how they ended. */
  readonly logins: Readonly<Record<LoginOutcome, number>>;
}

/** A login that goes on well is over long before this, in ms. */
const UNFINISHED_MS = 1_000;
/** Logins looked at for one that waits for its client: the others wait for the server, all of them, or have a password checked. */
const MOST_LOOKED_AT = 16;

/** The client-facing side: listens, greets, authenticates, and hands each client that is logged in to `onLogin`. */
export class Frontend {
  readonly #options: FrontendOptions;
  readonly #slots: ClientSlots;
  readonly #deadlines: DeadlineList<ClientLogin>;
  readonly #lingering = new Lingering();
  readonly #services: LoginServices;
  readonly #logins: Record<LoginOutcome, number>;
  #listeners: Listener[] = [];
  #addresses: readonly ListenAddress[] = [];
  readonly #turnAwayLog = new LogThrottle();
  #turnedAway = 0;
  readonly #gaveWayLog = new LogThrottle();

  constructor(options: FrontendOptions) {
    this.#options = options;
    this.#slots = new ClientSlots(() => options.maxClients);
    this.#deadlines = new DeadlineList(() => options.loginTimeoutMs);
    this.#logins = { accepted: 0, denied: 0, broken: 0, timed_out: 0, left: 0, refused: 0, gave_way: 0 };
    this.#services = {
      users: options.users,
      keys: options.keys,
      scrambles: new ScrambleSource(),
      greeter: new Greeter(options.tls !== null),
      deadlines: this.#deadlines,
      lingering: this.#lingering,
      budget: new LoginBudget(),
      log: options.log,
      tls: options.tls,
      tlsRequired: options.tlsRequired,
      tlsLog: new LogThrottle(),
      denialLog: new LogBurst(DENIALS_TOLD),
      observer: options.observer,
      serverInfo: options.serverInfo,
      whenServerKnown: options.whenServerKnown,
      nextConnectionId: options.nextConnectionId,
      onLogin: options.onLogin,
      onOutcome: (outcome) => {
        this.#logins[outcome]++;
      },
    };
  }

  /** Opens all listeners, or none. @throws ListenError for the first that cannot be opened */
  async start(): Promise<void> {
    try {
      for (const address of this.#options.listen) {
        this.#listeners.push(
          await Listener.open({ ...this.#options, address, onConnection: this.#onConnection }),
        );
      }
    } catch (error) {
      this.stopListening();
      throw error;
    }
    this.#addresses = this.#listeners.map((listener) => listener.address);
  }

  /** Where clients have connected to, with the real ports; in the order of the options. */
  get addresses(): readonly ListenAddress[] {
    return this.#addresses;
  }

  /** Clients that are not logged in yet. */
  get loggingIn(): number {
    return this.#deadlines.size;
  }

  get counts(): FrontendCounts {
    return {
      clients: this.#slots.used,
      loggingIn: this.#deadlines.size,
      turnedAway: this.#turnedAway,
      logins: { ...this.#logins },
    };
  }

  /** No more clients are accepted; the ones there are not touched. */
  stopListening(): void {
    for (const listener of this.#listeners) listener.close();
    this.#listeners = [];
  }

  /** Stops listening and ends every login under way with 1053; clients that were handed over are not touched. */
  stop(): void {
    this.stopListening();
    const err = { ...ServerError.ServerShutdown, message: 'Server shutdown in progress' };
    for (const login of this.#deadlines.entries()) login.abort(err);
  }

  /** Cuts off whoever is still reading its last packet; for the end of a stop that does not want to wait for them. */
  destroyLingering(): void {
    this.#lingering.destroyAll();
  }

  readonly #onConnection = (socket: ClientSocket, address: ListenAddress): void => {
    const host = hostName(remoteOf(socket, address.kind));
    if (this.#options.admits?.(host) === false) {
      this.#refuseHost(socket, host);
      return;
    }
    const release = this.#slots.take() ?? this.#placeOfUnfinished();
    if (release === null) this.#turnAway(socket);
    else new ClientLogin(socket, address, release, this.#services).start();
  };

  /** In place of a greeting, as the servers say it. */
  #refuseHost(socket: ClientSocket, host: string): void {
    const more = this.#turnAwayLog.pass();
    if (more !== null)
      this.#options.log.warn({ host, more }, 'client turned away: no user is allowed from there');
    socket.on('error', ignoreSocketError);
    const server = this.#options.serverInfo()?.flavor === 'mariadb' ? 'MariaDB' : 'MySQL';
    const message = `Host '${host}' is not allowed to connect to this ${server} server`;
    this.#lingering.end(socket, encodeErr(0, ServerError.HostNotPrivileged, message));
  }

  /**
   * All places are taken: the oldest login that its client does not go on with gives its place up. So whoever opens connections
   * and says nothing cannot lock out those who log in, which takes milliseconds; clients that are logged in are never touched.
   */
  #placeOfUnfinished(): ReleaseSlot | null {
    const { used } = this.#slots;
    const message = `Too many connections: ${used} clients are connected and ${this.#options.maxClientsReason}; this login was the oldest unfinished one`;
    let looked = 0;
    for (const login of this.#deadlines.olderThan(UNFINISHED_MS)) {
      if (looked++ === MOST_LOOKED_AT) break;
      if (!login.giveWay({ ...ServerError.ConCount, message })) continue;
      const more = this.#gaveWayLog.pass();
      if (more !== null) {
        const fields = { limit: this.#slots.limit, loggingIn: this.#deadlines.size, more };
        this.#options.log.warn(
          fields,
          'an unfinished login gave its place to a new client: too many connections',
        );
      }
      return this.#slots.take();
    }
    return null;
  }

  #turnAway(socket: ClientSocket): void {
    this.#turnedAway++;
    const { limit, used } = this.#slots;
    const more = this.#turnAwayLog.pass();
    if (more !== null) {
      const fields = { limit, clients: used, more };
      this.#options.log.warn(fields, 'client turned away: too many connections');
    }
    socket.on('error', ignoreSocketError);
    const message = `Too many connections: ${used} clients are connected and ${this.#options.maxClientsReason}`;
    // The servers leave the SQLSTATE out of an error before the greeting, and most clients then make one up.
    this.#lingering.end(socket, encodeErr(0, ServerError.ConCount, message));
  }
}
