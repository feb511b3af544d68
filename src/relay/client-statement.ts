import type { ServerSession } from '../backend/server-session.js';
import type { ServerStatement } from '../backend/statement-cache.js';
import { HEADER_SIZE } from '../protocol/constants.js';
import type { SessionProfile } from '../session/profile.js';
import type { StatementTraits } from '../sql/traits.js';
import type { StatementDigest } from './digest-table.js';
import { classesOf, fits, type ResolvedTypes, resolve, UNRESOLVED } from './parameter-types.js';

/**
 * A statement that a client prepared. Its id is the client's own: on whichever session it is executed, the statement
 * is prepared there, under that session's id.
 */
export class ClientStatement {
  readonly id: number;
  readonly sql: Buffer;
  traits: StatementTraits;
  /** The `generation` of what is known of routines and views that {@link traits} were found with; -1 for any. */
  readAt = -1;
  /** The client's state when it prepared: the server bound part of it into the statement. */
  readonly profile: SessionProfile;
  /** Key of a session's statement that was prepared and never executed. */
  readonly preparedKey: string;
  /** Key of the session's statement that the next command is about. */
  key: string;
  readonly parameters: number;
  /** What its executions are counted with; null until the first one. */
  digest: StatementDigest | null = null;
  /** Parameter types of the last execute that sent them; later ones may leave them out. */
  types: Buffer | null = null;
  #resolved: ResolvedTypes = UNRESOLVED;
  /** Types that leave {@link #resolved} as it is, whatever is NULL. */
  #settled: Buffer | null = null;
  #settledAfresh: ResolvedTypes = UNRESOLVED;
  /** Another key whose statement the execute at hand turns into one of {@link key}. */
  #fromKey: string | null = null;
  /** What a statement that was not executed yet is resolved to by the execute at hand. */
  #afresh: ResolvedTypes = UNRESOLVED;

  constructor(id: number, sql: Buffer, traits: StatementTraits, profile: SessionProfile, parameters: number) {
    this.id = id;
    this.sql = sql;
    this.traits = traits;
    this.profile = profile;
    this.parameters = parameters;
    this.preparedKey = statementKey(sql, profile);
    this.key = this.preparedKey;
  }

