import { Capability, HEADER_SIZE, ServerError } from '../protocol/constants.js';
import { type ErrPacket, encodeErrPacket } from '../protocol/generic-response.js';
import { type ChangeUserCommand, decodeChangeUser } from '../protocol/handshake-change-user.js';
import { MalformedPacketError } from '../protocol/payload-reader.js';
import type { Authentication, AuthenticationStep } from './authentication.js';
import { clientError, malformedCommand } from './client-errors.js';

/** What a COM_CHANGE_USER needs of the connection that it came on. */
export interface ChangeUserHost {
  send(packet: Buffer): void;
  /** The client is who it says: it begins anew. `sequenceId`: of the OK. */
  userChanged(command: ChangeUserCommand, userName: string, sequenceId: number): void;
  /** The change of user failed; the client has been told. */
  userNotChanged(): void;
}

/** One COM_CHANGE_USER from command to OK or ERR: authenticates as strictly as a login. */
export class ChangeUser {
  readonly #host: ChangeUserHost;
  readonly #authentication: Authentication;
  #command: ChangeUserCommand | null = null;
  /** The password is being checked: the client has nothing to say meanwhile. */
  #checking = false;
  #over = false;

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
      this.#host.send(encodeErrPacket(1, malformedCommand('COM_CHANGE_USER')));
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
    if (this.#checking) {
      this.#refuse(malformedCommand('COM_CHANGE_USER'), sequenceId);
      return;
    }
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
    this.#checking = true;
    step.then(
      (result) => {
        this.#checking = false;
        this.#take(result, sequenceId);
      },
      (error: unknown) => this.#refuse(asErr(error), sequenceId),
    );
  }

  #refuse(err: ErrPacket, sequenceId: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#host.send(encodeErrPacket(sequenceId, err));
    this.#host.userNotChanged();
  }

  #take(step: AuthenticationStep, sequenceId: number): void {
    if (this.#over) return;
    switch (step.kind) {
      case 'send':
        this.#host.send(step.packet);
        return;
      case 'denied':
        this.#refuse(step.err, sequenceId);
        return;
      case 'accepted':
        if (step.preface !== null) this.#host.send(step.preface);
        if (this.#command === null) throw new TypeError('a user was accepted before it asked');
        this.#host.userChanged(
          this.#command,
          step.user.name,
          step.preface === null ? sequenceId : sequenceId + 1,
        );
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
