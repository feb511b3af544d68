import { BouncerError } from '../errors.js';
import { Command } from '../protocol/constants.js';
import { parseErr } from '../protocol/generic-response.js';
import { PayloadWriter } from '../protocol/payload-writer.js';
import { type ReplyShape, type ReplySink, ReplyTracker } from '../protocol/reply-tracker.js';
import type { SessionProfile } from '../session/profile.js';
import type { ServerInfo } from '../session/server-info.js';
import type { InternalCommand, InternalReply } from './internal-commands.js';
import type { ServerChannel } from './server-channel.js';
import { type ServerStatement, StatementCache } from './statement-cache.js';
import type { ServerAccount } from './upstream.js';

/** The server session ended while something was expected of it, or was found dead. */
export class SessionLostError extends BouncerError {
  readonly code = 'SERVER_SESSION_LOST';
}

/** One command under way on a server session: receives its reply, then exactly one of the two ends. */
export interface Exchange extends ReplySink {
  readonly shape: ReplyShape;
  /** All bytes of one read have been given; the reply goes on in a later one. */
  chunkEnd(): void;
  /** The reply is complete. The session may be given other work, or away, from within. */
  replyEnd(): void;
  /** The session is gone; no more of the reply will come. */
  lost(error: SessionLostError): void;
  /** The server takes bytes again after a write that was congested. */
  drained(): void;
}

/** The client that a session is lent to. */
export interface Borrower {
  /** `HoldReason` bits: why the session stays with it between statements. */
  readonly holds: number;
  /** The session has ended, whatever it was doing. */
  sessionLost(error: SessionLostError): void;
  /** The session is old: to be given back now, if nothing runs or is kept on it. */
  sessionOutlived(): void;
  /** The server takes bytes again, of a command that has no reply (those that have one hear of it by their exchange). */
  drained(): void;
}

/** One thing to ask a session for the client that left it there. */
export interface LeftoverQuestion {
  readonly command: InternalCommand;
  /** Takes the answer in, unless it was read before. An answer with an error: it is gone. */
  answered(reply: InternalReply): void;
}

/** A client of whose state something is on a session and nowhere else: it must be read before another one gets it. */
export interface LeftoverOwner {
  /** What to ask, in the order in which the questions don't spoil each other's answers. */
  unreadOn(session: ServerSession): readonly LeftoverQuestion[];
  /** The session has gone, and with it what was not read. */
  lost(session: ServerSession): void;
}

/** Seconds since the start, roughly; somebody else's timer advances it. */
export interface SecondsClock {
  readonly seconds: number;
}

/** KILLs aimed at the command that a session is running. */
export interface AimedKills {
  /**
   * The command is over. Calls back, at once or later, when none of them can hit what comes next; `harmless` is false when
   * that will never be known.
   */
  commandOver(done: (harmless: boolean) => void): void;
}

/**
 * A logged-in session on the server whose raw socket is ours. It knows what state the session is in, and which
 * commands are under way (several when they were pipelined); replies come in the order of the commands.
 */
