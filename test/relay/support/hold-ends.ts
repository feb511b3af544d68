import type { Flavor } from '../../support/servers.js';

/** One thing that a client does, and what holds its session afterwards. */
export type HoldStep = readonly [
  sql: string,
  /** The words of what holds now; null: nothing. `!` before the statement: it fails. */
  holds: string | null,
];

export interface HoldStory {
  readonly name: string;
  readonly steps: readonly HoldStep[];
  /** Asked of another client that gets the session: its only value, or its error's number. */
  readonly gone: readonly [sql: string, outcome: unknown];
  readonly only?: Flavor;
}

const TABLE = 'temporary_table';
const LOCK = 'user_lock';

const TEMPORARY_TABLES: readonly HoldStory[] = [
  {
    name: 'a temporary table, dropped',
    steps: [
      ['CREATE TEMPORARY TABLE tt(v INT)', TABLE],
      ['INSERT INTO tt VALUES(1)', TABLE],
      ['TRUNCATE tt', TABLE],
      ['DROP TABLE tt', null],
    ],
    gone: ['SELECT v FROM tt', 1146],
  },
  {
    name: 'names with a schema, in quotes, in other words',
    steps: [
      ['CREATE TEMPORARY TABLE SCHEMA_OF_THIS_RUN.one(v INT)', TABLE],
      ['CREATE TEMPORARY TABLE IF NOT EXISTS `two ``of`` them` AS SELECT 1 AS v', TABLE],
      ['/* not a name: */ CREATE TEMPORARY TABLE three LIKE plain', TABLE],
      ['DROP TEMPORARY TABLE IF EXISTS nowhere, `one`', TABLE],
      ['DROP TABLE `two ``of`` them`', TABLE],
      ['DROP TABLE IF EXISTS `SCHEMA_OF_THIS_RUN`.`three`', null],
    ],
    gone: ['SELECT v FROM three', 1146],
  },
  {
    name: 'a temporary table that hides another one: only the first DROP is its own',
    steps: [
      ['CREATE TEMPORARY TABLE plain AS SELECT 5 AS v', TABLE],
      ['DROP TABLE plain', null],
    ],
    gone: ['SELECT v FROM plain', 0],
  },
  {
    name: 'a temporary table with another name',
    steps: [
      ['CREATE TEMPORARY TABLE tt(v INT)', TABLE],
      ['ALTER TABLE tt RENAME TO tu, ADD w INT', TABLE],
      ['DROP TABLE IF EXISTS tt', TABLE],
      ['ALTER TABLE tu RENAME AS tv', TABLE],
      ['DROP TABLE tv', null],
    ],
    gone: ['SELECT v FROM tv', 1146],
  },
  {
    name: 'RENAME TABLE of a temporary table',
    only: 'mariadb',
    steps: [
      ['CREATE TEMPORARY TABLE tt(v INT)', TABLE],
      ['RENAME TABLE tt TO tu', TABLE],
      ['DROP TABLE tu', null],
    ],
    gone: ['SELECT v FROM tu', 1146],
  },
  {
    name: 'RENAME TABLE of a table that a temporary one hides',
    only: 'mysql',
    steps: [
      ['CREATE TABLE base(v INT)', null],
      ['CREATE TEMPORARY TABLE base(w INT)', TABLE],
      ['RENAME TABLE base TO moved', TABLE],
      ['DROP TABLE moved', TABLE],
      ['DROP TABLE base', null],
    ],
    gone: ['SELECT v FROM base', 1146],
  },
  {
    name: 'several statements of which one fails: what ran before it stays',
    steps: [
      ['!CREATE TEMPORARY TABLE one(v INT); SELECT nope; CREATE TEMPORARY TABLE two(v INT)', TABLE],
      ['DROP TABLE one', null],
    ],
    gone: ['SELECT v FROM one', 1146],
  },
  {
    name: 'several statements, the last of which drops it',
    steps: [['CREATE TEMPORARY TABLE one(v INT); INSERT INTO one VALUES(1); DROP TABLE one', null]],
    gone: ['SELECT v FROM one', 1146],
  },
  {
    name: 'a table that is not made after all',
    steps: [
      ['!CREATE TEMPORARY TABLE tt(v INT PRIMARY KEY) SELECT 1 AS v UNION ALL SELECT 1', null],
      ['DO 0', null],
    ],
    gone: ['SELECT v FROM tt', 1146],
  },
  {
    name: 'a table that is replaced by none',
    only: 'mariadb',
    steps: [
      ['CREATE TEMPORARY TABLE tt(v INT)', TABLE],
      ['!CREATE OR REPLACE TEMPORARY TABLE tt(v INT PRIMARY KEY) SELECT 1 AS v UNION ALL SELECT 1', null],
      ['DO 0', null],
    ],
    gone: ['SELECT v FROM tt', 1146],
  },
  {
    name: 'a DROP that fails has dropped some on MariaDB',
    only: 'mariadb',
    steps: [
      ['CREATE TEMPORARY TABLE tt(v INT)', TABLE],
      ['!DROP TABLE tt, nowhere', null],
      ['DO 0', null],
    ],
    gone: ['SELECT v FROM tt', 1146],
  },
  {
    name: 'a DROP that fails has dropped none on MySQL',
    only: 'mysql',
    steps: [
      ['CREATE TEMPORARY TABLE tt(v INT)', TABLE],
      ['!DROP TABLE tt, nowhere', TABLE],
      ['DROP TABLE tt', null],
    ],
    gone: ['SELECT v FROM tt', 1146],
  },
  {
    name: 'a temporary table outlives its schema',
    steps: [
      ['CREATE DATABASE SCHEMA_OF_THIS_RUN_2', null],
      ['CREATE TEMPORARY TABLE SCHEMA_OF_THIS_RUN_2.tt(v INT)', TABLE],
      ['DROP DATABASE SCHEMA_OF_THIS_RUN_2', TABLE],
      ['DROP TEMPORARY TABLE SCHEMA_OF_THIS_RUN_2.tt', null],
    ],
    gone: ['SELECT 1', 1],
  },
  {
    name: 'a temporary table made by a statement prepared in SQL',
    steps: [
      ["PREPARE p FROM 'CREATE TEMPORARY TABLE tt(v INT)'", 'text_prepare'],
      ['EXECUTE p', `${TABLE},text_prepare`],
      ['DEALLOCATE PREPARE p', TABLE],
      ['DROP TABLE tt', null],
    ],
    gone: ['SELECT v FROM tt', 1146],
  },
  {
    name: 'a temporary table made by EXECUTE IMMEDIATE',
    only: 'mariadb',
    steps: [
      ["EXECUTE IMMEDIATE 'CREATE TEMPORARY TABLE tt(v INT)'", TABLE],
      ["EXECUTE IMMEDIATE 'DROP TABLE tt'", null],
    ],
    gone: ['SELECT v FROM tt', 1146],
  },
];

