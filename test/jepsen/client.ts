import { connect, type Socket } from 'node:net';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Random } from '../oracle/random.js';
import type { TcpAddress } from '../support/listening.js';
import type { IsolationLevel } from './history.js';
import { CommandFailed } from './outcome.js';

export interface ClientLogin {
  readonly user: string;
  readonly password: string;
  readonly schema: string;
  /** As the process of an application: connections that have the same are one client's. */
  readonly pid?: number;
}

/** How a connection says things; each says the same to the server. */
export interface ClientStyle {
  readonly prepared: boolean;
  /** `off`: transactions begin by themselves, with autocommit = 0. */
  readonly begin: 'BEGIN' | 'START TRANSACTION' | 'off';
  /** A transaction that reads nothing is sent as one text. */
  readonly chains: boolean;
  /** The isolation level is set for each transaction, not for the session. */
  readonly levelEach: boolean;
}

export function randomStyle(random: Random): ClientStyle {
  return {
    prepared: random.chance(0.5),
    begin: random.pick(['BEGIN', 'BEGIN', 'START TRANSACTION', 'off']),
    chains: random.chance(0.2),
    levelEach: random.chance(0.3),
  };
}

/** The answer is somebody else's. */
export class CrossedAnswer extends Error {
  readonly asked: string;
  readonly got: readonly string[];

  constructor(asked: string, got: readonly string[]) {
    super(`asked for ${asked} and got ${got.join()}`);
    this.asked = asked;
    this.got = got;
  }
}

/** Of a logical process: what it writes is what it reads, whichever of its connections it does so by. */
export function pidOf(process: number): number {
  return 4_000_000 + process;
}

type Values = readonly (string | number)[];

/** Nobody waits longer for an answer, in ms: the connection is given up. */
const ANSWER_WITHIN_MS = 12_000;

let serial = 0;

/** A connection of a client's, whose every answer says what it is the answer to. */
export class JepsenClient {
  readonly style: ClientStyle;
  readonly #connection: Connection;
  readonly #socket: Socket;
  readonly #name: string;
  #warning: string | null = null;
  #onClose: (() => void) | null = null;
  /** The connection is over. */
  isLost = false;