export class ServerSession {
  readonly channel: ServerChannel;
  readonly info: ServerInfo;
  /** The server's own id of this session, for KILL. */
  readonly connectionId: number;
  /** When it was opened, by the process's clock, in ms. */
  readonly openedAt = performance.now();
  /** Statements prepared here, by what determines their meaning. */
  readonly statements: StatementCache;
  /** Follows the reply that is arriving. */
  readonly tracker = new ReplyTracker();
  readonly #clock: SecondsClock;
  profile: SessionProfile;
  /** Whose session it is; null before it is open. */
  account: ServerAccount | null = null;
  /** What LAST_INSERT_ID() returns here; null when only the server knows. */
  lastInsertId: bigint | null = 0n;
  /** Who has left something here that is not read yet. */
  leftovers: LeftoverOwner | null = null;
  borrower: Borrower | null = null;
  /** False while the trackers are as a client set its own: nothing is to be relied on then. */
  trackersArmed = true;
  /** The same of the tracker of GTIDs, where the proxy has one of its own. */
  gtidsArmed = true;
  /** What tells the server from others that the same address may lead to; null before it was asked. */
  server: string | null = null;
  /** CURRENT_ROLE() when it was opened, which no reset brings back. */
  role: string | null = null;
  /** Whose statement ran here last: its counts and warnings are still to be had. Null when it was the proxy's own. */
  lastBorrower: object | null = null;
  /** Until they can do no more harm, the session must not get new work. */
  kills: AimedKills | null = null;
  /**
   * The server ends the session for a command of so many bytes or more: its max_allowed_packet when the session was opened.
   * What the variable says changes with a reset; this does not.
   */
  maxPayload = UNKNOWN_LIMIT;
  /**
   * Nothing brings back what COM_RESET_CONNECTION would take from it: a node of Galera does not wait for the others' writes any more
   * then, whatever `wsrep_sync_wait` says (MDEV-41385; test/relay/own-writes-clusters).
   */
  spoiltByReset = false;
  /** It was ended by us in the midst of a command: the server may not be rid of it for some time yet. */
  cutOff = false;
  /** It is to serve nobody else: in pool mode `session` its client gives it back as soon as nothing is kept on it. */
  unwanted = false;
  /** It is lent only to clients without a schema: it must never get one, since that can't be taken away again. */
  schemaless = false;
  /** The pool's: called once when the session is gone, but not by {@link close} or {@link quit}. */
  onLost: ((error: SessionLostError) => void) | null = null;
  #current: Exchange | null = null;
  readonly #queue: Exchange[] = [];
  #begun = 0;
  #begunAt = 0;
  #closed = false;

