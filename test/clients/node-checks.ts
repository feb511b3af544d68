import { createHash } from 'node:crypto';
import { bigBytes, blob, fails, infileSummary, infileSummaryWanted, same, text, western } from './checks.js';
import { type Scene, type Session, value } from './node-session.js';

/** What the npm drivers have to do alike. */
export async function checkAlike(scene: Scene<Session>): Promise<void> {
  await checkPrepared(scene);
  await checkTransactions(scene);
  await checkResults(scene);
  await checkCharacters(scene);
  await checkState(scene);
  await checkHeld(scene);
  await checkDiagnostics(scene);
  await checkLogins(scene);
}

async function checkPrepared(scene: Scene<Session>): Promise<void> {
  const { a, b, tables } = scene;
  const { items } = tables;
  await scene.check('prepared', async () => {
    const insert = await a.prepare(`INSERT INTO ${items} (id,n,s,b,d,dt,f,c) VALUES (?,?,?,?,?,?,?,?)`);
    const time = '2024-02-29 23:59:59.123456';
    const first = [10, -4611686018427388, text, blob, '2024-02-29', time, -0.25, '12.50000'];
    const empty = [11, null, null, null, null, null, null, null];
    const last = [12, 3, '', Buffer.alloc(0), '1000-01-01', '1999-01-01 00:00:00.500000', 1e300, '-1.00000'];
    for (const row of [first, empty, last]) {
      same((await insert.change(row)).affectedRows, 1);
      same(await value(a, 'SELECT 7'), 7);
    }
    const sql = `SELECT id,n,s,b,d,dt,f,c FROM ${items} WHERE id = ?`;
    const select = await a.keep(sql);
    for (let round = 0; round < 3; round++) {
      same(await select.query([10]), [first]);
      same(await b.execute(sql, [11]), [empty]);
      same(await value(b, 'SELECT 5'), 5);
      same(await select.query([12]), [last]);
      same(await select.query([77]), []);
    }
    await select.close();
    same(await b.execute(sql, [10]), [first]);
    same(await a.execute(sql, [12]), [last]);
    await insert.close();
    // The same parameter with another type each time.
    const echo = await b.prepare('SELECT ? IS NULL, CAST(? AS CHAR)');
    for (const given of [5, 'é', null, 2.5, 'longer than the one before']) {
      const got = await echo.query([given, given]);
      same(got, [[given === null ? 1 : 0, given === null ? null : String(given)]]);
    }
    await echo.close();
  });
  await scene.check('prepared-error', async () => {
    const sql = `INSERT INTO ${items} (id) VALUES (?)`;
    await a.execute(sql, [20]);
    await fails(1062, '23000', () => a.execute(sql, [20]));
    await a.execute(sql, [21]);
    same(await value(a, `SELECT COUNT(*) FROM ${items} WHERE id IN (20, 21)`), 2);
    await fails(1146, '42S02', () => a.execute('SELECT * FROM no_such_table_here'));
  });
}

