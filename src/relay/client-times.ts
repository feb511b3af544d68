import type { ErrPacket } from '../protocol/generic-response.js';
import { Flag, StatementKind } from '../sql/traits.js';
import type { ClientSocket } from '../streams/client-socket.js';
import type { AbandonedClient } from './abandonment.js';
import { endStatement } from './abandonment.js';
import type { ClientInput } from './client-input.js';
import type { ClientReply } from './client-reply.js';
import type { ClientStatements } from './client-statements.js';
import { type CommandLoop, Stage } from './command-loop.js';
import type { CommandWork } from './command-work.js';
import { idleError, ownWaitTimeout, tellsIdle } from './idle-timeout.js';
import {
  clientIdleErr,
  type Expiry,
  type TimedClient,
  TimeLimit,
  type TimeLimits,
  TimeWatch,
} from './time-limits.js';

/** The connection whose times are watched. */
export interface TimesHost extends AbandonedClient {
  readonly connectionId: number;
  readonly userName: string;
  readonly capabilities: number;
  readonly timeLimits: TimeLimits;
  readonly work: CommandWork;
  readonly statements: ClientStatements;
  sendErr(err: ErrPacket, sequenceId: number): void;
  /** Sends what is queued, then closes. */
  end(reason: string): void;
  /** Closes at once. */
  close(reason: string): void;
}

/** The parts of a connection that tell what it is doing. */
export interface TimedParts {
  readonly socket: ClientSocket;
  readonly input: ClientInput;
  readonly loop: CommandLoop;
  readonly reply: ClientReply;
}

/** What becomes of a connection when one of its {@link TimeLimits} is reached. */
export class ClientTimes implements TimedClient {
  readonly #host: TimesHost;
  readonly #parts: TimedParts;
  readonly #watch = new TimeWatch();

  constructor(host: TimesHost, parts: TimedParts) {
    this.#host = host;
    this.#parts = parts;
  }

  clientSpoke(): void {
    this.#watch.clientSpoke();
  }

  /** Seconds that have passed since the client last said something, while nothing was under way. */
  get idleSeconds(): number {
    return this.#watch.idleSeconds;
  }

  /** A second has passed. */
  secondPassed(): void {
    this.#watch.secondPassed(this);
  }

  get timeLimits(): TimeLimits {
    return this.#host.timeLimits;
  }

  get isReady(): boolean {
    return this.#parts.loop.stage === Stage.Ready;
  }

  get taken(): number | null {
    const { socket } = this.#parts;
    return socket.writableLength === 0 ? null : socket.bytesWritten - socket.writableLength;
  }

  get writeTimeout(): number {
    const { state } = this.#host.virtual;
    const seconds = state.learnProfile() ? state.profile.variable('net_write_timeout') : undefined;
    return seconds === undefined ? Number.POSITIVE_INFINITY : Number(seconds);
  }

  get isSending(): boolean {
    const { loop, input, socket } = this.#parts;
    if (loop.stage === Stage.ChangingUser) return true;
    return loop.stage === Stage.Streaming && !input.congested && !socket.isPaused();
  }

  get holds(): number {
    return this.#host.virtual.holds;
  }

  get transactions(): number {
    return this.#host.virtual.transactions;
  }

  get secondsAtWork(): number {
    return this.#parts.loop.stage === Stage.Busy ? this.#host.virtual.secondsAtWork : 0;
  }

  get ownWaitTimeout(): number | null {
    const { virtual, capabilities } = this.#host;
    return ownWaitTimeout(virtual.state.profile, capabilities);
  }

  interrupt(err: ErrPacket): boolean {
    const host = this.#host;
    if (!endStatement(host, false)) return false;
    // What the proxy asks before the statement is ended as well: it has no result that could be withheld.
    this.#parts.reply.interrupt(err, host.virtual.running && onlyReads(host.work));
    return true;
  }

  expire(expiry: Expiry): boolean {
    if (!this.#host.virtual.expire(expiry)) return false;
    this.#host.statements.sessionGone();
    return true;
  }

  /** A transaction does not keep it: the server would end that, too. */
  endIdle(limit: TimeLimit | null): void {
    const host = this.#host;
    const info = host.services.upstream.facts?.info ?? null;
    const tells = info !== null && tellsIdle(info);
    const err = limit === null ? info && idleError(info) : clientIdleErr(this.timeLimits.clientIdle);
    // Who is not told by its server takes this for the reply to its next command.
    if (err !== null && tells) host.sendErr(err, 0);
    host.end(limit === null ? 'idle for longer than its wait_timeout' : `idle for longer than ${limit}`);
  }

  endInside(err: ErrPacket): void {
    this.#host.sendErr(err, this.#parts.input.replySequence);
    this.#host.end(`silent in the midst of a command for longer than ${TimeLimit.IdleTransaction}`);
  }

  endUnread(): void {
    this.#host.close('took nothing of a reply for longer than its net_write_timeout');
  }

  struck(limit: TimeLimit, seconds: number): void {
    const { services, connectionId, userName, virtual } = this.#host;
    virtual.times.struck(limit);
    services.counters.limitReached(limit);
    services.observer.limitReached?.({
      client: connectionId,
      user: userName,
      serverSession: virtual.session?.connectionId ?? null,
      limit,
      seconds,
    });
  }
}

/** What a statement may have done that its client must hear of. */
const DOES_MORE =
  Flag.Dml | Flag.MayRunRoutine | Flag.WritesLastInsertId | Flag.EndsTransaction | Flag.Undecidable;

/** One SELECT that does nothing of which a client would have to know that it was done: its result may become an error. */
function onlyReads({ traits, isLong }: CommandWork): boolean {
  if (traits === null || isLong || traits.statements !== 1) return false;
  return traits.first === StatementKind.Select && traits.holds === 0 && (traits.flags & DOES_MORE) === 0;
}
