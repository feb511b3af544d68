import { Hold, type Kind } from '../model.js';
import { sequence, sql } from './kind.js';

const SESSION = { opens: [Hold.Session] };

export const ROUTINE_KINDS: readonly Kind[] = [
  sql('call.none', ['CALL p_none()', 'CALL p_none', 'call {db}.p_none()'], { weight: 2 }),
  sql('call.results', 'CALL p_two()', { weight: 2 }),
  sequence('call.out', ["SET @c = 'x'", 'CALL p_out(1, @b, @c)', 'SELECT @b, @c'], SESSION),
  sql('call.fails', 'CALL p_fails()', { weight: 2 }),
  sql('call.unknown', ['CALL nothing()', 'CALL p_out(1)']),
  sql('call.sets-variables', 'CALL p_sys(<zone>)', { ...SESSION, weight: 2 }),
  sql('call.sets-variables-bare', 'CALL p_sys_bare(<zone>)', { ...SESSION, weight: 2 }),
  sql('call.sets-and-fails', 'CALL p_sys_fails(<zone>)', { ...SESSION, weight: 2 }),
  sql('call.sets-between-results', 'CALL p_sys_between()', SESSION),
  sequence('call.user-variables', ['CALL p_user()', 'SELECT @a, @b'], { ...SESSION, weight: 2 }),
  sequence('call.temporary', ['CALL p_tmp()', 'SELECT * FROM tmp1'], {
    opens: [Hold.Session, Hold.Temporary],
    weight: 2,
  }),
  sql('call.temporary-gone', 'CALL p_tmp_gone()', SESSION),
  sequence(
    'call.shadow',
    [
      'CALL p_shadow()',
      'SELECT * FROM t3',
      "INSERT INTO t3 VALUES (9, 'lost')",
      'DROP TEMPORARY TABLE t3',
      'SELECT * FROM t3 ORDER BY a',
    ],
    { opens: [Hold.Session, Hold.Temporary] },
  ),
  sequence(
    'call.locks',
    ['CALL p_lock()', "SELECT IS_USED_LOCK('l1_{tag}') = CONNECTION_ID()", "SELECT IS_FREE_LOCK('l1_{tag}')"],
    { opens: [Hold.Session, Hold.Locks], weight: 2 },
  ),
  sequence(
    'call.unlocks',
    ["SELECT GET_LOCK('l1_{tag}', 0)", 'CALL p_unlock()', "SELECT IS_FREE_LOCK('l1_{tag}')"],
    { opens: [Hold.Session, Hold.Locks] },
  ),
  sequence(
    'call.begins',
    ['CALL p_begin()', 'SELECT COUNT(*) FROM t2', 'ROLLBACK', 'SELECT COUNT(*) FROM t2'],
    { opens: [Hold.Session, Hold.Transaction] },
  ),
  sequence('call.commits', ['BEGIN', 'CALL p_commit()', 'ROLLBACK'], {
    opens: [Hold.Session, Hold.Transaction],
  }),
  sql('call.autocommit', 'CALL p_autocommit()', { opens: [Hold.Session, Hold.Autocommit] }),
  sequence('call.prepares', ['CALL p_prepare()', 'EXECUTE ps1'], { opens: [Hold.Session, Hold.Prepared] }),
  sequence(
    'call.tracker-off',
    [
      'CALL p_track()',
      'SELECT @@time_zone, @@session_track_schema',
      'USE {alt}',
      'SELECT DATABASE()',
      'SET group_concat_max_len = 555',
      'SELECT @@group_concat_max_len',
    ],
    SESSION,
  ),
  sequence(
    'call.trackers-off',
    [
      'CALL p_track_all()',
      'SELECT @@group_concat_max_len',
      'SET SESSION div_precision_increment = 7',
      'SELECT 1 / 3',
    ],
    SESSION,
  ),
  sequence('call.warns', ['CALL p_warn()', 'SHOW WARNINGS'], SESSION),
  sequence('call.inserts', ['CALL p_insert()', 'SELECT LAST_INSERT_ID()'], { ...SESSION, weight: 2 }),
  sequence(
    'call.inserts-and-fails',
    ['CALL p_insert_fails()', 'SELECT LAST_INSERT_ID(), ROW_COUNT()'],
    SESSION,
  ),
  sql('call.handler', 'CALL p_handler()', SESSION),
  sequence(
    'call.nested',
    ['CALL p_nested()', 'SELECT @a, @b, @@time_zone, @@sql_mode', 'SELECT * FROM tmp1'],
    { opens: [Hold.Session, Hold.Temporary] },
  ),
  sequence(
    'call.charset',
    ['CALL p_charset()', 'SELECT @@character_set_client, @@collation_connection'],
    SESSION,
  ),
  sequence('call.isolation', ['CALL p_isolation()', 'SELECT COUNT(*) FROM t1'], SESSION),
  sequence(
    'call.next-transaction',
    ['CALL p_next()', 'INSERT INTO t2 (a) VALUES (4)', 'INSERT INTO t2 (a) VALUES (5)'],
    SESSION,
  ),
  sql(
    'call.dynamic',
    [
      "CALL p_dynamic('SELECT 5')",
      "CALL p_dynamic('SET @a = 17')",
      "CALL p_dynamic('SET SESSION time_zone = ''-05:30''')",
      "CALL p_dynamic('CREATE TEMPORARY TABLE tmp2 (a INT)')",
    ],
    { opens: [Hold.Session, Hold.Temporary], weight: 2 },
  ),
  sql('call.dynamic-no-sql', "CALL p_dynamic('nonsense')", SESSION),
  sequence('call.counts', ['CALL p_counts()', 'SELECT FOUND_ROWS(), ROW_COUNT()'], SESSION),
  sequence('call.role', ['SET ROLE {role}', 'CALL p_role()', 'SELECT CURRENT_ROLE()'], {
    opens: [Hold.Session, Hold.Role],
  }),
  sql('call.cursor', 'CALL p_cursor()'),
  sql(
    'call.multi',
    [
      'CALL p_two(); SELECT 1',
      'SELECT 1; CALL p_fails(); SELECT 2',
      'CALL p_sys(<zone>); SELECT @@time_zone',
    ],
    SESSION,
  ),
  sql(
    'function.plain',
    ['SELECT f_plain(1)', 'SELECT a, f_plain(a) FROM t3 ORDER BY a', 'SELECT {db}.f_plain(2)'],
    { weight: 2 },
  ),
  sequence('function.user-variable', ['SELECT f_user(<n>)', 'SELECT @fv'], { ...SESSION, weight: 2 }),
  sequence('function.system-variable', ['SELECT f_sys(<n>)', 'SELECT 1 / 3'], { ...SESSION, weight: 2 }),
  sequence('function.system-variable-bare', ['SELECT f_sys_bare(<n>)', 'SELECT 1 / 3'], SESSION),
  sequence('function.system-variable-fails', ['SELECT f_sys_fails(<n>)', 'SELECT 1 / 3'], {
    ...SESSION,
    weight: 2,
  }),
  sequence(
    'function.lock',
    ['SELECT f_lock()', "SELECT IS_USED_LOCK('lf_{tag}') = CONNECTION_ID()", 'SELECT f_unlock()'],
    { opens: [Hold.Session, Hold.Locks], weight: 2 },
  ),
  sequence(
    'function.insert',
    ['SELECT f_insert(<n>)', 'SELECT LAST_INSERT_ID()', 'SELECT COUNT(*) FROM logged'],
    { ...SESSION, weight: 2 },
  ),
  sequence('function.id', ['SELECT f_id(<n>0)', 'SELECT LAST_INSERT_ID()'], { ...SESSION, weight: 2 }),
  sequence('function.temporary', ['SELECT f_tmp(1)', 'INSERT INTO tmp2 VALUES (3)', 'SELECT * FROM tmp2'], {
    opens: [Hold.Session, Hold.Temporary],
  }),
  sequence('function.warns', ['SELECT f_warn()', 'SHOW WARNINGS'], SESSION),
  sql(
    'function.in-set',
    ['SET @a = f_user(4)', 'SET SESSION group_concat_max_len = 1000 + f_user(5)', 'DO f_sys(3)'],
    SESSION,
  ),
  sql(
    'function.in-insert',
    [
      'INSERT INTO t2 (a) VALUES (f_user(6))',
      'UPDATE t1 SET n = f_sys(5) WHERE id = 1',
      'DELETE FROM t2 WHERE a = f_user(1)',
    ],
    SESSION,
  ),
  sequence('trigger.user-variable', ['INSERT INTO trig_var VALUES (<n>)', 'SELECT @tv'], {
    ...SESSION,
    weight: 2,
  }),
  sequence('trigger.system-variable', ['INSERT INTO trig_sys VALUES (<n>)', 'SELECT 1 / 3'], {
    ...SESSION,
    weight: 2,
  }),
  sequence(
    'trigger.lock',
    ['INSERT INTO trig_lock VALUES (1)', "SELECT IS_USED_LOCK('lt_{tag}') = CONNECTION_ID(), @got"],
    { opens: [Hold.Session, Hold.Locks] },
  ),
  sequence('trigger.insert', ['INSERT INTO trig_id VALUES (1), (2)', 'SELECT LAST_INSERT_ID()'], SESSION),
  sequence('trigger.fails', ['INSERT INTO trig_fail VALUES (<n>)', 'SELECT @tf, @@time_zone'], {
    ...SESSION,
    weight: 2,
  }),
  sequence('view.lock', ['SELECT * FROM v_lock', "SELECT IS_USED_LOCK('lv_{tag}') = CONNECTION_ID()"], {
    opens: [Hold.Session, Hold.Locks],
    weight: 2,
  }),
  sequence('view.user-variable', ['SELECT * FROM v_user', 'SELECT @fv'], SESSION),
  sequence('view.system-variable', ['SELECT x FROM v_sys', 'SELECT 1 / 3'], SESSION),
  sequence('view.id', ['SELECT x FROM v_id', 'SELECT LAST_INSERT_ID()'], SESSION),
];
