import { Socket } from 'node:net';
import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { CLIENT_CAPABILITIES } from '../protocol/handshake-capabilities.js';
import type { HandshakeResponse } from '../protocol/handshake-response.js';
import { MalformedPacketError } from '../protocol/payload-reader.js';
import { clientError, encodeForClient } from '../relay/client-errors.js';
import type { ListenerAddress } from '../relay/connected-client.js';
import type { ServerInfo } from '../session/server-info.js';
import type { ClientSocket } from '../streams/client-socket.js';
import { LeanSocket } from '../streams/lean-socket.js';
import type { AuthContext, AuthStep } from './auth-step.js';
import type { ReleaseSlot } from './client-slots.js';
import type { Expiring } from './deadline-list.js';
import { badHandshake, HandshakeError, hasErrPacket } from './errors.js';
import { announcedPlugin } from './greeter.js';
import { ORDINARY_LOGIN } from './login-budget.js';
import { LoginMachine, type LoginStep, type LoginTls } from './login-machine.js';
import { LoginPacketReader, MAX_LOGIN_BYTES } from './login-packet-reader.js';
import type { RemoteAddress } from './login-result.js';
import type { LoginOutcome, LoginServices } from './login-services.js';
import { addressText, hostName, isSecure, remoteOf } from './remote-address.js';
import type { FailedHandshake, SecuredClient } from './tls-acceptor.js';

type Accepted = Extract<AuthStep, { kind: 'accepted' }>;

/** Keeps a socket's error from being thrown; 'close' always follows it and is where the end is dealt with. */
export function ignoreSocketError(): void {}

/**
 * `waiting`: for the server's greeting to be known; `checking`: the socket is paused while a password is decrypted or hashed;
 * `securing`: the TLS handshake is under way, and nothing that is not TLS can be said.
 */
type State = 'waiting' | 'reading' | 'checking' | 'securing' | 'over';

/** One client from accept to the end of its login: drives a {@link LoginMachine} over its socket. */
export class ClientLogin implements Expiring {
  deadlineTicket = 0;
  /** As accepted; when TLS has begun, what is underneath. */
  #raw: ClientSocket;
  /** What packets go over: the same, or TLS over it. */
  #socket: ClientSocket;
  readonly #listener: ListenerAddress;
  readonly #release: ReleaseSlot;
  readonly #services: LoginServices;
  readonly #reader = new LoginPacketReader();
  #state: State = 'waiting';
  #machine: LoginMachine | null = null;
  #context: AuthContext | null = null;
  #remote: RemoteAddress | null = null;
  #connectionId = 0;
  /** Bytes that are counted in the budget. */
  #held = 0;
  /** Of the next packet in either direction. */
  #sequenceId = 0;

  constructor(
    socket: ClientSocket,
    listener: ListenerAddress,
    release: ReleaseSlot,
    services: LoginServices,
  ) {
    this.#raw = socket;
    this.#socket = socket;
    this.#listener = listener;
    this.#release = release;
    this.#services = services;
  }

  start(): void {
    const { serverInfo, whenServerKnown, deadlines } = this.#services;
    deadlines.add(this);
    this.#listen();
    this.#socket.on('data', this.#onData).resume();
    const server = serverInfo();
    if (server !== null) {
      this.#greet(server);
      return;
    }
    whenServerKnown().then(
      (known) => this.#greet(known),
      (error: unknown) => this.#fail(error),
    );
  }

