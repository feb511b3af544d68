// Conformance of mysql2 (npm), run as a program of its own: node dist/test/clients/mysql2-client.js
// MYBOUNCER_TEST_URL, MYBOUNCER_TEST_PREFIX and the output: see README.md beside this.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { createConnection as createCallbackConnection } from 'mysql2';
import {
  type Connection,
  type ConnectionOptions,
  createConnection,
  type ResultSetHeader,
} from 'mysql2/promise';
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
type Value = string | number | boolean | Buffer | null;

function options(changed: ConnectionOptions): ConnectionOptions {
  return {
    host: target.host,
    port: target.port,
    user: target.user,
    password: target.password,
    database: target.schema,
    charset: 'utf8mb4',
    dateStrings: true,
    rowsAsArray: true,
    multipleStatements: true,
    infileStreamFactory: () => Readable.from([Buffer.from(infileRows())]),
    ...changed,
  };
}

const connect = (changed: ConnectionOptions = {}) => createConnection(options(changed));

async function query(connection: Connection, sql: string, values: Value[] = []): Promise<unknown> {
  return (await connection.query(sql, values))[0];
}

async function execute(connection: Connection, sql: string, values: Value[] = []): Promise<unknown> {
  return (await connection.execute(sql, values))[0];
}

async function value(connection: Connection, sql: string, values: Value[] = []): Promise<unknown> {
  const rows = await query(connection, sql, values);
  return Array.isArray(rows) ? rows[0][0] : rows;
}

async function change(connection: Connection, sql: string, values: Value[] = []): Promise<ResultSetHeader> {
  return (await connection.query<ResultSetHeader>(sql, values))[0];
}

const counted = (connection: Connection, id: number) =>
  value(connection, `SELECT COUNT(*) FROM ${items} WHERE id = ${id}`);

/** The row sets among the results of a statement: what is left out are the OKs. */
async function rowSets(connection: Connection, sql: string): Promise<unknown[]> {
  const [results] = await connection.query(sql);
  return Array.isArray(results) ? results.filter(Array.isArray) : [];
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
  const rows = [
    [1, 4611686018427388, "a'b\\c", blob, '2024-02-29', 1.5],
    [2, -1, null, null, null, null],
    [3, 0, '', Buffer.alloc(0), '1999-12-31', 0],
  ];
  const [inserted] = await a.query<ResultSetHeader>(`INSERT INTO ${items} (id,n,s,b,d,f) VALUES ?`, [rows]);
  same(inserted.affectedRows, 3);
  same(await query(a, `SELECT id,n,s,b,d,f FROM ${items} ORDER BY id`), rows);
  const updated = await change(a, `UPDATE ${items} SET n = n + 1 WHERE id > 1`);
  same([updated.affectedRows, updated.info], [2, 'Rows matched: 2  Changed: 2  Warnings: 0']);
  same((await change(a, `DELETE FROM ${items} WHERE id = 3`)).affectedRows, 1);
  same(await query(b, `SELECT id, n FROM ${items} WHERE id > 1`), [[2, 0]]);
  same(await query(b, `SELECT id FROM ${items} WHERE id = 77`), []);
});

await check('queued', async () => {
  // Several commands given at once: the driver sends each when the one before it was answered.
  const numbers = Array.from({ length: 50 }, (_, i) => i);
  const answers = await Promise.all(numbers.map((n) => value(n % 2 ? a : b, `SELECT ${n}`)));
  same(answers, numbers);
});

await check('stream', async () => {
  let sum = 0;
  // Only the callback side of the driver hands out rows one by one.
  const callbacks = createCallbackConnection(options({}));
  for await (const [n] of callbacks.query(thousand).stream()) sum += n;
  callbacks.end();
  same(sum, 499_500);
});

