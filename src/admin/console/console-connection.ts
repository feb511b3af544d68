import type { Socket } from 'node:net';
import { Command, HEADER_SIZE, MAX_PACKET_PAYLOAD, ServerError } from '../../protocol/constants.js';
import { type ErrPacket, encodeErrPacket, encodeOk } from '../../protocol/generic-response.js';
import { PayloadWriter } from '../../protocol/payload-writer.js';
import type { ClientQuestions } from './client-questions.js';
import { ConsoleError } from './errors.js';
import type { ConsoleSource } from './source.js';
import { runStatement } from './statements.js';
import { CONSOLE_STATUS, encodeTable } from './table.js';

/** A statement to the console has few words. */
const MAX_COMMAND_BYTES = 64 * 1024;

/** An admin user that has logged in with the console's schema. */
export interface ConsoleClient {
  readonly user: { readonly name: string };
  readonly remote: { readonly kind: 'tcp'; readonly address: string } | { readonly kind: 'unix' };
  readonly connectionId: number;
  readonly capabilities: number;
  readonly preface: Buffer;
  readonly sequenceId: number;
  readonly rest: Buffer;
  readonly socket: Socket;
  readonly release: () => void;
}

export interface ConsoleObserver {
  closed(connection: ConsoleConnection): void;
  /** A statement was not answered, by a fault of the console's own. */
  failed(sql: string, error: unknown): void;
}

/** One client of the console: answers its commands from what the proxy knows. It never has a server session. */
export class ConsoleConnection {
  readonly #client: ConsoleClient;
  readonly #socket: Socket;
  readonly #source: ConsoleSource;
  readonly #questions: ClientQuestions;
  readonly #observer: ConsoleObserver;
  #pending: Buffer;

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
      this.#pump();
    });
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      this.#client.release();
      this.#observer.closed(this);
    });
    socket.write(Buffer.concat([preface, encodeOk(sequenceId, { status: CONSOLE_STATUS })]));
    this.#pump();
    socket.resume();
  }

  /** The proxy is about to stop. */
  end(): void {
    this.#socket.end();
  }

  /** Commands one after the other: each is answered at once. */
  #pump(): void {
    while (this.#pending.length >= HEADER_SIZE && !this.#socket.writableEnded) {
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
    const { connectionId, user, remote, capabilities } = this.#client;
    const host = remote.kind === 'unix' ? 'localhost' : remote.address;
    try {
      const table = runStatement(
        sql,
        { connectionId, account: `${user.name}@${host}` },
        this.#source,
        this.#questions,
      );
      if (table === null) this.#sendOk();
      else this.#socket.write(encodeTable(table, capabilities));
    } catch (error) {
      if (error instanceof ConsoleError) {
        this.#sendErr(error.err);
        return;
      }
      // A fault of ours: who asks must not end everybody else's connections.
      this.#observer.failed(sql, error);
      this.#sendErr({
        ...ServerError.UnknownError,
        message: 'Internal error of the admin console; see the log',
      });
    }
  }

  #sendOk(): void {
    this.#socket.write(encodeOk(1, { status: CONSOLE_STATUS }));
  }

  #sendErr(err: ErrPacket): void {
    this.#socket.write(encodeErrPacket(1, err));
  }
}
