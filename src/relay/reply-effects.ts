import type { ServerSession } from '../backend/server-session.js';
import { Status } from '../protocol/constants.js';
import type { ErrPacket, OkPacket } from '../protocol/generic-response.js';
import type { ToldState } from '../protocol/session-state.js';
import { HoldReason } from '../session/hold-reason.js';
import type { ReplyObserver } from './client-reply.js';
import type { ClientStatements, PendingPrepare } from './client-statements.js';
import type { CommandWork } from './command-work.js';
import type { ErrorSource } from './error-source.js';
import type { VirtualSession } from './virtual-session.js';

/** The connection that a reply goes to. */
export interface ReplyHost {
  readonly connectionId: number;
  readonly work: CommandWork;
  readonly virtual: VirtualSession;
  readonly statements: ClientStatements;
  pendingPrepare: PendingPrepare | null;
  /** The client gets an error. */
  errTold(source: ErrorSource): void;
  /** The client is to send a file to the session. */
  fileRequested(session: ServerSession): void;
  replyComplete(): void;
  /** The server takes bytes again. */
  serverDrained(): void;
}

/** What replies do to their client: to the state of its session, to its statements and cursors, to the flow of bytes. */
export class ReplyEffects implements ReplyObserver {
  readonly #host: ReplyHost;
  #serverPaused = false;

  constructor(host: ReplyHost) {
    this.#host = host;
  }

  /** {@link ReplyObserver} */
  get connectionId(): number {
    return this.#host.connectionId;
  }

  /** {@link ReplyObserver} */
  get status(): number {
    return this.#host.virtual.state.status;
  }

  /** {@link ReplyObserver} */
  get told(): ToldState {
    return this.#host.virtual.told;
  }

  /** {@link ReplyObserver} */
  replyOk(ok: OkPacket, rows: number | null, row: readonly (bigint | null)[] | null): void {
    const host = this.#host;
    host.virtual.replyOk(ok, rows, row);
    if (host.work.statement === null) return;
    if ((ok.status & Status.CursorExists) !== 0) this.#setCursor(true);
    if ((ok.status & Status.LastRowSent) !== 0) this.#setCursor(false);
  }

  /** {@link ReplyObserver} */
  errTold(source: ErrorSource): void {
    this.#host.errTold(source);
  }

  /** {@link ReplyObserver} */
  replyErr(err: ErrPacket, notExecuted: boolean, untold: boolean): boolean | ErrPacket {
    const told = this.#host.virtual.replyErr(err, notExecuted, untold);
    // Else the statement is prepared on another session.
    if (told !== false) this.#host.pendingPrepare = null;
    return told;
  }

  /** {@link ReplyObserver} */
  statementPrepared(serverId: number, parameters: number): number {
    const { pendingPrepare, virtual, statements } = this.#host;
    const { session } = virtual;
    if (pendingPrepare === null || session === null)
      throw new TypeError('a statement was prepared that nobody asked for');
    this.#host.pendingPrepare = null;
    return statements.prepared(pendingPrepare, virtual.state.profile, parameters, serverId, session).id;
  }

  /** {@link ReplyObserver} */
  fileRequested(): void {
    const { session } = this.#host.virtual;
    if (session === null) throw new TypeError('a file was requested without a session');
    this.#host.fileRequested(session);
  }

  /** {@link ReplyObserver} */
  replyComplete(): void {
    this.#host.replyComplete();
  }

  /** {@link ReplyObserver} */
  clientCongested(): void {
    this.#host.virtual.session?.channel.pause();
    this.#serverPaused = true;
  }

  /** {@link ReplyObserver} */
  serverDrained(): void {
    this.#host.serverDrained();
  }

  /** The client has read what it was sent, or will read nothing more: the server may go on. */
  resumeServer(): void {
    if (!this.#serverPaused) return;
    this.#serverPaused = false;
    this.#host.virtual.session?.channel.resume();
  }

  #setCursor(open: boolean): void {
    const { work, statements, virtual } = this.#host;
    if (work.statement === null) return;
    statements.setCursor(work.statement, open);
    virtual.state.setHold(HoldReason.Cursor, statements.hasCursor);
  }
}
