// Conformance of the MariaDB connector for Node (npm), run as a program of its own:
// node dist/test/clients/mariadb-client.js
// MYBOUNCER_TEST_URL, MYBOUNCER_TEST_PREFIX and the output: see conformance.ts.
// This driver pipelines by default: it sends commands before the ones sent earlier were answered.
import { Readable } from 'node:stream';
import { type Connection, type ConnectionConfig, createConnection } from 'mariadb';
import { blob, infileRows, same, type Target, thousand } from './checks.js';
import { checkAlike, checkChangeUser, checkInfile } from './node-checks.js';
import { type Changed, Scene, Session, type Statement, type Value, value } from './node-session.js';

/** What the driver calls its row sets: the rows with their columns beside. */
type Rows = Value[][] & { meta?: { name(): string }[] };

/** The rows alone, without the driver's properties on the array. */
async function rows(result: Promise<Rows>): Promise<Value[][]> {
  return Array.from(await result);
}

async function rowSets(result: Promise<unknown[]>): Promise<unknown[]> {
  return (await result).filter(Array.isArray).map((part) => Array.from(part));
}

class MariadbSession extends Session<Connection> {
  static async open(target: Target, changed: ConnectionConfig): Promise<MariadbSession> {
    const connection = await createConnection({
      host: target.host,
      port: target.port,
      user: target.user,
      password: target.password,
      database: target.schema,
      collation: 'utf8mb4_unicode_ci',
      // Its own default is one second, which a busy machine may take.
      connectTimeout: 20_000,
      allowPublicKeyRetrieval: true,
      dateStrings: true,
      rowsAsArray: true,
      insertIdAsNumber: true,
      bigIntAsNumber: true,
      multipleStatements: true,
      ...changed,
    });
    return new MariadbSession(connection);
  }

  override query(sql: string, values: Value[] = []): Promise<Value[][]> {
    return rows(this.connection.query<Rows>(sql, values));
  }

  override execute(sql: string, values: Value[] = []): Promise<Value[][]> {
    return rows(this.connection.execute<Rows>(sql, values));
  }

  override change(sql: string, values: Value[] = []): Promise<Changed> {
    return this.connection.query<Changed>(sql, values);
  }

  override executeChange(sql: string, values: Value[]): Promise<Changed> {
    return this.connection.execute<Changed>(sql, values);
  }

  override rowSets(sql: string): Promise<unknown[]> {
    return rowSets(this.connection.query(sql));
  }

  override executeRowSets(sql: string, values: Value[]): Promise<unknown[]> {
    return rowSets(this.connection.execute(sql, values));
  }

  override async named(sql: string, values: Value[]): Promise<{ rows: Value[][]; name: string | undefined }> {
    const found = await this.connection.query<Rows>(sql, values);
    return { rows: Array.from(found), name: found.meta?.[0]?.name() };
  }

  override async prepare(sql: string): Promise<Statement> {
    const statement = await this.connection.prepare<Value[]>(sql);
    return {
      query: (values) => rows(statement.execute<Rows>(values)),
      change: (values) => statement.execute<Changed>(values),
      close: () => statement.close(),
    };
  }

  override keep(sql: string): Promise<Statement> {
    return this.prepare(sql);
  }
}

const scene = await Scene.open(
  (target) =>
    (changed = {}) =>
      MariadbSession.open(target, changed),
);
const { a, b } = scene;
const { items } = scene.tables;

await scene.check('text', async () => {
  const given = [
    [1, 4611686018427388, "a'b\\c", blob, '2024-02-29', 1.5],
    [2, -1, null, null, null, null],
  ];
  for (const row of given) {
    const inserted = await a.change(`INSERT INTO ${items} (id,n,s,b,d,f) VALUES (?,?,?,?,?,?)`, row);
    same(inserted.affectedRows, 1);
  }
  same(await a.query(`SELECT id,n,s,b,d,f FROM ${items} ORDER BY id`), given);
  same((await a.change(`UPDATE ${items} SET n = n + 1 WHERE id > 1`)).affectedRows, 1);
  same(await b.query(`SELECT id, n FROM ${items} WHERE id > 1`), [[2, 0]]);
  same(await b.query(`SELECT id FROM ${items} WHERE id = 77`), []);
});

await scene.check('pipelined', async () => {
  const numbers = Array.from({ length: 200 }, (_, i) => i);
  const answers = await Promise.all(numbers.map((n) => value(n % 2 ? a : b, `SELECT ${n}`)));
  same(answers, numbers);
  // State set by one statement holds for the ones pipelined behind it.
  const [, set, , unset] = await Promise.all([
    a.query("SET time_zone = '+07:00'"),
    value(a, 'SELECT @@time_zone'),
    a.query("SET time_zone = '+08:00'"),
    value(a, 'SELECT @@time_zone'),
    a.query('SET time_zone = @@global.time_zone'),
  ]);
  same([set, unset], ['+07:00', '+08:00']);
  // An error in the middle is its own statement's alone.
  const settled = await Promise.allSettled([
    value(a, 'SELECT 1'),
    value(a, 'SELEKT 2'),
    value(a, 'SELECT 3'),
  ]);
  same(
    settled.map((answer) => answer.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
});

await scene.check('pipelined-transaction', async () => {
  const [, , inside] = await Promise.all([
    a.beginTransaction(),
    a.query(`INSERT INTO ${items} (id) VALUES (90)`),
    scene.counted(a, 90),
    a.rollback(),
  ]);
  same([inside, await scene.counted(a, 90), await scene.counted(b, 90)], [1, 0, 0]);
});

await scene.check('pipelined-prepared', async () => {
  // On MariaDB the driver sends each execute right behind its prepare, for the statement "prepared last".
  const numbers = Array.from({ length: 40 }, (_, i) => i);
  const answers = await Promise.all(numbers.map((n) => (n % 2 ? a : b).execute(`SELECT ? + ${n}`, [1])));
  same(
    answers.map((answer) => answer[0]?.[0]),
    numbers.map((n) => n + 1),
  );
  const settled = await Promise.allSettled([
    a.execute('SELECT ? FROM no_such_table_here', [1]),
    a.execute('SELECT ? * 2', [4]),
  ]);
  same(settled[0].status, 'rejected');
  same(settled[1], { status: 'fulfilled', value: [[8]] });
});

await scene.check('stream', async () => {
  let sum = 0;
  for await (const [n] of a.connection.queryStream(thousand)) sum += n;
  same(sum, 499_500);
});

await scene.check('batch', async () => {
  // One bulk execute on a MariaDB that offers it; else an execute for each row.
  const given = Array.from({ length: 100 }, (_, i) => [i + 1000, `row ${i} 🐬`, i % 3 ? i : null]);
  const inserted = await a.connection.batch<Changed | Changed[]>(
    `INSERT INTO ${items} (id, s, n) VALUES (?, ?, ?)`,
    given,
  );
  same(
    [inserted].flat().reduce((sum, { affectedRows }) => sum + affectedRows, 0),
    100,
  );
  same(await b.query(`SELECT id, s, n FROM ${items} WHERE id >= 1000 ORDER BY id`), given);
});

const loader = await MariadbSession.open(scene.target, {
  permitLocalInfile: true, // which this driver has only without pipelining
  infileStreamFactory: () => Readable.from([Buffer.from(infileRows())]),
});
await checkInfile(scene, loader);
await loader.end();
await checkAlike(scene);
// The driver itself refuses to change users on MySQL.
if (a.connection.info?.isMariaDB()) await checkChangeUser(scene);
await scene.close();
