import { Command, SetOption } from '../../../src/protocol/constants.js';
import { commandPayload, type RawClient } from '../../support/raw-client.js';
import { double, executePayload, int, NULL, rowsOf, text } from '../../support/raw-values.js';
import type { TestServer } from '../../support/server-handle.js';
import {
  about,
  command,
  execute,
  fetch,
  keep,
  longData,
  masked,
  numbersBlanked,
  prepare,
  q,
  type Script,
  type Step,
  step,
  withoutLastEofs,
  withoutMetadataChanged,
  withoutOldWarnings,
} from './steps.js';

const TABLES = [
  `CREATE TABLE t(id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) UNIQUE, data BLOB, amount DECIMAL(10,2),
    at DATETIME(3), f DOUBLE, kind ENUM('a','b'), flags SET('x','y'), small TINYINT UNSIGNED ZEROFILL, y YEAR, b BIT(5))`,
  "INSERT INTO t VALUES(1,'one',0x00ff,1.5,'2024-02-29 12:34:56.789',1e-3,'a','x,y',7,2024,b'101'),(2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL)",
  'CREATE TABLE parent(id INT PRIMARY KEY)',
  'CREATE TABLE child(id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES parent(id))',
];

const ROUTINES = [
  'CREATE PROCEDURE two() BEGIN SELECT 1 AS one; SELECT 2 AS two, 3 AS three; END',
  'CREATE PROCEDURE none() BEGIN DO 1; END',
  "CREATE PROCEDURE fails() BEGIN SELECT 1; SELECT 2; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT='on purpose'; END",
  'CREATE PROCEDURE outs(IN a INT, OUT b INT, INOUT c VARCHAR(20)) BEGIN SET b=a+1; SET c=CONCAT(c,"!"); SELECT a; END',
  'CREATE FUNCTION twice(x INT) RETURNS INT DETERMINISTIC NO SQL RETURN x * 2',
];

/** What clients send, in an order in which it makes sense. */
export function script(server: TestServer): Script {
  return [
    ...[...TABLES, ...ROUTINES].map((sql) => q(sql)),
    ...queries(),
    ...changes(),
    ...diagnostics(),
    ...transactions(),
    ...several(),
    ...state(),
    ...files(),
    ...prepared(),
    ...cursors(),
    ...commands(),
    ...(server.isMysql ? [] : mariadbOnly()),
  ];
}

function queries(): Step[] {
  const values = [
    "'é'",
    '1.5',
    '1e10',
    '-1',
    '18446744073709551615',
    "DATE'2024-02-29'",
    "TIME'-12:34:56'",
    '0xff',
    'NULL',
    "''",
  ];
  return [
    q('SELECT 1'),
    q(`SELECT ${values.join(', ')}`),
    q('SELECT * FROM t ORDER BY id'),
    q('SELECT * FROM t WHERE 1=0'),
    q('SELECT id AS `a b`, t.name FROM t AS t WHERE id=1'),
    q("SELECT COUNT(*) FROM t WHERE data='x'"),
    command('PING after a query that used no index', Command.Ping),
    q('/* nothing else */ SELECT /*! 1 + */ 1'),
    q('SELECT twice(21)'),
    q("SELECT REPEAT('x', 250), REPEAT('x', 251), REPEAT('x', 70000)"),
    q('SELECT a.id FROM t AS a, t AS b, t AS c, t AS d, t AS e, t AS f, t AS g, t AS h, t AS i'),
    q('EXPLAIN SELECT * FROM t WHERE id=1'),
    q('SHOW TABLES'),
    q('SHOW CREATE TABLE t'),
    q('DESCRIBE t'),
    q('CHECK TABLE parent'),
    q('DO 1'),
    q('SELECT SLEEP(0)'),
    keep(q('SELECT nonsense')),
    keep(q('SELECT * FROM no_such_table')),
    keep(q('SELEKT 1')),
    keep(q('')),
    keep(q(';')),
    q("SELECT 'unfinished"),
    q('-- nothing'),
    q(Buffer.from([0x53, 0x45, 0x4c, 0x45, 0x43, 0x54, 0x20, 0x27, 0xff, 0xfe, 0x27])),
  ];
}

