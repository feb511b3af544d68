import type { Flavor } from '../support/servers.js';

/** Both flavors take these, in a client's schema `{db}`. */
const TABLES = [
  'CREATE TABLE t1 (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(10), n TINYINT UNSIGNED, d DATE, UNIQUE (v))',
  "INSERT INTO t1 (id, v, n, d) VALUES (1, 'a', 1, '2024-01-01'), (2, 'b', 2, NULL), (3, 'c', 3, NULL)",
  'CREATE TABLE t2 (id BIGINT AUTO_INCREMENT PRIMARY KEY, a INT)',
  'CREATE TABLE t3 (a INT PRIMARY KEY, b VARCHAR(5) NOT NULL)',
  "INSERT INTO t3 VALUES (1, 'x'), (2, 'y'), (3, 'z')",
  'CREATE TABLE t4 (id INT AUTO_INCREMENT PRIMARY KEY, a INT, data LONGBLOB, txt TEXT)',
  'CREATE TABLE tm (id INT AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE) ENGINE=MyISAM',
  'INSERT INTO tm (a) VALUES (1), (2)',
  'CREATE TABLE parent (id INT PRIMARY KEY)',
  'CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id))',
  'INSERT INTO parent VALUES (1)',
  'CREATE TABLE logged (id INT AUTO_INCREMENT PRIMARY KEY, who VARCHAR(40))',
  'CREATE TABLE trig_var (a INT)',
  'CREATE TABLE trig_sys (a INT)',
  'CREATE TABLE trig_lock (a INT)',
  'CREATE TABLE trig_id (a INT)',
  'CREATE TABLE trig_fail (a INT)',
  'CREATE TABLE `odd name` (`a``b` INT, `select` INT)',
];

const FUNCTIONS = [
  'CREATE FUNCTION f_plain(x INT) RETURNS INT DETERMINISTIC NO SQL RETURN x + 1',
  'CREATE FUNCTION f_user(x INT) RETURNS INT DETERMINISTIC NO SQL BEGIN SET @fv = x; RETURN x; END',
  'CREATE FUNCTION f_sys(x INT) RETURNS INT DETERMINISTIC NO SQL BEGIN SET SESSION div_precision_increment = x; RETURN x; END',
  'CREATE FUNCTION f_sys_bare(x INT) RETURNS INT DETERMINISTIC NO SQL BEGIN SET @@div_precision_increment = x; RETURN x; END',
  "CREATE FUNCTION f_lock() RETURNS INT NOT DETERMINISTIC NO SQL RETURN GET_LOCK('lf_{tag}', 0)",
  "CREATE FUNCTION f_unlock() RETURNS INT NOT DETERMINISTIC NO SQL RETURN RELEASE_LOCK('lf_{tag}')",
  "CREATE FUNCTION f_insert(x INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO logged (who) VALUES ('f'); RETURN x; END",
  'CREATE FUNCTION f_id(x BIGINT) RETURNS BIGINT NOT DETERMINISTIC NO SQL RETURN LAST_INSERT_ID(x)',
  "CREATE FUNCTION f_sys_fails(x INT) RETURNS INT DETERMINISTIC NO SQL BEGIN SET SESSION div_precision_increment = x; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'f'; RETURN 1; END",
  'CREATE FUNCTION f_tmp(x INT) RETURNS INT MODIFIES SQL DATA BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS tmp2 (a INT); RETURN x; END',
  'CREATE FUNCTION f_warn() RETURNS INT DETERMINISTIC NO SQL BEGIN DECLARE r INT; SET r = CAST("12x" AS SIGNED); RETURN r; END',
];

/**
 * A procedure that selects nothing leaves FOUND_ROWS(), and on MariaDB one that uses no table leaves warnings, as they were: that differs
 * by design. So here each does something that counts.
 */
function counting(procedure: string): string {
  if (procedure.includes('DECLARE')) return procedure;
  return procedure.replace(' BEGIN ', ' BEGIN DECLARE counted INT; SELECT COUNT(*) INTO counted FROM t3; ');
}

