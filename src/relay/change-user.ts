import { Capability, HEADER_SIZE, ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { type ChangeUserCommand, decodeChangeUser } from '../protocol/handshake-change-user.js';
import { MalformedPacketError } from '../protocol/payload-reader.js';
import type { Authentication, AuthenticationStep } from './authentication.js';
import { clientError, encodeForClient, malformedCommand } from './client-errors.js';

/** The OK that ends a login or a change of user. */
export interface LoginOk {
  readonly sequenceId: number;
  readonly info: Buffer;
}

/** What a COM_CHANGE_USER needs of the connection that it came on. */
export interface ChangeUserHost {
  readonly connectionId: number;
  send(packet: Buffer): void;
  /** The client's packets are to wait until {@link takePackets}, or until the change is over. */
  keepPackets(): void;
  takePackets(): void;
  /** The client is who it says: it begins anew. */
  userChanged(command: ChangeUserCommand, userName: string, ok: LoginOk): void;
  /** The client is not who it says; it is told now or a while later. */
  userDenied(userName: string, err: ErrPacket, reason: string): void;
  /** The change of user failed; the client has been told. */
  userNotChanged(): void;
}

/** One COM_CHANGE_USER from command to OK or ERR: authenticates as strictly as a login. */
export class ChangeUser {
  readonly #host: ChangeUserHost;
  readonly #authentication: Authentication;
  #command: ChangeUserCommand | null = null;

  constructor(host: ChangeUserHost, authentication: Authentication) {
    this.#host = host;
    this.#authentication = authentication;
  }

  /** `[start, end)`: the command's packet. */
  begin(buf: Buffer, start: number, end: number, capabilities: number, collation: number): void {
    let command: ChangeUserCommand;
    try {
      // A copy: the machine outlives the read buffer.
      command = decodeChangeUser(
        Buffer.from(buf.subarray(start + HEADER_SIZE, end)),
        capabilities,
        collation,
      );
    } catch (error) {
      if (!(error instanceof MalformedPacketError)) throw error;
      this.#tell(1, malformedCommand('COM_CHANGE_USER'));
      this.#host.userNotChanged();
      return;
    }
    this.#command = command;
    const begun = this.#authentication.begin(
      {
        user: command.user,
        plugin: command.plugin,
        response: command.authResponse,
        canSwitch: (capabilities & Capability.PluginAuth) !== 0,
        answersScramble: false,
      },
      1,
    );
    this.#await(begun, 1);
  }

  /** The client's next packet. */
  receive(buf: Buffer, start: number, end: number): void {
    const sequenceId = ((buf[start + 3] as number) + 1) & 0xff;
    const step = this.#authentication.receive(
      Buffer.from(buf.subarray(start + HEADER_SIZE, end)),
      sequenceId,
    );
    this.#await(step, sequenceId);
  }

  #await(step: AuthenticationStep | Promise<AuthenticationStep>, sequenceId: number): void {
    if (!(step instanceof Promise)) {
      this.#take(step, sequenceId);
      return;
    }
    this.#host.keepPackets();
    step.then(
      (result) => {
        this.#take(result, sequenceId);
        if (result.kind === 'send') this.#host.takePackets();
      },
      (error: unknown) => {
        this.#tell(sequenceId, asErr(error));
        this.#host.userNotChanged();
      },
    );
  }

  #tell(sequenceId: number, err: ErrPacket): void {
    this.#host.send(encodeForClient(sequenceId, err, this.#host.connectionId));
  }

  #take(step: AuthenticationStep, sequenceId: number): void {
    switch (step.kind) {
      case 'send':
        this.#host.send(step.packet);
        return;
      case 'denied': {
        const tell = (): void => {
          this.#tell(sequenceId, step.err);
          this.#host.userNotChanged();
        };
        this.#host.userDenied(this.#command?.user ?? '', step.err, step.reason);
        if (step.held === null) {
          tell();
          return;
        }
        this.#host.keepPackets();
        void step.held.then(tell);
        return;
      }
      case 'accepted':
        if (step.preface !== null) this.#host.send(step.preface);
        if (this.#command === null) throw new TypeError('a user was accepted before it asked');
        this.#host.userChanged(this.#command, step.user.name, {
          sequenceId: step.preface === null ? sequenceId : sequenceId + 1,
          info: step.info,
        });
    }
  }
}

/** What kept the password from being checked. */
function asErr(error: unknown): ErrPacket {
  if (!(error instanceof Error)) return clientError(ServerError.UnknownError, String(error));
  const { errno, sqlState } = error as Partial<ErrPacket>;
  return typeof errno === 'number' && typeof sqlState === 'string'
    ? { errno, sqlState, message: error.message }
    : clientError(ServerError.UnknownError, error.message);
}
