import type { PreparedStatementInfo } from 'mysql2/promise';
import t from 'tap';
import { type Client, type Proxied, proxied } from '../support/proxied.js';
import { type Flavor, forEachPrivateServer, forEachServer } from '../support/servers.js';

/** Two clients with one schema and statements that they prepare; what they see is what they would see alone on the server. */
interface Story {
  readonly name: string;
  readonly only?: Flavor;
  /** Each outcome is compared with that of the same story told directly. */
  tell(a: Teller, b: Teller): Promise<void>;
}

/** One client of a story: everything that it does leaves an outcome. */
class Teller {
  readonly outcomes: unknown[] = [];
  readonly #client: Client;
  readonly #between: () => Promise<void>;
  readonly #statements = new Map<string, PreparedStatementInfo>();

  /** `between`: what somebody else does after each step. */
  constructor(client: Client, between: () => Promise<void>) {
    this.#client = client;
    this.#between = between;
  }

  run(sql: string): Promise<void> {
    return this.#step(async () => this.#client.connection.query({ sql, rowsAsArray: true }));
  }

  prepare(sql: string): Promise<void> {
    return this.#step(async () => {
      this.#statements.set(sql, await this.#client.connection.prepare(sql));
      return [];
    });
  }

  execute(sql: string, ...values: unknown[]): Promise<void> {
    return this.#step(async () => {
      const statement = this.#statements.get(sql);
      if (statement === undefined) throw new Error(`${sql} is not prepared`);
      return (await statement.execute(values)) as unknown as unknown[];
    });
  }

  async #step(work: () => Promise<unknown[]>): Promise<void> {
    try {
      const [result, fields] = await work();
      const names = Array.isArray(fields)
        ? fields.map((field: { name: string } | undefined) => field?.name)
        : [];
      this.outcomes.push(Array.isArray(result) ? [names, result.map((row) => plain(row))] : count(result));
    } catch (error) {
      const { errno, message } = error as { errno?: number; message: string };
      this.outcomes.push(errno ?? message);
    }
    await this.#between();
  }
}

/** Rows by position or by name, whichever way they come. */
function plain(row: unknown): unknown {
  return row !== null && typeof row === 'object' ? Object.values(row) : row;
}

function count(result: unknown): unknown {
  return (result as { affectedRows?: number } | undefined)?.affectedRows;
}