const LOCKS: readonly HoldStory[] = [
  {
    name: 'a user lock, released as often as it was got',
    steps: [
      ["SELECT GET_LOCK('LOCK_OF_THIS_RUN', 0) AS got, 'and more', NULL", LOCK],
      ["SELECT GET_LOCK('LOCK_OF_THIS_RUN', 0), GET_LOCK('LOCK_OF_THIS_RUN 2', 0)", LOCK],
      ["SELECT RELEASE_LOCK('LOCK_OF_THIS_RUN')", LOCK],
      ["SELECT RELEASE_LOCK('never got')", LOCK],
      ["SELECT RELEASE_LOCK('LOCK_OF_THIS_RUN 2')", LOCK],
      ["SELECT RELEASE_LOCK('LOCK_OF_THIS_RUN')", null],
    ],
    gone: ["SELECT IS_FREE_LOCK('LOCK_OF_THIS_RUN')", 1],
  },
  {
    name: 'locks that can not be counted, released together',
    steps: [
      ["DO GET_LOCK('LOCK_OF_THIS_RUN', 0)", LOCK],
      ["SELECT RELEASE_LOCK('LOCK_OF_THIS_RUN')", LOCK],
      ["SELECT 1 WHERE GET_LOCK('LOCK_OF_THIS_RUN', 0)", LOCK],
      ['SELECT RELEASE_ALL_LOCKS()', null],
    ],
    gone: ["SELECT IS_FREE_LOCK('LOCK_OF_THIS_RUN')", 1],
  },
  {
    name: 'LOCK TABLES until UNLOCK TABLES',
    steps: [
      ['LOCK TABLES plain READ', 'table_lock'],
      ['LOCK TABLES plain WRITE', 'table_lock'],
      ['UNLOCK TABLES', null],
    ],
    gone: ['SELECT v FROM plain', 0],
  },
  {
    name: 'LOCK TABLES until a statement that unlocks implicitly',
    steps: [
      ['LOCK TABLES plain WRITE', 'table_lock'],
      ['BEGIN', 'transaction'],
      ['COMMIT', null],
      ['LOCK TABLES plain WRITE', 'table_lock'],
      ['!LOCK TABLES nowhere WRITE', null],
    ],
    gone: ['SELECT v FROM plain', 0],
  },
];

