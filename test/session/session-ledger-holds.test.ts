import t from 'tap';
import { Status } from '../../src/protocol/constants.js';
import { effectsOf } from '../../src/session/effects-of.js';
import { HoldReason, holdWords } from '../../src/session/hold-reason.js';
import { SessionLedger } from '../../src/session/session-ledger.js';
import { InsertIdEffect } from '../../src/session/statement-effects.js';
import { traitsOf } from '../sql/describe.js';
import { effects, failText, HOME, ok, run, runText, words } from './support/statements.js';

/** What keeps a session with its client, and what ends that. */

t.test('transactions hold by the status flag, and end by it', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(ledger, {}, { status: Status.Autocommit | Status.InTransaction });
  t.ok(ledger.inTransaction);
  t.strictSame(words(ledger), ['transaction']);
  run(ledger, {}, { status: Status.Autocommit | Status.InTransaction }, { status: Status.Autocommit });
  t.equal(ledger.holds, 0);
});

t.test('variables that must not be replayed hold the session', async (t) => {
  for (const name of ['timestamp', 'insert_id', 'rand_seed1', 'gtid_next', 'SQL_LOG_BIN']) {
    const ledger = new SessionLedger(HOME);
    run(ledger, {}, { variables: [[name, '1']] });
    t.strictSame(words(ledger), ['one_shot_variable'], name);
    t.equal(ledger.profile, HOME);
  }
});

t.test('sql_auto_is_null is carried, and holds the session while it is on', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(ledger, {}, { variables: [['sql_auto_is_null', 'OFF']] });
  t.equal(ledger.holds, 0, 'so frameworks set it when they connect');
  run(ledger, {}, { variables: [['sql_auto_is_null', 'ON']] });
  t.strictSame(words(ledger), ['one_shot_variable']);
  t.equal(ledger.profile.variable('sql_auto_is_null'), 'ON');
  run(ledger, { readBack: ['sql_auto_is_null'] }, {});
  ledger.wasReadBack('sql_auto_is_null', 'OFF');
  t.equal(ledger.holds, 0);
  run(ledger, { readBack: ['sql_auto_is_null'] }, {});
  ledger.wasReadBack('sql_auto_is_null', 'ON');
  t.strictSame(words(ledger), ['one_shot_variable']);
});

t.test(
  'trackers that the proxy sets are no news; set by anything that ran, they are not to be relied on',
  async (t) => {
    const ledger = new SessionLedger(HOME);
    ledger.reported(ok({ variables: [['session_track_schema', 'ON']] }), effects());
    t.notOk(ledger.trackersLost);
    runText(ledger, 'CALL p()', { variables: [['session_track_schema', 'OFF']] });
    t.ok(ledger.trackersLost);
    t.equal(ledger.profile, HOME);
    ledger.settled();
    t.notOk(ledger.trackersLost);
  },
);

t.test('the bare flag holds the session, unless the text explains it', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(ledger, { explainsStateChange: true }, { stateChanged: true });
  t.equal(ledger.holds, 0);
  run(ledger, {}, { stateChanged: true });
  t.strictSame(words(ledger), ['unknown']);
  run(ledger, { explainsStateChange: true }, {});
  t.strictSame(words(ledger), ['unknown'], 'until a reset');
});

t.test('SET TRANSACTION holds until its transaction has taken it', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(ledger, {}, { characteristics: 'SET TRANSACTION READ ONLY;' });
  t.strictSame(words(ledger), ['next_transaction']);
  run(ledger, {}, { transactionState: 'T_______' });
  t.strictSame(words(ledger), ['next_transaction'], 'not reported, not changed');
  run(ledger, {}, { characteristics: '' });
  t.equal(ledger.holds, 0);
});

t.test('locked tables hold', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(ledger, {}, { transactionState: 'T_R_____' });
  t.equal(ledger.holds, 0);
  run(ledger, {}, { transactionState: '_______L' });
  t.strictSame(words(ledger), ['table_lock']);
});

t.test('what a command holds that is no text is held from its beginning', async (t) => {
  const ledger = new SessionLedger(HOME);
  ledger.begin(effects({ holds: HoldReason.LongData }));
  t.strictSame(words(ledger), ['long_data']);
});

t.test('a text that is no SQL has held nothing; what was held before stays', async (t) => {
  const ledger = new SessionLedger(HOME);
  runText(ledger, 'SELECT NEXTVAL(s)');
  t.strictSame(words(ledger), ['sequence']);
  failText(ledger, 1064, "SELECT NEXTVAL(s) HANDLER GET_LOCK('a', 0)");
  t.strictSame(words(ledger), ['sequence']);
});

t.test('any other error may have come after the hold', async (t) => {
  const ledger = new SessionLedger(HOME);
  failText(ledger, 1205, "SELECT GET_LOCK('a', 0) FROM t");
  t.strictSame(words(ledger), ['user_lock']);
});

t.test(
  'a parse error behind a statement that ran takes no hold back; one out of a routine takes a reset',
  async (t) => {
    const ledger = new SessionLedger(HOME);
    const given = effectsOf(traitsOf("DO GET_LOCK('a', 0); SELECT nonsense nonsense nonsense"));
    ledger.begin(given);
    ledger.ok(ok({ status: Status.Autocommit | Status.MoreResultsExist }), given);
    ledger.err(1064, given);
    t.strictSame(words(ledger), ['user_lock']);
    t.notOk(ledger.mustReset);
    const other = new SessionLedger(HOME);
    failText(other, 1064, 'SELECT @a := f()');
    t.ok(other.mustReset);
    other.released();
    t.notOk(other.mustReset);
  },
);

t.test(
  'after a reset nothing is held but for the mode, and nothing outstanding; what is carried stays',
  async (t) => {
    const ledger = new SessionLedger(HOME);
    ledger.holds = HoldReason.SessionMode;
    runText(ledger, 'SET ROLE r');
    run(
      ledger,
      { readBack: ['sql_mode'] },
      {
        status: Status.InTransaction | Status.InTransactionReadonly,
        variables: [['time_zone', '+01:00']],
      },
    );
    const failing = effects({ mayChangeBeforeFailing: true, insertId: InsertIdEffect.Inserts });
    ledger.begin(failing);
    ledger.err(1062, failing);
    t.ok(ledger.mustClose);
    ledger.released();
    t.strictSame(words(ledger), ['session_mode']);
    t.notOk(
      ledger.reportsOutstanding || ledger.mayHideChanges || ledger.insertIdChanged || ledger.inTransaction,
    );
    t.notOk(ledger.mustClose);
    t.equal(ledger.readBack.size, 0);
    t.equal(ledger.status, 0);
    t.equal(ledger.profile.variable('time_zone'), '+01:00');
  },
);

t.test('roles and resource groups survive a reset', async (t) => {
  for (const [word, reason] of Object.entries(HoldReason)) {
    const ledger = new SessionLedger(HOME);
    ledger.holds = reason;
    t.equal(ledger.mustClose, word === 'Role' || word === 'ResourceGroup', word);
    t.equal(holdWords(reason).length, 1, word);
  }
});
