import type { ServerSession } from '../backend/server-session.js';
import { Command, HEADER_SIZE, MAX_PACKET_PAYLOAD } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { ReplyShape } from '../protocol/reply-tracker.js';
import type { SessionProfile } from '../session/profile.js';
import { NO_EFFECTS, type StatementEffects } from '../session/statement-effects.js';
import type { StatementReading } from '../sql/trait-cache.js';
import type { StatementTraits } from '../sql/traits.js';
import { AskedText } from './asked-text.js';
import { malformedCommand, PACKET_TOO_LARGE } from './client-errors.js';
import type { ClientReply } from './client-reply.js';
import {
  type ClientStatement,
  ExecuteRewrite,
  rewriteExecute,
  STATEMENT_ID_OFFSET,
  serverStatement,
  withTypes,
} from './client-statement.js';
import { noTypes, typesDoNotFit } from './client-statements.js';
import type { Conditions, RowsWanted } from './conditions.js';
import { FirstRow } from './first-row.js';
import type { Lesson } from './lesson.js';
import { withText } from './session-values.js';
import { LongCommandTarget, type PieceTarget } from './streamed-input.js';
import type { Work } from './work.js';

/** How a command's bytes get to the session. */
export const SendKind = {
  /** As the client sent them. */
  AsIs: 0,
  /** With the session's own id of the statement. */
  StatementId: 1,
  Execute: 2,
  /** Nothing is sent: the session only has to be in the client's state (a login with a schema). */
  Nothing: 3,
} as const;
export type SendKind = (typeof SendKind)[keyof typeof SendKind];

/** The command a client has under way. One object per client, filled anew for each command. */
export class CommandWork implements Work {
  effects: StatementEffects = NO_EFFECTS;
  statement: ClientStatement | null = null;
  traits: StatementTraits | null = null;
  parsedIn: SessionProfile | null = null;
  routinesAt = 0;
  lesson: Lesson | null = null;
  getsSchema = false;
  choosesSchema = false;
  isBound = false;
  readonly asked = new AskedText();
  shape: ReplyShape = ReplyShape.Ok;
  /** COM_STMT_SEND_LONG_DATA has no reply. */
  hasReply = true;
  /** The client has all of its reply. */
  answered = false;
  /** More of the command follows than `[start, end)`: it is streamed. */
  isLong = false;
  /** Takes in the text of a long statement while it is streamed. */
  text: StatementReading | null = null;
  readonly #reply: ClientReply;
  readonly #longCommandBegins: (target: PieceTarget) => void;
  #kind: SendKind = SendKind.AsIs;
  #buf: Buffer = EMPTY;
  #start = 0;
  #end = 0;
  /** What is sent in place of `[start, end)`. */
  #replacement: Buffer | null = null;
  /** The client's own statement, while another one is executed in its place. */
  #replaced: ClientStatement | null = null;

  /** `longCommandBegins`: the session awaits a command that comes in pieces. */
  constructor(reply: ClientReply, longCommandBegins: (target: PieceTarget) => void) {
    this.#reply = reply;
    this.#longCommandBegins = longCommandBegins;
  }

  get canRepeat(): boolean {
    return !this.isLong && !this.isBound;
  }

  /** The client's own, whatever is executed in its place. */
  get ownStatement(): ClientStatement | null {
    return this.#replaced ?? this.statement;
  }

  get sql(): Buffer | null {
    if (this.statement !== null) return this.statement.sql;
    const isText = this.#kind === SendKind.AsIs && this.#buf[this.#start + HEADER_SIZE] === Command.Query;
    return isText && !this.isLong ? this.#buf.subarray(this.#start + HEADER_SIZE + 1, this.#end) : null;
  }

  get replyBytes(): number {
    return this.#reply.bytes;
  }

  get isPrepare(): boolean {
    return this.shape === ReplyShape.Prepare;
  }