const OTHERS: readonly HoldStory[] = [
  {
    name: 'statements prepared in SQL until they are deallocated',
    steps: [
      ["PREPARE one FROM 'SELECT 6'", 'text_prepare'],
      ["PREPARE `TWO` FROM 'SELECT v FROM plain'", 'text_prepare'],
      ['EXECUTE one', 'text_prepare'],
      ['DROP PREPARE one', 'text_prepare'],
      ['EXECUTE two', 'text_prepare'],
      ['DEALLOCATE PREPARE Two', null],
    ],
    gone: ['EXECUTE two', 1243],
  },
  {
    name: 'a statement prepared in SQL, replaced by one that is none',
    steps: [
      ["PREPARE one FROM 'SELECT 6'", 'text_prepare'],
      ["!PREPARE one FROM 'SELECT nope FROM plain'", null],
      ['DO 0', null],
    ],
    gone: ['EXECUTE one', 1243],
  },
  {
    name: 'handlers until they are closed',
    steps: [
      ['HANDLER plain OPEN', 'handler'],
      ['HANDLER plain OPEN AS other', 'handler'],
      ['HANDLER plain CLOSE', 'handler'],
      ['HANDLER other READ FIRST', 'handler'],
      ['HANDLER other CLOSE', null],
    ],
    gone: ['HANDLER other READ FIRST', 1109],
  },
  {
    name: 'handlers that a change of their table has closed',
    steps: [
      ['HANDLER plain OPEN', 'handler'],
      ["ALTER TABLE plain COMMENT 'changed'", 'handler'],
      ['!HANDLER plain CLOSE', null],
      ['DO 0', null],
    ],
    gone: ['HANDLER plain READ FIRST', 1109],
  },
  {
    name: 'an XA transaction until it is over',
    steps: [
      ["XA START 'XID_OF_THIS_RUN'", 'transaction,xa'],
      ['UPDATE plain SET v=1', 'transaction,xa'],
      ["XA END 'XID_OF_THIS_RUN'", 'transaction,xa'],
      ["XA ROLLBACK 'XID_OF_THIS_RUN'", null],
    ],
    gone: ['SELECT v FROM plain', 0],
  },
  {
    name: 'an XA transaction that is prepared leaves its session on MySQL',
    only: 'mysql',
    steps: [
      ["XA START 'XID_OF_THIS_RUN'", 'transaction,xa'],
      ["XA END 'XID_OF_THIS_RUN'", 'transaction,xa'],
      ["XA PREPARE 'XID_OF_THIS_RUN'", null],
      ["XA COMMIT 'XID_OF_THIS_RUN'", null],
    ],
    gone: ['SELECT v FROM plain', 0],
  },
  {
    name: 'an XA transaction that is prepared stays with its session on MariaDB',
    only: 'mariadb',
    steps: [
      ["XA START 'XID_OF_THIS_RUN'", 'transaction,xa'],
      ["XA END 'XID_OF_THIS_RUN'", 'transaction,xa'],
      ["XA PREPARE 'XID_OF_THIS_RUN'", 'transaction,xa'],
      ['SELECT 1', 'transaction,xa'],
      ["XA COMMIT 'XID_OF_THIS_RUN'", null],
    ],
    gone: ['SELECT v FROM plain', 0],
  },
  {
    name: 'a role until it is as at first',
    steps: [
      ['SET ROLE ROLE_OF_THIS_RUN', 'role'],
      ['SELECT v FROM plain', 'role'],
      ['SET ROLE NONE', null],
    ],
    gone: ["SELECT IFNULL(CURRENT_ROLE(), 'NONE')", 'NONE'],
  },
  {
    name: 'a frozen clock until it runs again',
    steps: [
      ['SET timestamp=86400', 'one_shot_variable'],
      ['SET timestamp=DEFAULT', null],
      ['SET @@timestamp=86400', 'one_shot_variable'],
      ['SET SESSION timestamp=0', null],
    ],
    gone: ['SELECT UNIX_TIMESTAMP() > 86400', 1],
  },
  {
    name: 'the id of the next row until it is used up',
    steps: [
      ['SET insert_id=1000', 'one_shot_variable'],
      ['INSERT INTO ids(id) VALUES(7)', 'one_shot_variable'],
      ['INSERT INTO ids(u) VALUES(1000)', null],
    ],
    gone: ['SELECT @@insert_id', 0],
  },
  {
    name: 'a user variable with a value that was computed, until it has another one',
    steps: [
      ['SET @v=1+1', 'user_variable'],
      ['SELECT @v', 'user_variable'],
      ["SET @v='x'", null],
    ],
    gone: ['SELECT @v', null],
  },
  {
    name: 'SET TRANSACTION until its transaction is over',
    steps: [
      ['SET TRANSACTION READ ONLY', 'next_transaction'],
      ['SELECT v FROM plain', null],
    ],
    gone: ['UPDATE plain SET v=0', undefined],
  },
];

export const HOLD_STORIES: readonly HoldStory[] = [...TEMPORARY_TABLES, ...LOCKS, ...OTHERS];
