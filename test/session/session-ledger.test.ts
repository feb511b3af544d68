import t from 'tap';
import { Status } from '../../src/protocol/constants.js';
import { HoldReason } from '../../src/session/hold-reason.js';
import { NOTHING_KNOWN } from '../../src/session/ledger-context.js';
import { ProfileRegistry } from '../../src/session/profile.js';
import { SessionLedger } from '../../src/session/session-ledger.js';
import { InsertIdEffect, SCHEMA_CHANGE } from '../../src/session/statement-effects.js';
import { effects, HOME, type OkOptions, ok, run, words } from './support/statements.js';

/** What is carried, and what must be asked for. */

t.test('a plain statement leaves everything as it was', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(ledger, {});
  t.equal(ledger.profile, HOME);
  t.equal(ledger.holds, 0);
  t.notOk(
    ledger.insertIdChanged || ledger.reportsOutstanding || ledger.mayHideChanges || ledger.inTransaction,
  );
});

t.test('autocommit is carried by its flag, whether it was reported or not', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(ledger, {}, { status: 0 });
  t.equal(ledger.profile, HOME.withVariable('autocommit', 'OFF'));
  run(ledger, {}, { status: Status.Autocommit });
  t.equal(ledger.profile, HOME);
});

t.test('the status is the client’s own, without what is about one reply or about trackers', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(ledger, {}, { status: Status.Autocommit | Status.MoreResultsExist, schema: 'app' });
  t.equal(ledger.status, Status.Autocommit);
});

t.test('reported variables are carried under the name the server knows best', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(
    ledger,
    { explainsStateChange: true },
    {
      variables: [
        ['TIME_ZONE', '+01:00'],
        ['storage_engine', 'MyISAM'],
        ['long_query_time', '1.000000'],
      ],
      stateChanged: true,
    },
  );
  const expected = HOME.withVariable('time_zone', '+01:00')
    .withVariable('default_storage_engine', 'MyISAM')
    .withVariable('long_query_time', '1.000000');
  t.equal(ledger.profile, expected);
  t.equal(ledger.holds, 0);
});

t.test('variables that follow from others, or are read-only, say nothing', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(
    ledger,
    {},
    {
      variables: [
        ['character_set_database', 'latin1'],
        ['statement_id', '5'],
        ['warning_count', '1'],
        ['in_transaction', '1'],
      ],
    },
  );
  t.equal(ledger.profile, HOME);
  t.equal(ledger.holds, 0);
  t.equal(ledger.readBack.has('character_set_database'), false);
});

t.test('a report of the insert id is no variable', async (t) => {
  for (const name of ['last_insert_id', 'identity']) {
    const ledger = new SessionLedger(HOME);
    run(ledger, {}, { variables: [[name, '7']] });
    t.ok(ledger.insertIdChanged);
    t.equal(ledger.profile, HOME);
    t.equal(ledger.holds, 0);
  }
});

t.test('a change of character set leaves the collation to be read back', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(
    ledger,
    {},
    {
      variables: [
        ['character_set_client', 'latin1'],
        ['character_set_connection', 'latin1'],
      ],
    },
  );
  t.strictSame([...ledger.readBack], ['collation_connection']);
  t.equal(ledger.profile, HOME.withVariable('character_set_client', 'latin1'));
  ledger.wasReadBack('COLLATION_CONNECTION', 'latin1_bin');
  t.equal(ledger.readBack.size, 0);
  t.equal(ledger.profile.variable('collation_connection'), 'latin1_bin');
  ledger.settled();
  t.equal(ledger.holds, 0);
});

t.test('variables that are set together with others are read back', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(ledger, {}, { variables: [['max_join_size', '5']] });
  t.ok(ledger.readBack.has('sql_big_selects'));
});

t.test('what the text sets without a report is read back', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(ledger, { readBack: ['time_zone'] });
  t.strictSame([...ledger.readBack], ['time_zone']);
  t.equal(ledger.profile, HOME, 'not known yet');
  ledger.wasReadBack('time_zone', '+02:00');
  t.equal(ledger.profile, HOME.withVariable('time_zone', '+02:00'));
});

t.test('only what was asked for is read back', async (t) => {
  const ledger = new SessionLedger(HOME);
  ledger.wasReadBack('time_zone', '+02:00');
  run(ledger, { readBack: ['character_set_connection'] });
  ledger.wasReadBack('character_set_connection', 'latin1');
  t.equal(ledger.profile, HOME);
});

t.test(
  'what was asked for and not answered is unknown, unless no session of this server has it',
  async (t) => {
    const ledger = new SessionLedger(HOME);
    run(ledger, { readBack: ['time_zone'] });
    ledger.settled();
    t.strictSame(words(ledger), ['unknown']);
    t.equal(ledger.readBack.size, 0);
    const other = new SessionLedger(HOME);
    run(other, { readBack: ['no_such_variable'] });
    other.settled();
    t.equal(other.holds, 0);
  },
);

