import { Capability } from '../protocol/constants.js';
import {
  classifyLoginPacket,
  decodeHandshakeResponse,
  type HandshakeResponse,
} from '../protocol/handshake-response.js';
import { type AuthContext, AuthExchange, type AuthStep } from './auth-exchange.js';
import { AUTH_MODE_NOT_SUPPORTED, badHandshake, HandshakeError } from './errors.js';

const TOO_OLD: AuthStep = { kind: 'denied', err: AUTH_MODE_NOT_SUPPORTED, reason: 'old_method', held: null };

/**
 * The login phase from the client's first packet on, as a machine over payloads; whoever drives it cuts bytes into packets,
 * counts sequence ids and sends what the steps say. It never sends the final OK.
 */
export class LoginMachine {
  readonly #context: AuthContext;
  readonly #offered: number;
  readonly #exchange: AuthExchange;
  #response: HandshakeResponse | null = null;

  /** @param offered capabilities of the greeting */
  constructor(context: AuthContext, offered: number) {
    this.#context = context;
    this.#offered = offered;
    this.#exchange = new AuthExchange(context);
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
  receive(payload: Buffer, sequenceId: number): AuthStep | Promise<AuthStep> {
    return this.#response === null
      ? this.#begin(payload, sequenceId)
      : this.#exchange.receive(payload, sequenceId);
  }

  #begin(payload: Buffer, sequenceId: number): AuthStep | Promise<AuthStep> {
    switch (classifyLoginPacket(payload)) {
      case 'ssl_request':
        // The place for TLS. With a certificate, Capability.Ssl is offered in the greeting and this becomes a step of its own:
        // the driver stops reading (the ClientHello usually came in the same read and belongs to TLS: its reader's rest has
        // to be put back in front), wraps the socket in `new tls.TLSSocket(socket, { isServer: true })`, and goes on with the
        // same machine over the secured socket, `secure` in the context then being true. The next packet is the real
        // HandshakeResponse41 and its sequence id is 2.
        throw new HandshakeError(badHandshake('the client asks for TLS, which is not offered'));
      case 'response320':
        return TOO_OLD;
      case 'response41':
        return this.#authenticate(decodeHandshakeResponse(payload, this.#offered), sequenceId);
    }
  }

  #authenticate(response: HandshakeResponse, sequenceId: number): AuthStep | Promise<AuthStep> {
    this.#response = response;
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
