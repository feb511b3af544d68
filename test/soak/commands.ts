import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Connection,
  type ConnectionOptions,
  createConnection,
  type RowDataPacket,
} from 'mysql2/promise';
import type { Findings } from './findings.js';

/** Whatever a command waits for (a session, a stalled link, a lock, a restart) is over after this time, in ms. */
const ANSWER_WITHIN_MS = 60_000;

/** Errors that the faults explain. */
const EXPECTED: Readonly<Record<string, string>> = {
  1040: 'no session in time',
  1053: 'server shutdown',
  1158: 'server session lost',
  1205: 'lock wait timeout',
  1213: 'deadlock',
  1317: 'interrupted',
  1429: 'server not reached in time',
  PROTOCOL_CONNECTION_LOST: 'connection lost',
  ECONNRESET: 'connection reset',
  ECONNREFUSED: 'connection refused',
  ETIMEDOUT: 'login timeout',
  EPIPE: 'connection closed',
};

/** A command that failed, as the client was told. */
export class CommandError extends Error {
  readonly errno: number;
  /** The connection can be used on. */
  readonly usable: boolean;
  /** It surely has not happened, and neither has what it would have committed. */
  readonly surelyNot: boolean;

  constructor(message: string, errno: number, usable: boolean) {
    super(message);
    this.errno = errno;
    this.usable = usable;
    this.surelyNot =
      usable &&
      (/This statement was not executed|was not committed/.test(message) ||
        [1040, 1429, 1205, 1213].includes(errno));
  }
}

/** A connection whose every command is answered in time, or fails in a way that its faults explain. */
export class Commands {
  readonly #connection: Connection;
  readonly #findings: Findings;
  #over = false;

  private constructor(connection: Connection, findings: Findings) {
    this.#connection = connection;
    this.#findings = findings;
    connection.on('error', () => {
      this.#over = true;
    });
  }

  static async open(options: ConnectionOptions, findings: Findings): Promise<Commands> {
    try {
      return new Commands(await createConnection({ connectTimeout: 15_000, ...options }), findings);
    } catch (error) {
      throw failure(error, true, 'connecting', findings);
    }
  }

  /** The id that the greeting said. */
  get id(): number {
    return this.#connection.threadId;
  }

  /** Nothing more can be sent. */
  get gone(): boolean {
    return this.#over;
  }

  async rows(sql: string): Promise<RowDataPacket[]> {
    const [rows] = await this.#answered(sql, this.#connection.query<RowDataPacket[]>(sql));
    return rows;
  }

  /** First column of the only row. */
  async value(sql: string): Promise<unknown> {
    const rows = await this.rows(sql);
    if (rows.length !== 1) this.#findings.violated(`${rows.length} rows from ${sql}`);
    return Object.values(rows[0] ?? {})[0];
  }

  /** Affected rows and insert id. */
  async run(sql: string): Promise<{ affectedRows: number; insertId: number }> {
    const [result] = await this.#answered(sql, this.#connection.query(sql));
    return result as unknown as { affectedRows: number; insertId: number };
  }

  /** Through the binary protocol. */
  async execute(sql: string, values: (string | number)[]): Promise<RowDataPacket[]> {
    const [rows] = await this.#answered(sql, this.#connection.execute<RowDataPacket[]>(sql, values));
    return rows;
  }

  /** Sends something and is gone in the midst of it. */
  async abandon(sql: string, afterMs: number): Promise<void> {
    this.#connection.query(sql).catch(() => {});
    await sleep(afterMs);
    this.destroy();
  }

  async end(): Promise<void> {
    // It may never be answered.
    void this.#connection.end().catch(() => {});
    await sleep(20);
    this.destroy();
  }

  destroy(): void {
    this.#over = true;
    this.#connection.destroy();
  }

  async #answered<T>(sql: string, answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#findings.violated(
          `no answer to '${sql}' of connection ${this.id} in ${ANSWER_WITHIN_MS / 1000} s`,
        );
        reject(new Error('no answer'));
      }, ANSWER_WITHIN_MS);
    });
    try {
      this.#findings.count('commands');
      return await Promise.race([answer, late]);
    } catch (error) {
      throw failure(error, this.#over, sql, this.#findings);
    } finally {
      clearTimeout(timer);
    }
  }
}

function failure(error: unknown, over: boolean, sql: string, findings: Findings): CommandError {
  const { errno, code, message, sqlState, fatal } = error as {
    errno?: number;
    code?: string;
    message: string;
    sqlState?: string;
    fatal?: boolean;
  };
  // The driver gives errors of the system negative numbers.
  const number = typeof errno === 'number' && errno > 0 ? errno : 0;
  const explained = EXPECTED[number] ?? EXPECTED[code ?? ''];
  if (explained !== undefined) findings.count(`error ${explained}`);
  else if (/closed state/.test(message)) findings.count('error connection lost');
  else findings.violated(`unexpected error of '${sql}': ${number} ${code} ${message}`);
  return new CommandError(
    message,
    number,
    !over && fatal !== true && sqlState !== undefined && sqlState !== '',
  );
}