async function checkTransactions(scene: Scene<Session>): Promise<void> {
  const { a, b, tables } = scene;
  const { items } = tables;
  const counted = scene.counted.bind(scene);
  await scene.check('rollback', async () => {
    await a.beginTransaction();
    await a.query(`INSERT INTO ${items} (id) VALUES (100)`);
    same([await counted(a, 100), await counted(b, 100)], [1, 0]);
    await a.rollback();
    same([await counted(a, 100), await counted(b, 100)], [0, 0]);
  });
  await scene.check('commit', async () => {
    await a.beginTransaction();
    await a.execute(`INSERT INTO ${items} (id) VALUES (?)`, [101]);
    await a.query('SAVEPOINT one');
    await a.execute(`INSERT INTO ${items} (id) VALUES (?)`, [102]);
    await a.query('ROLLBACK TO SAVEPOINT one');
    same([await counted(a, 101), await counted(b, 101)], [1, 0]);
    await a.commit();
    same([await counted(a, 101), await counted(b, 101), await counted(b, 102)], [1, 1, 0]);
  });
  await scene.check('autocommit', async () => {
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
}

async function checkResults(scene: Scene<Session>): Promise<void> {
  const { a, tables } = scene;
  const { items, big, two } = tables;
  await scene.check('procedure', async () => {
    same(await a.rowSets(`CALL ${two}(7)`), [[[7, 'first']], [[8], [9]]]);
    same(await a.executeRowSets(`CALL ${two}(?)`, [1]), [[[1, 'first']], [[2], [3]]]);
    same(await value(a, 'SELECT 1'), 1);
  });
  await scene.check('multi-statements', async () => {
    const sql = `SELECT 1; UPDATE ${items} SET n = 5 WHERE id = 1; SELECT n FROM ${items} WHERE id = 1`;
    same(await a.rowSets(sql), [[[1]], [[5]]]);
    await fails(1146, '42S02', () => a.query('SELECT 2; SELECT * FROM no_such_table_here; SELECT 3'));
    same(await value(a, 'SELECT 4'), 4);
    const single = await scene.connect({ multipleStatements: false });
    await fails(1064, '42000', () => single.query('SELECT 1; SELECT 2'));
    same(await value(single, 'SELECT 3'), 3);
    await single.end();
  });
  await scene.check('big-row', async () => {
    const sum = createHash('sha256').update(bigBytes).digest('hex');
    await a.query(`INSERT INTO ${big} VALUES (1, ?)`, [bigBytes]);
    await a.execute(`INSERT INTO ${big} VALUES (?, ?)`, [2, bigBytes]);
    const row = [bigBytes.length, sum];
    same(await a.query(`SELECT LENGTH(b), SHA2(b, 256) FROM ${big} ORDER BY id`), [row, row]);
    const sql = `SELECT b, 'after' FROM ${big} WHERE id = ?`;
    for (const [got] of [await a.query(sql, [1]), await a.execute(sql, [2])])
      same([Buffer.isBuffer(got?.[0]) && bigBytes.equals(got[0]), got?.[1]], [true, 'after']);
    same(await value(a, 'SELECT 1'), 1);
  });
}

/** @param loader - sends {@link infileRows} when the server asks for a file */
export async function checkInfile(scene: Scene<Session>, loader: Session): Promise<void> {
  const { file } = scene.tables;
  await scene.check('local-infile', async () => {
    const loaded = await loader.change(`LOAD DATA LOCAL INFILE 'rows' INTO TABLE ${file} (id, txt)`);
    same(loaded.affectedRows, 40_000);
    same(await value(scene.b, infileSummary(file)), infileSummaryWanted);
  });
}

async function checkCharacters(scene: Scene<Session>): Promise<void> {
  const { a, b, tables } = scene;
  const { items } = tables;
  await scene.check('utf8mb4', async () => {
    await a.query(`INSERT INTO ${items} (id, s) VALUES (200, ?)`, [text]);
    const sql = `SELECT s AS \`kůň\`, HEX(s), CHAR_LENGTH(s) FROM ${items} WHERE id = 200 AND s = ?`;
    const want = [text, Buffer.from(text).toString('hex').toUpperCase(), 19];
    same(await b.named(sql, [text]), { rows: [want], name: 'kůň' });
    same(await b.execute(sql, [text]), [want]);
  });
  await scene.check('latin1', async () => {
    const west = await scene.connect({ collation: 'latin1_swedish_ci' });
    same(await value(west, 'SELECT @@character_set_client'), 'latin1');
    await west.query(`INSERT INTO ${items} (id, s) VALUES (201, ?)`, [western]);
    for (let round = 0; round < 3; round++) {
      const hex = Buffer.from(western).toString('hex').toUpperCase();
      same(await a.query(`SELECT s, HEX(s) FROM ${items} WHERE id = 201`), [[western, hex]]);
      same(await west.query(`SELECT s FROM ${items} WHERE s = ?`, [western]), [[western]]);
      same(await west.execute(`SELECT s FROM ${items} WHERE s = ?`, [western]), [[western]]);
      same(await a.query(`SELECT s FROM ${items} WHERE id = 200`), [[text]]);
    }
    await west.end();
  });
}

async function checkState(scene: Scene<Session>): Promise<void> {
  const { a, b, target } = scene;
  const { items, ids } = scene.tables;
  await scene.check('last-insert-id', async () => {
    const mine = (await a.change(`INSERT INTO ${ids} (v) VALUES ('a')`)).insertId;
    const theirs = await b.change(`INSERT INTO ${ids} (v) VALUES ('b'), ('c'), ('d')`);
    same([theirs.insertId, theirs.affectedRows], [mine + 1, 3]);
    await a.query('SELECT 1');
    await b.query('SELECT 1');
    for (let round = 0; round < 2; round++) {
      same(await value(a, 'SELECT LAST_INSERT_ID()'), mine);
      same(await value(b, 'SELECT LAST_INSERT_ID()'), theirs.insertId);
    }
    same((await a.executeChange(`INSERT INTO ${ids} (v) VALUES (?)`, ['e'])).insertId, mine + 4);
    same(await b.execute(`SELECT v FROM ${ids} WHERE id = LAST_INSERT_ID()`), [['b']]);
  });
  await scene.check('session-state', async () => {
    const zone = await value(a, 'SELECT @@time_zone');
    const mode = await value(a, 'SELECT @@sql_mode');
    await a.query("SET time_zone = '+03:00'");
    await a.query("SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')");
    for (let round = 0; round < 2; round++) {
      const sql = `SELECT "id", @@time_zone FROM ${items} WHERE id = 1`;
      same(await a.query(sql), [[1, '+03:00']]);
      same(await b.query(sql), [['id', zone]]);
    }
    await a.query(`SET @@session.sql_mode = '${mode}', @@session.time_zone = '${zone}'`);
    same(await a.query('SELECT "id", @@time_zone'), [['id', zone]]);
  });
  await scene.check('init-db', async () => {
    await a.query('USE information_schema');
    same(
      [await value(a, 'SELECT DATABASE()'), await value(b, 'SELECT DATABASE()')],
      ['information_schema', target.schema],
    );
    await fails(1049, '42000', () => a.query(`USE ${target.schema}_missing`));
    await a.query(`USE ${target.schema}`);
  });
  await scene.check('reset', async () => {
    const sql = 'SELECT @mine, @@time_zone, DATABASE()';
    const clean = await b.query(sql);
    await a.query('SET @mine = 1');
    await a.query("SET time_zone = '+04:00'");
    await a.connection.reset();
    same(await a.query(sql), clean);
  });
}

async function checkHeld(scene: Scene<Session>): Promise<void> {
  const { b, tables } = scene;
  const { tmp, lock } = tables;
  await scene.checkPair('user-variable', async (x, y) => {
    for (let n = 0; n < 3; n++) {
      await x.query(`SET @mine = ${n}`);
      same([await value(y, 'SELECT @mine'), await value(b, 'SELECT @mine')], [null, null]);
      same(await value(x, 'SELECT @mine + 1'), n + 1);
    }
  });
  await scene.checkPair('temporary-table', async (x, y) => {
    await x.query(`CREATE TEMPORARY TABLE ${tmp} (x INT)`);
    await x.query(`INSERT INTO ${tmp} VALUES (1), (2)`);
    await fails(1146, '42S02', () => y.query(`SELECT * FROM ${tmp}`));
    await fails(1146, '42S02', () => b.query(`SELECT * FROM ${tmp}`));
    same(await value(x, `SELECT SUM(x) FROM ${tmp}`), '3');
    await x.query(`DROP TEMPORARY TABLE ${tmp}`);
    await fails(1146, '42S02', () => x.query(`SELECT * FROM ${tmp}`));
  });
  await scene.checkPair('user-lock', async (x, y) => {
    same(await value(x, `SELECT GET_LOCK('${lock}', 5)`), 1);
    same(await value(y, `SELECT GET_LOCK('${lock}', 0)`), 0);
    same(await value(x, `SELECT RELEASE_LOCK('${lock}')`), 1);
    same(await value(y, `SELECT GET_LOCK('${lock}', 0)`), 1);
    await y.end();
    same(await value(x, `SELECT GET_LOCK('${lock}', 5)`), 1); // free since its holder has gone
  });
}

async function checkDiagnostics(scene: Scene<Session>): Promise<void> {
  const { a, tables } = scene;
  const { items } = tables;
  await scene.check('diagnostics', async () => {
    await a.query(`UPDATE ${items} SET n = 6 WHERE id = 1`);
    same(await value(a, 'SELECT ROW_COUNT()'), 1);
    same((await a.change(`INSERT IGNORE INTO ${items} (id) VALUES (1)`)).warningStatus, 1);
    const warnings = await a.query('SHOW WARNINGS');
    same(
      warnings.map(([, code]) => code),
      [1062],
    );
    await a.query(`SELECT id FROM ${items} WHERE id IN (1, 2)`);
    same(await value(a, 'SELECT FOUND_ROWS()'), 2);
  });
  await scene.check('error-duplicate', async () => {
    await fails(1062, '23000', () => a.query(`INSERT INTO ${items} (id) VALUES (1)`));
    await a.beginTransaction();
    await a.query(`INSERT INTO ${items} (id) VALUES (120)`);
    await fails(1062, '23000', () => a.query(`INSERT INTO ${items} (id) VALUES (1)`));
    same(await scene.counted(a, 120), 1);
    await a.rollback();
    same(await scene.counted(a, 120), 0);
  });
  await scene.check('error-syntax', async () => {
    await fails(1064, '42000', () => a.query('SELEKT 1'));
    same(await value(a, 'SELECT 2'), 2);
  });
}

async function checkLogins(scene: Scene<Session>): Promise<void> {
  const { a, target, connect } = scene;
  await scene.check('ping', async () => {
    await a.connection.ping();
    same(await value(a, 'SELECT 1'), 1);
  });
  await scene.check('wrong-password', async () => {
    await fails(1045, '28000', () => connect({ password: `not-${target.password}` }));
    await fails(1045, '28000', () => connect({ password: '' }));
  });
  await scene.check('unknown-database', () =>
    fails(1049, '42000', () => connect({ database: `${target.schema}_missing` })),
  );
  await scene.check('kill-and-reconnect', async () => {
    const victim = await connect();
    victim.mayBreak();
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
    same(await again.query('SELECT 1, @mine, @@autocommit'), [[1, null, 1]]);
    await again.end();
  });
}

/** The last check of all: it loses a connection. */
export async function checkChangeUser(scene: Scene<Session>): Promise<void> {
  const { a, b, target } = scene;
  await scene.check('change-user', async () => {
    await a.query('SET @mine = 1');
    await a.query("SET time_zone = '+04:00'");
    await a.connection.changeUser({ user: target.user, password: target.password, database: target.schema });
    const sql = 'SELECT @mine, DATABASE(), @@time_zone';
    same(await a.query(sql), await b.query(sql));
    a.mayBreak();
    await fails(1045, '28000', () => a.connection.changeUser({ user: target.user, password: 'not-it' }));
  });
}
