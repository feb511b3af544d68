import { Command, HEADER_SIZE, MAX_PACKET_PAYLOAD, ServerError } from '../../protocol/constants.js';
import { type ErrPacket, encodeErrPacket, encodeOk } from '../../protocol/generic-response.js';
import { PayloadWriter } from '../../protocol/payload-writer.js';
import type { ClientQuestions } from './client-questions.js';
import { ConsoleError } from './errors.js';
import type { ConsoleSource } from './source.js';
import { isChange, type Outcome, refused, runStatement } from './statements.js';
import { CONSOLE_STATUS, encodeTable } from './table.js';

/** A statement to the console has few words. */
const MAX_COMMAND_BYTES = 64 * 1024;

const QUIT = Buffer.from([1, 0, 0, 0, Command.Quit]);

/** The parts of a client's socket that are used. */
export interface ConsoleSocket {
  readonly writableEnded: boolean;
  resume(): unknown;
  write(bytes: Uint8Array): boolean;
  end(): unknown;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'end' | 'close', listener: () => void): unknown;
}

/** An admin user that has logged in with the console's schema. */
export interface ConsoleClient {
  readonly user: { readonly name: string };
  readonly remote: { readonly kind: 'tcp'; readonly address: string } | { readonly kind: 'unix' };
  readonly connectionId: number;
  readonly capabilities: number;
  readonly preface: Buffer;
  readonly sequenceId: number;
  readonly rest: Buffer;
  readonly socket: ConsoleSocket;
  readonly release: () => void;
}

/** A statement that changes something. */
export interface ConsoleCommand {
  readonly client: number;
  readonly user: string;
  readonly statement: string;
}

export interface ConsoleObserver {
  /** It was understood, and nothing stood in its way. */
  commanded(command: ConsoleCommand): void;
  closed(connection: ConsoleConnection): void;
  /** A statement was not answered, by a fault of the console's own. */
  failed(sql: string, error: unknown): void;
}

/** One client of the console: answers its commands from what the proxy knows. It never has a server session. */
export class ConsoleConnection {
  readonly #client: ConsoleClient;
  readonly #socket: ConsoleSocket;
  readonly #source: ConsoleSource;
  readonly #questions: ClientQuestions;
  readonly #observer: ConsoleObserver;
  #pending: Buffer;
  /** The statement that takes its time; those behind it wait. `giveUp`: null where it is not for long. */
  #underway: { readonly giveUp: (() => void) | null } | null = null;

  constructor(
    client: ConsoleClient,
    source: ConsoleSource,
    questions: ClientQuestions,
    observer: ConsoleObserver,
  ) {
    this.#client = client;
    this.#socket = client.socket;
    this.#source = source;
    this.#questions = questions;
    this.#observer = observer;
    this.#pending = client.rest;
  }

  /** Takes the socket over and answers the login. */
  start(): void {
    const { preface, sequenceId } = this.#client;
    const socket = this.#socket;
    socket.on('data', (chunk: Buffer) => {
      this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
      if (this.#underway !== null && this.#isTooLate) this.end();
      this.#pump();
    });
    socket.on('end', () => this.end());
    socket.on('close', () => {
      this.#giveUp();
      this.#client.release();
      this.#observer.closed(this);
    });
    socket.write(Buffer.concat([preface, encodeOk(sequenceId, { status: CONSOLE_STATUS })]));
    this.#pump();
    socket.resume();
  }

  /** Also when the proxy is about to stop. */
  end(): void {
    this.#giveUp();
    this.#socket.end();
  }

  #giveUp(): void {
    const underway = this.#underway;
    this.#underway = null;
    underway?.giveUp?.();
  }

