import type { ServerSession } from '../backend/server-session.js';
import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { SessionProfile } from '../session/profile.js';
import type { StatementTraits } from '../sql/traits.js';
import { clientError } from './client-errors.js';
import { ClientStatement, LAST_PREPARED } from './client-statement.js';

/** A client's COM_STMT_PREPARE under way: what is needed once the server has answered. */
export interface PendingPrepare {
  readonly sql: Buffer;
  readonly traits: StatementTraits;
}

/** The statements that one client has prepared, by the ids that it knows. */
export class ClientStatements {
  #byId = NONE;
  #lastId = 0;
  #last: ClientStatement | null = null;
  /** Statements with an open cursor or long data on the session that is held for them. */
  #cursors = NOBODY;
  #longData = NOBODY;

  get size(): number {
    return this.#byId.size;
  }

  get hasCursor(): boolean {
    return this.#cursors.size > 0;
  }

  get hasLongData(): boolean {
    return this.#longData.size > 0;
  }

  get(id: number): ClientStatement | null {
    return (id === LAST_PREPARED ? this.#last : this.#byId.get(id)) ?? null;
  }

  /** The server has prepared it on `session` under `serverId`. Returns the client's statement. */
  prepared(
    pending: PendingPrepare,
    profile: SessionProfile,
    parameters: number,
    serverId: number,
    session: ServerSession,
  ): ClientStatement {
    do this.#lastId = (this.#lastId + 1) & 0x7fffffff;
    while (this.#lastId === 0 || this.#byId.has(this.#lastId));
    const statement = new ClientStatement(this.#lastId, pending.sql, pending.traits, profile, parameters);
    if (this.#byId === NONE) this.#byId = new Map();
    this.#byId.set(statement.id, statement);
    this.#last = statement;
    session.addStatement({ id: serverId, key: statement.key, boundTypes: null });
    return statement;
  }

  close(statement: ClientStatement): void {
    this.#byId.delete(statement.id);
    if (this.#last === statement) this.#last = null;
    this.setCursor(statement, false);
    this.setLongData(statement, false);
  }

  setCursor(statement: ClientStatement, open: boolean): void {
    if (open) {
      if (this.#cursors === NOBODY) this.#cursors = new Set();
      this.#cursors.add(statement);
    } else this.#cursors.delete(statement);
  }

  setLongData(statement: ClientStatement, sent: boolean): void {
    if (sent) {
      if (this.#longData === NOBODY) this.#longData = new Set();
      this.#longData.add(statement);
    } else this.#longData.delete(statement);
  }

  hasLongDataOf(statement: ClientStatement): boolean {
    return this.#longData.size > 0 && this.#longData.has(statement);
  }

  hasCursorOf(statement: ClientStatement): boolean {
    return this.#cursors.has(statement);
  }

  /** Whether the session that is held has something of this statement's. */
  isHeld(statement: ClientStatement): boolean {
    // Nearly always there is neither.
    if (this.#cursors.size === 0 && this.#longData.size === 0) return false;
    return this.#cursors.has(statement) || this.#longData.has(statement);
  }

  /** The session went: cursors and long data with it. The statements stay, they are prepared anew elsewhere. */
  sessionGone(): void {
    if (this.#cursors.size > 0) this.#cursors.clear();
    if (this.#longData.size > 0) this.#longData.clear();
  }

  /** COM_RESET_CONNECTION and COM_CHANGE_USER close all. */
  clear(): void {
    this.#byId.clear();
    this.#last = null;
    this.sessionGone();
  }
}

/** Most clients have none, and there are many clients: these stay empty. */
const NONE = new Map<number, ClientStatement>();
const NOBODY = new Set<ClientStatement>();

/** An id that the client does not have, in the server's words: MariaDB's name the function that each command has there. */
export function unknownStatement(id: number, command: string, mariadb: boolean): ErrPacket {
  const given = mariadb ? command.toLowerCase().replace('com_', 'mysqld_') : 'mysql_stmt_precheck';
  return {
    ...ServerError.UnknownStatement,
    message: `Unknown prepared statement handler (${id}) given to ${given}`,
  };
}

export function noOpenCursor(id: number, mariadb: boolean): ErrPacket {
  return {
    ...ServerError.NoOpenCursor,
    message: `The statement (${id}) has no open cursor${mariadb ? '' : '.'}`,
  };
}

/** In the servers' words. */
export function noTypes(): ErrPacket {
  return { ...ServerError.WrongArguments, message: 'Incorrect arguments to mysqld_stmt_execute' };
}

export function typesDoNotFit(): ErrPacket {
  return clientError(
    ServerError.NetPacketTooLarge,
    'an execute of 16 MiB or more must bring its parameter types (new_params_bound_flag), since its session has not seen them',
  );
}
