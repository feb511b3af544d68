import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount } from '../backend/upstream.js';
import type { AppProcess } from '../pool/app-process.js';
import { Capability, ServerError, Status } from '../protocol/constants.js';
import { type ErrPacket, encodeOk } from '../protocol/generic-response.js';
import { HoldReason } from '../session/hold-reason.js';
import type { ClientSocket } from '../streams/client-socket.js';
import type { Written } from '../writes/written.js';
import type { LoginOk } from './change-user.js';
import { ClientEntry, type EnteredConnection } from './client-entry.js';
import { encodeForClient, isOwnError, withCause } from './client-errors.js';
import { ClientInput } from './client-input.js';
import { ClientReply } from './client-reply.js';
import { ClientStatements, type PendingPrepare } from './client-statements.js';
import { ClientTimes, type TimesHost } from './client-times.js';
import { dispatch } from './command-dispatch.js';
import { CommandLoop, type CommandLoopHost, Stage } from './command-loop.js';
import { classifyAgain } from './command-traits.js';
import { CommandWork } from './command-work.js';
import type { ConnectedClient } from './connected-client.js';
import { ConnectionEnd, type EndingConnection } from './connection-end.js';
import { Departure } from './departure.js';
import { ErrorSource, sourceOfFailure, sourceOfRefusal } from './error-source.js';
import type { GuardRails } from './guard-rails.js';
import type { LearnedAnswer } from './learned-answers.js';
import type { RelayServices } from './relay-services.js';
import { ReplyEffects, type ReplyHost } from './reply-effects.js';
import type { Server } from './server.js';
import { SessionStart, type SessionStartHost } from './session-start.js';
import { isForgedRecord } from './shared-socket.js';
import type { TimeLimits } from './time-limits.js';
import { VirtualSession } from './virtual-session.js';
import type { WorkObserver } from './work.js';

/**
 * One client: its socket, and what its commands come to. They are taken one at a time by a {@link CommandLoop}; what a
 * command means is decided in `command-dispatch`, where it runs in {@link VirtualSession}.
 */