  /**
   * MySQL: an execute in `[start, end)` is to come. Its types, together with those of the client's executes before it, decide
   * which of a session's statements it may run on.
   */
  resolveFor(buf: Buffer, start: number, end: number): void {
    const { parameters } = this;
    if (parameters === 0) return;
    this.#fromKey = null;
    const nulls = start + EXECUTE_FIXED;
    const boundFlag = nulls + ((parameters + 7) >> 3);
    const at = boundFlag + 1;
    const typesEnd = at + 2 * parameters;
    const brings = boundFlag < end && buf[boundFlag] !== 0;
    if (boundFlag >= end || (brings && typesEnd > end)) return;
    const types = brings ? buf : this.types;
    if (types === null) return;
    const offset = brings ? at : 0;
    const isSettled =
      this.#settled !== null &&
      this.#settled.compare(types, offset, offset + 2 * parameters) === 0 &&
      !anyBit(buf, nulls, boundFlag);
    if (isSettled) {
      this.#afresh = this.#settledAfresh;
      return;
    }
    const given = classesOf(types, offset, parameters, buf.subarray(nulls, boundFlag));
    this.#afresh = resolve(UNRESOLVED, given);
    if (this.#resolved !== UNRESOLVED) this.#fromKey = this.key;
    this.#become(resolve(this.#resolved, given));
    const withoutNulls = classesOf(types, offset, parameters, null);
    const always = fits(this.#resolved, withoutNulls);
    this.#settledAfresh = resolve(UNRESOLVED, withoutNulls);
    this.#settled = always ? Buffer.from(types.subarray(offset, offset + 2 * parameters)) : null;
  }

  /**
   * Whether the session has a statement for the command at hand. One that is on its way there by the same types becomes it.
   */
  isOn({ statements }: ServerSession): boolean {
    if (statements.has(this.key)) return true;
    if (this.#resolved === UNRESOLVED) return false;
    if (this.#fromKey !== null && statements.rename(this.#fromKey, this.key)) return true;
    return (
      this.#afresh === this.#resolved &&
      statements.isUnused(this.preparedKey) &&
      statements.rename(this.preparedKey, this.key)
    );
  }

  /** The session is to prepare it: what the client's earlier executes resolved can't be told to it. */
  beginAnew(): void {
    this.#fromKey = null;
    this.#become(this.#afresh);
    this.#settled = null;
  }

  #become(resolved: ResolvedTypes): void {
    if (resolved === this.#resolved) return;
    this.#resolved = resolved;
    this.key = resolved === UNRESOLVED ? this.preparedKey : `${resolved}\n${this.preparedKey}`;
  }

  /** The same with another text, for one execution. */
  withText(sql: Buffer): ClientStatement {
    const { id, traits, profile, parameters } = this;
    const other = new ClientStatement(id, sql, traits, profile, parameters);
    other.types = this.types;
    return other;
  }
}

function anyBit(buf: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (buf[i] !== 0) return true;
  return false;
}

/** What determines a statement's meaning on any session of one pool. */
export function statementKey(sql: Buffer, profile: SessionProfile): string {
  return `${profile.parseKey}\n${sql.toString('latin1')}`;
}

/** Statement id that means "the one prepared last" (MariaDB's drivers send it behind a pipelined prepare). */
export const LAST_PREPARED = 0xffffffff;

/** Where a statement id stands in every COM_STMT_ command. */
export const STATEMENT_ID_OFFSET = HEADER_SIZE + 1;

/** COM_STMT_EXECUTE: command, id (4), flags (1), iteration count (4). */
const EXECUTE_FIXED = HEADER_SIZE + 10;

/** What an execute needs before it can be sent, see {@link rewriteExecute}. */
export const ExecuteRewrite = {
  /** Sent as it is, after its id was replaced in place. */
  InPlace: 0,
  /** The types must be put in: {@link withTypes} makes the packet. */
  NeedsTypes: 1,
  /** The client never sent types and the packet has none: the server would use another client's. */
  NoTypes: 2,
  /** Too short to be an execute of this statement. */
  Malformed: 3,
} as const;
export type ExecuteRewrite = (typeof ExecuteRewrite)[keyof typeof ExecuteRewrite];

/**
 * Makes a client's COM_STMT_EXECUTE fit the session's statement: the id is replaced in place, and the types that the
 * packet brings are remembered (https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_execute.html).
 * `end` may lie before the packet's end, as long as the types are within.
 */
export function rewriteExecute(
  buf: Buffer,
  start: number,
  end: number,
  client: ClientStatement,
  server: ServerStatement,
): ExecuteRewrite {
  if (start + EXECUTE_FIXED > end) return ExecuteRewrite.Malformed;
  buf.writeUInt32LE(server.id, start + STATEMENT_ID_OFFSET);
  if (client.parameters === 0) return ExecuteRewrite.InPlace;
  const boundFlag = start + EXECUTE_FIXED + ((client.parameters + 7) >> 3);
  if (boundFlag >= end) return ExecuteRewrite.Malformed;
  if (buf[boundFlag] !== 0) {
    const typesEnd = boundFlag + 1 + 2 * client.parameters;
    if (typesEnd > end) return ExecuteRewrite.Malformed;
    if (client.types === null || client.types.compare(buf, boundFlag + 1, typesEnd) !== 0) {
      client.types = Buffer.from(buf.subarray(boundFlag + 1, typesEnd));
    }
    server.boundTypes = client.types;
    return ExecuteRewrite.InPlace;
  }
  if (client.types === null) return ExecuteRewrite.NoTypes;
  if (server.boundTypes !== null && client.types.equals(server.boundTypes)) return ExecuteRewrite.InPlace;
  return ExecuteRewrite.NeedsTypes;
}

/** The execute in `[start, end)` with the client's types put in, as pieces: header and fixed part anew, the rest as it is. */
export function withTypes(
  buf: Buffer,
  start: number,
  end: number,
  payloadLength: number,
  client: ClientStatement,
  server: ServerStatement,
): Buffer {
  const types = client.types as Buffer;
  const boundFlag = start + EXECUTE_FIXED + ((client.parameters + 7) >> 3);
  const packet = Buffer.concat([buf.subarray(start, boundFlag + 1), types, buf.subarray(boundFlag + 1, end)]);
  packet[boundFlag - start] = 1;
  packet.writeUIntLE(payloadLength + types.length, 0, 3);
  server.boundTypes = types;
  return packet;
}

/** The session's own statement for a client's; it is there after the session was restored for it. */
export function serverStatement(session: ServerSession, statement: ClientStatement): ServerStatement {
  const found = session.statements.get(statement.key);
  if (found === undefined) throw new RangeError('a statement was used on a session that has not prepared it');
  return found;
}