  onDeadline(): void {
    this.#refuse('timed_out', {
      ...ServerError.NetReadInterrupted,
      message: 'Got timeout reading communication packets: the login took longer than client_login_timeout',
    });
  }

  /** Ends the login with this error, as when the proxy stops. */
  abort(err: ErrPacket): void {
    this.#refuse('refused', err);
  }

  /**
   * Gives its place to somebody else, if it is the client who keeps it waiting; at once, since there is no other. The error may
   * not reach whoever has sent what was not read.
   */
  giveWay(err: ErrPacket): boolean {
    if (this.#state !== 'reading' && this.#state !== 'securing') return false;
    const silent = this.#state === 'securing';
    this.#over('gave_way');
    if (silent) {
      this.#raw.destroy();
    } else {
      this.#socket.off('data', this.#onData);
      this.#socket.end(encodeForClient(this.#sequenceId, err, this.#id));
      this.#socket.destroySoon();
    }
    this.#release();
    return true;
  }

  /** Given with the greeting, or to whoever is told something before that. */
  get #id(): number {
    if (this.#connectionId === 0) this.#connectionId = this.#services.nextConnectionId();
    return this.#connectionId;
  }

  #listen(): void {
    // An error of the others without a listener would be thrown.
    if (!(this.#raw instanceof LeanSocket)) this.#raw.on('error', ignoreSocketError);
    this.#raw.on('close', this.#onClose);
  }

  /** TLS is put around the runtime's own sockets only. */
  #surrendered(raw: ClientSocket): Socket {
    if (!(raw instanceof LeanSocket)) throw new TypeError('not a socket that was accepted');
    const bare = raw.surrender();
    this.#raw = bare;
    this.#listen();
    return bare;
  }

  #greet(server: ServerInfo): void {
    if (this.#state !== 'waiting') return;
    const { scrambles, greeter, tls, tlsRequired } = this.#services;
    const scramble = scrambles.next();
    this.#state = 'reading';
    this.#socket.write(greeter.packet(server, this.#id, scramble));
    this.#sequenceId = 1;
    const remote = this.#remoteAddress();
    this.#context = {
      users: this.#services.users,
      keys: this.#services.keys,
      scramble,
      announced: announcedPlugin(server),
      secure: isSecure(remote),
      host: hostName(remote),
      fingerprint: null,
      observer: this.#services.observer,
    };
    // Whoever may open a unix socket is on this machine, and nobody else can read it.
    const required = tlsRequired && remote.kind === 'tcp';
    // Whoever talks before it is greeted has its bytes read only now.
    this.#begin(this.#context, { kind: tls === null ? 'none' : required ? 'required' : 'offered' });
  }

  #begin(context: AuthContext, tls: LoginTls): void {
    this.#machine = new LoginMachine(context, CLIENT_CAPABILITIES, tls);
    this.#advance(this.#machine);
  }

  /**
   * All that came behind the client's wish for TLS is TLS's to read: what somebody has put there in clear is no handshake, and
   * can never be taken for a part of the login.
   */
  #startTls(): void {
    const raw = this.#raw;
    this.#state = 'securing';
    // A greeting that nobody was there for has ended it; its 'close' comes.
    if (raw.destroyed) return;
    raw.off('data', this.#onData).pause();
    const held = raw.read() as Buffer | null;
    if (held !== null) this.#reader.push(held);
    const rest = this.#reader.takeRest();
    const bare = raw instanceof Socket ? raw : this.#surrendered(raw);
    if (rest.length > 0) bare.unshift(rest);
    this.#services.tls?.accept(bare, (result) => {
      if (this.#state !== 'securing') return;
      if (result.kind === 'failed') this.#tlsFailed(result);
      else this.#secured(result);
    });
  }

  #tlsFailed({ reason, left }: FailedHandshake): void {
    this.#over(left ? 'left' : 'broken');
    const { log, tlsLog } = this.#services;
    if (left) {
      log.debug({ ...this.#logFields(), reason }, 'client left before it was logged in');
      return;
    }
    const more = tlsLog.pass();
    if (more !== null) log.warn({ ...this.#logFields(), reason, more }, 'TLS with a client failed');
  }

  #secured({ socket, fingerprint, certificateError, certificate }: SecuredClient): void {
    this.#socket = socket;
    this.#state = 'reading';
    // The runtime closes a TLS connection after a handshake that failed, but not after a record that did.
    socket.on('error', () => socket.destroy());
    socket.on('data', this.#onData);
    const context = { ...(this.#context as AuthContext), secure: true, fingerprint, certificate };
    this.#context = context;
    // As without TLS: whoever may open a unix socket needs no certificate.
    const asked = this.#remoteAddress().kind === 'tcp';
    this.#begin(context, { kind: 'established', certificateError: asked ? certificateError : null });
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#reader.push(chunk);
    if (this.#state === 'reading' && this.#machine !== null) this.#advance(this.#machine);
    else if (this.#state === 'waiting' && this.#reader.pending > MAX_LOGIN_BYTES) {
      this.#fail(new HandshakeError(badHandshake(`more than ${MAX_LOGIN_BYTES} bytes before login`)));
    }
    this.#keepToBudget();
  };

  #keepToBudget(): void {
    if (this.#state === 'over') return;
    const { budget } = this.#services;
    const held = this.#reader.pending;
    budget.change(held - this.#held);
    this.#held = held;
    if (held <= ORDINARY_LOGIN || !budget.exhausted) return;
    const message = `Too many connections: logins under way have sent ${budget.held} bytes, this one ${held}`;
    this.#fail(new HandshakeError({ ...ServerError.ConCount, message }));
  }

  readonly #onClose = (): void => {
    this.#release();
    if (this.#state === 'over') return;
    this.#over('left');
    if (this.#machine?.awaitsPassword === true) {
      // Some libraries give up without a word: their own error names the method, but not what to do.
      this.#services.log.warn(
        { ...this.#logFields(), user: this.#machine.response?.user.slice(0, 128) },
        'client left when it was asked for its password, as auth: passthrough does: its library must know caching_sha2_password, ' +
          'and over plain TCP be allowed to ask for the public key (allowPublicKeyRetrieval), or use TLS; or list the user in users',
      );
      return;
    }
    // Health checks and port scans do this all day.
    this.#services.log.debug(this.#logFields(), 'client left before it was logged in');
  };

  /** Takes packets for as long as there are whole ones and nothing has to be waited for. */
  #advance(machine: LoginMachine): void {
    while (this.#state === 'reading') {
      const step = this.#nextStep(machine);
      if (step === null) return;
      if (step instanceof Promise) this.#await(machine, step);
      else this.#apply(machine, step);
    }
  }

  /** null when there is no whole packet yet, or when the login has failed. */
  #nextStep(machine: LoginMachine): LoginStep | Promise<AuthStep> | null {
    try {
      const payload = this.#reader.next(this.#sequenceId);
      if (payload === null) return null;
      this.#sequenceId++;
      return machine.receive(payload, this.#sequenceId);
    } catch (error) {
      this.#fail(error);
      return null;
    }
  }

  #await(machine: LoginMachine, pending: Promise<AuthStep>): void {
    this.#state = 'checking';
    this.#socket.pause();
    pending.then(
      (step) => {
        // The login may have timed out, or the client gone, in the meantime.
        if (this.#state !== 'checking') return;
        this.#state = 'reading';
        this.#apply(machine, step);
        this.#advance(machine);
        if (this.#state === 'reading') this.#socket.resume();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #apply(machine: LoginMachine, step: LoginStep): void {
    switch (step.kind) {
      case 'start_tls':
        this.#startTls();
        return;
      case 'send':
        this.#sequenceId++;
        this.#socket.write(step.packet);
        return;
      case 'denied':
        this.#denied(machine, step);
        return;
      case 'accepted':
        if (machine.response === null || this.#context === null)
          throw new Error('accepted without a response');
        this.#handOver(machine.response, this.#context, step);
        return;
    }
  }

  #denied(machine: LoginMachine, step: AuthStep & { readonly kind: 'denied' }): void {
    const more = this.#services.denialLog.pass();
    if (more !== null) {
      const user = machine.response?.user.slice(0, 128);
      const fields = {
        ...this.#logFields(),
        user,
        errno: step.err.errno,
        reason: step.reason,
        ...machine.details,
      };
      this.#services.log.warn(more === 0 ? fields : { ...fields, more }, 'login denied');
    }
    if (step.held === null) {
      this.#finish('denied', step.err);
      return;
    }
    this.#state = 'checking';
    this.#socket.pause();
    void step.held.then(() => {
      if (this.#state === 'checking') this.#finish('denied', step.err);
    });
  }

  #handOver(response: HandshakeResponse, context: AuthContext, { user, preface, info }: Accepted): void {
    const socket = this.#socket;
    this.#over('accepted');
    this.#raw.off('close', this.#onClose);
    socket.off('data', this.#onData).pause();
    // While the socket was paused for a check, it went on filling its own buffer.
    if (socket.readableLength > 0) this.#reader.push(socket.read() as Buffer);
    this.#services.onLogin({
      user,
      schema: response.schema,
      capabilities: response.capabilities,
      collation: response.collation,
      maxPacketSize: response.maxPacketSize,
      attributes: response.attributes,
      connectionId: this.#connectionId,
      scramble: context.scramble,
      secure: context.secure,
      fingerprint: context.fingerprint,
      certificate: context.certificate ?? null,
      info,
      remote: this.#remoteAddress(),
      listener: this.#listener,
      preface: preface ?? EMPTY,
      sequenceId: preface === null ? this.#sequenceId : this.#sequenceId + 1,
      rest: this.#reader.takeRest(),
      socket,
      release: this.#release,
    });
  }

  #fail(error: unknown): void {
    if (error instanceof HandshakeError) this.#refuse('broken', error.err);
    else if (error instanceof MalformedPacketError) this.#refuse('broken', badHandshake(error.message));
    else if (hasErrPacket(error)) this.#refuse('refused', error);
    else {
      // A fault of ours. One client's bytes must not end everybody else's connections.
      this.#services.log.error({ ...this.#logFields(), err: error }, 'login failed by an internal error');
      const text = 'Internal error of the proxy during login; see its log';
      this.#finish('broken', clientError(ServerError.UnknownError, text));
    }
  }

  #refuse(outcome: LoginOutcome, err: ErrPacket): void {
    if (this.#state === 'over') return;
    const fields = { ...this.#logFields(), errno: err.errno, reason: err.message };
    // A server that can't be reached is not each client's news.
    if (outcome === 'refused') this.#services.log.debug(fields, 'login refused');
    else this.#services.log.warn(fields, 'login failed');
    this.#finish(outcome, err);
  }

  #finish(outcome: LoginOutcome, err: ErrPacket): void {
    if (this.#state === 'over') return;
    const silent = this.#state === 'securing';
    this.#over(outcome);
    if (silent) {
      // An ERR would only be bytes that are no TLS.
      this.#raw.destroy();
      return;
    }
    this.#socket.off('data', this.#onData);
    this.#services.lingering.end(this.#socket, encodeForClient(this.#sequenceId, err, this.#id));
  }

  #over(outcome: LoginOutcome): void {
    this.#state = 'over';
    this.#services.budget.change(-this.#held);
    this.#services.deadlines.delete(this);
    this.#services.onOutcome(outcome);
  }

  #remoteAddress(): RemoteAddress {
    this.#remote ??= remoteOf(this.#socket, this.#listener.kind);
    return this.#remote;
  }

  #logFields(): object {
    return { client: this.#id, address: addressText(this.#remoteAddress()) };
  }
}

const EMPTY = Buffer.alloc(0);
