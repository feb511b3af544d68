import { type Connection, createConnection } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { type LexerContext, type LexerOptions, lexerContext } from '../../src/sql/lexer-context.js';
import type { TestServer } from '../support/server-handle.js';
import { type Flavor, forEachServer } from '../support/servers.js';

/** Many small questions, on machines that may be busy. */
const TIMEOUT = 300_000;

/** Takes a lock that no other test takes. */
export const LOCK = `GET_LOCK('lexer-truth-${process.pid}', 0)`;

export interface Answer {
  /** 0 when it succeeded. */
  readonly errno: number;
  readonly rows: readonly (readonly unknown[])[];
  /** Of the columns, when there is one result. */
  readonly names: readonly string[];
  /** Of the error; empty when it succeeded. */
  readonly message: string;
}

/** A session that sends texts byte by byte as they are, whatever its character set. */
export class RawText {
  readonly #connection: Connection;
  readonly server: TestServer;

  constructor(connection: Connection, server: TestServer) {
    this.#connection = connection;
    this.server = server;
  }

  async ask(sql: string): Promise<Answer> {
    try {
      // Values come as bytes.
      const [rows, fields] = await this.#connection.query({ sql, rowsAsArray: true, typeCast: false });
      const names = (fields ?? []).flatMap((field) => (field?.name === undefined ? [] : [field.name]));
      return { errno: 0, rows: Array.isArray(rows) ? (rows as unknown[][]) : [], names, message: '' };
    } catch (error) {
      const { errno, message = '' } = error as { errno?: number; message?: string };
      if (errno === undefined) throw error;
      return { errno, rows: [], names: [], message };
    }
  }

  async must(sql: string): Promise<Answer> {
    const answer = await this.ask(sql);
    if (answer.errno !== 0) throw new Error(`error ${answer.errno}: ${sql}`);
    return answer;
  }

  /** The first value of the first row. */
  async value(sql: string): Promise<string> {
    return String((await this.must(sql)).rows[0]?.[0]);
  }

  /** Whether this session holds the lock; releases it, as often as it was taken. */
  async tookLock(): Promise<boolean> {
    return (await this.value('SELECT RELEASE_ALL_LOCKS()')) !== '0';
  }

  context(options: Partial<LexerOptions> = {}): LexerContext {
    const [major, minor, patch] = this.server.version.split(/[.-]/).map(Number);
    return lexerContext({
      charset: 'latin1',
      ansiQuotes: false,
      noBackslashEscapes: false,
      mariadb: !this.server.isMysql,
      serverVersion: (major ?? 0) * 10000 + (minor ?? 0) * 100 + (patch ?? 0),
      ...options,
    });
  }

  end(): Promise<void> {
    return this.#connection.end();
  }
}

async function open(server: TestServer, schema: string): Promise<RawText> {
  const connection = await createConnection({
    uri: server.rootUrlFor(schema),
    charset: 'latin1_swedish_ci',
    multipleStatements: true,
    // Without trackers the driver goes on to send latin1, which is to say bytes, after SET NAMES.
    flags: ['-SESSION_TRACK', '-IGNORE_SPACE'],
  });
  return new RawText(connection, server);
}

/** Asks the servers, in a schema of the test's own. */
export function truth(
  title: string,
  run: (t: Test, raw: RawText) => Promise<void>,
  flavors: readonly Flavor[] = ['mariadb', 'mysql'],
): void {
  t.test(title, async (t) => {
    await forEachServer(
      t,
      async (t, server) => {
        const raw = await open(server, await server.createDatabase());
        try {
          await run(t, raw);
        } finally {
          await raw.end();
        }
      },
      { timeout: TIMEOUT, flavors },
    );
  });
}