  /** A client that does not wait for the answer: it leaves, or sends more than there is room for. */
  get #isTooLate(): boolean {
    const leaves = this.#underway?.giveUp !== null && this.#pending.equals(QUIT);
    return leaves || this.#pending.length > MAX_COMMAND_BYTES;
  }

  /** Commands one after the other. */
  #pump(): void {
    while (this.#underway === null && this.#pending.length >= HEADER_SIZE && !this.#socket.writableEnded) {
      const length = this.#pending.readUIntLE(0, 3);
      if (length > MAX_COMMAND_BYTES || length >= MAX_PACKET_PAYLOAD) {
        this.#sendErr({
          ...ServerError.NetPacketTooLarge,
          message: `Got a packet bigger than the ${MAX_COMMAND_BYTES} bytes that the admin console takes`,
        });
        this.end();
        return;
      }
      if (this.#pending.length < HEADER_SIZE + length) return;
      const payload = this.#pending.subarray(HEADER_SIZE, HEADER_SIZE + length);
      this.#pending = this.#pending.subarray(HEADER_SIZE + length);
      this.#command(payload);
    }
  }

  #command(payload: Buffer): void {
    switch (payload[0]) {
      case Command.Quit:
        this.end();
        return;
      case Command.Ping:
      case Command.ResetConnection:
      case Command.SetOption:
        this.#sendOk();
        return;
      case Command.InitDb:
        this.#run(`USE \`${payload.subarray(1).toString().replaceAll('`', '``')}\``);
        return;
      case Command.Query:
        this.#run(payload.subarray(1).toString());
        return;
      case Command.Statistics:
        this.#socket.write(new PayloadWriter().text(`MyBouncer ${this.#source.version}`).packet(1));
        return;
      case Command.StmtPrepare:
        this.#sendErr({
          ...ServerError.UnsupportedPrepare,
          message:
            'This command is not supported in the prepared statement protocol yet (the admin console of mybouncer)',
        });
        return;
      // These have no answer.
      case Command.StmtClose:
      case Command.StmtSendLongData:
        return;
      default:
        this.#sendErr({
          ...ServerError.UnknownCommand,
          message: 'Unknown command (the admin console of mybouncer)',
        });
    }
  }

  #run(sql: string): void {
    const { connectionId, user, remote } = this.#client;
    const host = remote.kind === 'unix' ? 'localhost' : remote.address;
    try {
      const outcome = runStatement(
        sql,
        { connectionId, account: `${user.name}@${host}` },
        this.#source,
        this.#questions,
      );
      if (isChange(sql, this.#source))
        this.#observer.commanded({ client: connectionId, user: user.name, statement: sql.trim() });
      if (outcome instanceof Promise)
        this.#await(sql, outcome, null, (settled) => this.#answer(sql, settled));
      else this.#answer(sql, outcome);
    } catch (error) {
      this.#fail(sql, error);
    }
  }

  #answer(sql: string, outcome: Outcome): void {
    if (outcome === null) this.#sendOk();
    else if ('done' in outcome)
      this.#await(
        sql,
        outcome.done,
        () => outcome.giveUp(),
        () => this.#sendOk(),
      );
    else this.#socket.write(encodeTable(outcome, this.#client.capabilities));
  }

  #await<T>(sql: string, done: Promise<T>, giveUp: (() => void) | null, answer: (value: T) => void): void {
    const underway = { giveUp };
    this.#underway = underway;
    const answered = (how: () => void): void => {
      // Else the client has gone meanwhile.
      if (this.#underway !== underway) return;
      this.#underway = null;
      how();
      this.#pump();
    };
    done.then(
      (value) => answered(() => answer(value)),
      (error: unknown) => answered(() => this.#fail(sql, error)),
    );
  }

  #fail(sql: string, error: unknown): void {
    const known = refused(error);
    if (known instanceof ConsoleError) {
      this.#sendErr(known.err);
      return;
    }
    // A fault of ours: who asks must not end everybody else's connections.
    this.#observer.failed(sql, error);
    this.#sendErr({
      ...ServerError.UnknownError,
      message: 'Internal error of the admin console; see the log',
    });
  }

  #sendOk(): void {
    this.#socket.write(encodeOk(1, { status: CONSOLE_STATUS }));
  }

  #sendErr(err: ErrPacket): void {
    this.#socket.write(encodeErrPacket(1, err));
  }
}