const ALL = 'SELECT * FROM things ORDER BY id';
const STORIES: readonly Story[] = [
  {
    name: 'a table gets another column',
    tell: async (a, b) => {
      await a.prepare(ALL);
      await a.execute(ALL);
      await b.prepare(ALL);
      await b.run("ALTER TABLE things ADD more VARCHAR(8) DEFAULT 'new'");
      await a.execute(ALL);
      await b.execute(ALL);
      await b.run('ALTER TABLE things DROP more, MODIFY v BIGINT');
      await a.execute(ALL);
      await b.execute(ALL);
    },
  },
  {
    name: 'a table is dropped and comes again',
    tell: async (a, b) => {
      await a.prepare(ALL);
      await b.run('DROP TABLE things');
      await a.execute(ALL);
      await a.prepare(ALL);
      await b.run('CREATE TABLE things(id VARCHAR(4), w DATE)');
      await b.run("INSERT INTO things VALUES('x', '2026-01-02')");
      await a.execute(ALL);
      await b.prepare(ALL);
      await b.execute(ALL);
    },
  },
  {
    name: 'a temporary table hides it, for its owner alone',
    tell: async (a, b) => {
      await a.prepare(ALL);
      await b.prepare(ALL);
      await a.run("CREATE TEMPORARY TABLE things SELECT 'mine' AS id");
      await a.execute(ALL);
      await b.execute(ALL);
      await a.prepare('SELECT COUNT(*) FROM things');
      await a.execute('SELECT COUNT(*) FROM things');
      await a.run('DROP TEMPORARY TABLE things');
      await a.execute(ALL);
      await a.execute('SELECT COUNT(*) FROM things');
      await b.execute(ALL);
    },
  },
  {
    name: 'what was bound when it was prepared stays bound',
    tell: async (a, b) => {
      const quoted = 'SELECT "v", ? || \'x\' FROM things WHERE id = 1';
      await a.run("SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'");
      await a.prepare(quoted);
      await b.prepare(quoted);
      await a.run("SET sql_mode = ''");
      await a.execute(quoted, 'y');
      await b.execute(quoted, 'y');
      await b.run("SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'");
      await a.execute(quoted, 'z');
      await b.execute(quoted, 'z');
      await b.prepare(quoted);
      await b.execute(quoted, 'z');
    },
  },
  {
    name: 'what counts when it is executed is of then',
    tell: async (a, b) => {
      const insert = 'INSERT INTO things(id, v) VALUES(?, ?)';
      const clock = "SELECT FROM_UNIXTIME(?) = '1970-01-02 05:00:00'";
      for (const one of [a, b]) for (const sql of [insert, clock]) await one.prepare(sql);
      await a.run("SET sql_mode = '', time_zone = '+05:00'");
      await a.execute(insert, 10, '9999999999999');
      await b.execute(insert, 11, '9999999999999');
      await a.execute(clock, 86400);
      await b.execute(clock, 86400);
      await b.run("SET time_zone = '+05:00'");
      await b.execute(clock, 86400);
      await a.run("SET sql_mode = 'STRICT_ALL_TABLES'");
      await a.execute(insert, 12, '9999999999999');
      await a.run(ALL);
    },
  },
  {
    name: 'parameters of other types',
    tell: async (a, b) => {
      const sql = 'SELECT HEX(?), ? IS NULL, ? + 1';
      for (const one of [a, b]) await one.prepare(sql);
      await a.execute(sql, 'text', null, 1);
      await b.execute(sql, 255, 'x', '41');
      await a.execute(sql, Buffer.from([0, 255]), 1, 1.5);
      await b.execute(sql, null, null, null);
    },
  },
  {
    name: 'executes that change state',
    tell: async (a, b) => {
      for (const sql of ["SET time_zone = '+03:00'", 'COMMIT', 'SET @x = ?', 'UPDATE things SET v = v + 1']) {
        await a.prepare(sql);
        await b.prepare(sql);
      }
      await a.execute("SET time_zone = '+03:00'");
      await a.run('SELECT @@time_zone');
      await b.run("SELECT @@time_zone = '+03:00'");
      await a.run('SET autocommit = 0');
      await a.execute('UPDATE things SET v = v + 1');
      await a.run(ALL);
      await b.run(ALL);
      await a.execute('COMMIT');
      await b.run(ALL);
      await a.execute('SET @x = ?', 'mine');
      await a.run('SELECT @x');
      await b.run('SELECT @x');
    },
  },
  {
    name: 'executes that begin transactions, lock tables and change the schema',
    only: 'mariadb',
    tell: async (a, b) => {
      for (const sql of ['BEGIN', 'ROLLBACK', 'LOCK TABLES things READ', 'UNLOCK TABLES', 'USE app']) {
        await a.prepare(sql);
      }
      await a.execute('BEGIN');
      await a.run('UPDATE things SET v = 0');
      await a.run(ALL);
      await b.run(ALL);
      await a.execute('ROLLBACK');
      await a.run(ALL);
      await a.execute('LOCK TABLES things READ');
      await a.run('UPDATE things SET v = 0');
      await a.execute('UNLOCK TABLES');
      await b.run('UPDATE things SET v = 5');
      await a.execute('USE app');
      await a.run('SELECT DATABASE()');
      await b.run('SELECT DATABASE() = 0');
    },
  },
];

async function outcomes(story: Story, open: () => Promise<Client>, between: () => Promise<void>) {
  const [one, other] = await Promise.all([open(), open()]);
  await one.run('CREATE TABLE things(id INT PRIMARY KEY, v INT)');
  await one.run('INSERT INTO things VALUES(1, 1), (2, 2)');
  const a = new Teller(one, between);
  const b = new Teller(other, between);
  await story.tell(a, b);
  await Promise.all([one.end(), other.end()]);
  return { a: a.outcomes, b: b.outcomes };
}

/** A client of another state that wants a session of the two whenever it can get one. */
async function disturber(world: Proxied): Promise<() => Promise<void>> {
  const client = await world.connect();
  await client.run("SET time_zone = '-11:00', sql_mode = 'NO_BACKSLASH_ESCAPES'");
  return async () => {
    await client.execute('SELECT ? AS other', ['x']);
    await client.value('SELECT @@time_zone');
  };
}

await forEachServer(
  t,
  async (t, server) => {
    for (const story of STORIES) {
      if (story.only !== undefined && story.only !== server.flavor) continue;
      await t.test(story.name, async (t) => {
        const direct = await proxied(t, server);
        const expected = await outcomes(
          story,
          () => direct.direct(),
          async () => {},
        );
        const world = await proxied(t, server, ['--pool-size', '2']);
        const actual = await outcomes(story, () => world.connect(), await disturber(world));
        t.strictSame(actual, expected);
      });
    }
  },
  { timeout: 400_000 },
);

// Other tests would be counted as well.
await forEachPrivateServer(t, async (t, server) => {
  const world = await proxied(t, server, ['--pool-size', '2']);
  const before = await server.status('Prepared_stmt_count');
  const clients = await Promise.all(Array.from({ length: 20 }, () => world.connect()));
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.all(clients.map((client, i) => client.execute('SELECT ? + 1 AS n', [i])));
    for (const [i, rows] of answers.entries()) t.equal(rows[0]?.['n'], i + 1);
  }
  const more = (await server.status('Prepared_stmt_count')) - before;
  // On each session one with its parameters resolved; and one that nobody has executed yet, if it was prepared in between.
  t.ok(more >= 1 && more <= 4, `${more} statements for 20 clients on 2 sessions`);
});
