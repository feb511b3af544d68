import t from 'tap';
import type { LosableWork } from '../../src/relay/lost-command.js';
import {
  type AnsweredWork,
  hasDoneNothing,
  outcomeFor,
  rolledBackBy,
} from '../../src/relay/refused-command.js';
import { Outcome, ServerHint } from '../../src/servers/statement-outcome.js';
import { effectsOf } from '../../src/session/effects-of.js';
import { NO_EFFECTS } from '../../src/session/statement-effects.js';
import { traitsOf } from '../sql/describe.js';

function text(sql: string): LosableWork & AnsweredWork {
  const traits = traitsOf(sql);
  const effects = effectsOf(traits);
  return {
    canRepeat: true,
    isBound: false,
    effects,
    traits,
    isPrepare: false,
    choosesSchema: false,
    sql: Buffer.from(sql),
  };
}

t.test('what has done nothing when its server refuses it', async (t) => {
  for (const sql of [
    'INSERT INTO t VALUES (1)',
    'REPLACE INTO t VALUES (1)',
    'UPDATE t SET a = 1',
    'DELETE FROM t',
    "LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
    'SELECT a FROM t FOR UPDATE',
    'CREATE TABLE t (a INT)',
    'START TRANSACTION READ WRITE',
    'ROLLBACK',
    'LOCK TABLES t WRITE',
    'INSERT INTO t VALUES (1); CALL p()',
  ])
    t.equal(hasDoneNothing(text(sql)), true, sql);
  for (const sql of [
    'CALL p()',
    'SELECT f()',
    'INSERT INTO t VALUES (f())',
    'COMMIT',
    'COMMIT; INSERT INTO t VALUES (1)',
    "XA COMMIT 'x'",
    'EXECUTE s',
    'BEGIN NOT ATOMIC INSERT INTO t VALUES (1); END',
  ])
    t.equal(hasDoneNothing(text(sql)), false, sql);
  const prepare: LosableWork = { ...text('DO 1'), effects: NO_EFFECTS, traits: null, isPrepare: true };
  t.equal(hasDoneNothing(prepare), true, 'COM_STMT_PREPARE');
  t.equal(hasDoneNothing({ ...prepare, isPrepare: false, choosesSchema: true }), true, 'COM_INIT_DB');
  t.equal(hasDoneNothing({ ...prepare, isPrepare: false }), false, 'any other command');
  t.equal(hasDoneNothing({ ...text('DELETE FROM t'), canRepeat: false }), false, 'one whose bytes are gone');
});

t.test('what has become of it', async (t) => {
  const err = {
    errno: 1290,
    sqlState: 'HY000',
    message: 'The MySQL server is running with the --read-only option so it cannot execute this statement',
  };
  const rolledBack = { outcome: Outcome.RolledBack, hint: ServerHint.ReadOnly };
  const refused = { outcome: Outcome.Refused, hint: ServerHint.ReadOnly };
  t.strictSame(outcomeFor(err, text('COMMIT'), true), rolledBack);
  for (const sql of [
    'BEGIN',
    'begin work ;',
    'START  TRANSACTION',
    'START TRANSACTION WITH CONSISTENT SNAPSHOT',
  ])
    t.strictSame(outcomeFor(err, text(sql), true), rolledBack, `${sql}: by its commit of what was before`);
  for (const sql of [
    'START TRANSACTION READ WRITE',
    'START TRANSACTION /**/',
    'LOCK TABLES t WRITE',
    'BEGIN; COMMIT',
  ])
    t.strictSame(outcomeFor(err, text(sql), true), refused, `${sql}: that may be committed`);
  t.strictSame(outcomeFor(err, { ...text('BEGIN'), sql: null }, true), refused, 'a text that is gone');
  t.strictSame(outcomeFor(err, text('UPDATE t SET a = 1; COMMIT'), true), refused, 'the first of them');
  t.strictSame(outcomeFor(err, text('UPDATE t SET a = 1; COMMIT'), false), refused, 'nobody knows which');
  t.equal(outcomeFor({ ...err, errno: 1062 }, text('COMMIT'), true), null);
  t.match(rolledBackBy(err, text('BEGIN')).message, /\(BEGIN, which commits it, was answered with 1290: /);
  t.match(rolledBackBy(err, text('COMMIT')), {
    errno: 1213,
    sqlState: '40001',
    message:
      /^mybouncer: .*rolled the transaction back; try restarting transaction \(COMMIT was answered with 1290: /,
  });
});