function changes(): Step[] {
  return [
    q("INSERT INTO t(name) VALUES('two')"),
    q('SELECT LAST_INSERT_ID()'),
    q("INSERT INTO t(name) VALUES('three'),('four'),('five')"),
    q('SELECT LAST_INSERT_ID()'),
    q("INSERT INTO t(id, name) VALUES(100, 'explicit')"),
    q('SELECT LAST_INSERT_ID(), @@identity'),
    q("INSERT INTO t(name) VALUES('two') ON DUPLICATE KEY UPDATE small=9"),
    q('SELECT LAST_INSERT_ID()'),
    q("REPLACE INTO t(id, name) VALUES(100, 'replaced')"),
    q("UPDATE t SET small=1 WHERE name LIKE 't%'"),
    q("UPDATE t SET small=1 WHERE name LIKE 't%'"),
    q("UPDATE t SET small=2 WHERE name='nobody'"),
    q("DELETE FROM t WHERE name='five'"),
    q('INSERT INTO t(name) SELECT CONCAT(name, "+") FROM t WHERE id IN (1, 3)'),
    q('CREATE TABLE copy SELECT id, name FROM t'),
    q('ALTER TABLE copy ADD COLUMN extra INT'),
    q('ALTER TABLE copy ADD INDEX (name)'),
    q('TRUNCATE TABLE copy'),
    q('DROP TABLE copy'),
    q('CREATE VIEW v AS SELECT id, name FROM t'),
    q('SELECT * FROM v WHERE id=1'),
    q('ANALYZE TABLE parent'),
  ];
}

function diagnostics(): Step[] {
  return [
    keep(q("INSERT INTO t(name) VALUES('two')")),
    keep(q('SHOW ERRORS')),
    q('SHOW COUNT(*) ERRORS'),
    keep(q("INSERT IGNORE INTO t(name) VALUES('two'),('six')")),
    keep(q('SHOW WARNINGS')),
    q('SHOW COUNT(*) WARNINGS'),
    keep(q("SELECT 1/0, CAST('12x' AS SIGNED)")),
    keep(q('SHOW WARNINGS')),
    q('SELECT @@warning_count'),
    keep(q('CREATE TABLE IF NOT EXISTS t(id INT)')),
    q('SHOW WARNINGS'),
    keep(q('DROP TABLE IF EXISTS no_such_table')),
    q('SHOW WARNINGS LIMIT 1'),
    keep(q("INSERT INTO t(small) VALUES('abc')")),
    q('SHOW WARNINGS'),
    q('INSERT INTO child VALUES(1, 1)'),
    q('SELECT COUNT(*) FROM child'),
    q('SHOW WARNINGS'),
    keep(q("INSERT INTO t(name) VALUES('seven')")),
    q('SELECT ROW_COUNT()'),
    keep(q('SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1')),
    q('SELECT FOUND_ROWS()'),
  ];
}

function transactions(): Step[] {
  return [
    keep(q('BEGIN')),
    keep(q('SELECT COUNT(*) FROM t')),
    keep(command('PING in a transaction', Command.Ping)),
    keep(q("INSERT INTO t(name) VALUES('in transaction')")),
    keep(q('SAVEPOINT s')),
    keep(q("INSERT INTO t(name) VALUES('two')")),
    keep(q('ROLLBACK TO s')),
    q('ROLLBACK'),
    q('COMMIT'),
    keep(q('START TRANSACTION READ ONLY')),
    keep(q('SELECT id FROM t WHERE id=1')),
    keep(q('UPDATE t SET small=1 WHERE id=1')),
    keep({ ...command('PING in a read-only transaction', Command.Ping), mask: withoutOldWarnings }),
    q('COMMIT'),
    q('SET autocommit=0'),
    command('PING with autocommit=0', Command.Ping),
    keep(q('UPDATE t SET small=3 WHERE id=1')),
    q('COMMIT'),
    q('SELECT 1'),
    q('SET autocommit=1'),
    keep(q('START TRANSACTION WITH CONSISTENT SNAPSHOT')),
    keep(q('COMMIT AND CHAIN')),
    q('ROLLBACK'),
    keep(q('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE')),
    keep(q('BEGIN')),
    q('COMMIT'),
  ];
}

function several(): Step[] {
  return [
    q('SELECT 1; SELECT 2 AS b, 3'),
    q(
      "DO 1; INSERT INTO t(name) VALUES('multi'); SELECT LAST_INSERT_ID() > 0; UPDATE t SET small=4 WHERE name='multi'",
    ),
    keep(q('SELECT 1; SELECT nonsense; SELECT 3')),
    keep(q('SELECT 1; SELEKT 2')),
    // A second statement that is no SQL may do anything.
    command('end of the unknown', Command.ResetConnection),
    keep(q('SELECT 1;')),
    q('SELECT 1; ; SELECT 2'),
    q('CALL two()'),
    q('CALL none()'),
    keep(q('CALL fails()')),
    q('CALL no_such_procedure()'),
    q('CALL two(); SELECT 9; CALL none()'),
    keep(q('SET @c="hey"')),
    keep(q('CALL outs(1, @b, @c)')),
    keep(q('SELECT @b, @c')),
    command('end of the user variables', Command.ResetConnection),
    q('SET autocommit=1'),
    keep(q('BEGIN; SELECT 1')),
    q('SELECT 2; COMMIT'),
    q('SHOW TABLES; SHOW COLUMNS FROM parent'),
  ];
}