  constructor(
    channel: ServerChannel,
    info: ServerInfo,
    connectionId: number,
    profile: SessionProfile,
    maxPreparedStatements: number,
    clock: SecondsClock = { seconds: 0 },
  ) {
    this.#clock = clock;
    this.channel = channel;
    this.info = info;
    this.connectionId = connectionId;
    this.profile = profile;
    this.statements = new StatementCache(maxPreparedStatements);
    channel.handler = {
      onBytes: (buf, start, end) => this.#onBytes(buf, start, end),
      onDrain: () => (this.#current ?? this.borrower)?.drained(),
      onClosed: (error) => this.#lose('the server closed the connection', error),
    };
  }

  /** A client gave a schema to a session that must have none. */
  get misplaced(): boolean {
    return this.schemaless && this.profile.schema !== null;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether a command's reply is outstanding. */
  get busy(): boolean {
    return this.#current !== null;
  }

  /** Commands announced so far: the number of the last one. */
  get begun(): number {
    return this.#begun;
  }

  /** Number of the command whose reply is outstanding; 0 while there is none. */
  get running(): number {
    return this.#current === null ? 0 : this.#begun - this.#queue.length;
  }

  /** How long ago the last command was announced, in s, within one. */
  get secondsAtWork(): number {
    return this.#clock.seconds - this.#begunAt;
  }

  /** Announces a command; its bytes are written by the caller, after those of the commands announced before. */
  begin(exchange: Exchange): void {
    this.#begun++;
    this.#begunAt = this.#clock.seconds;
    if (this.#current === null) {
      this.#current = exchange;
      this.tracker.begin(exchange.shape);
    } else {
      this.#queue.push(exchange);
    }
  }

  /** Remembers a statement that was just prepared; those it pushes out are closed (the server sends no reply to that). */
  addStatement(statement: ServerStatement): void {
    for (const { id } of this.statements.add(statement)) this.channel.write(statementClosePacket(id));
  }

  /** Forgets a statement, here and on the server; one that the session does not have is no error. */
  closeStatement(key: string): void {
    const statement = this.statements.remove(key);
    if (statement !== undefined) this.channel.write(statementClosePacket(statement.id));
  }

  /** Ends the session without asking: the server rolls back and frees what it held. Only commands under way hear of it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.cutOff ||= this.busy;
    this.onLost = null;
    this.channel.destroy();
    this.#abandonExchanges(new SessionLostError('the session was closed'));
    this.#loseLeftovers();
  }

  /** Cuts the session off as {@link close} does; whoever has borrowed it hears of it as of any loss. */
  fail(why: string): void {
    this.cutOff ||= this.busy && !this.#closed;
    this.#lose(why, null);
  }

  /**
   * Its server is taken for dead: as {@link fail}, but nothing that was under way was meant to be ended, and nobody is there who
   * could end it.
   */
  desert(why: string): void {
    this.#lose(why, null);
  }

  /**
   * Ends a session in order (COM_QUIT), behind what was sent before, whose answers nobody will hear any more; resolves when the server
   * is rid of it.
   */
  quit(): Promise<void> {
    this.#closed = true;
    this.onLost = null;
    this.#loseLeftovers();
    const gone = this.#quit();
    this.#abandonExchanges(new SessionLostError('the session was closed'));
    return gone;
  }

  #quit(): Promise<void> {
    return new Promise((resolve) => this.channel.quit(resolve));
  }

  #onBytes(buf: Buffer, start: number, end: number): void {
    let pos = start;
    while (pos < end) {
      const exchange = this.#current;
      if (exchange === null) {
        if (!this.#closed) this.#lose(unexpectedBytes(buf, pos, end), null);
        return;
      }
      try {
        pos = this.tracker.push(buf, pos, end, exchange);
      } catch (error) {
        // Anything else is a mistake of ours, and no reason to blame the server.
        if (!(error instanceof BouncerError || error instanceof RangeError)) throw error;
        this.tracker.abandon();
        this.#lose('the reply cannot be followed', error);
        return;
      }
      if (this.#current !== exchange) continue;
      if (this.tracker.done) {
        this.#current = this.#queue.shift() ?? null;
        if (this.#current !== null) this.tracker.begin(this.#current.shape);
        // Nothing was asked yet that these bytes could answer, whoever is lent the session in the next call.
        else if (pos < end && !isOwnAccord(buf, pos, end)) {
          this.#endOutOfTurn(exchange);
          return;
        }
        exchange.replyEnd();
      } else {
        exchange.chunkEnd();
      }
    }
  }

  /** The reply is good, and the session is not: what is begun on it now is not sent, and hears of the loss. */
  #endOutOfTurn(exchange: Exchange): void {
    this.channel.destroy();
    exchange.replyEnd();
    this.#lose('the server sent bytes behind the end of a reply', null);
  }

  #lose(what: string, cause: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.channel.destroy();
    const error = new SessionLostError(cause instanceof Error ? `${what}: ${cause.message}` : what, {
      cause,
    });
    const { onLost } = this;
    this.onLost = null;
    onLost?.(error);
    const { borrower } = this;
    this.borrower = null;
    borrower?.sessionLost(error);
    this.#abandonExchanges(error);
    this.#loseLeftovers();
  }

  #loseLeftovers(): void {
    const owner = this.leftovers;
    this.leftovers = null;
    owner?.lost(this);
  }

  #abandonExchanges(error: SessionLostError): void {
    const exchanges = this.#current === null ? [] : [this.#current, ...this.#queue];
    this.#current = null;
    this.#queue.length = 0;
    for (const exchange of exchanges) exchange.lost(error);
  }
}

/** More than any server accepts. */
const UNKNOWN_LIMIT = 0x7fffffff;

/** An ERR with sequence id 0: the server says goodbye, to whatever comes next as well. */
function isOwnAccord(buf: Buffer, start: number, end: number): boolean {
  return end - start > 7 && buf[start + 3] === 0 && buf[start + 4] === 0xff;
}

/**
 * Any byte on an idle session means it is dead. MySQL says why with an ERR of sequence id 0 before it hangs up
 * (4031 after wait_timeout, 1053 at shutdown).
 */
function unexpectedBytes(buf: Buffer, start: number, end: number): string {
  if (end - start > 7 && buf[start + 4] === 0xff) {
    const err = parseErr(buf, start + 4, end);
    return `the server ended the idle session: ${err.errno} ${err.message}`;
  }
  return 'the server sent bytes on an idle session';
}

/** COM_STMT_CLOSE. */
function statementClosePacket(statementId: number): Buffer {
  return new PayloadWriter(5).uint8(Command.StmtClose).uint32(statementId).packet(0);
}