const PROCEDURES = [
  'CREATE PROCEDURE p_none() BEGIN DO 1; END',
  'CREATE PROCEDURE p_two() BEGIN SELECT 1 AS one; SELECT 2 AS two, 3 AS three; END',
  "CREATE PROCEDURE p_out(IN a INT, OUT b INT, INOUT c VARCHAR(20)) BEGIN SET b = a + 1; SET c = CONCAT(c, '!'); SELECT a; END",
  "CREATE PROCEDURE p_fails() BEGIN SELECT 1; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'on purpose', MYSQL_ERRNO = 1644; END",
  "CREATE PROCEDURE p_sys(m VARCHAR(100)) BEGIN SET SESSION time_zone = m; SET SESSION sql_mode = 'ANSI_QUOTES'; END",
  'CREATE PROCEDURE p_sys_bare(m VARCHAR(100)) BEGIN SET @@time_zone = m; SET @@group_concat_max_len = 2000; END',
  "CREATE PROCEDURE p_sys_fails(m VARCHAR(100)) BEGIN SET SESSION time_zone = m; SET @@foreign_key_checks = 0; SIGNAL SQLSTATE '45000'; END",
  'CREATE PROCEDURE p_sys_between() BEGIN SET SESSION sql_select_limit = 1; SELECT a FROM t3; SET SESSION sql_select_limit = DEFAULT; SELECT a FROM t3; END',
  'CREATE PROCEDURE p_user() BEGIN SET @a = 11; SELECT 12 INTO @b; END',
  'CREATE PROCEDURE p_tmp() BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS tmp1 (a INT); INSERT INTO tmp1 VALUES (7); END',
  'CREATE PROCEDURE p_tmp_gone() BEGIN CREATE TEMPORARY TABLE tmp3 (a INT); DROP TEMPORARY TABLE tmp3; END',
  'CREATE PROCEDURE p_shadow() BEGIN CREATE TEMPORARY TABLE t3 (a INT, b VARCHAR(5)); END',
  "CREATE PROCEDURE p_lock() BEGIN DO GET_LOCK('l1_{tag}', 0); END",
  "CREATE PROCEDURE p_unlock() BEGIN DO RELEASE_LOCK('l1_{tag}'); END",
  'CREATE PROCEDURE p_begin() BEGIN START TRANSACTION; INSERT INTO t2 (a) VALUES (5); END',
  'CREATE PROCEDURE p_commit() BEGIN INSERT INTO t2 (a) VALUES (6); COMMIT; END',
  'CREATE PROCEDURE p_autocommit() BEGIN SET autocommit = 0; END',
  "CREATE PROCEDURE p_prepare() BEGIN PREPARE ps1 FROM 'SELECT 1 AS from_procedure'; END",
  "CREATE PROCEDURE p_track() BEGIN SET SESSION session_track_state_change = 0; SET SESSION session_track_schema = OFF; SET SESSION time_zone = '+02:00'; END",
  "CREATE PROCEDURE p_track_all() BEGIN SET SESSION session_track_system_variables = ''; SET SESSION group_concat_max_len = 3000; END",
  'CREATE PROCEDURE p_warn() BEGIN DECLARE x TINYINT; SELECT COUNT(*) INTO x FROM t3; SELECT CAST("1x" AS SIGNED) INTO x; END',
  "CREATE PROCEDURE p_insert() BEGIN INSERT INTO t2 (a) VALUES (8); INSERT INTO logged (who) VALUES ('p'); END",
  "CREATE PROCEDURE p_insert_fails() BEGIN INSERT INTO t2 (a) VALUES (9); INSERT INTO t3 VALUES (1, 'dup'); END",
  "CREATE PROCEDURE p_handler() BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SELECT 'handled' AS h; INSERT INTO t3 VALUES (1, 'dup'); SELECT 'after' AS after; END",
  "CREATE PROCEDURE p_nested() BEGIN CALL p_user(); CALL p_tmp(); CALL p_sys('-05:30'); END",
  'CREATE PROCEDURE p_charset() BEGIN SET NAMES latin1; END',
  'CREATE PROCEDURE p_isolation() BEGIN SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; END',
  'CREATE PROCEDURE p_next() BEGIN SET TRANSACTION READ ONLY; END',
  'CREATE PROCEDURE p_dynamic(s VARCHAR(200)) BEGIN SET @sql = s; PREPARE dyn FROM @sql; EXECUTE dyn; DEALLOCATE PREPARE dyn; END',
  'CREATE PROCEDURE p_counts() BEGIN SELECT SQL_CALC_FOUND_ROWS a FROM t3 LIMIT 1; SELECT FOUND_ROWS() AS f; END',
  'CREATE PROCEDURE p_role() BEGIN SET ROLE NONE; END',
  'CREATE PROCEDURE p_cursor() BEGIN DECLARE x INT; DECLARE c CURSOR FOR SELECT a FROM t3 ORDER BY a; OPEN c; FETCH c INTO x; CLOSE c; SELECT x; END',
];

