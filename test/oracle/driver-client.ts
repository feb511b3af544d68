import { Readable } from 'node:stream';
import {
  type Connection,
  createConnection,
  type FieldPacket,
  type PreparedStatementInfo,
} from 'mysql2/promise';
import type { RawLogin } from '../support/raw-client.js';
import { CONNECTION_LOST, type OracleClient } from './client.js';
import type { Operation, Parameter } from './model.js';
import { type Names, spell, unspell } from './names.js';
import { columnLine, flagNames, withoutStatementId } from './observe.js';

/** Without what the raw clients do not say either: else the two would need sessions of their own. */
const FLAGS = ['PS_MULTI_RESULTS', '-FOUND_ROWS', '-IGNORE_SPACE', '-QUERY_ATTRIBUTES', '-CONNECT_ATTRS'];

/** The driver mysql2, as its users see it. */
export class DriverClient implements OracleClient {
  readonly #connection: Connection;
  readonly #names: Names;
  readonly #statements = new Map<string, PreparedStatementInfo>();
  #dead = false;

  private constructor(connection: Connection, names: Names) {
    this.#connection = connection;
    this.#names = names;
    connection.on('error', () => {
      this.#dead = true;
    });
  }

  static async open({ host, port, user, password, schema }: RawLogin, names: Names): Promise<DriverClient> {
    const connection = await createConnection({
      host,
      port,
      user,
      password,
      ...(schema ? { database: schema } : {}),
      flags: FLAGS,
      multipleStatements: true,
      dateStrings: true,
      supportBigNumbers: true,
      bigNumberStrings: true,
      charset: 'utf8mb4_general_ci',
    });
    return new DriverClient(connection, names);
  }

  get id(): number {
    return this.#connection.threadId;
  }

  get dead(): boolean {
    return this.#dead;
  }

  destroy(): void {
    this.#connection.destroy();
  }

  async perform(operation: Operation, showsId: boolean): Promise<readonly string[]> {
    try {
      const lines = await this.#perform(operation);
      return lines.map((line) => this.#unspell(line, showsId));
    } catch (error) {
      return [this.#unspell(this.#error(error), showsId)];
    }
  }

  async #perform(operation: Operation): Promise<readonly string[]> {
    const connection = this.#connection;
    switch (operation.do) {
      case 'query': {
        const content = operation.infile;
        const [rows, fields] = await connection.query({
          sql: this.#spell(operation.sql),
          rowsAsArray: true,
          ...(content === undefined
            ? {}
            : { infileStreamFactory: () => Readable.from(content === '' ? [] : [Buffer.from(content)]) }),
        });
        return result(rows, fields);
      }
      case 'ping':
        await connection.ping();
        return ['pong'];
      case 'reset':
        this.#statements.clear();
        await connection.reset();
        return ['reset'];
      case 'change_user':
        this.#statements.clear();
        await connection.changeUser({ database: this.#spell(operation.schema) });
        return ['changed'];
      case 'prepare':
        this.#statements.set(operation.name, await connection.prepare(this.#spell(operation.sql)));
        return ['prepared'];
      case 'execute': {
        const statement = this.#statements.get(operation.name);
        if (statement === undefined) return ['no such statement'];
        const wanted = (statement as unknown as { statement: { parameters: unknown[] } }).statement.parameters
          .length;
        const values = Array.from({ length: wanted }, (_, i) =>
          plain(operation.values[i % operation.values.length] ?? null),
        );
        const [rows, fields] = await statement.execute(values);
        return result(rows, fields);
      }
      case 'close': {
        const statement = this.#statements.get(operation.name);
        this.#statements.delete(operation.name);
        await statement?.close();
        return ['closed'];
      }
      case 'init_db':
      case 'set_option':
      case 'fetch':
      case 'long_data':
      case 'statement_reset':
      case 'reconnect':
        throw new TypeError(`mysql2 has no ${operation.do}`);
    }
  }

  #error(error: unknown): string {
    if (error instanceof TypeError) throw error;
    const { errno, sqlState, sqlMessage, fatal } = error as {
      errno?: number;
      sqlState?: string;
      sqlMessage?: string;
      fatal?: boolean;
    };
    if (fatal === true) this.#dead = true;
    if (sqlMessage === undefined) return `${CONNECTION_LOST}: ${String(error)}`;
    return `ERR ${errno} ${sqlState}: ${withoutStatementId(sqlMessage)}`;
  }

  #spell(text: string): string {
    return spell(text, this.#names, this.id);
  }

  #unspell(line: string, showsId: boolean): string {
    const text = unspell(line, this.#names.tag);
    return showsId
      ? text.replaceAll(new RegExp(`(?<=[[,:])"?${this.id}"?(?=[\\],}])`, 'g'), '(own id)')
      : text;
  }
}

function plain(value: Parameter): string | number | null | Buffer {
  if (value === null || typeof value === 'number' || typeof value === 'string') return value;
  if (typeof value === 'bigint') return String(value);
  return 'blob' in value ? Buffer.from(value.blob) : value.double;
}

/** What the driver gives for one statement or for several. */
function result(rows: unknown, fields: FieldPacket[] | FieldPacket[][] | undefined): string[] {
  const several =
    Array.isArray(fields) &&
    fields.length > 0 &&
    fields.every((one) => one === undefined || Array.isArray(one));
  const headerOnly = !Array.isArray(rows);
  if (headerOnly) return [header(rows)];
  if (!several && fields !== undefined) return [...columns(fields as FieldPacket[]), ...lines(rows)];
  return rows.flatMap((one: unknown, i) =>
    Array.isArray(one)
      ? [...columns((fields as FieldPacket[][] | undefined)?.[i] ?? []), ...lines(one)]
      : [header(one)],
  );
}

function header(value: unknown): string {
  const { affectedRows, insertId, info, serverStatus, warningStatus, changedRows } = value as Record<
    string,
    unknown
  >;
  const status = flagNames(typeof serverStatus === 'number' ? serverStatus : 0);
  return `OK: ${affectedRows} rows, id ${insertId}, ${warningStatus} warnings, ${changedRows} changed, ${status}, '${info}'`;
}

function columns(fields: readonly FieldPacket[]): string[] {
  return fields.map((field) => {
    const line = columnLine({
      name: field.name,
      origin: `${field.schema}.${field.table}, ${field.orgTable}.${field.orgName}`,
      type: field.columnType ?? -1,
      charset: field.characterSet ?? -1,
      length: field.columnLength ?? -1,
      flags: Number(field.flags),
      decimals: field.decimals ?? -1,
    });
    return `column: ${line}`;
  });
}

function lines(rows: readonly unknown[]): string[] {
  return rows.map((row) => `row: ${JSON.stringify(readable(row))}`);
}

/** The driver gives bytes without a character set as a Buffer. */
function readable(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return `bytes ${value.toString('latin1')}`;
  return Array.isArray(value) ? value.map(readable) : value;
}
