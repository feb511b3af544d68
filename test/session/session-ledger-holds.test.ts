import t from 'tap';
import { Status } from '../../src/protocol/constants.js';
import { HoldReason, holdWords } from '../../src/session/hold-reason.js';
import { SessionLedger } from '../../src/session/session-ledger.js';
import { InsertIdEffect } from '../../src/session/statement-effects.js';
import { effects, HOME, ok, run, words } from './support/statements.js';

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
  for (const name of [
    'timestamp',
    'insert_id',
    'rand_seed1',
    'gtid_next',
    'sql_auto_is_null',
    'SQL_LOG_BIN',
  ]) {
    const ledger = new SessionLedger(HOME);
    run(ledger, {}, { variables: [[name, '1']] });
    t.strictSame(words(ledger), ['one_shot_variable'], name);
    t.equal(ledger.profile, HOME);
  }
});

t.test('trackers as they must be are no news; set otherwise, they hold the session', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(
    ledger,
    {},
    {
      variables: [
        ['session_track_schema', 'ON'],
        ['session_track_state_change', 'ON'],
        ['session_track_system_variables', '*'],
        ['session_track_transaction_info', 'CHARACTERISTICS'],
      ],
    },
  );
  t.equal(ledger.holds, 0);
  for (const [name, value] of [
    ['session_track_schema', 'OFF'],
    ['session_track_system_variables', 'autocommit'],
    ['session_track_gtids', 'OWN_GTID'],
  ] as const) {
    const held = new SessionLedger(HOME);
    run(
      held,
      { runsRoutines: true },
      { variables: [[name, value]], status: Status.Autocommit | Status.MoreResultsExist },
      {},
    );
    t.strictSame(words(held), ['session_tracking'], name);
    held.wasReadBack(name, value);
    t.equal(held.profile, HOME);
  }
});

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

t.test('what the text holds is held from the beginning and stays', async (t) => {
  const ledger = new SessionLedger(HOME);
  const given = effects({ holds: HoldReason.UserLock | HoldReason.TemporaryTable });
  ledger.begin(given);
  t.strictSame(words(ledger), ['temporary_table', 'user_lock']);
  ledger.ok(ok(), given);
  run(ledger, {});
  t.strictSame(words(ledger), ['temporary_table', 'user_lock']);
});

t.test('a text that is no SQL has held nothing; what was held before stays', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(ledger, { holds: HoldReason.UserLock });
  const given = effects({ holds: HoldReason.UserLock | HoldReason.Handler });
  ledger.begin(given);
  ledger.err(1064, given);
  t.strictSame(words(ledger), ['user_lock', 'diagnostics']);
});

t.test('any other error may have come after the hold', async (t) => {
  const ledger = new SessionLedger(HOME);
  const given = effects({ holds: HoldReason.UserLock });
  ledger.begin(given);
  ledger.err(1205, given);
  t.strictSame(words(ledger), ['user_lock', 'diagnostics']);
});

t.test(
  'a parse error behind a statement that ran takes no hold back; one out of a routine takes a reset',
  async (t) => {
    const ledger = new SessionLedger(HOME);
    const given = effects({ holds: HoldReason.UserLock });
    ledger.begin(given);
    ledger.ok(ok({ status: Status.Autocommit | Status.MoreResultsExist }), given);
    ledger.err(1064, given);
    t.ok(words(ledger).includes('user_lock'));
    t.notOk(ledger.mustReset);
    const other = new SessionLedger(HOME);
    const routine = effects({ holds: HoldReason.UserVariable, runsRoutines: true });
    other.begin(routine);
    other.err(1064, routine);
    t.ok(other.mustReset);
    other.released();
    t.notOk(other.mustReset);
  },
);

t.test('warnings and errors hold for the next statement, which may ask for them', async (t) => {
  for (const leave of [
    (ledger: SessionLedger) => run(ledger, {}, { warnings: 1 }),
    (ledger: SessionLedger) => run(ledger, { leavesCounts: true }),
    (ledger: SessionLedger) => ledger.err(1146, effects()),
  ]) {
    const ledger = new SessionLedger(HOME);
    leave(ledger);
    t.strictSame(words(ledger), ['diagnostics']);
    run(ledger, { readsDiagnostics: true });
    t.strictSame(words(ledger), ['diagnostics'], 'SHOW WARNINGS leaves them there');
    run(ledger, { readsCounts: true });
    t.strictSame(words(ledger), ['diagnostics']);
    run(ledger, {});
    t.equal(ledger.holds, 0);
  }
});

t.test(
  'after a reset nothing is held but for the mode, and nothing outstanding; what is carried stays',
  async (t) => {
    const ledger = new SessionLedger(HOME);
    ledger.holds = HoldReason.SessionMode;
    run(
      ledger,
      { holds: HoldReason.Role | HoldReason.Xa, readBack: ['sql_mode'] },
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
