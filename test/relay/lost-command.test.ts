import t from 'tap';
import {
  Attempts,
  isRepeatable,
  type LosableWork,
  LostState,
  lossError,
  mayBeKilled,
  mayRunAgain,
  Progress,
} from '../../src/relay/lost-command.js';
import { effectsOf } from '../../src/session/effects-of.js';
import { HoldReason } from '../../src/session/hold-reason.js';
import { NO_EFFECTS } from '../../src/session/statement-effects.js';
import { traitsOf } from '../sql/describe.js';

function text(sql: string): LosableWork {
  const traits = traitsOf(sql);
  const effects = effectsOf(traits);
  return { canRepeat: true, isBound: false, effects, traits, isPrepare: false, choosesSchema: false };
}

const PREPARE: LosableWork = {
  canRepeat: true,
  isBound: false,
  effects: NO_EFFECTS,
  traits: null,
  isPrepare: true,
  choosesSchema: false,
};
const WHY = 'the server closed the connection';

t.test('what may be sent twice', async (t) => {
  for (const sql of [
    'SELECT 1',
    'SELECT a FROM t WHERE b=1',
    'BEGIN',
    'START TRANSACTION',
    'COMMIT',
    'ROLLBACK',
  ])
    t.equal(isRepeatable(text(sql)), true, sql);
  t.equal(isRepeatable(PREPARE), true, 'COM_STMT_PREPARE');
  t.equal(isRepeatable({ ...PREPARE, isPrepare: false, choosesSchema: true }), true, 'COM_INIT_DB');
  const others = [
    'INSERT INTO t VALUES (1)',
    'SELECT a FROM t FOR UPDATE',
    'SELECT f()',
    'CALL p()',
    'BEGIN; SELECT 1',
    'CREATE TABLE t (a INT)',
  ];
  for (const sql of others) t.equal(isRepeatable(text(sql)), false, sql);
  t.equal(isRepeatable({ ...PREPARE, isPrepare: false }), false, 'any other command');
  t.equal(isRepeatable({ ...text('SELECT 1'), canRepeat: false }), false, 'one whose bytes are gone');
});

const tried = (made: number, lost = 0): Pick<Attempts, 'made' | 'lost'> => ({ made, lost });

t.test('how often', async (t) => {
  const insert = text('INSERT INTO t VALUES (1)');
  t.equal(
    mayRunAgain({ ...insert, isBound: true }, Progress.NotSent, null, tried(1)),
    false,
    'what has long data on its session',
  );
  t.equal(mayRunAgain(insert, Progress.NotSent, null, tried(1)), true);
  t.equal(mayRunAgain(insert, Progress.NotSent, null, tried(10)), false, 'there is an end to it');
  t.equal(mayRunAgain(insert, Progress.Refused, null, tried(1)), true);
  const isGone = { ...insert, canRepeat: false };
  t.equal(mayRunAgain(isGone, Progress.Refused, null, tried(1)), false, 'sent, and not at hand any more');
  t.equal(mayRunAgain(isGone, Progress.NotSent, null, tried(1)), true, 'its bytes are still to come');
  t.equal(mayRunAgain(insert, Progress.Sent, null, tried(1, 1)), false);
  const read = text('SELECT 1');
  t.equal(mayRunAgain(read, Progress.Sent, null, tried(1, 1)), true);
  t.equal(mayRunAgain(read, Progress.Sent, null, tried(2, 2)), false, 'it may be what ends the server');
  t.equal(mayRunAgain(read, Progress.Sent, null, tried(5, 1)), true, 'sessions that ended with the first');
  t.equal(mayRunAgain(read, Progress.Sent, null, tried(10, 1)), false);
  t.equal(mayRunAgain(read, Progress.Replying, null, tried(1, 1)), false);
  const lost = LostState.of(HoldReason.Transaction, WHY, read);
  t.equal(mayRunAgain(read, Progress.NotSent, lost, tried(1)), false, 'not what it was a part of');
});

t.test('which losses count', async (t) => {
  const attempts = new Attempts();
  attempts.begin();
  attempts.lostAtWork(100, 500);
  t.equal(attempts.lost, 1);
  attempts.begin();
  attempts.lostAtWork(200, 501);
  t.equal(attempts.lost, 1, 'a session that was there when the first was lost');
  attempts.begin();
  attempts.lostAtWork(600, 700);
  t.equal(attempts.lost, 2, 'one that was opened since');
  t.equal(attempts.made, 3);
  attempts.reset();
  t.strictSame([attempts.made, attempts.lost], [0, 0]);
  attempts.lostAtWork(100, 800);
  t.equal(attempts.lost, 1, 'of the next command');
});

t.test('what may have been killed because it was run', async (t) => {
  t.equal(mayBeKilled(Progress.Sent, 1), false, 'its session may have been dead before');
  t.equal(mayBeKilled(Progress.Sent, 2), true);
  t.equal(mayBeKilled(Progress.NotSent, 60), false, 'it waited for a session');
  t.equal(mayBeKilled(Progress.Refused, 60), false);
});

t.test('what is lost', async (t) => {
  const of = (holds: number, sql: string | null): string | null =>
    LostState.of(holds, WHY, sql === null ? null : text(sql))?.err().message ?? null;
  t.equal(of(0, null), null);
  t.equal(of(HoldReason.SessionMode | HoldReason.Diagnostics, null), null, 'nothing that anybody misses');
  t.match(of(HoldReason.Transaction, null), /gone with it: transaction\. This statement was not executed/);
  t.match(of(HoldReason.Transaction, 'COMMIT'), /gone with it: transaction/);
  t.match(of(HoldReason.Transaction, 'ROLLBACK TO SAVEPOINT a'), /gone with it: transaction/);
  t.equal(of(HoldReason.Transaction, 'ROLLBACK'), null, 'it asks for no more than that');
  t.match(of(HoldReason.Transaction | HoldReason.UserLock, 'ROLLBACK'), /gone with it: user_lock\./);
  t.equal(of(HoldReason.TableLock, 'UNLOCK TABLES'), null);
  t.match(
    of(HoldReason.TableLock | HoldReason.Transaction, 'UNLOCK TABLES'),
    /transaction/,
    'it would commit',
  );
  const later = LostState.of(HoldReason.Transaction, WHY, null);
  t.equal(later?.before(text('ROLLBACK')), null);
  t.match(later?.before(text('SELECT 1'))?.err().message, /transaction/);
});

t.test('what a client is told', async (t) => {
  const told = (sql: string, progress: Progress, holds: number): string => {
    const work = text(sql);
    const err = lossError(work, progress, WHY, LostState.of(holds, WHY, work));
    t.match(err, { errno: 1158, sqlState: '08S01' });
    return err.message;
  };
  t.match(told('INSERT INTO t VALUES (1)', Progress.NotSent, 0), /This statement was not executed/);
  t.match(
    told('INSERT INTO t VALUES (1)', Progress.NotSent, HoldReason.Transaction),
    /gone with it: transaction/,
  );
  t.match(told('INSERT INTO t VALUES (1)', Progress.Sent, 0), /may or may not have been executed/);
  t.match(
    told('INSERT INTO t VALUES (1)', Progress.Sent, HoldReason.Transaction),
    /its transaction was not committed/,
  );
  for (const sql of ['COMMIT', 'CREATE TABLE t (a INT)', 'BEGIN'])
    t.match(told(sql, Progress.Sent, HoldReason.Transaction), /may or may not have been executed/, sql);
});