await check('prepared', async () => {
  const insert = await a.prepare(`INSERT INTO ${items} (id,n,s,b,d,dt,f,c) VALUES (?,?,?,?,?,?,?,?)`);
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
    const [inserted] = await insert.execute(row);
    same('affectedRows' in inserted && inserted.affectedRows, 1);
    same(await value(a, 'SELECT 7'), 7);
  }
  const sql = `SELECT id,n,s,b,d,dt,f,c FROM ${items} WHERE id = ?`;
  for (let round = 0; round < 3; round++) {
    same(await execute(a, sql, [10]), [first]);
    same(await execute(b, sql, [11]), [empty]);
    same(await value(b, 'SELECT 5'), 5);
    same(await execute(a, sql, [12]), [last]);
    same(await execute(a, sql, [77]), []);
  }
  a.unprepare(sql);
  same(await execute(b, sql, [10]), [first]);
  same(await execute(a, sql, [12]), [last]);
  await insert.close();
  // The same parameter with another type each time.
  const echo = await b.prepare('SELECT ? IS NULL, CAST(? AS CHAR)');
  for (const given of [5, 'é', null, 2.5, 'longer than the one before']) {
    const [rows] = await echo.execute([given, given]);
    same(rows, [[given === null ? 1 : 0, given === null ? null : String(given)]]);
  }
  await echo.close();
  await fails(1146, '42S02', () => a.execute('SELECT * FROM no_such_table_here'));
});

await check('prepared-many', async () => {
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < 60; n++) same(await execute(n % 2 ? a : b, `SELECT ? + ${n} AS n`, [1]), [[n + 1]]);
  }
});

await check('prepared-error', async () => {
  const sql = `INSERT INTO ${items} (id) VALUES (?)`;
  await execute(a, sql, [20]);
  await fails(1062, '23000', () => a.execute(sql, [20]));
  await execute(a, sql, [21]);
  same(await value(a, `SELECT COUNT(*) FROM ${items} WHERE id IN (20, 21)`), 2);
});

await check('rollback', async () => {
  await a.beginTransaction();
  await query(a, `INSERT INTO ${items} (id) VALUES (100)`);
  same([await counted(a, 100), await counted(b, 100)], [1, 0]);
  await a.rollback();
  same([await counted(a, 100), await counted(b, 100)], [0, 0]);
});

await check('commit', async () => {
  await a.beginTransaction();
  await execute(a, `INSERT INTO ${items} (id) VALUES (?)`, [101]);
  await query(a, 'SAVEPOINT one');
  await execute(a, `INSERT INTO ${items} (id) VALUES (?)`, [102]);
  await query(a, 'ROLLBACK TO SAVEPOINT one');
  same([await counted(a, 101), await counted(b, 101)], [1, 0]);
  await a.commit();
  same([await counted(a, 101), await counted(b, 101), await counted(b, 102)], [1, 1, 0]);
});

await check('autocommit', async () => {
  await query(a, 'SET autocommit = 0');
  await query(a, `INSERT INTO ${items} (id) VALUES (110)`);
  same([await value(a, 'SELECT @@autocommit'), await value(b, 'SELECT @@autocommit')], [0, 1]);
  same(await counted(b, 110), 0);
  await a.commit();
  same(await counted(b, 110), 1);
  await query(a, `DELETE FROM ${items} WHERE id = 110`);
  await query(a, 'SET autocommit = 1');
  same([await value(a, 'SELECT @@autocommit'), await counted(b, 110)], [1, 0]);
});

await check('procedure', async () => {
  same(await rowSets(a, `CALL ${two}(7)`), [[[7, 'first']], [[8], [9]]]);
  const [results] = await a.execute(`CALL ${two}(?)`, [1]);
  same(Array.isArray(results) && results.filter(Array.isArray), [[[1, 'first']], [[2], [3]]]);
  same(await value(a, 'SELECT 1'), 1);
});

