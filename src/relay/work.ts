import type { ServerSession } from '../backend/server-session.js';
import type { AppProcess } from '../pool/app-process.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { SessionProfile } from '../session/profile.js';
import type { StatementEffects } from '../session/statement-effects.js';
import type { StatementTraits } from '../sql/traits.js';
import type { Written } from '../writes/written.js';
import type { AskedText } from './asked-text.js';
import type { ClientStatement } from './client-statement.js';
import type { Conditions, RowsWanted } from './conditions.js';
import type { Lesson } from './lesson.js';

/** One command of a client that needs a server session. */
export interface Work {
  readonly effects: StatementEffects;
  readonly statement: ClientStatement | null;
  /** What the client has sent, for what is told of it. */
  readonly asked: AskedText;
  /** Bytes of the reply so far, as the server sent them. */
  readonly replyBytes: number;
  /** Of the text that it runs; null when it is no text, or one that was not read yet. */
  readonly traits: StatementTraits | null;
  /** The client's profile when what it runs was prepared; null for what is parsed as it is run. */
  readonly parsedIn: SessionProfile | null;
  /** The `RoutineWatch.version` that {@link traits} and {@link effects} are of. */
  readonly routinesAt: number;
  /** COM_STMT_PREPARE. */
  readonly isPrepare: boolean;
  /** Learns from the reply; null, as mostly, when nothing is to be learned. */
  readonly lesson: Lesson | null;
  /** Whether the client has a schema afterwards if it succeeds: sessions without one are kept apart. */
  readonly getsSchema: boolean;
  /** COM_INIT_DB or USE, and nothing else. */
  readonly choosesSchema: boolean;
  /** Whether all bytes are still at hand, so that it can be sent again. */
  readonly canRepeat: boolean;
  /** It needs what its session has gathered for it (COM_STMT_SEND_LONG_DATA): on another one it would be another command. */
  readonly isBound: boolean;
  /** The SQL text, or its beginning, until the command is over; null where it is none, or no longer at hand. */
  readonly sql: Buffer | null;
  /** Another text of the same effect is to be run in place of the client's; null for its own again. */
  replaceText(text: Buffer | null): void;
  /** Answers without the server: with warnings and errors. */
  answer(conditions: Conditions, rows: RowsWanted): void;
  /** Writes the command to the session. False: there will be no reply. An ERR: it was not sent. */
  send(session: ServerSession): boolean | ErrPacket;
}

/** Who hears of a work's end. Exactly one of the first three follows each work. */
export interface WorkObserver {
  /** The client's virtual connection id. */
  readonly connectionId: number;
  /** Where it comes from: `HOST:PORT`, or `unix`. */
  readonly address: string;
  /** Whose client it is. */
  readonly process: AppProcess;
  /** What that process writes; null where nobody asks. */
  readonly written: Written | null;
  /** Not an end: what the work's text may do to its session is other than it was. */
  classifyAgain(): void;
  /** The reply is complete, or there is none; the next command may come. */
  workDone(): void;
  /** The command failed here, or its session is lost; no reply of the server's is coming. */
  workFailed(err: ErrPacket): void;
  /** The session is lost while its reply was on its way to the client. */
  replyBroken(err: ErrPacket, session: ServerSession): void;
  /** Not an end: the client goes on without the session that it held. */
  sessionLeft(): void;
  /** Not an end: the server takes more of a work that is sent in pieces. */
  serverDrained(): void;
}