t.test('values inside a procedure need not stay: they are read back at its end', async (t) => {
  const inside = {
    status: Status.Autocommit | Status.MoreResultsExist,
    variables: [['SQL_Mode', 'ANSI']] as const,
  };
  const ledger = new SessionLedger(HOME);
  run(ledger, { runsRoutines: true }, inside, {});
  t.ok(ledger.readBack.has('sql_mode'));
  ledger.wasReadBack('sql_mode', '');
  t.equal(ledger.profile, HOME);
  const plain = new SessionLedger(HOME);
  run(plain, {}, inside, {});
  t.equal(plain.readBack.size, 0, 'not those of one statement among several');
  t.equal(plain.profile, HOME.withVariable('sql_mode', 'ANSI'));
});

t.test('SET STATEMENT … FOR reports values that do not stay', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(
    ledger,
    { ignoresVariableReports: true },
    {
      variables: [
        ['time_zone', '+09:00'],
        ['timestamp', '1'],
      ],
    },
  );
  t.equal(ledger.profile, HOME);
  t.equal(ledger.holds, 0);
});

t.test('the schema is carried; dropping it leaves none', async (t) => {
  const ledger = new SessionLedger(HOME);
  run(ledger, SCHEMA_CHANGE, { schema: 'shop', stateChanged: true });
  t.equal(ledger.profile, HOME.withSchema('shop'));
  t.equal(ledger.holds, 0);
  run(ledger, {}, { schema: '' });
  t.equal(ledger.profile.schema, null);
});

t.test('after an error the server may have more to tell, until it has told anything', async (t) => {
  const ledger = new SessionLedger(HOME);
  ledger.begin(effects());
  ledger.err(1146, effects());
  t.ok(ledger.reportsOutstanding);
  t.notOk(ledger.mayHideChanges);
  run(ledger, {});
  t.ok(ledger.reportsOutstanding, 'an OK without trackers’ data');
  run(ledger, {}, { schema: 'app' });
  t.notOk(ledger.reportsOutstanding);
  const routine = effects({ mayChangeBeforeFailing: true });
  ledger.begin(routine);
  ledger.err(1146, routine);
  ledger.settled();
  t.notOk(ledger.reportsOutstanding);
  t.ok(ledger.mayHideChanges, 'asking is not enough on MariaDB');
});

t.test('the insert id', async (t) => {
  const after = (insertId: InsertIdEffect, reply: OkOptions | 'error'): boolean => {
    const ledger = new SessionLedger(HOME);
    const given = effects({ insertId });
    ledger.begin(given);
    if (reply === 'error') ledger.err(1062, given);
    else ledger.ok(ok(reply), given);
    return ledger.insertIdChanged;
  };
  t.equal(after(InsertIdEffect.None, { lastInsertId: 5n }), false);
  t.equal(after(InsertIdEffect.Reads, { lastInsertId: 5n }), false);
  t.equal(after(InsertIdEffect.Inserts, { lastInsertId: 5n }), true);
  t.equal(after(InsertIdEffect.Inserts, {}), false, 'no id, no change');
  t.equal(after(InsertIdEffect.Obscure, {}), true);
  t.equal(after(InsertIdEffect.None, 'error'), false);
  t.equal(after(InsertIdEffect.Reads, 'error'), false);
  t.equal(after(InsertIdEffect.Inserts, 'error'), true, 'a failed insert changes it and says nothing');
  const ledger = new SessionLedger(HOME);
  run(ledger, { insertId: InsertIdEffect.Obscure });
  run(ledger, {});
  t.equal(ledger.insertIdChanged, false, 'it is about the last statement only');
});

t.test('the collation of results is told by columns', async (t) => {
  const registry = new ProfileRegistry();
  const variables = new Map([
    ['character_set_results', 'utf8mb4'],
    ['results_collation', 'utf8mb4_general_ci'],
  ]);
  const names = new Map([[46, 'utf8mb4_bin']]);
  const context = { ...NOTHING_KNOWN, collationName: (id: number) => names.get(id) };
  const ledger = new SessionLedger(registry.initial(registry.baseline(variables), 'app', false), context);
  ledger.columnsShowed(46);
  t.equal(ledger.profile.variable('results_collation'), 'utf8mb4_bin');
  run(ledger, {}, { variables: [['character_set_results', '']] });
  ledger.columnsShowed(33);
  t.equal(ledger.profile.variable('results_collation'), '', 'each column has its own');
  run(ledger, {}, { variables: [['character_set_results', 'utf8mb4']] });
  ledger.columnsShowed(999);
  t.not(ledger.holds & HoldReason.Unknown, 0, 'a collation that nobody knows');
});