  private constructor(connection: Connection, socket: Socket, style: ClientStyle, name: string) {
    this.#connection = connection;
    this.#socket = socket;
    this.style = style;
    this.#name = name;
    connection.on('error', () => {
      this.isLost = true;
    });
    // Of the driver itself: packets that come out of order.
    (connection as unknown as { readonly connection: Connection }).connection.on('warn', (error: Error) => {
      this.#warning ??= error.message;
    });
    socket.on('close', () => {
      this.isLost = true;
      // What has arrived is read first.
      setImmediate(() => this.#onClose?.());
    });
  }

  /** @throws CommandFailed */
  static async open(
    address: TcpAddress,
    { user, password, schema, pid }: ClientLogin,
    style: ClientStyle,
    name: string,
  ): Promise<JepsenClient> {
    const socket = connect(address);
    // The driver says so as well.
    socket.on('error', () => {}).setNoDelay(true);
    const timer = setTimeout(() => socket.destroy(), ANSWER_WITHIN_MS);
    try {
      const connection = await createConnection({
        stream: socket,
        user,
        password,
        database: schema,
        multipleStatements: true,
        connectTimeout: ANSWER_WITHIN_MS,
        ...(pid === undefined ? {} : { connectAttributes: { _pid: String(pid) } }),
      });
      return new JepsenClient(connection, socket, style, name);
    } catch (error) {
      socket.destroy();
      throw failure(error, true);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What the transactions of this connection are to be like. */
  async setUp(level: IsolationLevel): Promise<void> {
    if (this.style.begin === 'off') await this.command('SET autocommit = 0');
    if (!this.style.levelEach) await this.command(`SET SESSION TRANSACTION ISOLATION LEVEL ${level}`);
  }

  async begin(level: IsolationLevel): Promise<void> {
    if (this.style.levelEach) await this.command(`SET TRANSACTION ISOLATION LEVEL ${level}`);
    if (this.style.begin !== 'off') await this.command(this.style.begin);
  }

  /** As text; answers nothing. */
  async command(sql: string): Promise<void> {
    await this.#answered(sql, this.#connection.query(sql));
  }

  /**
   * Rows; `sql` has a parameter before all others that is its first column: what each row is known by.
   * @throws CommandFailed
   * @throws CrossedAnswer
   */
  async read<Row extends object>(sql: string, values: Values = []): Promise<Row[]> {
    const tag = `${this.#name}.${++serial}`;
    const rows = await this.#run(sql, [tag, ...values]);
    if (!Array.isArray(rows)) throw new CrossedAnswer(tag, ['an OK']);
    const got = rows.map((row: RowDataPacket) => String(row['tag']));
    if (got.some((one) => one !== tag)) throw new CrossedAnswer(tag, got);
    return rows as unknown as Row[];
  }

  /** @returns how many rows it has changed */
  async write(sql: string, values: Values): Promise<number> {
    return this.#header(await this.#run(sql, values));
  }

  /** Several statements in one text that answer nothing. @returns how many rows each of them has changed */
  async chain(statements: readonly (readonly [sql: string, values: Values])[]): Promise<number[]> {
    const text = statements.map(([sql, values]) => this.#connection.format(sql, [...values])).join('; ');
    const [results] = await this.#answered(text, this.#connection.query(text));
    if (!Array.isArray(results) || results.length !== statements.length)
      throw new CrossedAnswer('OKs', [JSON.stringify(results)]);
    return results.map((one: unknown) => this.#header(one));
  }

  /** It is gone after so long, in the midst of whatever it does: with an RST, or a FIN. */
  vanishAfter(ms: number, reset: boolean): void {
    setTimeout(() => {
      if (reset && !this.#socket.destroyed) this.#socket.resetAndDestroy();
      else this.#socket.destroy();
    }, ms);
  }

  /** Says goodbye. */
  async end(): Promise<void> {
    // It may never be answered.
    await Promise.race([
      this.#connection.end().catch(() => {}),
      new Promise((done) => this.#socket.once('close', done)),
      new Promise((done) => setTimeout(done, 500).unref()),
    ]);
    this.destroy();
  }

  destroy(): void {
    this.isLost = true;
    this.#socket.destroy();
  }

  async #run(sql: string, values: Values): Promise<unknown> {
    const connection = this.#connection;
    const [rows] = await this.#answered(
      sql,
      this.style.prepared ? connection.execute(sql, [...values]) : connection.query(sql, [...values]),
    );
    return rows;
  }

  #header(result: unknown): number {
    const { affectedRows } = result as { affectedRows?: unknown };
    if (typeof affectedRows !== 'number') throw new CrossedAnswer('an OK', [JSON.stringify(result)]);
    return affectedRows;
  }

  async #answered<T>(sql: string, answer: Promise<T>): Promise<T> {
    // What was lost before is not always said of what comes after.
    const gone = new Promise<never>((_, reject) => {
      if (this.#socket.destroyed) reject(connectionLost());
      this.#onClose = () => reject(connectionLost());
    });
    gone.catch(() => {});
    answer.catch(() => {});
    const timer = setTimeout(() => this.#socket.destroy(), ANSWER_WITHIN_MS);
    try {
      const answered = await Promise.race([answer, gone]);
      if (this.#warning !== null) throw new Error(this.#warning);
      return answered;
    } catch (error) {
      if (this.#warning !== null) throw outOfOrder(`${this.#warning}: ${error} [${sql.slice(0, 80)}]`);
      throw error instanceof CommandFailed ? error : failure(error, this.isLost, sql);
    } finally {
      clearTimeout(timer);
      this.#onClose = null;
    }
  }
}

function outOfOrder(message: string): CommandFailed {
  return new CommandFailed(message, { errno: 0, code: 'PACKETS_OUT_OF_ORDER', isLost: true });
}

function connectionLost(): CommandFailed {
  return new CommandFailed('the connection was lost', {
    errno: 0,
    code: 'PROTOCOL_CONNECTION_LOST',
    isLost: true,
  });
}

function failure(error: unknown, isLost: boolean, sql = ''): CommandFailed {
  const { errno, code, message, sqlState, fatal } = error as {
    errno?: number;
    code?: string;
    message: string;
    sqlState?: string;
    fatal?: boolean;
  };
  // The driver gives errors of the system negative numbers, and its own none.
  const isServers = typeof errno === 'number' && errno > 0 && sqlState !== undefined && sqlState !== '';
  const isClosed = /closed state/.test(message);
  return new CommandFailed(sql === '' ? message : `${message} [${sql.slice(0, 80)}]`, {
    errno: isServers ? errno : 0,
    code: isClosed ? 'PROTOCOL_CONNECTION_LOST' : (code ?? ''),
    isLost: isLost || fatal === true || !isServers,
  });
}
