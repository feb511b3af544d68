import type { Socket } from 'node:net';
import type { AuthenticationContext } from './relay-services.js';

/** A client that has logged in, as the frontend hands it over. */
export interface ConnectedClient extends AuthenticationContext {
  readonly user: { readonly name: string };
  readonly schema: string | null;
  readonly capabilities: number;
  readonly collation: number;
  readonly attributes: ReadonlyMap<string, string>;
  readonly connectionId: number;
  /** To be sent before the login's OK or ERR. */
  readonly preface: Buffer;
  readonly sequenceId: number;
  /** Of the login's OK; may be empty. */
  readonly info: Buffer;
  /** Bytes that came behind the login. */
  readonly rest: Buffer;
  /** Paused. */
  readonly socket: Socket;
  /** Gives back the client's place under max_client_conn. */
  readonly release: () => void;
}
