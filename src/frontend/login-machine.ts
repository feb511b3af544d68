import { Capability } from '../protocol/constants.js';
import {
  classifyLoginPacket,
  decodeHandshakeResponse,
  type HandshakeResponse,
} from '../protocol/handshake-response.js';
import { AuthExchange } from './auth-exchange.js';
import type { AuthContext, AuthStep } from './auth-step.js';
import {
  AUTH_MODE_NOT_SUPPORTED,
  accessDenied,
  badHandshake,
  HandshakeError,
  SECURE_TRANSPORT_REQUIRED,
} from './errors.js';

/** What an encrypted connection is to a login. */
export type LoginTls =
  /** `offered`: the client may ask for it; `required`: it has to. */
  | { readonly kind: 'none' | 'offered' | 'required' }
  /** It is encrypted. `certificateError`: what is wrong with the certificate that the client had to show. */
  | { readonly kind: 'established'; readonly certificateError: string | null };

/** `start_tls`: the client's next bytes are TLS; a machine of its own goes on behind it, for which it is `established`. */
export type LoginStep = AuthStep | { readonly kind: 'start_tls' };

const START_TLS: LoginStep = { kind: 'start_tls' };
const NO_TLS: AuthStep = { kind: 'denied', err: SECURE_TRANSPORT_REQUIRED, reason: 'no_tls', held: null };
const TOO_OLD: AuthStep = { kind: 'denied', err: AUTH_MODE_NOT_SUPPORTED, reason: 'old_method', held: null };

/**
 * The login phase from the client's first packet on, as a machine over payloads; whoever drives it cuts bytes into packets,
 * counts sequence ids and sends what the steps say. It never sends the final OK.
 */
export class LoginMachine {
  readonly #context: AuthContext;
  readonly #offered: number;
  readonly #tls: LoginTls;
  readonly #exchange: AuthExchange;
  #response: HandshakeResponse | null = null;

  /** @param offered capabilities of the greeting */
  constructor(context: AuthContext, offered: number, tls: LoginTls) {
    this.#context = context;
    this.#offered = offered;
    this.#tls = tls;
    this.#exchange = new AuthExchange(context);
  }

  /** What the log says besides, when a login is denied. */
  get details(): { readonly certificate?: string } {
    const tls = this.#tls;
    return tls.kind === 'established' && tls.certificateError !== null
      ? { certificate: tls.certificateError }
      : {};
  }

  /** The client's handshake response, once it has been read. */
  get response(): HandshakeResponse | null {
    return this.#response;
  }

  /** {@link AuthExchange.awaitsPassword} */
  get awaitsPassword(): boolean {
    return this.#exchange.awaitsPassword;
  }

  /**
   * @param sequenceId that of the packet to be sent
   * @throws HandshakeError, MalformedPacketError; the client is beyond help then
   */
  receive(payload: Buffer, sequenceId: number): LoginStep | Promise<AuthStep> {
    return this.#response === null
      ? this.#begin(payload, sequenceId)
      : this.#exchange.receive(payload, sequenceId);
  }

  #begin(payload: Buffer, sequenceId: number): LoginStep | Promise<AuthStep> {
    switch (classifyLoginPacket(payload)) {
      case 'ssl_request':
        return this.#startTls();
      case 'response320':
        return this.#tls.kind === 'required' ? NO_TLS : TOO_OLD;
      case 'response41':
        return this.#authenticate(decodeHandshakeResponse(payload, this.#offered), sequenceId);
    }
  }

  #startTls(): LoginStep {
    switch (this.#tls.kind) {
      case 'offered':
      case 'required':
        return START_TLS;
      case 'none':
        throw new HandshakeError(badHandshake('the client asks for TLS, which is not offered'));
      case 'established':
        throw new HandshakeError(badHandshake('the client asks for TLS within TLS'));
    }
  }

  #authenticate(response: HandshakeResponse, sequenceId: number): AuthStep | Promise<AuthStep> {
    this.#response = response;
    const tls = this.#tls;
    if (tls.kind === 'required') return NO_TLS;
    // As MySQL has it for an account with REQUIRE X509: not told from a wrong password.
    if (tls.kind === 'established' && tls.certificateError !== null) {
      const [first] = response.authResponse;
      // A NUL alone is the empty password.
      const usingPassword = response.authResponse.length > 1 || (first !== undefined && first !== 0);
      const err = accessDenied(response.user, this.#context.host, usingPassword);
      return { kind: 'denied', err, reason: 'certificate', held: null };
    }
    const canSwitch = (response.capabilities & Capability.PluginAuth) !== 0;
    // Without SECURE_CONNECTION the answer is the hash of MySQL 4.0, which no server takes any more.
    if ((response.capabilities & Capability.SecureConnection) === 0 && !canSwitch) {
      return TOO_OLD;
    }
    return this.#exchange.begin(
      {
        user: response.user,
        plugin: response.plugin,
        response: response.authResponse,
        canSwitch,
        answersScramble: response.plugin === this.#context.announced,
        clientName: response.attributes.get('_client_name'),
      },
      sequenceId,
    );
  }
}
