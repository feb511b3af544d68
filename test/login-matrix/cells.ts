import type { ConnectionOptions } from 'node:tls';
import type { Flavor } from '../support/servers.js';
import type { ClientKind } from './client-kinds.js';

export type TransportName = 'loopback' | 'network' | 'unix';

/** How a client does TLS. */
export interface TlsRow {
  readonly name: string;
  /** null: not at all. */
  readonly options: ConnectionOptions | null;
  /** It shows a certificate that `tls_client_ca` has signed. */
  readonly certified: boolean;
}

export type TlsMode = 'disable' | 'allow' | 'require' | 'verify';

/** Where what is known of a user comes from. */
export interface Source {
  readonly name: string;
  /** Name to log in with. */
  readonly user: string;
  /** Methods by which its password can be proven; null: there is no such user, or not from here. */
  readonly methods: readonly string[] | null;
  /** Its password is the empty one. */
  readonly isEmpty: boolean;
  /** Nothing less than the password itself can be checked: never; until it was right once. */
  readonly needsPassword: 'never' | 'at first';
  /** Account on the server that it works as. */
  readonly account: string;
  /** Whether the proxy asks the server about it, and so about no password, too. */
  readonly asksServer?: true;
}

/** A user and what it says. */
export interface Attempt {
  readonly source: Source;
  readonly name: string;
  readonly password: string;
  readonly isRight: boolean;
  /** Schema to log in with; null: none. */
  readonly schema: string | null;
  /** The user may not choose this schema. */
  readonly schemaForbidden?: true;
}

export interface Cell {
  readonly flavor: Flavor;
  readonly mode: TlsMode;
  readonly kind: ClientKind;
  readonly tls: TlsRow;
  readonly transport: TransportName;
  readonly attempt: Attempt;
  /** As errors name the client's host. */
  readonly host: string;
  /** By COM_CHANGE_USER on a connection that is logged in. */
  readonly byChange: boolean;
}
