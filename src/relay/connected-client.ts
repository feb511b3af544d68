import type { ClientSocket } from '../streams/client-socket.js';
import type { AuthenticationContext } from './relay-services.js';

/** Where a listener listens. */
export type ListenerAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** A client that has logged in, as the frontend hands it over. */
export interface ConnectedClient extends AuthenticationContext {
  readonly user: { readonly name: string };
  readonly schema: string | null;
  readonly capabilities: number;
  readonly collation: number;
  readonly attributes: ReadonlyMap<string, string>;
  readonly connectionId: number;
  /** Where it has connected to: one object for each listener. */
  readonly listener: ListenerAddress;
  /** To be sent before the login's OK or ERR. */
  readonly preface: Buffer;
  readonly sequenceId: number;
  /** Of the login's OK; may be empty. */
  readonly info: Buffer;
  /** Bytes that came behind the login. */
  readonly rest: Buffer;
  /** Paused. */
  readonly socket: ClientSocket;
  /** Gives back the client's place under max_client_conn. */
  readonly release: () => void;
}
