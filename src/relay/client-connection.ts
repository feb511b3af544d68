import type { Socket } from 'node:net';
import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount } from '../backend/upstream.js';
import { Capability, HEADER_SIZE, Status } from '../protocol/constants.js';
import { type ErrPacket, encodeErrPacket, encodeOk, type OkPacket } from '../protocol/generic-response.js';
import type { ChangeUserCommand } from '../protocol/handshake-change-user.js';
import { ReplyShape } from '../protocol/reply-tracker.js';
import type { ToldState } from '../protocol/session-state.js';
import { HoldReason } from '../session/hold-reason.js';
import type { LoginState } from '../session/initial-profile.js';
import { SCHEMA_CHANGE } from '../session/statement-effects.js';
import { ChangeUser, type ChangeUserHost } from './change-user.js';
import { emptyCommand, outOfOrder, packetTooLarge } from './client-errors.js';
import { ClientIdentity } from './client-identity.js';
import { ClientInput, StreamKind } from './client-input.js';
import type { RegisteredClient } from './client-registry.js';
import { ClientReply, type ReplyObserver } from './client-reply.js';
import { ClientStatements, type PendingPrepare } from './client-statements.js';
import { type CommandTarget, classifyAgain, dispatch, dispatchLong } from './command-dispatch.js';
import { CommandEvent } from './command-reader.js';
import { CommandWork, SendKind } from './command-work.js';
import type { ConnectedClient } from './connected-client.js';
import { IdleTimeout, idleError } from './idle-timeout.js';
import type { LearnedAnswer } from './learned-answers.js';
import type { RelayServices } from './relay-services.js';
import { VirtualSession } from './virtual-session.js';
import type { WorkObserver } from './work.js';

const State = {
  /** The next command may come. */
  Ready: 0,
  /** A command is waiting for a session or for its reply. */
  Busy: 1,
  /** A long command, or a file, is on its way to the server. */
  Streaming: 2,
  ChangingUser: 3,
  Closed: 4,
} as const;
type State = (typeof State)[keyof typeof State];

/**
 * One client: its socket, and which command it has under way. Commands are taken one at a time; what a driver
 * pipelines waits in the reader. What a command means is decided in `command-dispatch`, where it runs in
 * {@link VirtualSession}.
 */
