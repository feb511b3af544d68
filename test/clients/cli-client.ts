// Conformance of the command lines of MariaDB and of MySQL, run as a program of its own:
// node dist/test/clients/cli-client.js mariadb
// MYBOUNCER_TEST_URL, MYBOUNCER_TEST_PREFIX and the output: see conformance.ts.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bigBytes,
  blob,
  Checks,
  createStatements,
  dropStatements,
  infileRows,
  infileSummary,
  infileSummaryWanted,
  same,
  targetFromEnvironment,
  text,
  western,
} from './checks.js';
import { CommandLine } from './command-line.js';

const words = process.argv.slice(2);
const target = targetFromEnvironment();
const { items, ids, big, file, tmp, two, lock } = target.tables;
const checks = new Checks();
const check = checks.check.bind(checks);
const isMysql = words.at(-1)?.endsWith('mysql') === true;
/** The scripts speak to a server without TLS, and so must every client. */
const plain = isMysql ? ['--ssl-mode=DISABLED', '--get-server-public-key'] : ['--skip-ssl'];
const login = (password = target.password) => [
  '--no-defaults',
  ...plain,
  '--protocol=tcp',
  `--host=${target.host}`,
  `--port=${target.port}`,
  `--user=${target.user}`,
  `--password=${password}`,
];
/** The programs beside the command line: `mariadb-dump`, `mysqldump`. */
const beside = (suffix: string) =>
  words.map((word) =>
    word.replace(/(^|\/)mariadb$/, `$1mariadb-${suffix}`).replace(/(^|\/)mysql$/, `$1mysql${suffix}`),
  );

function connect(changed: { charset?: string; schema?: string; more?: string[] } = {}): CommandLine {
  const charset = changed.charset ?? 'utf8mb4';
  return new CommandLine(
    [
      ...words,
      ...login(),
      `--default-character-set=${charset}`,
      '--local-infile=1',
      '--max-allowed-packet=64M',
      ...(isMysql ? ['--commands'] : []),
      ...(changed.more ?? []),
      changed.schema ?? target.schema,
    ],
    charset === 'latin1' ? 'latin1' : 'utf8',
  );
}

/** Runs a program to its end. @returns what it printed on both channels, and its exit code */
async function finished(command: string[], input = ''): Promise<{ output: string; code: number }> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  const collect = (data: Buffer) => {
    output += data.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { output, code: Number(code) };
}

const a = connect();
const b = connect();
const counted = async (client: CommandLine, id: number) =>
  (await client.ask(`SELECT COUNT(*) FROM ${items} WHERE id = ${id}`))[0];

async function fails(errno: number, sqlState: string, client: CommandLine, sql: string): Promise<void> {
  const [line = ''] = await client.ask(sql);
  same(line.replace(/ at line.*/, ''), `ERROR ${errno} (${sqlState})`);
}

await check('connect', async () => {
  same(await a.ask('SELECT 1, DATABASE(), @@character_set_client'), [`1\t${target.schema}\tutf8mb4`]);
  const [mine] = await a.ask('SELECT CONNECTION_ID()');
  const status = (await a.ask('\\s')).join('\n');
  same(/Connection id:\s+(\d+)/.exec(status)?.[1], mine);
  same((await b.ask('SELECT CONNECTION_ID()'))[0] === mine, false);
});
for (const sql of createStatements(target.tables)) same(await a.ask(sql), []);

await check('text', async () => {
  const hex = blob.toString('hex').toUpperCase();
  await a.ask(`INSERT INTO ${items} (id,n,s,b,d,f) VALUES (1, 4611686018427387904, 'a\\'b', x'${hex}', '2024-02-29', 1.5),
    (2, -1, NULL, NULL, NULL, NULL), (3, 0, '', '', '1999-12-31', 0)`);
  same(await a.ask(`SELECT id,n,s,HEX(b),d,f FROM ${items} ORDER BY id`), [
    `1\t4611686018427387904\ta'b\t${hex}\t2024-02-29\t1.5`,
    '2\t-1\tNULL\tNULL\tNULL\tNULL',
    '3\t0\t\t\t1999-12-31\t0',
  ]);
  same(await a.ask(`UPDATE ${items} SET n = n + 1 WHERE id > 1`, 'SELECT ROW_COUNT()'), ['2']);
  await a.ask(`DELETE FROM ${items} WHERE id = 3`);
  same(await b.ask(`SELECT id, n FROM ${items} WHERE id > 1`), ['2\t0']);
  same(await b.ask(`SELECT id FROM ${items} WHERE id = 77`), []);
});

