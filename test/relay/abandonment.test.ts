import t from 'tap';
import { Ending, endingOf } from '../../src/relay/abandonment.js';
import { LONG_TEXT_UNREAD } from '../../src/session/effects-of.js';
import { NO_EFFECTS } from '../../src/session/statement-effects.js';
import { textEffects } from '../session/support/statements.js';

function ending(sql: string): Ending {
  return endingOf(textEffects(sql));
}

const { Kill, KillWaiting, Finish } = Ending;

const ENDINGS: readonly (readonly [sql: string, ending: Ending])[] = [
  ['SELECT SLEEP(1)', Kill],
  ['UPDATE a SET b = 1', Kill],
  ['INSERT INTO a SELECT * FROM b', Kill],
  ['CALL p()', Kill],
  ['UPDATE a SET b = 1; UPDATE c SET d = 1', Kill],
  ['CREATE TEMPORARY TABLE a SELECT SLEEP(1)', Kill],
  ['SET SESSION sort_buffer_size = (SELECT SLEEP(1))', Kill],
  ['BEGIN; UPDATE a SET b = 1', Kill],
  ['START TRANSACTION; UPDATE a SET b = 1; SELECT 1', Kill],
  ['COMMIT', Finish],
  ['ROLLBACK', Finish],
  ['BEGIN', Finish],
  ['SET autocommit = 1', Finish],
  ['XA COMMIT "a"', Finish],
  ['BEGIN; UPDATE a SET b = 1; COMMIT', Finish],
  ['UPDATE a SET b = 1; START TRANSACTION; UPDATE a SET b = 2', Finish],
  ['BEGIN; UPDATE a SET b = 1; SET autocommit = 1', Finish],
  ['BEGIN; UPDATE a SET b = 1; BEGIN', Finish],
  ['ALTER TABLE a ADD b INT', KillWaiting],
  ['DROP TABLE a, b', KillWaiting],
  ['CREATE TABLE a SELECT * FROM b', KillWaiting],
  ['TRUNCATE a', KillWaiting],
  ['OPTIMIZE TABLE a', KillWaiting],
  ['LOCK TABLES a WRITE', KillWaiting],
  ['FLUSH TABLES WITH READ LOCK', KillWaiting],
  ['SELECT SLEEP(1); ALTER TABLE a ADD b INT', KillWaiting],
  ['BEGIN; ALTER TABLE a ADD b INT', KillWaiting],
];

t.test('statements that nobody waits for', async (t) => {
  for (const [sql, expected] of ENDINGS) t.equal(ending(sql), expected, sql);
});

t.test('commands that are no statements, and texts too long to be known before they are sent', async (t) => {
  t.equal(endingOf(NO_EFFECTS), Kill);
  t.equal(endingOf(LONG_TEXT_UNREAD), Kill);
});
