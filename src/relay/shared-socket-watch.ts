import { Command, HEADER_SIZE, ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { ClientSocket } from '../streams/client-socket.js';
import { socketShared } from './client-errors.js';
import type { CommandLoop } from './command-loop.js';
import type { CommandEvent, CommandReader } from './command-reader.js';
import type { CommandWork } from './command-work.js';
import type { ForkFinding, SocketWatch } from './fork-check.js';
import type { RelayServices } from './relay-services.js';
import {
  Habit,
  habitOf,
  hasNoReply,
  isOneCommand,
  type Opener,
  openerOf,
  SharedSocketCause,
} from './shared-socket.js';
import { endAfterQuit, QUIT_GRACE_MS } from './shared-socket-quit.js';

/** The client whose connection is watched. */
export interface WatchedClient {
  readonly services: RelayServices;
  readonly connectionId: number;
  readonly userName: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly closed: boolean;
  /** Neither a transaction nor anything else is held. */
  readonly holdsNothing: boolean;
  readonly work: CommandWork;
  /** In place of all that anyone waits for there. `sequenceId`: null for what a reply would have. */
  endWith(err: ErrPacket, sequenceId: number | null): void;
}

type Shared = Extract<ForkFinding, { kind: 'shared' }>;

/** What the guard was asked about. */
const Asked = { Nothing: 0, Command: 1, Ahead: 2 } as const;
type Asked = (typeof Asked)[keyof typeof Asked];

/** Sees to it that one process, and not two, uses a client's connection: see {@link SharedSocketCause}. */
export class SharedSocketWatch {
  readonly #client: WatchedClient;
  readonly #loop: CommandLoop;
  readonly #socket: ClientSocket;
  readonly #reader: CommandReader;
  readonly #habit: Habit;
  readonly #onFinding = (finding: ForkFinding): void => this.#found(finding);
  #guard: SocketWatch | null = null;
  #asked: Asked = Asked.Nothing;
  #quitTimer: NodeJS.Timeout | null = null;
  /** The command kept waiting. */
  #event: CommandEvent = 0;
  #buf: Buffer = EMPTY;
  #start = 0;
  #end = 0;

  constructor(client: WatchedClient, loop: CommandLoop, socket: ClientSocket, reader: CommandReader) {
    this.#client = client;
    this.#loop = loop;
    this.#socket = socket;
    this.#reader = reader;
    this.#habit = habitOf(client.attributes);
  }

  /** Before the client hears that it is logged in. */
  begin(): void {
    this.#guard = this.#client.services.forks?.watch(this.#socket, this.#client.attributes) ?? null;
  }

  /** Whether {@link mayAnswer} has to be asked. */
  get guarded(): boolean {
    return this.#guard !== null;
  }

  /** The guard is looking. */
  get looking(): boolean {
    return this.#asked !== Asked.Nothing;
  }

  /** Whether a command may be carried out now; else it is, or the connection ends, once the guard has looked. */
  mayAnswer(event: CommandEvent, buf: Buffer, start: number, end: number): boolean {
    const guard = this.#guard;
    if (guard === null || !this.#client.holdsNothing || buf[start + HEADER_SIZE] === Command.Quit)
      return true;
    if (guard.check(this.#onFinding)) return true;
    this.#asked = Asked.Command;
    this.#event = event;
    this.#buf = buf;
    this.#start = start;
    this.#end = end;
    this.#loop.wait();
    return false;
  }

  /** Something is unread while a command is under way. */
  sentAhead(): void {
    const habit = this.#habit;
    if (this.looking || (habit === Habit.Pipelines && this.#guard === null) || !this.#loop.replyDue) return;
    const command = this.#reader.peek(HEADER_SIZE);
    if (command < 0 || hasNoReply(command)) return;
    if (habit === Habit.Pipelines) this.#look();
    else if (this.#reader.peek(3) !== 0) this.outOfOrder(this.#reader.peek(3));
    else if (command === Command.Quit) this.#quitTimer ??= this.#quitDuringReply();
    else if (habit === Habit.Never) this.#refuse(SharedSocketCause.CommandDuringReply, null);
    else if (!this.#executesLast(command)) this.#look();
  }

  /** Whether a read was the command of another process than the one whose packet it is in; the connection has ended then. */
  arrivedInside(chunk: Buffer): boolean {
    if (!isOneCommand(chunk) || chunk.length >= this.#reader.lacking) return false;
    this.#refuse(SharedSocketCause.InsidePacket, null);
    return true;
  }

  /** A command began with a sequence id that is not 0. */
  outOfOrder(sequenceId: number): void {
    this.#refuse(SharedSocketCause.SequenceId, null, sequenceId);
  }

  /** What came over TLS does not fit what came before: the connection ends. */
  forgedRecord(): void {
    this.#report(SharedSocketCause.TlsRecord, null);
  }

  /** The client has said COM_QUIT, and its connection is closed already but for the socket. */
  quit(): void {
    const pipelines = this.#habit === Habit.Pipelines;
    if (this.#reader.unread > 0) {
      this.#report(SharedSocketCause.QuitOfChild, null);
      this.#socket.destroySoon();
      return;
    }
    endAfterQuit(this.#socket, !pipelines, (spoke) => {
      // Who pipelines may still be reading the replies to what it sent before.
      if (spoke || !pipelines) this.#report(SharedSocketCause.QuitOfChild, null);
    });
  }

  close(): void {
    this.#guard?.close();
    this.#asked = Asked.Nothing;
    if (this.#quitTimer !== null) clearTimeout(this.#quitTimer);
  }

  /** MariaDB's library sends a COM_STMT_PREPARE and the COM_STMT_EXECUTE of "the last prepared" together. */
  #executesLast(command: number): boolean {
    if (command !== Command.StmtExecute || !this.#client.work.isPrepare) return false;
    for (let i = 1; i <= 4; i++) if (this.#reader.peek(HEADER_SIZE + i) !== 0xff) return false;
    return true;
  }

  /** A command came ahead of a reply: by intent, or from another process? */
  #look(): void {
    const guard = this.#client.holdsNothing ? this.#guard : null;
    if (guard === null) this.#inDoubt();
    else if (!guard.check(this.#onFinding)) this.#asked = Asked.Ahead;
  }

  #causeAhead(): SharedSocketCause {
    const quits = this.#reader.peek(HEADER_SIZE) === Command.Quit;
    return quits ? SharedSocketCause.QuitDuringReply : SharedSocketCause.CommandDuringReply;
  }

  #inDoubt(): void {
    if (this.#habit === Habit.Seldom) this.#refuse(SharedSocketCause.CommandDuringReply, null);
  }

  #found(finding: ForkFinding): void {
    const asked = this.#asked;
    this.#asked = Asked.Nothing;
    if (this.#client.closed) return;
    if (finding.kind === 'shared') {
      this.#refuse(asked === Asked.Command ? SharedSocketCause.ForkGuard : this.#causeAhead(), finding);
    } else if (asked === Asked.Command) {
      const buf = this.#buf;
      this.#buf = EMPTY;
      this.#loop.carryOut(this.#event, buf, this.#start, this.#end);
    } else {
      if (finding.kind === 'unknown') this.#inDoubt();
      if (!this.#client.closed) this.#loop.goOn();
    }
  }

  #quitDuringReply(): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#quitTimer = null;
      const quits = this.#reader.peek(HEADER_SIZE) === Command.Quit;
      if (quits && this.#loop.replyDue) this.#refuse(SharedSocketCause.QuitDuringReply, null);
    }, QUIT_GRACE_MS);
    return timer.unref();
  }

  #refuse(cause: SharedSocketCause, finding: Shared | null, sequenceId: number | null = null): void {
    const opener = this.#report(cause, finding);
    if (sequenceId === null) this.#client.endWith(socketShared(opener), null);
    else
      this.#client.endWith(socketShared(opener, ServerError.NetPacketsOutOfOrder), (sequenceId + 1) & 0xff);
  }

  /** Counts and logs it. Returns who opened the connection, as well as that is known. */
  #report(cause: SharedSocketCause, finding: Shared | null): Opener {
    const { services, attributes, connectionId, userName } = this.#client;
    const said = openerOf(attributes);
    const opener =
      finding === null ? said : { pid: String(finding.openerPid), program: finding.program ?? said.program };
    services.counters.socketShared(cause);
    const holders = finding?.holders ?? [];
    services.observer.socketShared?.({ client: connectionId, user: userName, cause, opener, holders });
    return opener;
  }
}

const EMPTY = Buffer.alloc(0);
