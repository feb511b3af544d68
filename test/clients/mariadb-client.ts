// Conformance of the MariaDB connector for Node (npm), run as a program of its own:
// node dist/test/clients/mariadb-client.js
// MYBOUNCER_TEST_URL, MYBOUNCER_TEST_PREFIX and the output: see README.md beside this.
// This driver pipelines by default: it sends commands before the ones sent earlier were answered.
import { Readable } from 'node:stream';
import { type Connection, type ConnectionConfig, createConnection } from 'mariadb';
import {
  bigBytes,
  blob,
  Checks,
  createStatements,
  dropStatements,
  fails,
  infileRows,
  infileSummary,
  infileSummaryWanted,
  same,
  targetFromEnvironment,
  text,
  thousand,
  western,
} from './checks.js';

const target = targetFromEnvironment();
const { items, ids, big, file, tmp, two, lock } = target.tables;
const checks = new Checks();
const check = checks.check.bind(checks);
type Value = string | number | bigint | boolean | Buffer | null;
/** What the driver calls its row sets: the rows with their columns beside. */
type Rows = Value[][] & { meta?: { name(): string }[] };

function connect(changed: ConnectionConfig = {}): Promise<Connection> {
  return createConnection({
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
}

/** The rows alone, without the driver's properties on the array. */
async function rows(result: Promise<Rows>): Promise<Value[][]> {
  return Array.from(await result);
}
const query = (connection: Connection, sql: string, values: Value[] = []) =>
  rows(connection.query<Rows>(sql, values));
const execute = (connection: Connection, sql: string, values: Value[] = []) =>
  rows(connection.execute<Rows>(sql, values));
async function value(connection: Connection, sql: string): Promise<Value | undefined> {
  return (await query(connection, sql))[0]?.[0];
}
interface Changed {
  affectedRows: number;
  insertId: number;
  warningStatus: number;
}
const change = (connection: Connection, sql: string, values: Value[] = []) =>
  connection.query<Changed>(sql, values);
const counted = (connection: Connection, id: number) =>
  value(connection, `SELECT COUNT(*) FROM ${items} WHERE id = ${id}`);

/** The row sets among the results of a statement: what is left out are the OKs. */
async function rowSets(result: Promise<unknown[]>): Promise<unknown[]> {
  return (await result).filter(Array.isArray).map((part) => Array.from(part));
}

const a = await connect();
const b = await connect();

await check('connect', async () => {
  same(await query(a, 'SELECT 1, DATABASE(), @@character_set_client'), [[1, target.schema, 'utf8mb4']]);
  same(await value(a, 'SELECT CONNECTION_ID()'), a.threadId);
  same(await value(b, 'SELECT CONNECTION_ID()'), b.threadId);
  same(a.threadId === b.threadId, false);
});
for (const sql of createStatements(target.tables)) await a.query(sql);

await check('text', async () => {
  const given = [
    [1, 4611686018427388, "a'b\\c", blob, '2024-02-29', 1.5],
    [2, -1, null, null, null, null],
  ];
  for (const row of given) {
    const inserted = await change(a, `INSERT INTO ${items} (id,n,s,b,d,f) VALUES (?,?,?,?,?,?)`, row);
    same(inserted.affectedRows, 1);
  }
  same(await query(a, `SELECT id,n,s,b,d,f FROM ${items} ORDER BY id`), given);
  same((await change(a, `UPDATE ${items} SET n = n + 1 WHERE id > 1`)).affectedRows, 1);
  same(await query(b, `SELECT id, n FROM ${items} WHERE id > 1`), [[2, 0]]);
  same(await query(b, `SELECT id FROM ${items} WHERE id = 77`), []);
});

await check('pipelined', async () => {
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

await check('pipelined-transaction', async () => {
  const [, , inside] = await Promise.all([
    a.beginTransaction(),
    a.query(`INSERT INTO ${items} (id) VALUES (90)`),
    counted(a, 90),
    a.rollback(),
  ]);
  same([inside, await counted(a, 90), await counted(b, 90)], [1, 0, 0]);
});

await check('pipelined-prepared', async () => {
  // On MariaDB the driver sends each execute right behind its prepare, for the statement "prepared last".
  const numbers = Array.from({ length: 40 }, (_, i) => i);
  const answers = await Promise.all(numbers.map((n) => execute(n % 2 ? a : b, `SELECT ? + ${n}`, [1])));
  same(
    answers.map((answer) => answer[0]?.[0]),
    numbers.map((n) => n + 1),
  );
  const settled = await Promise.allSettled([
    execute(a, 'SELECT ? FROM no_such_table_here', [1]),
    execute(a, 'SELECT ? * 2', [4]),
  ]);
  same(settled[0].status, 'rejected');
  same(settled[1], { status: 'fulfilled', value: [[8]] });
});

await check('stream', async () => {
  let sum = 0;
  for await (const [n] of a.queryStream(thousand)) sum += n;
  same(sum, 499_500);
});

await check('prepared', async () => {
  const insert = await a.prepare<Value[]>(
    `INSERT INTO ${items} (id,n,s,b,d,dt,f,c) VALUES (?,?,?,?,?,?,?,?)`,
  );
  const first = [
    10,
    -4611686018427388,
    text,
    blob,
    '2024-02-29',
    '2024-02-29 23:59:59.123456',
    -0.25,
    '12.50000',
  ];
  const empty = [11, null, null, null, null, null, null, null];
  const last = [12, 3, '', Buffer.alloc(0), '1000-01-01', '1999-01-01 00:00:00.500000', 1e300, '-1.00000'];
  for (const row of [first, empty, last]) {
    same((await insert.execute<Changed>(row)).affectedRows, 1);
    same(await value(a, 'SELECT 7'), 7);
  }
  insert.close();
  const sql = `SELECT id,n,s,b,d,dt,f,c FROM ${items} WHERE id = ?`;
  const select = await a.prepare<Value[]>(sql);
  for (let round = 0; round < 3; round++) {
    same(await rows(select.execute<Rows>([10])), [first]);
    same(await execute(b, sql, [11]), [empty]);
    same(await value(b, 'SELECT 5'), 5);
    same(await rows(select.execute<Rows>([12])), [last]);
    same(await rows(select.execute<Rows>([77])), []);
  }
  select.close();
  same(await execute(b, sql, [10]), [first]);
  // The same parameter with another type each time.
  const echo = await b.prepare<Value[]>('SELECT ? IS NULL, CAST(? AS CHAR)');
  for (const given of [5, 'é', null, 2.5, 'longer than the one before']) {
    const got = await rows(echo.execute<Rows>([given, given]));
    same(got, [[given === null ? 1 : 0, given === null ? null : String(given)]]);
  }
  echo.close();
});

await check('prepared-error', async () => {
  const sql = `INSERT INTO ${items} (id) VALUES (?)`;
  await a.execute(sql, [20]);
  await fails(1062, '23000', () => a.execute(sql, [20]));
  await a.execute(sql, [21]);
  same(await value(a, `SELECT COUNT(*) FROM ${items} WHERE id IN (20, 21)`), 2);
  await fails(1146, '42S02', () => a.execute('SELECT * FROM no_such_table_here'));
});

await check('batch', async () => {
  // One bulk execute on a MariaDB that offers it; else an execute for each row.
  const given = Array.from({ length: 100 }, (_, i) => [i + 1000, `row ${i} 🐬`, i % 3 ? i : null]);
  const inserted = await a.batch<Changed | Changed[]>(
    `INSERT INTO ${items} (id, s, n) VALUES (?, ?, ?)`,
    given,
  );
  same(
    [inserted].flat().reduce((sum, { affectedRows }) => sum + affectedRows, 0),
    100,
  );
  same(await query(b, `SELECT id, s, n FROM ${items} WHERE id >= 1000 ORDER BY id`), given);
});

await check('rollback', async () => {
  await a.beginTransaction();
  await a.query(`INSERT INTO ${items} (id) VALUES (100)`);
  same([await counted(a, 100), await counted(b, 100)], [1, 0]);
  await a.rollback();
  same([await counted(a, 100), await counted(b, 100)], [0, 0]);
});

await check('commit', async () => {
  await a.beginTransaction();
  await a.execute(`INSERT INTO ${items} (id) VALUES (?)`, [101]);
  await a.query('SAVEPOINT one');
  await a.execute(`INSERT INTO ${items} (id) VALUES (?)`, [102]);
  await a.query('ROLLBACK TO SAVEPOINT one');
  same([await counted(a, 101), await counted(b, 101)], [1, 0]);
  await a.commit();
  same([await counted(a, 101), await counted(b, 101), await counted(b, 102)], [1, 1, 0]);
});

await check('autocommit', async () => {
  await a.query('SET autocommit = 0');
  await a.query(`INSERT INTO ${items} (id) VALUES (110)`);
  same([await value(a, 'SELECT @@autocommit'), await value(b, 'SELECT @@autocommit')], [0, 1]);
  same(await counted(b, 110), 0);
  await a.commit();
  same(await counted(b, 110), 1);
  await a.query(`DELETE FROM ${items} WHERE id = 110`);
  await a.query('SET autocommit = 1');
  same([await value(a, 'SELECT @@autocommit'), await counted(b, 110)], [1, 0]);
});

await check('procedure', async () => {
  same(await rowSets(a.query(`CALL ${two}(7)`)), [[[7, 'first']], [[8], [9]]]);
  same(await rowSets(a.execute(`CALL ${two}(?)`, [1])), [[[1, 'first']], [[2], [3]]]);
  same(await value(a, 'SELECT 1'), 1);
});

await check('multi-statements', async () => {
  const sql = `SELECT 1; UPDATE ${items} SET n = 5 WHERE id = 1; SELECT n FROM ${items} WHERE id = 1`;
  same(await rowSets(a.query(sql)), [[[1]], [[5]]]);
  await fails(1146, '42S02', () => a.query('SELECT 2; SELECT * FROM no_such_table_here; SELECT 3'));
  same(await value(a, 'SELECT 4'), 4);
  const single = await connect({ multipleStatements: false });
  await fails(1064, '42000', () => single.query('SELECT 1; SELECT 2'));
  same(await value(single, 'SELECT 3'), 3);
  await single.end();
});

await check('local-infile', async () => {
  const loader = await connect({
    permitLocalInfile: true, // which this driver has only without pipelining
    infileStreamFactory: () => Readable.from([Buffer.from(infileRows())]),
  });
  const loaded = await change(loader, `LOAD DATA LOCAL INFILE 'rows' INTO TABLE ${file} (id, txt)`);
  same(loaded.affectedRows, 40_000);
  await loader.end();
  same(await value(b, infileSummary(file)), infileSummaryWanted);
});

await check('big-row', async () => {
  await a.query(`INSERT INTO ${big} VALUES (1, ?)`, [bigBytes]);
  await a.execute(`INSERT INTO ${big} VALUES (?, ?)`, [2, bigBytes]);
  same(await query(a, `SELECT LENGTH(b), b = (SELECT b FROM ${big} WHERE id = 1) FROM ${big}`), [
    [bigBytes.length, 1],
    [bigBytes.length, 1],
  ]);
  for (const [run, id] of [[query, 1] as const, [execute, 2] as const]) {
    const [row] = await run(a, `SELECT b, 'after' FROM ${big} WHERE id = ${id}`);
    same([Buffer.isBuffer(row?.[0]) && bigBytes.equals(row[0]), row?.[1]], [true, 'after']);
  }
  same(await value(a, 'SELECT 1'), 1);
});

await check('utf8mb4', async () => {
  await a.query(`INSERT INTO ${items} (id, s) VALUES (200, ?)`, [text]);
  const sql = `SELECT s AS \`kůň\`, HEX(s), CHAR_LENGTH(s) FROM ${items} WHERE id = 200 AND s = ?`;
  const want = [text, Buffer.from(text).toString('hex').toUpperCase(), 19];
  const found = await b.query<Rows>(sql, [text]);
  same([Array.from(found), found.meta?.[0]?.name()], [[want], 'kůň']);
  same(await execute(b, sql, [text]), [want]);
});

await check('last-insert-id', async () => {
  const mine = (await change(a, `INSERT INTO ${ids} (v) VALUES ('a')`)).insertId;
  const theirs = await change(b, `INSERT INTO ${ids} (v) VALUES ('b'), ('c'), ('d')`);
  same([theirs.insertId, theirs.affectedRows], [mine + 1, 3]);
  await a.query('SELECT 1');
  await b.query('SELECT 1');
  for (let round = 0; round < 2; round++) {
    same(await value(a, 'SELECT LAST_INSERT_ID()'), mine);
    same(await value(b, 'SELECT LAST_INSERT_ID()'), theirs.insertId);
  }
  same((await a.execute<Changed>(`INSERT INTO ${ids} (v) VALUES (?)`, ['e'])).insertId, mine + 4);
  same(await execute(b, `SELECT v FROM ${ids} WHERE id = LAST_INSERT_ID()`), [['b']]);
});

await check('session-state', async () => {
  const zone = await value(a, 'SELECT @@time_zone');
  const mode = await value(a, 'SELECT @@sql_mode');
  await a.query("SET time_zone = '+03:00'");
  await a.query("SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')");
  for (let round = 0; round < 2; round++) {
    const sql = `SELECT "id", @@time_zone FROM ${items} WHERE id = 1`;
    same(await query(a, sql), [[1, '+03:00']]);
    same(await query(b, sql), [['id', zone]]);
  }
  await a.query(`SET @@session.sql_mode = '${mode}', @@session.time_zone = '${zone}'`);
  same(await query(a, 'SELECT "id", @@time_zone'), [['id', zone]]);
});

/** Two connections of a check's own: what it does keeps a server session for as long as the connection lives. */
async function pair(body: (x: Connection, y: Connection) => Promise<void>): Promise<void> {
  const [x, y] = [await connect(), await connect()];
  try {
    await body(x, y);
  } finally {
    x.destroy();
    y.destroy();
  }
}

await check('user-variable', () =>
  pair(async (x, y) => {
    for (let n = 0; n < 3; n++) {
      await x.query(`SET @mine = ${n}`);
      same([await value(y, 'SELECT @mine'), await value(b, 'SELECT @mine')], [null, null]);
      same(await value(x, 'SELECT @mine + 1'), n + 1);
    }
  }),
);

await check('temporary-table', () =>
  pair(async (x, y) => {
    await x.query(`CREATE TEMPORARY TABLE ${tmp} (x INT)`);
    await x.query(`INSERT INTO ${tmp} VALUES (1), (2)`);
    await fails(1146, '42S02', () => y.query(`SELECT * FROM ${tmp}`));
    await fails(1146, '42S02', () => b.query(`SELECT * FROM ${tmp}`));
    same(await value(x, `SELECT SUM(x) FROM ${tmp}`), '3');
    await x.query(`DROP TEMPORARY TABLE ${tmp}`);
    await fails(1146, '42S02', () => x.query(`SELECT * FROM ${tmp}`));
  }),
);

await check('user-lock', () =>
  pair(async (x, y) => {
    same(await value(x, `SELECT GET_LOCK('${lock}', 5)`), 1);
    same(await value(y, `SELECT GET_LOCK('${lock}', 0)`), 0);
    same(await value(x, `SELECT RELEASE_LOCK('${lock}')`), 1);
    same(await value(y, `SELECT GET_LOCK('${lock}', 0)`), 1);
    await y.end();
    same(await value(x, `SELECT GET_LOCK('${lock}', 5)`), 1); // free since its holder has gone
  }),
);

await check('diagnostics', async () => {
  await a.query(`UPDATE ${items} SET n = 6 WHERE id = 1`);
  same(await value(a, 'SELECT ROW_COUNT()'), 1);
  same((await change(a, `INSERT IGNORE INTO ${items} (id) VALUES (1)`)).warningStatus, 1);
  same((await query(a, 'SHOW WARNINGS'))[0]?.[1], 1062);
  await a.query(`SELECT id FROM ${items} WHERE id IN (1, 2)`);
  same(await value(a, 'SELECT FOUND_ROWS()'), 2);
});

await check('error-duplicate', async () => {
  await fails(1062, '23000', () => a.query(`INSERT INTO ${items} (id) VALUES (1)`));
  await a.beginTransaction();
  await a.query(`INSERT INTO ${items} (id) VALUES (120)`);
  await fails(1062, '23000', () => a.query(`INSERT INTO ${items} (id) VALUES (1)`));
  same(await counted(a, 120), 1);
  await a.rollback();
  same(await counted(a, 120), 0);
});

await check('error-syntax', async () => {
  await fails(1064, '42000', () => a.query('SELEKT 1'));
  same(await value(a, 'SELECT 2'), 2);
});

await check('ping', async () => {
  await a.ping();
  same(await value(a, 'SELECT 1'), 1);
});

await check('init-db', async () => {
  await a.query('USE information_schema');
  same(
    [await value(a, 'SELECT DATABASE()'), await value(b, 'SELECT DATABASE()')],
    ['information_schema', target.schema],
  );
  await fails(1049, '42000', () => a.query(`USE ${target.schema}_missing`));
  await a.query(`USE ${target.schema}`);
});

await check('wrong-password', async () => {
  await fails(1045, '28000', () => connect({ password: `not-${target.password}` }));
  await fails(1045, '28000', () => connect({ password: '' }));
});

await check('unknown-database', () =>
  fails(1049, '42000', () => connect({ database: `${target.schema}_missing` })),
);

await check('reset', async () => {
  const sql = 'SELECT @mine, @@time_zone, DATABASE()';
  const clean = await query(b, sql);
  await a.query('SET @mine = 1');
  await a.query("SET time_zone = '+04:00'");
  await a.reset();
  same(await query(a, sql), clean);
});

await check('kill-and-reconnect', async () => {
  const victim = await connect();
  victim.on('error', () => undefined);
  await a.query(`KILL ${victim.threadId}`);
  const answer = await victim.query('SELECT 1').then(
    () => 'answered',
    () => 'ended',
  );
  same(answer, 'ended');
  const next = await connect();
  await next.query('SET @mine = 1');
  await next.end();
  const again = await connect();
  same(await query(again, 'SELECT 1, @mine, @@autocommit'), [[1, null, 1]]);
  await again.end();
});

await check('latin1', async () => {
  const west = await connect({ collation: 'latin1_swedish_ci' });
  same(await value(west, 'SELECT @@character_set_client'), 'latin1');
  await west.query(`INSERT INTO ${items} (id, s) VALUES (201, ?)`, [western]);
  for (let round = 0; round < 3; round++) {
    const hex = Buffer.from(western).toString('hex').toUpperCase();
    same(await query(a, `SELECT s, HEX(s) FROM ${items} WHERE id = 201`), [[western, hex]]);
    same(await query(west, `SELECT s FROM ${items} WHERE s = ?`, [western]), [[western]]);
    same(await execute(west, `SELECT s FROM ${items} WHERE s = ?`, [western]), [[western]]);
    same(await query(a, `SELECT s FROM ${items} WHERE id = 200`), [[text]]);
  }
  await west.end();
});

// The driver itself refuses to change users on MySQL.
if (a.info?.isMariaDB()) {
  await check('change-user', async () => {
    await a.query('SET @mine = 1');
    await a.query("SET time_zone = '+04:00'");
    await a.changeUser({ user: target.user, password: target.password, database: target.schema });
    const sql = 'SELECT @mine, DATABASE(), @@time_zone';
    same(await query(a, sql), await query(b, sql));
    a.on('error', () => undefined);
    await fails(1045, '28000', () => a.changeUser({ user: target.user, password: 'not-it' }));
  });
}

for (const sql of dropStatements(target.tables)) await b.query(sql);
await b.end();
process.exit(checks.failed ? 1 : 0);
