import { Hold, type Kind } from '../model.js';
import { sequence, sql } from './kind.js';

const TX = { opens: [Hold.Transaction] };

export const TRANSACTION_KINDS: readonly Kind[] = [
  sql('tx.begin', ['BEGIN', 'BEGIN WORK', 'START TRANSACTION', 'begin', '/* x */ BEGIN'], {
    ...TX,
    weight: 3,
  }),
  sql('tx.read-only', 'START TRANSACTION READ ONLY', TX),
  sql('tx.read-write', 'START TRANSACTION READ WRITE', TX),
  sql(
    'tx.snapshot',
    ['START TRANSACTION WITH CONSISTENT SNAPSHOT', 'START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY'],
    TX,
  ),
  sql('tx.commit', ['COMMIT', 'COMMIT WORK', 'COMMIT AND NO CHAIN'], { weight: 2 }),
  sql('tx.commit-chain', 'COMMIT AND CHAIN', TX),
  sql('tx.rollback', ['ROLLBACK', 'ROLLBACK WORK', 'ROLLBACK AND NO CHAIN NO RELEASE'], { weight: 2 }),
  sql('tx.rollback-chain', 'ROLLBACK AND CHAIN', TX),
  sequence(
    'tx.savepoint',
    [
      'BEGIN',
      'SAVEPOINT s',
      "INSERT INTO t1 (v) VALUES ('sp')",
      'ROLLBACK TO SAVEPOINT s',
      'RELEASE SAVEPOINT s',
      'COMMIT',
    ],
    TX,
  ),
  sql('tx.savepoint-alone', ['SAVEPOINT lone', 'ROLLBACK TO lone', 'RELEASE SAVEPOINT lone']),
  sequence(
    'tx.insert',
    ['START TRANSACTION', 'INSERT INTO t2 (a) VALUES (<n>)', 'SELECT COUNT(*) FROM t2', 'COMMIT'],
    TX,
  ),
  sequence(
    'tx.rolled-back',
    [
      'START TRANSACTION',
      'INSERT INTO t2 (a) VALUES (<n>)',
      'SELECT LAST_INSERT_ID()',
      'ROLLBACK',
      'SELECT LAST_INSERT_ID()',
    ],
    TX,
  ),
  sequence(
    'tx.myisam',
    ['START TRANSACTION', 'INSERT INTO tm (a) VALUES (NULL)', 'ROLLBACK', 'SHOW WARNINGS'],
    TX,
  ),
  sequence(
    'tx.implicit-commit',
    ['BEGIN', 'DELETE FROM t2', 'CREATE TABLE made (a INT)', 'ROLLBACK', 'DROP TABLE made'],
    TX,
  ),
  sequence(
    'tx.ddl',
    ['BEGIN', 'UPDATE t1 SET n = 9', 'ALTER TABLE t3 COMMENT = "x"', 'SELECT n FROM t1 ORDER BY id'],
    TX,
  ),
  sequence(
    'tx.begin-commits',
    ['BEGIN', 'UPDATE t1 SET n = 4', 'BEGIN', 'ROLLBACK', 'SELECT n FROM t1 ORDER BY id'],
    TX,
  ),
  sequence(
    'tx.lock-tables-commits',
    ['BEGIN', 'UPDATE t1 SET n = 5', 'LOCK TABLES t1 WRITE', 'UNLOCK TABLES'],
    TX,
  ),
  sequence(
    'tx.for-update',
    ['BEGIN', 'SELECT id FROM t1 WHERE id = 1 FOR UPDATE', 'SELECT n FROM t1 LOCK IN SHARE MODE', 'COMMIT'],
    TX,
  ),
  sql('tx.autocommit-off', ['SET autocommit = 0', 'SET @@autocommit = 0', 'SET SESSION autocommit = OFF'], {
    opens: [Hold.Autocommit],
    weight: 2,
  }),
  sql('tx.autocommit-on', ['SET autocommit = 1', 'SET @@autocommit = ON', 'SET @@session.autocommit = 1'], {
    weight: 2,
  }),
  sequence(
    'tx.autocommit-off-insert',
    [
      'SET autocommit = 0',
      'INSERT INTO t2 (a) VALUES (3)',
      'ROLLBACK',
      'SELECT COUNT(*) FROM t2',
      'SET autocommit = 1',
    ],
    { opens: [Hold.Autocommit] },
  ),
  sql('tx.isolation', 'SET SESSION TRANSACTION ISOLATION LEVEL <isolation>', { weight: 2 }),
  sql('tx.isolation-local', 'SET LOCAL TRANSACTION ISOLATION LEVEL <isolation>, READ WRITE'),
  sequence('tx.isolation-next', ['SET TRANSACTION ISOLATION LEVEL <isolation>', 'SELECT COUNT(*) FROM t1'], {
    opens: [Hold.OneShot],
  }),
  sequence(
    'tx.isolation-next-begin',
    ['SET TRANSACTION ISOLATION LEVEL <isolation>', 'BEGIN', 'SELECT COUNT(*) FROM t1', 'COMMIT'],
    { opens: [Hold.OneShot, Hold.Transaction] },
  ),
  sequence(
    'tx.read-only-next',
    ['SET TRANSACTION READ ONLY', 'INSERT INTO t2 (a) VALUES (1)', 'SELECT COUNT(*) FROM t2'],
    { opens: [Hold.OneShot] },
  ),
  sql('tx.session-read-only', 'SET SESSION TRANSACTION READ ONLY', { weight: 0.5 }),
  sql('tx.session-read-write', 'SET SESSION TRANSACTION READ WRITE', { weight: 1.5 }),
  sql(
    'tx.isolation-variable-mysql',
    [
      'SET SESSION transaction_isolation = <isolationText>',
      'SET @@session.transaction_isolation = <isolationText>',
    ],
    { only: 'mysql' },
  ),
  sql(
    'tx.isolation-variable-mariadb',
    ['SET SESSION tx_isolation = <isolationText>', 'SET @@session.tx_isolation = <isolationText>'],
    { only: 'mariadb' },
  ),
  sequence(
    'tx.isolation-bare-mysql',
    ['SET @@transaction_isolation = <isolationText>', 'SELECT 1 FROM t1 LIMIT 1'],
    { only: 'mysql', opens: [Hold.OneShot] },
  ),
  sequence(
    'tx.isolation-bare-mariadb',
    ['SET @@tx_isolation = <isolationText>', 'SELECT 1 FROM t1 LIMIT 1'],
    { only: 'mariadb', opens: [Hold.OneShot] },
  ),
  sql('tx.read-only-variable-mysql', ['SET SESSION transaction_read_only = <bool>'], {
    only: 'mysql',
    weight: 0.5,
  }),
  sql('tx.read-only-variable-mariadb', ['SET SESSION tx_read_only = <bool>'], {
    only: 'mariadb',
    weight: 0.5,
  }),
  sequence(
    'xa.two-phase',
    [
      "XA START 'x{tag}'",
      'INSERT INTO t2 (a) VALUES (<n>)',
      "XA END 'x{tag}'",
      "XA PREPARE 'x{tag}'",
      "XA COMMIT 'x{tag}'",
    ],
    { ...TX, weight: 0.7 },
  ),
  sequence(
    'xa.one-phase',
    [
      "XA BEGIN 'x{tag}', 'b', 3",
      'DELETE FROM t2',
      "XA END 'x{tag}', 'b', 3",
      "XA COMMIT 'x{tag}', 'b', 3 ONE PHASE",
    ],
    TX,
  ),
  sequence(
    'xa.rollback',
    ["XA START 'x{tag}'", 'UPDATE t1 SET n = 8', "XA END 'x{tag}'", "XA ROLLBACK 'x{tag}'"],
    TX,
  ),
  sequence(
    'xa.wrong-state',
    ["XA START 'x{tag}'", 'COMMIT', "XA COMMIT 'x{tag}'", "XA END 'x{tag}'", "XA ROLLBACK 'x{tag}'"],
    TX,
  ),
  sql('xa.unknown', ["XA END 'no{tag}'", "XA COMMIT 'no{tag}'"]),
];