function state(): Step[] {
  return [
    q('SET NAMES latin1'),
    q(Buffer.from("SELECT 'é' AS 'é'", 'latin1')),
    q('SELECT * FROM t WHERE id=1'),
    q('SET NAMES utf8mb4 COLLATE utf8mb4_bin'),
    q("SELECT 'é', @@collation_connection"),
    q('SET character_set_results=NULL'),
    q("SELECT _latin1 0xe9, 'é'"),
    q('SET NAMES utf8mb4'),
    q("SET sql_mode=CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')"),
    q("SELECT 'a\\'"),
    command('PING with NO_BACKSLASH_ESCAPES', Command.Ping),
    q("SET sql_mode='ANSI_QUOTES'"),
    q('SELECT "id" FROM t WHERE id=1'),
    command('PING with ANSI_QUOTES', Command.Ping),
    q("SET sql_mode='STRICT_TRANS_TABLES'"),
    q("SET time_zone='+05:30'"),
    q('SELECT @@time_zone, @@sql_mode, FROM_UNIXTIME(0)'),
    keep(q("SET time_zone='nowhere'")),
    q('SET no_such_variable=1'),
    q('USE app'),
    q('SELECT DATABASE()'),
    q('USE no_such_schema'),
    command('COM_INIT_DB of an unknown schema', Command.InitDb, 'no_such_schema'),
    { ...command('COM_INIT_DB', Command.InitDb, 'app'), mask: withoutOldWarnings },
    q('SELECT DATABASE(), @@time_zone'),
    command('COM_RESET_CONNECTION', Command.ResetConnection),
    q('SELECT DATABASE(), @@time_zone, LAST_INSERT_ID()'),
    back(),
    q('SELECT COUNT(*) > 0 FROM t'),
  ];
}

/** To the schema that the client logged in with. */
function back(): Step {
  return step('back to the own schema', async (client) =>
    client.command(Command.InitDb, await ownSchema(client)),
  );
}

async function ownSchema(client: RawClient): Promise<string> {
  const rows = await client.query(
    "SELECT MAX(table_schema) FROM information_schema.tables WHERE table_name='child' AND table_schema LIKE 'app\\_%'",
  );
  return rowsOf(rows, client)[0] ?? '';
}

function files(): Step[] {
  const load = "LOAD DATA LOCAL INFILE 'anything' INTO TABLE t FIELDS TERMINATED BY ',' (name, small)";
  return [
    q(load, Buffer.from('file1,1\nfile2,2\n')),
    keep(q(load, Buffer.from('file1,1\nfile3,xyz\nfile4,999,more\n'))),
    q('SHOW WARNINGS'),
    q(load, Buffer.alloc(0)),
    q(`${load}; SELECT COUNT(*) FROM t`, Buffer.from('file5,5\n')),
    q("LOAD DATA LOCAL INFILE 'anything' INTO TABLE no_such_table", Buffer.from('x\n')),
  ];
}

function prepared(): Step[] {
  return [
    prepare('plain', 'SELECT * FROM t ORDER BY id'),
    execute('plain'),
    prepare('find', "SELECT id, name, small FROM t WHERE id=? AND IFNULL(name, '') <> ?"),
    execute('find', [int(1), text('two')]),
    execute('find', [int(2), NULL]),
    execute('find', [int(3), text('three')]),
    execute('find', [int(1), text('one')], { withTypes: false }),
    execute('find', [text('1'), double(2.5)]),
    prepare('insert', 'INSERT INTO t(name, f, data) VALUES(?, ?, ?)'),
    execute('insert', [text('prepared'), double(0.25), NULL]),
    q('SELECT LAST_INSERT_ID()'),
    keep(execute('insert', [text('prepared'), double(0.25), NULL])),
    q('SHOW WARNINGS'),
    keep(longData('insert', 2, 'first, ')),
    keep(longData('insert', 2, 'second')),
    execute('insert', [text('long'), double(1), { type: 0xfc, value: undefined }]),
    q("SELECT data FROM t WHERE name='long'"),
    prepare('update', 'UPDATE t SET small=5 WHERE id < ?'),
    execute('update', [int(3)]),
    execute('update', [int(3)]),
    prepare('nothing', 'DO 1'),
    execute('nothing'),
    prepare('bad', 'SELECT FROM'),
    prepare('missing', 'SELECT * FROM no_such_table'),
    prepare('two', 'SELECT 1; SELECT 2'),
    prepare('none', ''),
    prepare('call', 'CALL two()'),
    execute('call'),
    prepare('outs', 'CALL outs(?, ?, ?)'),
    { ...execute('outs', [int(1), NULL, text('hey')]), mask: withoutLastEofs },
    prepare('warns', 'SELECT CAST(? AS SIGNED)'),
    keep(execute('warns', [text('12x')])),
    q('SHOW WARNINGS'),
    prepare('set', "SET time_zone='+01:00'"),
    execute('set'),
    q('SELECT @@time_zone'),
    about('find', Command.StmtReset),
    about('find', Command.StmtClose, Buffer.alloc(0), 'none'),
    masked(execute('find', [int(1), text('two')])),
    masked(about('find', Command.StmtReset)),
    prepare('again', "SELECT id, name, small FROM t WHERE id=? AND IFNULL(name, '') <> ?"),
    execute('again', [int(1), text('two')]),
    q('ALTER TABLE t ADD COLUMN late INT'),
    { ...execute('plain'), mask: withoutMetadataChanged },
    q('DROP TABLE child'),
    q("CREATE TABLE child(a VARCHAR(5), b INT) SELECT 'x' AS a, 1 AS b"),
    prepare('star', 'SELECT * FROM child'),
    execute('star'),
    q('ALTER TABLE child DROP COLUMN b'),
    { ...execute('star'), mask: withoutMetadataChanged },
  ];
}