export class ClientConnection
  implements
    WorkObserver,
    CommandLoopHost,
    ReplyHost,
    SessionStartHost,
    TimesHost,
    EnteredConnection,
    EndingConnection
{
  readonly connectionId: number;
  readonly attributes: ReadonlyMap<string, string>;
  readonly process: AppProcess;
  readonly written: Written | null;
  readonly capabilities: number;
  readonly services: RelayServices;
  readonly work: CommandWork;
  readonly statements = new ClientStatements();
  virtual: VirtualSession;
  pendingPrepare: PendingPrepare | null = null;
  readonly #client: ConnectedClient;
  readonly #socket: ClientSocket;
  readonly #input: ClientInput;
  readonly #reply: ClientReply;
  readonly #times: ClientTimes;
  readonly #entry: ClientEntry;
  readonly #ending: ConnectionEnd;
  readonly #effects = new ReplyEffects(this);
  readonly #loop: CommandLoop;
  readonly #start: SessionStart;
  /** What goes before the answer to the login; empty once it is sent. */
  #preface: Buffer;

  constructor(client: ConnectedClient, services: RelayServices) {
    this.#client = client;
    this.#preface = client.preface;
    this.#socket = client.socket;
    this.services = services;
    this.connectionId = client.connectionId;
    this.capabilities = client.capabilities;
    this.attributes = client.attributes;
    this.process = services.processes.enter(client);
    this.written = services.ownWrites?.registry.enter(this.process.label) ?? null;
    this.#input = new ClientInput(client.socket, services.maxPacketSize);
    this.#loop = new CommandLoop(this, client.socket, this.#input);
    this.#start = new SessionStart(client, services, this);
    this.#reply = new ClientReply(client.socket, client.capabilities, services.output, this.#effects);
    this.work = new CommandWork(this.#reply, (target) => {
      this.#input.streamCommand(target);
      this.#loop.stream();
    });
    this.virtual = this.#newVirtualSession();
    const parts = {
      socket: this.#socket,
      input: this.#input,
      loop: this.#loop,
      reply: this.#reply,
      start: this.#start,
      effects: this.#effects,
    };
    this.#times = new ClientTimes(this, parts);
    this.#entry = new ClientEntry(this, client, parts, this.#times);
    this.#ending = new ConnectionEnd(this, parts);
  }

  get deprecateEof(): boolean {
    return (this.capabilities & Capability.DeprecateEof) !== 0;
  }

  get closed(): boolean {
    return this.#loop.stage === Stage.Closed;
  }

  /** {@link CommandLoopHost} */
  get loginPending(): boolean {
    return this.#start.pending;
  }

  get userName(): string {
    return this.#start.identity.userName;
  }

  /** {@link CommandTarget} */
  get rails(): GuardRails | null {
    return this.#start.identity.rails;
  }

  get account(): ServerAccount {
    return this.#start.identity.account;
  }

  /** {@link TimesHost} */
  get timeLimits(): TimeLimits {
    return this.#start.identity.timeLimits;
  }

  /** {@link WorkObserver} */
  get address(): string {
    const { remote } = this.#client;
    return remote.kind === 'tcp' ? `${remote.address}:${remote.port}` : 'unix';
  }

  /** {@link KillClient} */
  get server(): Server {
    return this.virtual.server;
  }

  get serverConnectionId(): number | null {
    return this.virtual.session?.connectionId ?? null;
  }

  /** Takes the socket over and answers the login. */
  start(): void {
    const socket = this.#socket;
    this.services.clients.add(this.#entry);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('drain', () => this.#onDrain());
    socket.on('end', () => this.close(Departure.Gone));
    socket.on('error', (error) => this.#onError(error));
    socket.on('close', () => {
      this.close(Departure.Gone);
      // Not before: who says goodbye and keeps the socket open has a connection still.
      this.#client.release();
      this.#start.over();
    });
    if (this.#client.rest.length > 0) this.#input.reader.push(this.#client.rest);
    this.#loop.sharing.begin();
    this.#start.begin(this.#client);
    // Where the answer takes its time.
    if (this.#preface.length > 0) this.send(NOTHING);
    socket.resume();
  }

  /**
   * Sends a whole packet, and the word that goes before the first: caching_sha2_password's, which would take a write of its own
   * and wake the client twice (a login by it, a query and the end of the connection: 176 µs of CPU with that, and 142 without it
   * and with logins' other savings).
   */
  send(packet: Buffer): void {
    if (this.#loop.stage === Stage.Closed) return;
    const preface = this.#preface;
    if (preface.length > 0) this.#preface = NOTHING;
    this.#socket.write(preface.length > 0 ? Buffer.concat([preface, packet]) : packet);
  }

  sendErr(err: ErrPacket, sequenceId = 1, source: ErrorSource = sourceOfRefusal(err)): void {
    if (this.closed) return;
    this.errTold(source);
    if (isOwnError(err)) this.services.observer.errTold?.(this, err);
    this.send(encodeForClient(sequenceId, err, this.connectionId));
  }

  /** {@link ReplyHost} */
  errTold(source: ErrorSource): void {
    this.services.counters.errors[source]++;
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
    this.#loop.stage = Stage.Busy;
    this.virtual.run(this.work);
  }

  /** {@link CommandTarget} */
  answer(known: LearnedAnswer): void {
    this.virtual.state.answered(known);
    this.#reply.repeat(known.packets);
    this.services.counters.learnedAnswers++;
    this.services.counters.commands++;
  }

  /** Keeps the next command waiting until {@link workDone}: for answers that are made here but not at once. */
  suspend(): void {
    this.#loop.stage = Stage.Busy;
    this.work.answered = false;
  }

  /** {@link CommandTarget} */
  resume(buf: Buffer, start: number, end: number): void {
    if (this.#loop.stage !== Stage.Busy) return;
    this.#loop.stage = Stage.Ready;
    dispatch(this, buf, start, end);
    this.#loop.pump();
  }

  changeUser(buf: Buffer, start: number, end: number): void {
    this.#loop.stage = Stage.ChangingUser;
    this.#start.changeUser(buf, start, end);
  }

  /** {@link SessionStartHost} */
  setChanging(takesPackets: boolean): void {
    if (this.closed) return;
    if (!takesPackets) {
      this.suspend();
      return;
    }
    this.#loop.stage = Stage.ChangingUser;
    this.#loop.pump();
  }

  /** {@link SessionStartHost} */
  beginAnew(over: () => void): void {
    this.suspend();
    this.statements.clear();
    this.virtual.reset(null, () => {
      this.virtual.abandon();
      if (this.closed) return;
      this.virtual = this.#newVirtualSession();
      over();
    });
  }

  /** {@link SessionStartHost} */
  welcome({ sequenceId, info }: LoginOk): void {
    this.#reply.restart(this.virtual.state.status);
    this.send(encodeOk(sequenceId, { status: this.ownStatus, info }));
  }

  /** {@link SessionStartHost} */
  ready(): void {
    if (!this.closed) this.#loop.ready();
  }

  /** COM_SET_OPTION. */
  setMultiStatements(on: boolean): void {
    this.virtual.state.profile = this.virtual.state.profile.withMultiStatements(on);
  }

  /** COM_RESET_CONNECTION. */
  resetSession(over: () => void): void {
    this.statements.clear();
    this.virtual.reset(this.#start.identity.resetProfile(this.virtual.state.profile), over);
    this.#reply.restart(this.virtual.state.status);
  }

  /** {@link WorkObserver} */
  workDone(): void {
    if (this.closed) return;
    if (this.#start.pending) this.#start.succeeded();
    if (this.virtual.session === null) this.statements.sessionGone();
    this.services.counters.commands++;
    if (this.work.effects.disconnects) {
      this.end(Departure.Released);
      return;
    }
    this.ready();
  }

  /** {@link WorkObserver} */
  workFailed(err: ErrPacket, sequenceId = 1): void {
    if (this.closed) return;
    this.#reply.takeBack();
    const interruption = this.#reply.takeInterruption();
    this.pendingPrepare = null;
    if (this.#start.pending) {
      this.#start.failed(err);
      return;
    }
    if (this.virtual.session === null) this.statements.sessionGone();
    const told = withCause(err, interruption);
    if (this.#loop.long.failsLater(told)) return;
    this.fail(told, this.work.isLong ? this.#input.replySequence : sequenceId);
    this.#loop.pump();
  }

  /** {@link LongCommandHost} */
  fail(err: ErrPacket, sequenceId: number): void {
    if (err.errno === ServerError.NetPacketTooLarge.errno) {
      this.sendErr(err, sequenceId);
      this.end(isOwnError(err) ? Departure.PacketTooLarge : Departure.PacketTooLargeForServer);
      return;
    }
    this.#loop.stage = Stage.Ready;
    if (this.work.hasReply) this.sendErr(err, sequenceId, sourceOfFailure(err));
  }

  /** {@link WorkObserver} */
  replyBroken(err: ErrPacket, session: ServerSession): void {
    const { tracker } = session;
    if (this.#reply.takeBack()) {
      this.workFailed(err);
      return;
    }
    if (tracker.atPacketBoundary && !this.work.isLong) {
      this.workFailed(err, tracker.nextSequence);
      return;
    }
    this.close(Departure.LostInReply);
  }

  /** {@link ReplyHost} */
  fileRequested(session: ServerSession): void {
    if (this.closed) {
      // Nobody is there to send it, and a KILL does not always end the wait (MariaDB).
      this.virtual.abandonInside();
      return;
    }
    this.#input.streamFile(session);
    this.#loop.stream();
  }

  /** {@link ReplyHost} */
  replyComplete(): void {
    if (this.#loop.stage === Stage.Streaming) {
      // The server answered before it had everything: it does not read the rest, or takes it for commands.
      this.close(Departure.EndedEarly);
      return;
    }
    this.work.answered = !this.virtual.replyIsKept;
    this.virtual.replyComplete();
  }

  /** {@link ReplyHost}, {@link WorkObserver} */
  serverDrained(): void {
    if (this.#loop.stage !== Stage.Streaming) return;
    this.#input.drained();
    this.#loop.pump();
  }

  /** {@link CommandTarget} */
  drainedByPing(): boolean {
    return this.#entry.drainedByPing();
  }

  /** {@link ConnectionEnd.end} */
  end(departure: string): void {
    this.#ending.end(departure);
  }

  /** {@link ConnectionEnd.quit} */
  quit(): void {
    this.#ending.quit();
  }

  /** {@link ConnectionEnd.close} */
  close(departure: string): void {
    this.#ending.close(departure);
  }

  /** {@link WatchedClient} */
  get holdsNothing(): boolean {
    return (this.virtual.holds & ~HoldReason.SessionMode) === 0;
  }

  /** {@link WatchedClient} */
  endWith(err: ErrPacket, sequenceId: number | null): void {
    const id = sequenceId ?? this.#loop.errSequence;
    if (id !== null) this.sendErr(err, id, ErrorSource.Client);
    this.end(Departure.SharedSocket);
  }

  #newVirtualSession(): VirtualSession {
    return new VirtualSession(this.services, this, this.#start.identity);
  }

  #onData(chunk: Buffer): void {
    if (this.closed) return;
    this.#times.clientSpoke();
    this.#loop.received(chunk);
  }

  /** 'close' follows where the system has ended the connection, but not where TLS has lost the thread. */
  #onError(error: Error): void {
    if (!this.closed && isForgedRecord(error)) this.#loop.sharing.forgedRecord();
    this.close(Departure.Gone);
    this.#socket.destroy();
  }

  #onDrain(): void {
    this.#effects.resumeServer();
    if (this.#loop.stage === Stage.Ready) this.#loop.pump();
  }

  /** {@link CommandLoopHost} */
  receive(buf: Buffer, start: number, end: number): void {
    this.#start.receive(buf, start, end);
  }

  /** {@link CommandLoopHost} */
  paused(): void {
    this.#entry.paused();
  }

  /** {@link WorkObserver} */
  sessionLeft(): void {
    this.statements.sessionGone();
  }

  /** {@link WorkObserver} */
  classifyAgain(): void {
    classifyAgain(this);
  }
}

const NOTHING = Buffer.alloc(0);

/** Warnings and "more results" are of a server's reply; only these flags are the session's. */
const STATUS_OF_OWN_OK =
  Status.Autocommit |
  Status.InTransaction |
  Status.InTransactionReadonly |
  Status.NoBackslashEscapes |
  Status.AnsiQuotes;
