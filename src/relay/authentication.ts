import type { ErrPacket } from '../protocol/generic-response.js';

/** Next step of an authentication: see the frontend's exchange, which is what the proxy gives the relay for this. */
export type AuthenticationStep =
  | { readonly kind: 'send'; readonly packet: Buffer }
  | {
      readonly kind: 'accepted';
      readonly user: { readonly name: string };
      readonly preface: Buffer | null;
      /** Of the OK; may be empty. */
      readonly info: Buffer;
    }
  /** The client is told once `held` is over. `reason` is for the log alone. */
  | {
      readonly kind: 'denied';
      readonly err: ErrPacket;
      readonly reason: string;
      readonly held: Promise<void> | null;
    };

export interface AuthenticationRequest {
  readonly user: string;
  readonly plugin: string | null;
  readonly response: Buffer;
  readonly canSwitch: boolean;
  readonly answersScramble: boolean;
}

/** One COM_CHANGE_USER: as strict as a login. */
export interface Authentication {
  begin(request: AuthenticationRequest, sequenceId: number): AuthenticationStep | Promise<AuthenticationStep>;
  receive(payload: Buffer, sequenceId: number): AuthenticationStep | Promise<AuthenticationStep>;
}