export class ClientConnection
  implements WorkObserver, ReplyObserver, ChangeUserHost, CommandTarget, RegisteredClient
{
  readonly connectionId: number;
  readonly attributes: ReadonlyMap<string, string>;
  readonly capabilities: number;
  readonly services: RelayServices;
  readonly work: CommandWork;
  readonly statements = new ClientStatements();
  virtual: VirtualSession;
  pendingPrepare: PendingPrepare | null = null;
  readonly #client: ConnectedClient;
  readonly #socket: Socket;
  readonly #input: ClientInput;
  readonly #reply: ClientReply;
  readonly #idle = new IdleTimeout();
  #identity: ClientIdentity;
  #state: State = State.Busy;
  /** Where the reply to a login or change of user goes, while that waits for its schema; else 0. */
  #loginSequence = 0;
  #changeUser: ChangeUser | null = null;
  #serverCongested = false;
  #pumping = false;
  #draining = false;
  /** Of the long command under way, some is still to be read. */
  #longUnread = false;
  /** What a long command that has failed is answered with, once it was read to its end. */
  #failure: ErrPacket | null = null;

  constructor(client: ConnectedClient, services: RelayServices) {
    this.#client = client;
    this.#socket = client.socket;
    this.services = services;
    this.connectionId = client.connectionId;
    this.capabilities = client.capabilities;
    this.attributes = client.attributes;
    this.#input = new ClientInput(client.socket, services.maxPacketSize);
    this.#identity = this.#identify(client.user.name, client);
    this.#reply = new ClientReply(client.socket, client.capabilities, services.output, this);
    this.work = new CommandWork(this.#reply, (target) => {
      this.#input.streamCommand(target);
      this.#stream();
    });
    this.virtual = this.#newVirtualSession();
  }

  get deprecateEof(): boolean {
    return (this.capabilities & Capability.DeprecateEof) !== 0;
  }

  get userName(): string {
    return this.#identity.userName;
  }

  get account(): ServerAccount {
    return this.#identity.account;
  }

  get serverConnectionId(): number | null {
    return this.virtual.session?.connectionId ?? null;
  }

  /** Takes the socket over and answers the login. */
  start(): void {
    const socket = this.#socket;
    this.services.clients.add(this);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('drain', () => this.#onDrain());
    socket.on('end', () => this.close('client closed the connection'));
    socket.on('close', () => this.close('client closed the connection'));
    if (this.#client.preface.length > 0) socket.write(this.#client.preface);
    if (this.#client.rest.length > 0) this.#input.reader.push(this.#client.rest);
    this.#beginLogin(this.#client.sequenceId);
    socket.resume();
  }

  /** Sends a whole packet. */
  send(packet: Buffer): void {
    if (this.#state !== State.Closed) this.#socket.write(packet);
  }

  sendErr(err: ErrPacket, sequenceId = 1): void {
    this.send(encodeErrPacket(sequenceId, err));
  }

  /** Status flags of a reply that is made here. */
  get ownStatus(): number {
    return this.virtual.state.status & STATUS_OF_OWN_OK;
  }

  sendOk(sequenceId = 1): void {
    this.send(encodeOk(sequenceId, { status: this.ownStatus }));
  }

  /** Runs what {@link work} was filled with. */
  submit(): void {
    this.#state = State.Busy;
    this.virtual.run(this.work);
  }

  /** {@link CommandTarget} */
  answer(known: LearnedAnswer): void {
    this.virtual.state.answered(known);
    this.#reply.repeat(known.packets);
    this.services.counters.learnedAnswers++;
    this.services.observer.commandDone?.();
  }

  /** Keeps the next command waiting until {@link workDone}: for answers that are made here but not at once. */
  suspend(): void {
    this.#state = State.Busy;
  }

  /** {@link CommandTarget} */
  resume(buf: Buffer, start: number, end: number): void {
    if (this.#state !== State.Busy) return;
    this.#state = State.Ready;
    dispatch(this, buf, start, end);
    this.#pump();
  }

  changeUser(buf: Buffer, start: number, end: number): void {
    this.#state = State.ChangingUser;
    this.#changeUser = new ChangeUser(this, this.services.authentication(this.#client));
    this.#changeUser.begin(buf, start, end, this.capabilities, this.#identity.collation);
  }

  /** {@link ChangeUserHost} */
  userChanged(command: ChangeUserCommand, userName: string, sequenceId: number): void {
    this.#changeUser = null;
    this.virtual.reset(null);
    this.virtual.abandon();
    this.statements.clear();
    const collation = command.collation ?? this.#identity.collation;
    this.#identity = this.#identify(userName, {
      schema: command.schema,
      capabilities: this.capabilities,
      collation,
    });
    this.virtual = this.#newVirtualSession();
    this.#beginLogin(sequenceId);
    this.#pump();
  }

  /** {@link ChangeUserHost}: MySQL ends the connection, MariaDB lets it go on as it was. */
  userNotChanged(): void {
    this.#changeUser = null;
    if (this.services.upstream.facts?.info.flavor !== 'mariadb') {
      this.end();
      return;
    }
    this.#state = State.Ready;
    this.#pump();
  }

  /** COM_SET_OPTION. */
  setMultiStatements(on: boolean): void {
    this.virtual.state.profile = this.virtual.state.profile.withMultiStatements(on);
  }

  /** COM_RESET_CONNECTION. */
  resetSession(): void {
    this.statements.clear();
    this.virtual.reset(this.#identity.resetProfile(this.virtual.state.profile));
    this.#reply.restart(this.virtual.state.status);
  }

  /** {@link WorkObserver} */
  workDone(): void {
    if (this.#state === State.Closed) return;
    if (this.#loginSequence !== 0) this.#loginSucceeded();
    if (this.virtual.session === null) this.statements.sessionGone();
    this.services.observer.commandDone?.();
    if (this.work.effects.disconnects) {
      this.end();
      return;
    }
    this.#state = State.Ready;
    this.#pump();
  }

  /** {@link WorkObserver} */
  workFailed(err: ErrPacket, sequenceId = 1): void {
    if (this.#state === State.Closed) return;
    this.pendingPrepare = null;
    if (this.#loginSequence !== 0) {
      this.sendErr(err, this.#loginSequence);
      this.end();
      return;
    }
    if (this.virtual.session === null) this.statements.sessionGone();
    if (this.#longUnread) {
      this.#failure = err;
      this.#input.skipCommand();
      this.#stream();
      return;
    }
    this.#fail(err, this.work.isLong ? this.#input.replySequence : sequenceId);
    this.#pump();
  }

  /** The command is over, and it failed. */
  #fail(err: ErrPacket, sequenceId: number): void {
    this.#failure = null;
    this.#state = State.Ready;
    if (this.work.hasReply) this.sendErr(err, sequenceId);
  }

  /** {@link WorkObserver} */
  replyBroken(err: ErrPacket, session: ServerSession): void {
    const { tracker } = session;
    if (tracker.atPacketBoundary && !this.work.isLong) {
      this.workFailed(err, tracker.nextSequence);
      return;
    }
    this.close('the server session was lost in the middle of a reply');
  }

  /** {@link ReplyObserver} */
  replyOk(ok: OkPacket, rows: number | null, row: readonly (bigint | null)[] | null): void {
    this.virtual.replyOk(ok, rows, row);
    const { statement } = this.work;
    if (statement === null) return;
    if ((ok.status & Status.CursorExists) !== 0) this.#setCursor(true);
    if ((ok.status & Status.LastRowSent) !== 0) this.#setCursor(false);
  }

  /** {@link ReplyObserver} */
  get told(): ToldState {
    return this.virtual.told;
  }

  /** {@link ReplyObserver} */
  replyErr(errno: number, notExecuted: boolean, sqlState: string): void {
    this.pendingPrepare = null;
    this.virtual.replyErr(errno, notExecuted, sqlState);
  }

  /** {@link ReplyObserver} */
  statementPrepared(serverId: number, parameters: number): number {
    const pending = this.pendingPrepare;
    const { session } = this.virtual;
    if (pending === null || session === null)
      throw new TypeError('a statement was prepared that nobody asked for');
    this.pendingPrepare = null;
    return this.statements.prepared(pending, this.virtual.state.profile, parameters, serverId, session).id;
  }

  /** {@link ReplyObserver} */
  fileRequested(): void {
    const { session } = this.virtual;
    if (session === null) throw new TypeError('a file was requested without a session');
    this.#input.streamFile(session);
    this.#stream();
  }

  /** {@link ReplyObserver} */
  replyComplete(): void {
    if (this.#state === State.Streaming) {
      // The server answered before it had everything: it does not read the rest, or takes it for commands.
      this.close('the server ended a command before it was sent whole');
      return;
    }
    this.virtual.replyComplete();
  }

  /** {@link ReplyObserver} */
  clientCongested(): void {
    this.virtual.session?.channel.pause();
    this.#serverCongested = true;
  }

  /** {@link ReplyObserver} */
  serverDrained(): void {
    if (this.#state === State.Streaming) this.#pump();
  }

  #setCursor(open: boolean): void {
    const { statement } = this.work;
    if (statement === null) return;
    this.statements.setCursor(statement, open);
    this.virtual.state.setHold(HoldReason.Cursor, this.statements.hasCursor);
  }

  /** {@link RegisteredClient} */
  killQuery(done: (error: Error | null) => void): void {
    const { session } = this.virtual;
    if (session === null || !this.virtual.running) done(null);
    else this.services.killer.killQuery(session, this.account, done);
  }

  /** {@link RegisteredClient} */
  killConnection(): void {
    this.close('killed');
  }

  /** {@link RegisteredClient}: the proxy is about to stop. */
  drain(): void {
    this.#draining = true;
    this.#endIfDrained();
  }

  /** {@link RegisteredClient} */
  secondPassed(): void {
    if (this.#state !== State.Ready || this.#socket.writableLength > 0) this.#idle.clientSpoke();
    else if (this.#idle.secondPassed(this.virtual.state.profile, this.capabilities)) this.#endIdle();
  }

  /** A transaction does not keep it: the server would end that, too. */
  #endIdle(): void {
    const { facts } = this.services.upstream;
    const err = facts === null ? null : idleError(facts.info);
    if (err !== null) this.sendErr(err, 0);
    this.#socket.end();
    this.close('idle for longer than its wait_timeout');
  }

  #endIfDrained(): void {
    const idle = this.#state === State.Ready && (this.virtual.holds & ~HoldReason.SessionMode) === 0;
    if (this.#draining && idle) this.end();
  }

  /** Sends what is queued, then closes. */
  end(): void {
    if (this.#state === State.Closed) return;
    this.#socket.end();
    this.close('ended');
  }

  /** The client has gone, or must go. Its statement is ended, its session cleaned and given back. */
  close(reason: string): void {
    if (this.#state === State.Closed) return;
    const inside = this.#state === State.Streaming;
    this.#state = State.Closed;
    this.services.clients.remove(this);
    this.services.observer.clientClosed?.(this.connectionId, reason);
    this.#client.release();
    this.#reply.discard = true;
    if (inside) {
      this.virtual.abandonInside();
    } else {
      const { session } = this.virtual;
      if (this.#serverCongested) session?.channel.resume();
      const kill = session !== null && this.virtual.running && !this.work.effects.commits;
      if (kill) this.services.killer.killQuery(session, this.account, () => {});
      this.virtual.abandon();
    }
    // What was written before goes out; half-open connections are not kept.
    if (this.#socket.writableEnded) this.#socket.destroySoon();
    else this.#socket.destroy();
  }

  #identify(userName: string, login: LoginState): ClientIdentity {
    const { services } = this;
    return new ClientIdentity(services.upstream, userName, services.accountOf(userName), login);
  }

  #newVirtualSession(): VirtualSession {
    return new VirtualSession(this.services, this, this.#identity);
  }

  /** Answers a login at once where its schema is known to exist, else when a session has it. */
  #beginLogin(sequenceId: number): void {
    this.#loginSequence = sequenceId;
    const { account, schema } = this.#identity;
    const schemaKnown = schema === null || this.services.knownSchemas.has(account, schema);
    if (schemaKnown && this.virtual.state.learnProfile()) {
      this.#loginSucceeded();
      this.#state = State.Ready;
      this.#pump();
      return;
    }
    this.work.set(SendKind.Nothing, ReplyShape.Ok, SCHEMA_CHANGE, EMPTY, 0, 0);
    this.work.getsSchema = schema !== null;
    this.submit();
  }

  #loginSucceeded(): void {
    const sequenceId = this.#loginSequence;
    this.#loginSequence = 0;
    this.#reply.restart(this.virtual.state.status);
    const { account, schema } = this.#identity;
    if (schema !== null) this.services.knownSchemas.add(account, schema);
    this.sendOk(sequenceId);
  }

  #onData(chunk: Buffer): void {
    if (this.#state === State.Closed) return;
    this.#idle.clientSpoke();
    this.#input.reader.push(chunk);
    this.#pump();
    if (this.#state === State.Busy) this.#input.limitBacklog();
  }

  #onDrain(): void {
    if (this.#serverCongested) {
      this.#serverCongested = false;
      this.virtual.session?.channel.resume();
    }
    if (this.#state === State.Ready) this.#pump();
  }

  /** Takes commands, or pieces of one, for as long as there are any and nothing is under way. Not re-entrant. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      let goOn = true;
      while (goOn) goOn = this.#pumpOnce();
    } finally {
      this.#pumping = false;
    }
    if (this.#draining) this.#endIfDrained();
    if (this.#state !== State.Ready) return;
    if (this.#socket.writableNeedDrain) this.#input.limitBacklog();
    else this.#input.flow();
  }

  /** Whether there may be more to do at once. */
  #pumpOnce(): boolean {
    switch (this.#state) {
      case State.Closed:
      case State.Busy:
        return false;
      case State.Streaming:
        return this.#pumpStreamed();
      case State.ChangingUser:
        break;
      case State.Ready:
        // Who does not read its replies is given no more of them: also those made here would fill the memory.
        if (this.#socket.writableNeedDrain) return false;
        break;
    }
    const { reader } = this.#input;
    const event = reader.next();
    if (event === CommandEvent.None) return false;
    const { buf, start, end } = reader;
    if (this.#state === State.ChangingUser) {
      this.#changeUser?.receive(buf, start, end);
      return this.#state !== State.ChangingUser;
    }
    if (buf[start + 3] !== 0) {
      this.#outOfOrder(buf[start + 3] as number);
      return false;
    }
    if (event === CommandEvent.LongCommand) this.#beginLong(buf, start, end);
    else if (end - start === HEADER_SIZE) this.sendErr(emptyCommand());
    else dispatch(this, buf, start, end);
    return true;
  }

  #beginLong(buf: Buffer, start: number, end: number): void {
    this.#longUnread = true;
    const err = dispatchLong(this, buf, start, end);
    if (err === null) return;
    this.sendErr(err);
    this.close('a command was too long');
  }

  #stream(): void {
    this.#state = State.Streaming;
    this.#pump();
  }

  #pumpStreamed(): boolean {
    const outcome = this.#input.pump();
    if (outcome === null) return false;
    if ('tooLarge' in outcome) {
      this.sendErr(packetTooLarge(outcome.tooLarge), this.#input.replySequence);
      this.close('packet too large');
      return false;
    }
    if (outcome.done !== StreamKind.File) this.#longUnread = false;
    this.#state = State.Busy;
    if (outcome.done === StreamKind.Command) this.#longCommandSent();
    if (outcome.done === StreamKind.Skipped && this.#failure !== null)
      this.#fail(this.#failure, this.#input.replySequence);
    return true;
  }

  /** {@link WorkObserver} */
  classifyAgain(): void {
    classifyAgain(this);
  }

  /** All of a long command is on its way: only now is it known what its text says. */
  #longCommandSent(): void {
    const { text } = this.work;
    if (text !== null) {
      this.work.traits = text.finish();
      this.work.effects = this.services.routines.effectsOf(this.work.traits, this.account);
      this.virtual.state.effectsKnown(this.work.effects);
    }
    if (!this.work.hasReply) this.virtual.replyComplete();
  }

  #outOfOrder(sequenceId: number): void {
    this.sendErr(outOfOrder(sequenceId), (sequenceId + 1) & 0xff);
    this.end();
  }
}

/** Warnings and "more results" are of a server's reply; only these flags are the session's. */
const STATUS_OF_OWN_OK =
  Status.Autocommit |
  Status.InTransaction |
  Status.InTransactionReadonly |
  Status.NoBackslashEscapes |
  Status.AnsiQuotes;

const EMPTY = Buffer.alloc(HEADER_SIZE);