await check('multi-statements', async () => {
  const sql = `SELECT 1; UPDATE ${items} SET n = 5 WHERE id = 1; SELECT n FROM ${items} WHERE id = 1`;
  same(await rowSets(a, sql), [[[1]], [[5]]]);
  await fails(1146, '42S02', () => a.query('SELECT 2; SELECT * FROM no_such_table_here; SELECT 3'));
  same(await value(a, 'SELECT 4'), 4);
  const single = await connect({ multipleStatements: false });
  await fails(1064, '42000', () => single.query('SELECT 1; SELECT 2'));
  same(await value(single, 'SELECT 3'), 3);
  await single.end();
});

await check('local-infile', async () => {
  const loaded = await change(a, `LOAD DATA LOCAL INFILE 'rows' INTO TABLE ${file} (id, txt)`);
  same(loaded.affectedRows, 40_000);
  same(await value(b, infileSummary(file)), infileSummaryWanted);
});

await check('big-row', async () => {
  const sum = createHash('sha256').update(bigBytes).digest('hex');
  await query(a, `INSERT INTO ${big} VALUES (1, ?)`, [bigBytes]);
  await execute(a, `INSERT INTO ${big} VALUES (?, ?)`, [2, bigBytes]);
  const row = [bigBytes.length, sum];
  same(await query(a, `SELECT LENGTH(b), SHA2(b, 256) FROM ${big} ORDER BY id`), [row, row]);
  for (const run of [query, execute]) {
    const rows = await run(a, `SELECT b, 'after' FROM ${big} WHERE id = ${run === query ? 1 : 2}`);
    const [bytes, after] = Array.isArray(rows) ? rows[0] : [];
    same([bigBytes.equals(bytes), after], [true, 'after']);
  }
  same(await value(a, 'SELECT 1'), 1);
});

await check('utf8mb4', async () => {
  await query(a, `INSERT INTO ${items} (id, s) VALUES (200, ?)`, [text]);
  const sql = `SELECT s AS \`kůň\`, HEX(s), CHAR_LENGTH(s) FROM ${items} WHERE id = 200 AND s = ?`;
  const want = [text, Buffer.from(text).toString('hex').toUpperCase(), 19];
  const [rows, fields] = await b.query(sql, [text]);
  same([rows, fields[0]?.name], [[want], 'kůň']);
  same(await execute(b, sql, [text]), [want]);
});

await check('last-insert-id', async () => {
  const mine = (await change(a, `INSERT INTO ${ids} (v) VALUES ('a')`)).insertId;
  const theirs = await change(b, `INSERT INTO ${ids} (v) VALUES ('b'), ('c'), ('d')`);
  same([theirs.insertId, theirs.affectedRows], [mine + 1, 3]);
  await query(a, 'SELECT 1');
  await query(b, 'SELECT 1');
  for (let round = 0; round < 2; round++) {
    same(await value(a, 'SELECT LAST_INSERT_ID()'), mine);
    same(await value(b, 'SELECT LAST_INSERT_ID()'), theirs.insertId);
  }
  const [inserted] = await a.execute<ResultSetHeader>(`INSERT INTO ${ids} (v) VALUES (?)`, ['e']);
  same(inserted.insertId, mine + 4);
  same(await execute(b, `SELECT v FROM ${ids} WHERE id = LAST_INSERT_ID()`), [['b']]);
});

await check('session-state', async () => {
  const zone = await value(a, 'SELECT @@time_zone');
  const mode = await value(a, 'SELECT @@sql_mode');
  await query(a, "SET time_zone = '+03:00'");
  await query(a, "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')");
  for (let round = 0; round < 2; round++) {
    const sql = `SELECT "id", @@time_zone FROM ${items} WHERE id = 1`;
    same(await query(a, sql), [[1, '+03:00']]);
    same(await query(b, sql), [['id', zone]]);
  }
  await query(a, `SET @@session.sql_mode = '${mode}', @@session.time_zone = '${zone}'`);
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
      await query(x, `SET @mine = ${n}`);
      same([await value(y, 'SELECT @mine'), await value(b, 'SELECT @mine')], [null, null]);
      same(await value(x, 'SELECT @mine + 1'), n + 1);
    }
  }),
);