/** Two clients of a check's own: what it does keeps a server session for as long as the connection lives. */
async function pair(body: (x: CommandLine, y: CommandLine) => Promise<void>): Promise<void> {
  const [x, y] = [connect(), connect()];
  try {
    await body(x, y);
  } finally {
    await x.end();
    await y.end();
  }
}

await check('text-prepare', () =>
  pair(async (x, y) => {
    await x.ask(`PREPARE st FROM 'SELECT n + ? FROM ${items} WHERE id = ?'`);
    await x.ask('SET @p = 5, @q = 2');
    same(await x.ask('EXECUTE st USING @p, @q'), ['5']);
    await fails(1243, 'HY000', y, 'EXECUTE st USING @p, @q');
    await x.ask('SET @p = 6');
    same(await x.ask('EXECUTE st USING @p, @q'), ['6']);
    await x.ask('DEALLOCATE PREPARE st');
    await fails(1243, 'HY000', x, 'EXECUTE st USING @p, @q');
  }),
);

await check('rollback', async () => {
  await a.ask('START TRANSACTION');
  await a.ask(`INSERT INTO ${items} (id) VALUES (100)`);
  same([await counted(a, 100), await counted(b, 100)], ['1', '0']);
  await a.ask('ROLLBACK');
  same([await counted(a, 100), await counted(b, 100)], ['0', '0']);
});

await check('commit', async () => {
  await a.ask('BEGIN');
  await a.ask(`INSERT INTO ${items} (id) VALUES (101)`);
  await a.ask('SAVEPOINT one');
  await a.ask(`INSERT INTO ${items} (id) VALUES (102)`);
  await a.ask('ROLLBACK TO SAVEPOINT one');
  same([await counted(a, 101), await counted(b, 101)], ['1', '0']);
  await a.ask('COMMIT');
  same([await counted(a, 101), await counted(b, 101), await counted(b, 102)], ['1', '1', '0']);
});

await check('autocommit', async () => {
  await a.ask('SET autocommit = 0');
  await a.ask(`INSERT INTO ${items} (id) VALUES (110)`);
  same([...(await a.ask('SELECT @@autocommit')), ...(await b.ask('SELECT @@autocommit'))], ['0', '1']);
  same(await counted(b, 110), '0');
  await a.ask('COMMIT');
  same(await counted(b, 110), '1');
  await a.ask(`DELETE FROM ${items} WHERE id = 110`);
  await a.ask('SET autocommit = 1');
  same([await a.ask('SELECT @@autocommit'), await counted(b, 110)], [['1'], '0']);
});

await check('procedure', async () => {
  same(await a.ask(`CALL ${two}(7)`), ['7\tfirst', '8', '9']);
});

await check('multi-statements', async () => {
  // One command of the protocol: the command line ends a statement at its delimiter only.
  const sql = `SELECT 1; UPDATE ${items} SET n = 5 WHERE id = 1; SELECT n FROM ${items} WHERE id = 1`;
  same(await a.ask(sql), ['1', '5']);
  const answers = await a.ask('SELECT 2; SELECT * FROM no_such_table_here; SELECT 3');
  same([answers[0], answers[1]?.slice(0, 18), answers.length], ['2', 'ERROR 1146 (42S02)', 2]);
  same(await a.ask('SELECT 4'), ['4']);
});

const folder = await mkdtemp(join(tmpdir(), 'mybouncer-cli-'));
await check('local-infile', async () => {
  const path = join(folder, 'rows.tsv');
  await writeFile(path, infileRows());
  same(await a.ask(`LOAD DATA LOCAL INFILE '${path}' INTO TABLE ${file} (id, txt)`), []);
  same(await b.ask(infileSummary(file)), [infileSummaryWanted]);
  // A file that the client cannot read: it sends an empty one, and says so.
  const [refused = ''] = await a.ask(`LOAD DATA LOCAL INFILE '${path}.none' INTO TABLE ${file} (id, txt)`);
  same(/^ERROR (2|29|7890) /.test(refused) ? 'refused' : refused, 'refused');
  same(await a.ask('SELECT 1'), ['1']);
});

