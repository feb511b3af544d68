import type { ServerAccount } from '../backend/upstream.js';
import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { ClientSocket } from '../streams/client-socket.js';
import { ClientDrain, type DrainedClient } from './client-drain.js';
import type { ClientInput } from './client-input.js';
import type { ClientDescription, ClientState, RegisteredClient } from './client-registry.js';
import type { ClientTimes } from './client-times.js';
import { type CommandLoop, Stage } from './command-loop.js';
import type { ConnectedClient } from './connected-client.js';
import { Departure } from './departure.js';
import type { SessionStart } from './session-start.js';
import type { VirtualSession } from './virtual-session.js';

/** The connection that an entry is of. */
export interface EnteredConnection {
  readonly connectionId: number;
  readonly userName: string;
  readonly account: ServerAccount;
  readonly virtual: VirtualSession;
  readonly closed: boolean;
  readonly holdsNothing: boolean;
  sendErr(err: ErrPacket, sequenceId: number): void;
  end(departure: string): void;
  close(departure: string): void;
}

/** The parts of it that tell what it is doing. */
export interface EnteredParts {
  readonly socket: ClientSocket;
  readonly input: ClientInput;
  readonly loop: CommandLoop;
  readonly start: SessionStart;
}

/** A client's entry in the registry: what others see of it, and what KILL, the operator, a drain and the clock do to it. */
export class ClientEntry implements RegisteredClient, DrainedClient {
  readonly connectionId: number;
  readonly #connection: EnteredConnection;
  readonly #client: ConnectedClient;
  readonly #parts: EnteredParts;
  readonly #times: ClientTimes;
  readonly #connectedAt = Date.now();
  readonly #drain = new ClientDrain(this);

  constructor(
    connection: EnteredConnection,
    client: ConnectedClient,
    parts: EnteredParts,
    times: ClientTimes,
  ) {
    this.#times = times;
    this.connectionId = connection.connectionId;
    this.#connection = connection;
    this.#client = client;
    this.#parts = parts;
  }

  get userName(): string {
    return this.#connection.userName;
  }

  get account(): ServerAccount {
    return this.#connection.account;
  }

  /** {@link RegisteredClient} */
  get serverConnectionId(): number | null {
    return this.#connection.virtual.session?.connectionId ?? null;
  }

  /** {@link RegisteredClient} */
  get state(): ClientState {
    const { waitedMs, session, running } = this.#connection.virtual;
    return waitedMs !== null ? 'waiting' : running ? 'active' : session !== null ? 'held' : 'idle';
  }

  /** {@link RegisteredClient} */
  describe(): ClientDescription {
    const { remote, attributes } = this.#client;
    const { waitedMs, state, holds } = this.#connection.virtual;
    const isTcp = remote.kind === 'tcp';
    return {
      state: this.state,
      address: isTcp ? remote.address : null,
      port: isTcp ? remote.port : null,
      schema: state.learnProfile() ? state.profile.schema : null,
      connectedAt: this.#connectedAt,
      waitedMs: waitedMs ?? 0,
      holds,
      profile: state.learnProfile() ? state.profile : null,
      attributes,
    };
  }

  /** {@link RegisteredClient} */
  killQuery(done: (error: Error | null) => void): void {
    const { virtual, account } = this.#connection;
    const { session, running } = virtual;
    if (session === null) done(null);
    else virtual.server.killer.killQuery({ session, own: !running }, account, done);
  }

  /** {@link RegisteredClient} */
  killConnection(): void {
    this.close(Departure.Killed);
  }

  /** {@link RegisteredClient} */
  secondPassed(): void {
    const { loop, input } = this.#parts;
    this.#times.secondPassed();
    if (!this.#connection.closed && loop.stage !== Stage.Ready) input.readFurther();
  }

  /** {@link RegisteredClient} */
  shutDown(): void {
    if (this.#connection.closed) return;
    const { start, loop } = this.#parts;
    if (start.pending) {
      start.failed(SHUTDOWN);
      return;
    }
    const { replyDue, errSequence } = loop;
    if (replyDue && errSequence !== null) this.#connection.sendErr(SHUTDOWN, errSequence);
    this.end(Departure.Shutdown);
  }

  /** {@link RegisteredClient} */
  beginDrain(): void {
    this.#drain.begin();
  }

  /** {@link RegisteredClient} */
  drainTick(patience: number): void {
    this.#drain.tick(patience);
  }

  /** {@link ClientDrain.paused} */
  paused(): void {
    this.#drain.paused();
  }

  /** {@link ClientDrain.pinged} */
  drainedByPing(): boolean {
    return this.#drain.pinged();
  }

  /** {@link DrainedClient} */
  get isAtRest(): boolean {
    const { loop, input, socket } = this.#parts;
    const isReady = loop.stage === Stage.Ready && input.reader.unread === 0;
    return isReady && this.#connection.holdsNothing && !socket.writableNeedDrain;
  }

  /** {@link DrainedClient} */
  get idleSeconds(): number {
    return this.#times.idleSeconds;
  }

  /** {@link DrainedClient} */
  get age(): number {
    return Date.now() - this.#connectedAt;
  }

  /** {@link DrainedClient} */
  get bytesRead(): number {
    return this.#parts.socket.bytesRead;
  }

  /** {@link DrainedClient} */
  end(departure: string): void {
    this.#connection.end(departure);
  }

  /** {@link RegisteredClient} */
  close(departure: string): void {
    this.#connection.close(departure);
  }
}

/** As the servers say it. */
const SHUTDOWN: ErrPacket = { ...ServerError.ServerShutdown, message: 'Server shutdown in progress' };