  replaceText(text: Buffer | null): void {
    this.#replacement = null;
    if (this.#replaced !== null) this.statement = this.#replaced;
    this.#replaced = null;
    if (text === null) return;
    const { statement } = this;
    if (statement === null) {
      this.#replacement = withText(this.#buf, this.#start, text);
      return;
    }
    this.#replaced = statement;
    this.statement = statement.withText(text);
    // A cursor would be on a statement that the client doesn't know.
    if (this.#kind === SendKind.Execute) this.#buf[this.#start + CURSOR_FLAGS] = 0;
  }

  answer(conditions: Conditions, rows: RowsWanted): void {
    this.answered = true;
    this.#reply.conditions(conditions, { ...rows, binary: this.#kind === SendKind.Execute });
  }

  /** Fills in what every command has; the rest is set to what most commands have. */
  set(
    kind: SendKind,
    shape: ReplyShape,
    effects: StatementEffects,
    buf: Buffer,
    start: number,
    end: number,
  ): void {
    this.#kind = kind;
    this.shape = shape;
    this.effects = effects;
    this.#buf = buf;
    this.#start = start;
    this.#end = end;
    this.asked.isNone = true;
    this.statement = null;
    this.traits = null;
    this.parsedIn = null;
    this.lesson = null;
    this.#replacement = null;
    this.#replaced = null;
    this.getsSchema = false;
    this.choosesSchema = false;
    this.isBound = false;
    this.hasReply = true;
    this.answered = false;
    this.isLong = false;
    this.text = null;
  }

  send(session: ServerSession): boolean | ErrPacket {
    if (this.#kind === SendKind.Nothing) return false;
    const bytes = this.#bytesFor(session);
    // Not by whether it has an `errno`: to find that a Buffer has none takes longer than all the rest here.
    if (!(bytes instanceof Uint8Array)) return bytes;
    const payload = this.isLong ? bytes.readUIntLE(0, 3) : bytes.length - HEADER_SIZE;
    // The server would hang up, and whether the client learned why depended on who is faster.
    if (payload >= session.maxPayload) return PACKET_TOO_LARGE;
    if (this.hasReply) {
      this.#reply.lesson = this.lesson;
      const row = this.effects.lockColumns === null ? null : new FirstRow(this.#kind === SendKind.Execute);
      this.#reply.expect(this.shape, session, row);
      session.begin(this.#reply);
    }
    if (this.isLong) {
      const length = this.#end - this.#start;
      const newHead = bytes.length === length ? null : bytes;
      this.#longCommandBegins(new LongCommandTarget(session, this.text, length, newHead));
      return true;
    }
    session.channel.write(bytes);
    return this.hasReply;
  }

  /** Lets go of the command's bytes, which may be a small part of what is kept in memory for them: nothing is under way. */
  forget(): void {
    this.#buf = EMPTY;
    this.#start = 0;
    this.#end = 0;
    this.#replacement = null;
    this.asked.forget();
  }

  /** Or why it can't be sent. */
  #bytesFor(session: ServerSession): Buffer | ErrPacket {
    const buf = this.#buf;
    const start = this.#start;
    const end = this.#end;
    if (this.#replacement !== null) return this.#replacement;
    if (this.#kind === SendKind.AsIs || this.statement === null) return part(buf, start, end);
    const server = serverStatement(session, this.statement);
    if (this.#kind === SendKind.StatementId) {
      buf.writeUInt32LE(server.id, start + STATEMENT_ID_OFFSET);
      return part(buf, start, end);
    }
    const rewrite = rewriteExecute(buf, start, end, this.statement, server);
    if (this.#replaced !== null) this.#replaced.types = this.statement.types;
    switch (rewrite) {
      case ExecuteRewrite.InPlace:
        return part(buf, start, end);
      case ExecuteRewrite.NeedsTypes: {
        const payloadLength = buf.readUIntLE(start, 3);
        if (payloadLength + 2 * this.statement.parameters >= MAX_PACKET_PAYLOAD) return typesDoNotFit();
        return withTypes(buf, start, end, payloadLength, this.statement, server);
      }
      case ExecuteRewrite.NoTypes:
        return noTypes();
      case ExecuteRewrite.Malformed:
        return malformedCommand('COM_STMT_EXECUTE');
    }
  }
}

const EMPTY = Buffer.alloc(HEADER_SIZE);

/** Mostly a read has brought one command and nothing else: no other view of it is needed. */
function part(buf: Buffer, start: number, end: number): Buffer {
  return start === 0 && end === buf.length ? buf : buf.subarray(start, end);
}

/** Where COM_STMT_EXECUTE has its cursor flags. */
const CURSOR_FLAGS = STATEMENT_ID_OFFSET + 4;
