import type { ClientSocket } from '../streams/client-socket.js';

/** What tells whose a socket is. */
export type GuardedSocket = Pick<ClientSocket, 'remoteAddress' | 'remotePort' | 'localPort'>;

/**
 * What a look at a client's socket has found.
 * - `single`: one process has it, so its commands and replies belong together.
 * - `unknown`: it could not be found out (in time). The command is served as it would be without a guard.
 * - `shared`: two or more processes forked from one another have it open. No command on it may be answered any more: whoever
 *   reads next would get the reply, whichever of them has sent the command.
 */
export type ForkFinding =
  | { readonly kind: 'single' }
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'shared';
      /** The process that most likely opened the connection: the oldest of the holders, as numbered where the proxy runs. */
      readonly openerPid: number;
      /** Its name: what the client says of itself, else the name of the process; null when neither is known. */
      readonly program: string | null;
      /** Processes that have the socket open, the opener first: at least two, and not all where there are many. */
      readonly holders: readonly number[];
    };

/** The guard of one client's socket, from its login to its end. */
export interface SocketWatch {
  /**
   * Asks whether the command that has just been read may be answered. To be called once for every command that is read while
   * nothing is under way, COM_PING included, before any of it is acted on or answered; not within a transaction or a hold (what
   * happened there shows at the first call after it) and not for COM_QUIT.
   *
   * True: at once, go on; `onResult` is not kept. This is the ordinary case: a few hundred nanoseconds, nothing allocated.
   *
   * False: keep the command, and whatever the client sends after it, unanswered until `onResult` is called. It is called
   * exactly once, on the event loop but never within this call, after 0.1 to 1 ms mostly, 50 ms and more where a process has
   * just been forked, 1.5 s at most; and never after {@link close}. `single` and `unknown`: act on the command now, without
   * asking again. `shared`: refuse it and end the connection.
   *
   * @param onResult Pass the same function every time, so that asking allocates nothing. It must not throw.
   * @throws TypeError when the last question has not been answered yet: one command at a time.
   */
  check(onResult: (finding: ForkFinding) => void): boolean;

  /** The client has gone, or is about to be closed. A question that is open is not answered any more. May be repeated. */
  close(): void;
}

/** Tells whether clients' sockets are held by several processes; one for the whole proxy. */
export interface ForkCheck {
  /**
   * Begins to watch a client that has just logged in. To be called before the login's OK is written: processes forked from
   * then on are looked at, and before it the client's program has no connection that it could share.
   * @param socket Open, as accepted (or the TLS socket around it).
   * @param attributes The connect attributes; `_pid` and `program_name` are taken as hints only.
   * @returns null where nothing can be seen of this client: there is nothing to ask, then.
   */
  watch(socket: GuardedSocket, attributes: ReadonlyMap<string, string>): SocketWatch | null;
}
