import type { ConnectAttributes } from '../protocol/handshake-text.js';
import type { ListenerAddress } from '../relay/connected-client.js';
import type { ClientSocket } from '../streams/client-socket.js';
import type { UserEntry } from './users.js';

/** Where a client connects from. */
export type RemoteAddress =
  | { readonly kind: 'tcp'; readonly address: string; readonly port: number }
  | { readonly kind: 'unix' };

/** A client that has proven who it is and now waits for the OK (or an ERR, such as 1049), which is not sent yet. */
export interface LoginResult {
  readonly user: UserEntry;
  /** Schema that the client asks for; null: none. Nothing has looked yet whether it exists. */
  readonly schema: string | null;
  /** What the client wants and was offered, unsigned. */
  readonly capabilities: number;
  /** Collation id, 1 to 255; 0 and unknown ones may come too. */
  readonly collation: number;
  /** Largest packet that the client says it takes, in bytes. */
  readonly maxPacketSize: number;
  readonly attributes: ConnectAttributes;
  readonly connectionId: number;
  /** The greeting's challenge: still that of a COM_CHANGE_USER. */
  readonly scramble: Buffer;
  /** Nobody else can read this connection: TLS, a unix socket or loopback. */
  readonly secure: boolean;
  /** SHA-256 of the certificate that the client was shown; null without TLS. */
  readonly fingerprint: Buffer | null;
  /** The name in the certificate that the client has shown, which is a good one; null without. */
  readonly certificate: string | null;
  readonly remote: RemoteAddress;
  /** Where it has connected to: one object for each listener. */
  readonly listener: ListenerAddress;
  /** Packet to be sent before the OK or ERR, best in the same write; empty when there is none. */
  readonly preface: Buffer;
  /** The info of the OK; empty when there is none. */
  readonly info: Buffer;
  /** Sequence id of the OK or ERR. */
  readonly sequenceId: number;
  /** Bytes that the client sent behind its login. */
  readonly rest: Buffer;
  /**
   * Paused, with no listener but one that ignores 'error' where it would be thrown (before the new owner has its own). Everything
   * read so far is in `rest`; what comes later waits in the socket until it is resumed. Over TLS an 'error' need not close it.
   */
  readonly socket: ClientSocket;
  /** Gives back this client's place under max_client_conn. To be called when the connection has ended; again is harmless. */
  readonly release: () => void;
}