await check('source', async () => {
  const path = join(folder, 'script.sql');
  await writeFile(
    path,
    `INSERT INTO ${items} (id, s) VALUES (60, 'from a file');\nSELECT s FROM ${items} WHERE id = 60;\n`,
  );
  same(await a.ask(`source ${path}`), ['from a file']);
});
await rm(folder, { recursive: true });

await check('big-row', async () => {
  const hex = bigBytes.toString('hex').toUpperCase();
  same(await a.ask(`INSERT INTO ${big} VALUES (1, x'${hex}')`), []);
  same(await a.ask(`SELECT LENGTH(b) FROM ${big}`), [String(bigBytes.length)]);
  const [row] = await a.ask(`SELECT HEX(b) FROM ${big}`);
  same(row === hex, true);
  same(await a.ask('SELECT 1'), ['1']);
});

await check('utf8mb4', async () => {
  await a.ask(`INSERT INTO ${items} (id, s) VALUES (200, '${text}')`);
  const hex = Buffer.from(text).toString('hex').toUpperCase();
  same(await b.ask(`SELECT s, HEX(s), CHAR_LENGTH(s) FROM ${items} WHERE id = 200 AND s = '${text}'`), [
    `${text}\t${hex}\t19`,
  ]);
});

await check('last-insert-id', async () => {
  await a.ask(`INSERT INTO ${ids} (v) VALUES ('a')`);
  const [mine] = await a.ask('SELECT LAST_INSERT_ID()');
  await b.ask(`INSERT INTO ${ids} (v) VALUES ('b'), ('c'), ('d')`);
  await a.ask('SELECT 1');
  for (let round = 0; round < 2; round++) {
    same(await a.ask('SELECT LAST_INSERT_ID()'), [mine]);
    same(await b.ask('SELECT LAST_INSERT_ID()'), [String(Number(mine) + 1)]);
  }
  same(await b.ask(`SELECT v FROM ${ids} WHERE id = LAST_INSERT_ID()`), ['b']);
});

await check('session-state', async () => {
  const [mode] = await a.ask('SELECT @@sql_mode');
  const [zone] = await a.ask('SELECT @@time_zone');
  await a.ask("SET time_zone = '+03:00'");
  await a.ask("SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')");
  for (let round = 0; round < 2; round++) {
    const sql = `SELECT "id", @@time_zone FROM ${items} WHERE id = 1`;
    same(await a.ask(sql), ['1\t+03:00']);
    same(await b.ask(sql), [`id\t${zone}`]);
  }
  await a.ask(`SET @@session.sql_mode = '${mode}', @@session.time_zone = '${zone}'`);
  same(await a.ask('SELECT "id", @@time_zone'), [`id\t${zone}`]);
});

await check('temporary-table', () =>
  pair(async (x, y) => {
    await x.ask(`CREATE TEMPORARY TABLE ${tmp} (x INT)`);
    await x.ask(`INSERT INTO ${tmp} VALUES (1), (2)`);
    await fails(1146, '42S02', y, `SELECT * FROM ${tmp}`);
    await fails(1146, '42S02', b, `SELECT * FROM ${tmp}`);
    same(await x.ask(`SELECT SUM(x) FROM ${tmp}`), ['3']);
    await x.ask(`DROP TEMPORARY TABLE ${tmp}`);
    await fails(1146, '42S02', x, `SELECT * FROM ${tmp}`);
  }),
);

await check('user-lock', () =>
  pair(async (x, y) => {
    same(await x.ask(`SELECT GET_LOCK('${lock}', 5)`), ['1']);
    same(await y.ask(`SELECT GET_LOCK('${lock}', 0)`), ['0']);
    same(await x.ask(`SELECT RELEASE_LOCK('${lock}')`), ['1']);
    same(await y.ask(`SELECT GET_LOCK('${lock}', 0)`), ['1']);
    await y.end();
    same(await x.ask(`SELECT GET_LOCK('${lock}', 5)`), ['1']); // free since its holder has gone
  }),
);

await check('diagnostics', async () => {
  const [warning = ''] = await a.ask(`INSERT IGNORE INTO ${items} (id, n) VALUES (1, 1)`, 'SHOW WARNINGS');
  same(warning.startsWith('Warning\t1062\t'), true);
  same(await a.ask(`SELECT id FROM ${items} WHERE id IN (1, 2)`, 'SELECT FOUND_ROWS()'), ['1', '2', '2']);
});

