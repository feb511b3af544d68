import type { ErrPacket } from '../protocol/generic-response.js';
import type { SharedSocket } from './shared-socket.js';
import type { TimeLimit } from './time-limits.js';

/** A client, as log lines name it. */
export interface NamedClient {
  /** Its id. */
  readonly connectionId: number;
  readonly userName: string;
  /** `HOST:PORT`, or `unix`. */
  readonly address: string;
  /** The server's own id of the session lent to it; null when none is. */
  readonly serverConnectionId: number | null;
}

/** For the log. */
export interface ReachedLimit {
  readonly client: number;
  readonly user: string;
  /** The server's own id; null where the client has no session now. */
  readonly serverSession: number | null;
  readonly limit: TimeLimit;
  readonly seconds: number;
}

/** For the log: a COM_CHANGE_USER that was refused. */
export interface DeniedChange {
  readonly client: number;
  /** Who it said it is. */
  readonly user: string;
  readonly errno: number;
  readonly reason: string;
}

/** For the log: a request for a session that got none. */
export interface RefusedRequest {
  readonly client: number;
  readonly user: string;
  readonly pool: string;
  readonly code: string;
  readonly error: string;
}

/** For the log: a session that was lent to a client has ended by itself. */
export interface LostSession {
  readonly client: number;
  readonly user: string;
  readonly serverSession: number;
  readonly reason: string;
}

/** For the log: KILL, by a client. */
export interface ExecutedKill {
  /** Whose connection or statement it was. */
  readonly client: number;
  readonly user: string;
  /** Who killed it. */
  readonly by: number;
}

/** For metrics and logs; called in the middle of things, so it must not throw. */
export interface RelayObserver {
  /**
   * A client ended. `departure`: why. `endsStatement`: a statement of it was at work, and is ended on the server.
   */
  clientClosed?(client: NamedClient, departure: string, endsStatement: boolean): void;
  /** A client gets an error that the proxy has made. */
  errTold?(client: NamedClient, err: ErrPacket): void;
  /** A client reached a time limit. */
  limitReached?(reached: ReachedLimit): void;
  /** A client that is logged in is not who it now says. */
  changeDenied?(denied: DeniedChange): void;
  /** Two processes used a client's connection. */
  socketShared?(shared: SharedSocket): void;
  requestRefused?(refused: RefusedRequest): void;
  sessionLost?(lost: LostSession): void;
  /** `statement`: it was KILL QUERY. */
  killed?(kill: ExecutedKill, statement: boolean): void;
}
