import type { Socket } from 'node:net';
import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount } from '../backend/upstream.js';
import { Capability, HEADER_SIZE, ServerError, Status } from '../protocol/constants.js';
import { type ErrPacket, encodeErrPacket, encodeOk, type OkPacket } from '../protocol/generic-response.js';
import type { ChangeUserCommand } from '../protocol/handshake-change-user.js';
import { ReplyShape } from '../protocol/reply-tracker.js';
import { effectsOf } from '../session/effects-of.js';
import { HoldReason } from '../session/hold-reason.js';
import { initialProfile, type LoginState, resetProfile } from '../session/initial-profile.js';
import type { SessionProfile } from '../session/profile.js';
import { SCHEMA_CHANGE } from '../session/statement-effects.js';
import { ChangeUser, type ChangeUserHost } from './change-user.js';
import { clientError, packetTooLarge } from './client-errors.js';
import type { RegisteredClient } from './client-registry.js';
import { ClientReply, type ReplyObserver } from './client-reply.js';
import { ClientStatements, type PendingPrepare } from './client-statements.js';
import { type CommandTarget, dispatch, dispatchLong } from './command-dispatch.js';
import { CommandEvent, CommandReader } from './command-reader.js';
import { CommandWork, SendKind } from './command-work.js';
import type { AuthenticationContext, RelayServices } from './relay-services.js';
import { FileTarget, type PieceTarget, Progress, SKIP, StreamedInput } from './streamed-input.js';
import { VirtualSession, type VirtualSessionHost } from './virtual-session.js';

/** A client that has logged in, as the frontend hands it over. */
export interface ConnectedClient extends AuthenticationContext {
  readonly user: { readonly name: string };
  readonly schema: string | null;
  readonly capabilities: number;
  readonly collation: number;
  readonly attributes: ReadonlyMap<string, string>;
  readonly connectionId: number;
  /** To be sent before the login's OK or ERR. */
  readonly preface: Buffer;
  readonly sequenceId: number;
  /** Bytes that came behind the login. */
  readonly rest: Buffer;
  /** Paused. */
  readonly socket: Socket;
  /** Gives back the client's place under max_client_conn. */
  readonly release: () => void;
}

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

/** Bytes that a client may send ahead before it is made to wait. */
const MAX_BACKLOG = 256 * 1024;

/** Flags that make a session fit for one client and not for another: part of the pool key. */
const POOL_CAPABILITIES =
  Capability.FoundRows |
  Capability.NoSchema |
  Capability.LocalFiles |
  Capability.MultiResults |
  Capability.PsMultiResults;

/**
 * One client: its socket, and which command it has under way. Commands are taken one at a time; what a driver
 * pipelines waits in the reader. What a command means is decided in `command-dispatch`, where it runs in
 * {@link VirtualSession}.
 */
