import type { ServerSession } from '../backend/server-session.js';
import type { ServerStatement } from '../backend/statement-cache.js';
import { HEADER_SIZE } from '../protocol/constants.js';
import type { SessionProfile } from '../session/profile.js';
import type { StatementTraits } from '../sql/traits.js';

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
  readonly key: string;
  readonly parameters: number;
  /** Parameter types of the last execute that sent them; later ones may leave them out. */
  types: Buffer | null = null;

  constructor(id: number, sql: Buffer, traits: StatementTraits, profile: SessionProfile, parameters: number) {
    this.id = id;
    this.sql = sql;
    this.traits = traits;
    this.profile = profile;
    this.parameters = parameters;
    this.key = statementKey(sql, profile);
  }

  /** The same with another text, for one execution. */
  withText(sql: Buffer): ClientStatement {
    const { id, traits, profile, parameters } = this;
    const other = new ClientStatement(id, sql, traits, profile, parameters);
    other.types = this.types;
    return other;
  }
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