await check('error-duplicate', async () => {
  await fails(1062, '23000', a, `INSERT INTO ${items} (id) VALUES (1)`);
  await a.ask('BEGIN');
  await a.ask(`INSERT INTO ${items} (id) VALUES (120)`);
  await fails(1062, '23000', a, `INSERT INTO ${items} (id) VALUES (1)`);
  same(await counted(a, 120), '1');
  await a.ask('ROLLBACK');
  same(await counted(a, 120), '0');
});

await check('error-syntax', async () => {
  await fails(1064, '42000', a, 'SELEKT 1');
  same(await a.ask('SELECT 2'), ['2']);
});

await check('init-db', async () => {
  await a.ask('use information_schema');
  same(
    [await a.ask('SELECT DATABASE()'), await b.ask('SELECT DATABASE()')],
    [['information_schema'], [target.schema]],
  );
  await fails(1049, '42000', a, `use ${target.schema}_missing`);
  await a.ask(`use ${target.schema}`);
  same(await a.ask('SELECT DATABASE()'), [target.schema]);
});

await check('wrong-password', async () => {
  for (const password of [`not-${target.password}`, '']) {
    const { output, code } = await finished([...words, ...login(password), target.schema], 'SELECT 1;');
    same([/^ERROR 1045 \(28000\): Access denied for user/m.test(output), code], [true, 1]);
  }
});

await check('unknown-database', async () => {
  const { output, code } = await finished([...words, ...login(), `${target.schema}_missing`], 'SELECT 1;');
  same([/^ERROR 1049 \(42000\): Unknown database/m.test(output), code], [true, 1]);
});

await check('ping', async () => {
  const admin = [...beside('admin'), ...login()];
  same((await finished([...admin, 'ping'])).code, 0);
  same(/Uptime: \d+/.test((await finished([...admin, 'status'])).output), true);
});

await check('dump', async () => {
  const [version = ''] = await a.ask('SELECT VERSION()');
  const isMariadb = version.includes('MariaDB');
  // Each vendor's dump asks its own server for things that the other's does not have.
  if (isMariadb === isMysql) return;
  const dump = [...beside('dump'), ...login(), '--default-character-set=utf8mb4'];
  for (const how of [['--single-transaction'], ['--lock-tables']]) {
    const more = isMariadb ? how : [...how, '--no-tablespaces', '--set-gtid-purged=OFF'];
    const { output, code } = await finished([...dump, ...more, target.schema, items]);
    same(code, 0);
    same(output.includes(text), true);
  }
});

await check('kill-and-reconnect', async () => {
  const victim = connect();
  await victim.ask('SET @mine = 1');
  const [number] = await victim.ask('SELECT CONNECTION_ID()');
  await a.ask(`KILL ${number}`);
  const [error = '', state] = await victim.ask(
    'SELECT 1',
    '\\r', // connects again
    `SELECT @mine, @@autocommit, CONNECTION_ID() = ${number}`,
  );
  same(/^ERROR (2006|2013|1927|4031) /.test(error) ? 'ended' : error, 'ended');
  same(state, 'NULL\t1\t0');
  same(await victim.end(), 0);
});

await check('latin1', async () => {
  const west = connect({ charset: 'latin1' });
  same(await west.ask('SELECT @@character_set_client'), ['latin1']);
  await west.ask(`INSERT INTO ${items} (id, s) VALUES (201, '${western}')`);
  const hex = Buffer.from(western).toString('hex').toUpperCase();
  for (let round = 0; round < 3; round++) {
    same(await a.ask(`SELECT s, HEX(s) FROM ${items} WHERE id = 201`), [`${western}\t${hex}`]);
    same(await west.ask(`SELECT s FROM ${items} WHERE s = '${western}'`), [western]);
    same(await a.ask(`SELECT s FROM ${items} WHERE id = 200`), [text]);
  }
  same(await west.end(), 0);
});

for (const sql of dropStatements(target.tables)) same(await b.ask(sql), []);
// With --force an error in between makes no difference to the exit code.
same([await a.end(), await b.end()], [0, 0]);
process.exit(checks.failed ? 1 : 0);
