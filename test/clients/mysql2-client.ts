// Conformance of mysql2 (npm), run as a program of its own: node dist/test/clients/mysql2-client.js
// MYBOUNCER_TEST_URL, MYBOUNCER_TEST_PREFIX and the output: see conformance.ts.
import { Readable } from 'node:stream';
import { createConnection as createCallbackConnection } from 'mysql2';
import {
  type Connection,
  type ConnectionOptions,
  createConnection,
  type ResultSetHeader,
} from 'mysql2/promise';
import { blob, infileRows, same, type Target, thousand } from './checks.js';
import { checkAlike, checkChangeUser, checkInfile } from './node-checks.js';
import { Scene, Session, type Statement, type Unusual, type Value, value } from './node-session.js';

function options(target: Target, { collation = 'utf8mb4', ...changed }: Unusual): ConnectionOptions {
  return {
    host: target.host,
    port: target.port,
    user: target.user,
    password: target.password,
    database: target.schema,
    charset: collation,
    dateStrings: true,
    rowsAsArray: true,
    multipleStatements: true,
    infileStreamFactory: () => Readable.from([Buffer.from(infileRows())]),
    ...changed,
  };
}

function rows(results: unknown): Value[][] {
  return Array.isArray(results) ? results : [];
}

class Mysql2Session extends Session<Connection> {
  override async query(sql: string, values: Value[] = []): Promise<Value[][]> {
    return rows((await this.connection.query(sql, values))[0]);
  }

  override async execute(sql: string, values: Value[] = []): Promise<Value[][]> {
    return rows((await this.connection.execute(sql, values))[0]);
  }

  override async change(sql: string, values: Value[] = []): Promise<ResultSetHeader> {
    return (await this.connection.query<ResultSetHeader>(sql, values))[0];
  }

  override async executeChange(sql: string, values: Value[]): Promise<ResultSetHeader> {
    return (await this.connection.execute<ResultSetHeader>(sql, values))[0];
  }

  override async rowSets(sql: string): Promise<unknown[]> {
    return (await this.query(sql)).filter(Array.isArray);
  }

  override async executeRowSets(sql: string, values: Value[]): Promise<unknown[]> {
    return (await this.execute(sql, values)).filter(Array.isArray);
  }

  override async named(sql: string, values: Value[]): Promise<{ rows: Value[][]; name: string | undefined }> {
    const [results, fields] = await this.connection.query(sql, values);
    return { rows: rows(results), name: fields[0]?.name };
  }

  override async prepare(sql: string): Promise<Statement> {
    const statement = await this.connection.prepare(sql);
    return {
      query: async (values) => rows((await statement.execute(values))[0]),
      change: async (values) => (await statement.execute(values))[0] as ResultSetHeader,
      close: () => statement.close(),
    };
  }

  /** The driver keeps what it executes. */
  override async keep(sql: string): Promise<Statement> {
    return {
      query: (values) => this.execute(sql, values),
      change: (values) => this.executeChange(sql, values),
      close: () => this.connection.unprepare(sql),
    };
  }
}

const scene = await Scene.open(
  (target) =>
    async (changed = {}) =>
      new Mysql2Session(await createConnection(options(target, changed))),
);
const { a, b, target } = scene;
const { items } = scene.tables;

await scene.check('text', async () => {
  const rows = [
    [1, 4611686018427388, "a'b\\c", blob, '2024-02-29', 1.5],
    [2, -1, null, null, null, null],
    [3, 0, '', Buffer.alloc(0), '1999-12-31', 0],
  ];
  const [inserted] = await a.connection.query<ResultSetHeader>(
    `INSERT INTO ${items} (id,n,s,b,d,f) VALUES ?`,
    [rows],
  );
  same(inserted.affectedRows, 3);
  same(await a.query(`SELECT id,n,s,b,d,f FROM ${items} ORDER BY id`), rows);
  const updated = await a.change(`UPDATE ${items} SET n = n + 1 WHERE id > 1`);
  same([updated.affectedRows, updated.info], [2, 'Rows matched: 2  Changed: 2  Warnings: 0']);
  same((await a.change(`DELETE FROM ${items} WHERE id = 3`)).affectedRows, 1);
  same(await b.query(`SELECT id, n FROM ${items} WHERE id > 1`), [[2, 0]]);
  same(await b.query(`SELECT id FROM ${items} WHERE id = 77`), []);
});

await scene.check('queued', async () => {
  // Several commands given at once: the driver sends each when the one before it was answered.
  const numbers = Array.from({ length: 50 }, (_, i) => i);
  const answers = await Promise.all(numbers.map((n) => value(n % 2 ? a : b, `SELECT ${n}`)));
  same(answers, numbers);
});

await scene.check('stream', async () => {
  let sum = 0;
  // Only the callback side of the driver hands out rows one by one.
  const callbacks = createCallbackConnection(options(target, {}));
  for await (const [n] of callbacks.query(thousand).stream()) sum += n;
  callbacks.end();
  same(sum, 499_500);
});

await scene.check('prepared-many', async () => {
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < 60; n++) same(await (n % 2 ? a : b).execute(`SELECT ? + ${n} AS n`, [1]), [[n + 1]]);
  }
});

await checkInfile(scene, a);
await checkAlike(scene);
await checkChangeUser(scene);
await scene.close();
