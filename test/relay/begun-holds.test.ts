import t from 'tap';
import { holdsBegunBy } from '../../src/relay/begun-holds.js';
import { effectsOf } from '../../src/session/effects-of.js';
import { holdWords } from '../../src/session/hold-reason.js';
import { NO_EFFECTS } from '../../src/session/statement-effects.js';
import { mariadb, mysql, traitsOf } from '../sql/describe.js';

function begun(sql: string, isMariadb = true): string[] {
  return holdWords(holdsBegunBy(effectsOf(traitsOf(sql, isMariadb ? mariadb() : mysql()))));
}

const BEGIN: readonly (readonly [sql: string, ...words: string[]])[] = [
  ['CREATE TEMPORARY TABLE t(v INT)', 'temporary_table'],
  ["SELECT GET_LOCK('a', 1)", 'user_lock'],
  ["DO GET_LOCK('a', 1)", 'user_lock'],
  ['LOCK TABLES t WRITE', 'table_lock'],
  ['FLUSH TABLES WITH READ LOCK', 'table_lock'],
  ['SET @a = (SELECT 1)', 'user_variable'],
  ['SELECT 1 INTO @a', 'user_variable'],
  ['SELECT @a := 1', 'user_variable'],
  ["PREPARE s FROM 'SELECT 1'", 'text_prepare'],
  ['HANDLER t OPEN', 'handler'],
  ["XA START 'x'", 'xa'],
  ['SET ROLE r', 'role'],
  ['SELECT NEXTVAL(s)', 'sequence'],
  ['SET timestamp = 5', 'one_shot_variable'],
  ["SET @a = NOW(), @b = 1; SELECT GET_LOCK('a', 1)", 'user_lock', 'user_variable'],
];

t.test('what begins a hold', async (t) => {
  for (const [sql, ...words] of BEGIN) t.same(begun(sql), words, sql);
  t.same(begun('SET RESOURCE GROUP g', false), ['resource_group']);
});

t.test('what uses or ends one, or is carried, begins none', async (t) => {
  for (const sql of [
    'SELECT 1',
    'BEGIN',
    'SET NAMES latin1',
    'SET @a = 1',
    "SET @a = 'x', @b = NULL",
    'SELECT @a',
    'DROP TEMPORARY TABLE t',
    'DROP TABLE t',
    "SELECT RELEASE_LOCK('a')",
    "DO RELEASE_LOCK('a')",
    'SELECT RELEASE_ALL_LOCKS()',
    'UNLOCK TABLES',
    'EXECUTE s',
    'EXECUTE s USING @a',
    'CALL p()',
    'DEALLOCATE PREPARE s',
    'HANDLER t READ FIRST',
    'HANDLER t CLOSE',
    "XA END 'x'",
    "XA COMMIT 'x'",
    'SET ROLE NONE',
    'SET timestamp = DEFAULT',
    'SET TRANSACTION READ ONLY',
  ])
    t.same(begun(sql), [], sql);
  t.equal(holdsBegunBy(NO_EFFECTS), 0);
});