await check('temporary-table', () =>
  pair(async (x, y) => {
    await query(x, `CREATE TEMPORARY TABLE ${tmp} (x INT)`);
    await query(x, `INSERT INTO ${tmp} VALUES (1), (2)`);
    await fails(1146, '42S02', () => y.query(`SELECT * FROM ${tmp}`));
    await fails(1146, '42S02', () => b.query(`SELECT * FROM ${tmp}`));
    same(await value(x, `SELECT SUM(x) FROM ${tmp}`), '3');
    await query(x, `DROP TEMPORARY TABLE ${tmp}`);
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
  await query(a, `UPDATE ${items} SET n = 6 WHERE id = 1`);
  same(await value(a, 'SELECT ROW_COUNT()'), 1);
  same((await change(a, `INSERT IGNORE INTO ${items} (id) VALUES (1)`)).warningStatus, 1);
  const [warnings] = await a.query({ sql: 'SHOW WARNINGS', rowsAsArray: false });
  same(Array.isArray(warnings) && warnings.map((row) => 'Code' in row && row['Code']), [1062]);
  await query(a, `SELECT id FROM ${items} WHERE id IN (1, 2)`);
  same(await value(a, 'SELECT FOUND_ROWS()'), 2);
});

await check('error-duplicate', async () => {
  await fails(1062, '23000', () => a.query(`INSERT INTO ${items} (id) VALUES (1)`));
  await a.beginTransaction();
  await query(a, `INSERT INTO ${items} (id) VALUES (120)`);
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
  await query(a, 'USE information_schema');
  same(
    [await value(a, 'SELECT DATABASE()'), await value(b, 'SELECT DATABASE()')],
    ['information_schema', target.schema],
  );
  await fails(1049, '42000', () => a.query(`USE ${target.schema}_missing`));
  await query(a, `USE ${target.schema}`);
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
  await query(a, 'SET @mine = 1');
  await query(a, "SET time_zone = '+04:00'");
  await a.reset();
  same(await query(a, sql), clean);
});

await check('kill-and-reconnect', async () => {
  const victim = await connect();
  victim.on('error', () => undefined);
  await query(a, `KILL ${victim.threadId}`);
  const answer = await victim.query('SELECT 1').then(
    () => 'answered',
    () => 'ended',
  );
  same(answer, 'ended');
  const next = await connect();
  await query(next, 'SET @mine = 1');
  await next.end();
  const again = await connect();
  same(await query(again, 'SELECT 1, @mine, @@autocommit'), [[1, null, 1]]);
  await again.end();
});

await check('latin1', async () => {
  const west = await connect({ charset: 'latin1_swedish_ci' });
  same(await value(west, 'SELECT @@character_set_client'), 'latin1');
  await query(west, `INSERT INTO ${items} (id, s) VALUES (201, ?)`, [western]);
  for (let round = 0; round < 3; round++) {
    const hex = Buffer.from(western).toString('hex').toUpperCase();
    same(await query(a, `SELECT s, HEX(s) FROM ${items} WHERE id = 201`), [[western, hex]]);
    same(await query(west, `SELECT s FROM ${items} WHERE s = ?`, [western]), [[western]]);
    same(await execute(west, `SELECT s FROM ${items} WHERE s = ?`, [western]), [[western]]);
    same(await query(a, `SELECT s FROM ${items} WHERE id = 200`), [[text]]);
  }
  await west.end();
});

await check('change-user', async () => {
  await query(a, 'SET @mine = 1');
  await query(a, "SET time_zone = '+04:00'");
  await a.changeUser({ user: target.user, password: target.password, database: target.schema });
  const sql = 'SELECT @mine, DATABASE(), @@time_zone';
  same(await query(a, sql), await query(b, sql));
  a.on('error', () => undefined);
  await fails(1045, '28000', () => a.changeUser({ user: target.user, password: 'not-it' }));
});

for (const sql of dropStatements(target.tables)) await b.query(sql);
await b.end();
process.exit(checks.failed ? 1 : 0);