export class ClientConnection
  implements VirtualSessionHost, ReplyObserver, ChangeUserHost, CommandTarget, RegisteredClient
{
  readonly connectionId: number;
  readonly attributes: ReadonlyMap<string, string>;
  readonly capabilities: number;
  readonly services: RelayServices;
  readonly work: CommandWork;
  readonly statements = new ClientStatements();
  virtual: VirtualSession;
  userName: string;
  account: ServerAccount;
  pendingPrepare: PendingPrepare | null = null;
  readonly #client: ConnectedClient;
  readonly #socket: Socket;
  readonly #reader = new CommandReader();
  readonly #reply: ClientReply;
  #collation: number;
  #schema: string | null;
  #state: State = State.Busy;
  /** Where the reply to a login or change of user goes, while that waits for its schema; else 0. */
  #loginSequence = 0;
  #changeUser: ChangeUser | null = null;
  #streamed: StreamedInput | null = null;
  /** What is streamed goes nowhere: its command failed before it was sent. */
  #skipping = false;
  #longCommand = false;
  #serverCongested = false;
  #pumping = false;
  #draining = false;

  constructor(client: ConnectedClient, services: RelayServices) {
    this.#client = client;
    this.#socket = client.socket;
    this.services = services;
    this.connectionId = client.connectionId;
    this.capabilities = client.capabilities;
    this.attributes = client.attributes;
    this.userName = client.user.name;
    this.account = services.accountOf(this.userName);
    this.#collation = client.collation;
    this.#schema = client.schema;
    const deprecateEof = (client.capabilities & Capability.DeprecateEof) !== 0;
    this.#reply = new ClientReply(client.socket, deprecateEof, services.output, this);
    this.work = new CommandWork(this.#reply, (target) => this.#longCommandBegins(target));
    this.virtual = this.#newVirtualSession();
  }

  get deprecateEof(): boolean {
    return (this.capabilities & Capability.DeprecateEof) !== 0;
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
    if (this.#client.rest.length > 0) this.#reader.push(this.#client.rest);
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

  sendOk(sequenceId = 1): void {
    this.send(encodeOk(sequenceId, { status: this.virtual.status & STATUS_OF_OWN_OK }));
  }

  /** Runs what {@link work} was filled with. */
  submit(): void {
    this.#state = State.Busy;
    this.virtual.run(this.work);
  }

  /** Keeps the next command waiting until {@link workDone}: for answers that are made here but not at once. */
  suspend(): void {
    this.#state = State.Busy;
  }

  changeUser(buf: Buffer, start: number, end: number): void {
    this.#state = State.ChangingUser;
    this.#changeUser = new ChangeUser(this, this.services.authentication(this.#client));
    this.#changeUser.begin(buf, start, end, this.capabilities, this.#collation);
  }

  /** {@link ChangeUserHost} */
  userChanged(command: ChangeUserCommand, userName: string, sequenceId: number): void {
    this.#changeUser = null;
    this.virtual.reset(null);
    this.virtual.abandon();
    this.statements.clear();
    this.userName = userName;
    this.account = this.services.accountOf(userName);
    this.#collation = command.collation ?? this.#collation;
    this.#schema = command.schema;
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
    this.virtual.profile = this.virtual.profile.withMultiStatements(on);
  }

  /** COM_RESET_CONNECTION. */
  resetSession(): void {
    const { upstream } = this.services;
    const globals = this.account.resetBaseline;
    if (globals === null || upstream.facts === null)
      throw new TypeError('a client is connected before the server is known');
    const { collations, info } = upstream.facts;
    const keepsCharset = info.flavor === 'mariadb';
    const current = this.virtual.profile;
    this.statements.clear();
    this.virtual.reset(
      resetProfile(upstream.registry, globals, collations, keepsCharset, this.#loginState(), current),
    );
  }

  /** {@link VirtualSessionHost} */
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
    this.#streamed = null;
    this.#pump();
  }

  /** {@link VirtualSessionHost} */
  workFailed(err: ErrPacket): void {
    if (this.#state === State.Closed) return;
    this.pendingPrepare = null;
    if (this.#loginSequence !== 0) {
      this.sendErr(err, this.#loginSequence);
      this.end();
      return;
    }
    if (this.work.hasReply) this.sendErr(err);
    if (this.virtual.session === null) this.statements.sessionGone();
    this.#state = State.Ready;
    if (this.work.isLong) {
      this.#skipping = true;
      this.#stream(new StreamedInput(this.#reader, SKIP, false, this.services.maxPacketSize));
    }
    this.#pump();
  }

  /** {@link VirtualSessionHost} */
  replyBroken(err: ErrPacket, session: ServerSession): void {
    const { tracker } = session;
    if (tracker.atPacketBoundary && !this.work.isLong) {
      this.workFailed(err);
      return;
    }
    this.close('the server session was lost in the middle of a reply');
  }

  /** {@link ReplyObserver} */
  replyOk(ok: OkPacket): void {
    this.virtual.replyOk(ok);
    const { statement } = this.work;
    if (statement === null) return;
    if ((ok.status & Status.CursorExists) !== 0) this.setCursor(true);
    if ((ok.status & Status.LastRowSent) !== 0) this.setCursor(false);
  }

  /** {@link ReplyObserver} */
  replyErr(errno: number, notExecuted: boolean): void {
    this.pendingPrepare = null;
    this.virtual.replyErr(errno, notExecuted);
  }

  /** {@link ReplyObserver} */
  statementPrepared(serverId: number, parameters: number): number {
    const pending = this.pendingPrepare;
    const { session } = this.virtual;
    if (pending === null || session === null)
      throw new TypeError('a statement was prepared that nobody asked for');
    this.pendingPrepare = null;
    return this.statements.prepared(pending, this.virtual.profile, parameters, serverId, session).id;
  }

  /** {@link ReplyObserver} */
  fileRequested(): void {
    const { session } = this.virtual;
    if (session === null) throw new TypeError('a file was requested without a session');
    this.#stream(new StreamedInput(this.#reader, new FileTarget(session), true, Number.POSITIVE_INFINITY));
  }

  #longCommandBegins(target: PieceTarget): void {
    this.#longCommand = true;
    this.#stream(new StreamedInput(this.#reader, target, false, this.services.maxPacketSize));
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

  setCursor(open: boolean): void {
    const { statement } = this.work;
    if (statement === null) return;
    this.statements.setCursor(statement, open);
    this.virtual.setHold(HoldReason.Cursor, this.statements.hasCursor);
  }

  /** {@link RegisteredClient} */
  killQuery(done: (error: Error | null) => void): void {
    const { session } = this.virtual;
    if (session === null || !this.virtual.running) done(null);
    else this.services.killer.killQuery(session, this.account, done);
  }

  /** {@link RegisteredClient} */
  killConnection(): void {
    this.killQuery(() => {});
    this.close('killed');
  }

  /** {@link RegisteredClient}: the proxy is about to stop. */
  drain(): void {
    this.#draining = true;
    this.#endIfDrained();
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
    this.services.diagnosticsHolds.delete(this.virtual);
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

  #newVirtualSession(): VirtualSession {
    return new VirtualSession(this.services, this, this.account, this.capabilities & POOL_CAPABILITIES, () =>
      this.#initialProfile(),
    );
  }

  #loginState(): LoginState {
    return { schema: this.#schema, capabilities: this.capabilities, collation: this.#collation };
  }

  #initialProfile(): SessionProfile | null {
    const { facts, registry } = this.services.upstream;
    const { loginBaseline, resetBaseline } = this.account;
    if (facts === null || loginBaseline === null || resetBaseline === null) return null;
    return initialProfile(registry, loginBaseline, resetBaseline, facts.collations, this.#loginState());
  }

  /** Answers a login at once where its schema is known to exist, else when a session has it. */
  #beginLogin(sequenceId: number): void {
    this.#loginSequence = sequenceId;
    const schemaKnown = this.#schema === null || this.services.knownSchemas.has(this.account, this.#schema);
    if (schemaKnown && this.virtual.profileKnown) {
      this.#loginSucceeded();
      this.#state = State.Ready;
      this.#pump();
      return;
    }
    this.work.set(SendKind.Nothing, ReplyShape.Ok, SCHEMA_CHANGE, EMPTY, 0, 0);
    this.work.getsSchema = this.#schema !== null;
    this.submit();
  }

  #loginSucceeded(): void {
    const sequenceId = this.#loginSequence;
    this.#loginSequence = 0;
    if (this.#schema !== null) this.services.knownSchemas.add(this.account, this.#schema);
    this.sendOk(sequenceId);
  }

  #onData(chunk: Buffer): void {
    if (this.#state === State.Closed) return;
    this.#reader.push(chunk);
    this.#pump();
    if (this.#reader.unread > MAX_BACKLOG && this.#state === State.Busy) this.#socket.pause();
  }

  #onDrain(): void {
    if (!this.#serverCongested) return;
    this.#serverCongested = false;
    this.virtual.session?.channel.resume();
  }

  /** Takes commands, or pieces of one, for as long as there are any and nothing is under way. Not re-entrant. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    let goOn = true;
    while (goOn) goOn = this.#pumpOnce();
    this.#pumping = false;
    if (this.#draining) this.#endIfDrained();
    if (this.#state === State.Ready && this.#socket.isPaused()) this.#socket.resume();
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
      case State.Ready:
        break;
    }
    const event = this.#reader.next();
    if (event === CommandEvent.None) return false;
    const { buf, start, end } = this.#reader;
    if (this.#state === State.ChangingUser) {
      this.#changeUser?.receive(buf, start, end);
      return this.#state !== State.ChangingUser;
    }
    if (buf[start + 3] !== 0) {
      this.#outOfOrder(buf[start + 3] as number);
      return false;
    }
    if (event === CommandEvent.LongCommand) this.#beginLong(buf, start, end);
    else if (end - start === HEADER_SIZE)
      this.sendErr(
        clientError(ServerError.MalformedPacket, 'Malformed communication packet: an empty command'),
      );
    else dispatch(this, buf, start, end);
    return true;
  }

  #beginLong(buf: Buffer, start: number, end: number): void {
    const err = dispatchLong(this, buf, start, end);
    if (err === null) return;
    this.sendErr(err);
    this.close('a command was too long');
  }

  #stream(input: StreamedInput): void {
    this.#streamed = input;
    this.#state = State.Streaming;
    this.#pump();
  }

  #pumpStreamed(): boolean {
    const progress = this.#streamed?.pump() ?? Progress.Done;
    switch (progress) {
      case Progress.Starved:
        if (this.#socket.isPaused()) this.#socket.resume();
        return false;
      case Progress.Congested:
        this.#socket.pause();
        return false;
      case Progress.Done:
        this.#streamed = null;
        this.#state = this.#skipping ? State.Ready : State.Busy;
        this.#skipping = false;
        if (this.#longCommand) this.#longCommandSent();
        return true;
      case Progress.TooLarge:
        this.sendErr(packetTooLarge(this.services.maxPacketSize));
        this.close('packet too large');
        return false;
    }
  }

  /** All of a long command is on its way: only now is it known what its text says. */
  #longCommandSent(): void {
    this.#longCommand = false;
    const { text } = this.work;
    if (text !== null) {
      this.work.effects = effectsOf(text.finish());
      this.virtual.effectsKnown(this.work.effects);
    }
    if (!this.work.hasReply) this.virtual.replyComplete();
  }

  #outOfOrder(sequenceId: number): void {
    this.sendErr(
      clientError(
        ServerError.NetPacketsOutOfOrder,
        `Got packets out of order: a command began with sequence id ${sequenceId}`,
      ),
      (sequenceId + 1) & 0xff,
    );
    this.end();
  }
}

/** Warnings and "more results" are of a server's reply; only these flags are the session's. */
const STATUS_OF_OWN_OK =
  Status.Autocommit | Status.InTransaction | Status.InTransactionReadonly | Status.NoBackslashEscapes;

const EMPTY = Buffer.alloc(HEADER_SIZE);
