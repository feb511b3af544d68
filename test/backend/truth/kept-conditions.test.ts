import t from 'tap';
import { clearsConditions } from '../../../src/relay/kept-conditions.js';
import { mariadb, traitsOf } from '../../sql/describe.js';
import { forEachServer } from '../../support/servers.js';
import { openSession } from './session.js';

/** Which statements clear the warnings of the one before: on MariaDB those that use a table, on MySQL all. */

const STATEMENTS = [
  'CREATE PROCEDURE k1() SELECT 1',
  "ALTER PROCEDURE k1 COMMENT 'x'",
  'DROP PROCEDURE k1',
  'CREATE FUNCTION k2() RETURNS INT DETERMINISTIC RETURN 1',
  'DROP FUNCTION k2',
  'CREATE VIEW k3 AS SELECT a FROM kept',
  'CREATE OR REPLACE VIEW k3 AS SELECT 1',
  'ALTER VIEW k3 AS SELECT a FROM kept',
  'DROP VIEW k3',
  'CREATE TRIGGER k4 BEFORE INSERT ON kept FOR EACH ROW SET @x = 1',
  'DROP TRIGGER k4',
  'CREATE TABLE k5 (a INT)',
  'ALTER TABLE k5 ADD b INT',
  'CREATE INDEX k6 ON k5 (b)',
  'DROP INDEX k6 ON k5',
  'RENAME TABLE k5 TO k7',
  'TRUNCATE k7',
  'DROP TABLE k7',
  'CREATE TABLE k8 LIKE kept',
  'CREATE TABLE k9 AS SELECT 1 AS x',
  'DROP TABLE k8, k9',
  'CREATE TEMPORARY TABLE k10 (a INT)',
  'DROP TEMPORARY TABLE k10',
  'SHOW TABLES',
  'SHOW CREATE TABLE kept',
  'SHOW PROCESSLIST',
  'SHOW GRANTS',
  "SHOW STATUS LIKE 'threads%'",
  'SHOW DATABASES',
  "SHOW VARIABLES LIKE 'autocommit'",
  'SHOW PRIVILEGES',
  'SHOW PROFILES',
  'SHOW INDEX FROM kept',
  'SHOW TRIGGERS',
  "SHOW COLLATION LIKE 'utf8%bin'",
  'EXPLAIN SELECT 1',
  'EXPLAIN SELECT * FROM kept',
  'DESCRIBE kept',
  'HANDLER kept OPEN',
  'HANDLER kept READ FIRST',
  'HANDLER kept CLOSE',
  "PREPARE p FROM 'SELECT 1'",
  'EXECUTE p',
  "PREPARE p FROM 'SELECT * FROM kept'",
  'EXECUTE p',
  'DEALLOCATE PREPARE p',
  'SELECT 1',
  'SELECT 1 UNION SELECT 2',
  'SELECT 1 FROM DUAL',
  'SELECT (SELECT 1)',
  'SELECT * FROM (SELECT 1 AS a) d',
  'SELECT kept.a FROM kept',
  'INSERT INTO kept VALUES (9, 9)',
  'REPLACE INTO kept VALUES (9, 9)',
  'UPDATE kept SET b = b WHERE a = 999',
  'DELETE FROM kept WHERE a = 999',
  'SET @a = 1',
  'SET @a = (SELECT MAX(a) FROM kept)',
  'DO 1',
  'DO (SELECT COUNT(*) FROM kept)',
  'BEGIN',
  'SAVEPOINT a',
  'ROLLBACK TO a',
  'COMMIT',
  'USE app',
  `SELECT '${'x'.repeat(2000)}'`,
  'SELECT 1; SELECT 2',
  'SELECT 1; SET @a = 1; DO 2',
  'SELECT 1; SELECT * FROM kept',
];

await forEachServer(t, async (t, server) => {
  const session = await openSession(t, server);
  await session.must('DROP TABLE IF EXISTS kept');
  await session.must('CREATE TABLE kept (a INT PRIMARY KEY, b INT)');
  for (const sql of STATEMENTS) {
    await session.must("DO CAST('marked' AS SIGNED)");
    // MySQL's DO has no warnings.
    await session.must("SET @x = CAST('marked' AS SIGNED)");
    await session.query(sql);
    const { rows } = await session.must('SHOW WARNINGS');
    const kept = rows.some(([, , message]) => message?.includes("'marked'"));
    if (server.isMysql) {
      t.notOk(kept, sql);
      continue;
    }
    const told = clearsConditions({ traits: traitsOf(sql, mariadb()), sql: Buffer.from(sql) });
    if (told === null) t.match(sql, /^EXECUTE|; SELECT \* FROM/, 'the text does not tell');
    else t.equal(told, !kept, sql);
  }
});