function cursors(): Step[] {
  return [
    prepare('cursor', 'SELECT id, name FROM t WHERE id <= ? ORDER BY id'),
    keep(execute('cursor', [int(4)], { cursor: 1 })),
    keep(fetch('cursor', 2)),
    keep(q('SELECT 1')),
    keep(fetch('cursor', 1)),
    fetch('cursor', 100),
    masked(fetch('cursor', 100)),
    keep(execute('cursor', [int(4)], { cursor: 1 })),
    about('cursor', Command.StmtReset),
    masked(fetch('cursor', 1)),
    keep(execute('cursor', [int(0)], { cursor: 1 })),
    fetch('cursor', 1),
    prepare('no rows to have', 'UPDATE t SET small=6 WHERE id=1'),
    execute('no rows to have', [], { cursor: 1 }),
  ];
}

function commands(): Step[] {
  return [
    command('PING', Command.Ping),
    { ...command('STATISTICS', Command.Statistics), mask: (reply) => reply.map(numbersBlanked) },
    command('FIELD_LIST', Command.FieldList, 't\0', 'fields'),
    command('FIELD_LIST with a pattern', Command.FieldList, 't\0na%', 'fields'),
    command('FIELD_LIST of no table', Command.FieldList, 'no_such_table\0', 'fields'),
    { ...command('PROCESS_INFO', Command.ProcessInfo, '', 'results'), mask: (reply) => reply.slice(0, 9) },
    {
      ...command('SET_OPTION off', Command.SetOption, Buffer.of(SetOption.MultiStatementsOff, 0)),
      mask: withoutOldWarnings,
    },
    q('SELECT 1; SELECT 2'),
    {
      ...command('SET_OPTION on', Command.SetOption, Buffer.of(SetOption.MultiStatementsOn, 0)),
      mask: withoutOldWarnings,
    },
    q('SELECT 1; SELECT 2'),
    command('SET_OPTION of nothing known', Command.SetOption, Buffer.of(7, 0)),
    command('DEBUG', Command.Debug),
    command('SLEEP', Command.Sleep),
    command('TIME', Command.Time),
    command('a byte that is no command', 0x70 as Command),
    q('KILL QUERY 4000000000'),
    q('KILL 4000000000'),
    q('SELECT 1'),
  ];
}

function mariadbOnly(): Step[] {
  return [
    q("INSERT INTO t(name) VALUES('r1'),('r2') RETURNING id > 0, name"),
    q('SET STATEMENT max_statement_time=10 FOR SELECT 1'),
    keep(q('BEGIN NOT ATOMIC SELECT 1; SELECT 2; END')),
    command('a clean session', Command.ResetConnection),
    command('PROCESS_KILL of nobody', Command.ProcessKill, Buffer.of(0xff, 0xff, 0xff, 0xfe)),
    step('execute the one prepared last', async (client) => {
      await client.command(Command.StmtPrepare, 'SELECT 1 + ?', 'prepare');
      return client.command(Command.StmtExecute, executePayload(0xffffffff, [int(1)]), 'results');
    }),
    step('execute the one prepared last, pipelined', async (client) => {
      client.send(commandPayload(Command.StmtPrepare, 'SELECT 2 + ?'));
      client.send(commandPayload(Command.StmtExecute, executePayload(0xffffffff, [int(1)])));
      const [, ...definitions] = await client.reply('prepare');
      return [...definitions, ...(await client.reply('results'))];
    }),
  ];
}