const TRIGGERS = [
  'CREATE TRIGGER tr_var BEFORE INSERT ON trig_var FOR EACH ROW SET @tv = NEW.a',
  'CREATE TRIGGER tr_sys BEFORE INSERT ON trig_sys FOR EACH ROW SET @@session.div_precision_increment = 6',
  "CREATE TRIGGER tr_lock BEFORE INSERT ON trig_lock FOR EACH ROW SET @got = GET_LOCK('lt_{tag}', 0)",
  "CREATE TRIGGER tr_id BEFORE INSERT ON trig_id FOR EACH ROW INSERT INTO logged (who) VALUES ('t')",
  "CREATE TRIGGER tr_fail BEFORE INSERT ON trig_fail FOR EACH ROW BEGIN SET @tf = NEW.a; SET @@session.time_zone = '+02:00'; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'trigger'; END",
];

const VIEWS = [
  'CREATE VIEW v_plain AS SELECT id, v FROM t1',
  "CREATE VIEW v_lock AS SELECT GET_LOCK('lv_{tag}', 0) AS l",
  'CREATE VIEW v_user AS SELECT f_user(21) AS x',
  'CREATE VIEW v_sys AS SELECT f_sys(7) AS x',
  'CREATE VIEW v_id AS SELECT f_id(77) AS x',
];

const MARIADB_ONLY = ['CREATE SEQUENCE s1', 'CREATE SEQUENCE s2 START WITH 100 INCREMENT BY 10 NOCACHE'];

const IN_OTHER_SCHEMA = [
  'CREATE TABLE t1 (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(10), n TINYINT UNSIGNED, d DATE)',
  "INSERT INTO t1 (v, n) VALUES ('other', 9)",
  'CREATE TABLE t2 (id BIGINT AUTO_INCREMENT PRIMARY KEY, a INT)',
  'CREATE FUNCTION f_plain(x INT) RETURNS INT DETERMINISTIC NO SQL RETURN x + 100',
];

/** What a client finds in its own schema. */
export function objectsOf(flavor: Flavor): readonly string[] {
  const shared = [...TABLES, ...FUNCTIONS, ...PROCEDURES.map(counting), ...TRIGGERS, ...VIEWS];
  return flavor === 'mariadb' ? [...shared, ...MARIADB_ONLY] : shared;
}

/** And in the schema that it can change to. */
export function objectsOfOther(): readonly string[] {
  return IN_OTHER_SCHEMA;
}

/** And in the schema that all read. */
export function objectsOfShared(schema: string): readonly string[] {
  return [
    `CREATE TABLE ${schema}.common (a INT PRIMARY KEY, b VARCHAR(5))`,
    `INSERT INTO ${schema}.common VALUES (1, 'one'), (2, 'two')`,
  ];
}
