/** Asks the real servers what ends a READ ONLY transaction and is run all the same: that is nothing for a replica. */

import { Status } from '../../src/protocol/constants.js';
import { belongsThere } from '../../src/relay/read-only-transactions.js';
import { effectsOf } from '../../src/session/effects-of.js';
import { HoldReason } from '../../src/session/hold-reason.js';
import { traitsOf } from '../sql/describe.js';
import { truth } from '../sql/raw-text.js';

/** Of both servers, and of one. */
const TEXTS = [
  'SELECT COUNT(*) FROM a',
  'SELECT * FROM a FOR UPDATE',
  'INSERT INTO a VALUES (1)',
  'CREATE TEMPORARY TABLE b (n INT)',
  'DROP TEMPORARY TABLE IF EXISTS b',
  'SET autocommit = 1',
  'SET SESSION TRANSACTION READ WRITE',
  'UNLOCK TABLES',
  'SAVEPOINT other',
  'DO 1',
  'CALL looks()',
  'CALL fills()',
  'BEGIN',
  'START TRANSACTION',
  'START TRANSACTION READ ONLY',
  'CREATE TABLE b (n INT)',
  'CREATE TABLE c SELECT * FROM a',
  'DROP TABLE IF EXISTS b',
  'DROP TABLE a',
  'TRUNCATE a',
  'ALTER TABLE a ADD m INT',
  'RENAME TABLE a TO b',
  'CREATE INDEX i ON a (n)',
  'CREATE VIEW v AS SELECT 1',
  'CREATE PROCEDURE p() SELECT 1',
  'CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET @x = 1',
  'FLUSH STATUS',
  'FLUSH TABLES a',
  'ANALYZE TABLE a',
  'OPTIMIZE TABLE a',
  'CHECK TABLE a',
  'REPAIR TABLE a',
  'LOCK TABLES a READ',
  'LOCK TABLES a WRITE',
  'CHECKSUM TABLE a',
  'HELP a',
  'SHOW STATUS',
  'EXPLAIN SELECT * FROM a',
  'SELECT 1 INTO @x',
  'HANDLER a OPEN',
  "PREPARE s FROM 'BEGIN'",
  'REPLACE INTO a VALUES (1)',
  'XA RECOVER',
  "XA START 'x'",
  'FLUSH LOCAL STATUS',
  '/*!50000 CREATE TABLE b (n INT) */',
  '/*!50000 BEGIN */',
  'CREATE OR REPLACE VIEW v AS SELECT 2',
  'CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO DO 1',
  'CREATE DATABASE read_only_truth',
  'DROP DATABASE IF EXISTS read_only_truth',
  'CREATE USER read_only_truth',
  'GRANT SELECT ON *.* TO read_only_truth',
  'ALTER USER read_only_truth ACCOUNT LOCK',
  'DROP USER IF EXISTS read_only_truth',
];

truth('what commits a READ ONLY transaction and is run', async (t, raw) => {
  for (const text of TEXTS) {
    for (const sql of [
      'ROLLBACK',
      'UNLOCK TABLES',
      'DROP TABLE IF EXISTS a, b, c',
      'DROP VIEW IF EXISTS v',
      'DROP EVENT IF EXISTS e',
      'DROP PROCEDURE IF EXISTS p',
      'CREATE TABLE a (n INT)',
      'DROP PROCEDURE IF EXISTS looks',
      'DROP PROCEDURE IF EXISTS fills',
      'CREATE PROCEDURE looks() SELECT COUNT(*) FROM a',
      'CREATE PROCEDURE fills() INSERT INTO a VALUES (1)',
      'START TRANSACTION READ ONLY',
      'SAVEPOINT mine',
    ])
      await raw.must(sql);
    const { errno } = await raw.ask(text);
    const isOver = (await raw.ask('ROLLBACK TO SAVEPOINT mine')).errno !== 0;
    const traits = traitsOf(text, raw.context());
    const stays = belongsThere(
      { traits, effects: effectsOf(traits), statement: null },
      { holds: HoldReason.Transaction, status: Status.InTransactionReadonly },
    );
    t.equal(stays, !isOver, `${text}: ${isOver ? 'it is over' : 'it goes on'}`);
    if (!stays) t.equal(errno, 0, `${text}: is run`);
  }
});
