import type { AuthPlugin } from '../protocol/auth-packets.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { RsaKeys } from './rsa-keys.js';
import type { Authenticator, UserEntry } from './users.js';

/** What an exchange has come to. Packets are complete, with header. */
export type AuthStep =
  /** Send this and hand the client's next packet to {@link AuthExchange.receive}. */
  | { readonly kind: 'send'; readonly packet: Buffer }
  /**
   * The user is who it says. `preface`, when not null, goes out before the OK, whose sequence id is then one higher; `info` is
   * the OK's info.
   */
  | {
      readonly kind: 'accepted';
      readonly user: UserEntry;
      readonly preface: Buffer | null;
      readonly info: Buffer;
    }
  /** Send this as ERR, but not before `held`; a login ends with it. `reason` is for us alone. */
  | {
      readonly kind: 'denied';
      readonly err: ErrPacket;
      readonly reason: DenialReason;
      readonly held: Promise<void> | null;
    };

/**
 * `elsewhere`: the user exists, and may not log in from this address.
 * `not_encrypted`: a password was asked for, and what came is neither encrypted with our key nor allowed in clear.
 * `old_method`: the client knows no method that this user can use. `no_tls`: it has to, and did not ask for it.
 * `certificate`: the client has shown none, or one that is not good, or not of the name that the user needs.
 */
export type DenialReason =
  | 'unknown_user'
  | 'elsewhere'
  | 'wrong_password'
  | 'not_encrypted'
  | 'old_method'
  | 'no_tls'
  | 'certificate';

/** Told of how authentications end. */
export interface AuthObserver {
  /** @returns what the client's answer has to wait for; null: nothing */
  denied(host: string): Promise<void> | null;
  /** By the second of two passwords: see {@link AuthCandidate.former}. */
  formerProven(user: string, host: string): void;
}

export interface AuthContext {
  readonly users: Authenticator;
  readonly keys: RsaKeys;
  /** The 20 bytes of this connection's greeting; they stay the challenge for its whole life. */
  readonly scramble: Buffer;
  /** Method that the greeting named; preferred where a client names none that will do. */
  readonly announced: AuthPlugin;
  /** Nobody else can read what the client sends, so that a password may come in clear. */
  readonly secure: boolean;
  /** The client's host as errors name it: its address, or `localhost` over a unix socket. */
  readonly host: string;
  /** SHA-256 of the certificate that the client was shown; null without TLS. */
  readonly fingerprint: Buffer | null;
  /** The name in the certificate that the client has shown, which is a good one; null, or not given, without. */
  readonly certificate?: string | null;
  readonly observer?: AuthObserver | undefined;
}

export interface AuthRequest {
  readonly user: string;
  /** Method of `response`; null: an old client without PLUGIN_AUTH, whose only method is mysql_native_password. */
  readonly plugin: string | null;
  readonly response: Buffer;
  /** The client understands AuthSwitchRequest (PLUGIN_AUTH). */
  readonly canSwitch: boolean;
  /**
   * Whether `response` answers our scramble for sure. At a login it does when the method is the announced one. A client
   * whose own default is another method, and both C libraries in COM_CHANGE_USER, send an empty one that means "ask me".
   */
  readonly answersScramble: boolean;
  /** What the client's library calls itself (`_client_name`), where it does. */
  readonly clientName?: string | undefined;
}
