import t from 'tap';
import { Status } from '../../src/protocol/constants.js';
import { ClientTrackers } from '../../src/session/client-trackers.js';
import type { LedgerContext } from '../../src/session/ledger-context.js';
import { SessionLedger } from '../../src/session/session-ledger.js';
import { traitsOf } from '../sql/describe.js';
import { failText, HOME, ok, runText, textEffects, words } from './support/statements.js';

/** What statements make and end, told by their texts and by how they end. */

const MARIADB: LedgerContext = {
  mysql: false,
  trackers: new ClientTrackers(new Map()),
  collationName: () => undefined,
  read: (text) => traitsOf(text),
};
const MYSQL: LedgerContext = { ...MARIADB, mysql: true };

/** Runs texts one after the other; an error's number before a text makes it fail. */
function after(...texts: string[]): SessionLedger {
  const ledger = new SessionLedger(HOME, MARIADB);
  for (const text of texts) {
    const [, errno, sql = ''] = /^(?:(\d+) )?([\s\S]*)$/.exec(text) ?? [];
    if (errno !== undefined) failText(ledger, Number(errno), sql);
    else if (/^LOCK TABLES/.test(sql)) runText(ledger, sql, { transactionState: '_______L' });
    else runText(ledger, sql);
  }
  return ledger;
}

const HELD: readonly (readonly [string[], string])[] = [
  [['CREATE TEMPORARY TABLE a(v INT)'], 'temporary_table'],
  [['CREATE TEMPORARY TABLE a(v INT)', 'DROP TABLE a'], ''],
  [['CREATE TEMPORARY TABLE a(v INT)', 'DROP TABLE b'], 'temporary_table'],
  [['CREATE TEMPORARY TABLE app.a(v INT)', 'DROP TABLE a'], ''],
  [['CREATE TEMPORARY TABLE other.a(v INT)', 'DROP TABLE a'], 'temporary_table'],
  [['CREATE TEMPORARY TABLE a(v INT)', 'DROP TEMPORARY TABLE IF EXISTS b, a'], ''],
  [['CREATE TEMPORARY TABLE a(v INT)', 'DROP DATABASE app'], 'temporary_table'],
  [['CREATE TEMPORARY TABLE a SELECT f()', 'DROP TABLE a'], 'temporary_table'],
  [['DO GET_LOCK("a", 0)'], 'user_lock'],
  [['DO GET_LOCK("a", 0)', 'DO RELEASE_LOCK("a")'], 'user_lock'],
  [['DO GET_LOCK("a", 0)', 'DO RELEASE_ALL_LOCKS()'], ''],
  [['3058 SELECT GET_LOCK("a", 0)'], ''],
  [['1317 SELECT GET_LOCK("a", 0)'], 'user_lock'],
  [['3058 SELECT GET_LOCK("a", 0), GET_LOCK("b", 0)'], 'user_lock'],
  [['LOCK TABLES t READ'], 'table_lock'],
  [['FLUSH TABLES WITH READ LOCK'], 'table_lock'],
  [['FLUSH TABLES WITH READ LOCK', 'UNLOCK TABLES'], ''],
  [['FLUSH TABLES WITH READ LOCK', 'UNLOCK INSTANCE'], 'table_lock'],
  [['FLUSH TABLES WITH READ LOCK', 'BACKUP UNLOCK', 'BACKUP STAGE END'], 'table_lock'],
  [['LOCK INSTANCE FOR BACKUP', 'UNLOCK TABLES'], 'table_lock'],
  [['LOCK INSTANCE FOR BACKUP', 'UNLOCK INSTANCE'], ''],
  [['BACKUP STAGE START', 'UNLOCK TABLES'], 'table_lock'],
  [['BACKUP STAGE START', 'BACKUP STAGE FLUSH', 'BACKUP UNLOCK'], 'table_lock'],
  [['BACKUP STAGE START', 'BACKUP STAGE FLUSH', 'BACKUP STAGE END'], ''],
  [['BACKUP LOCK t', 'BACKUP STAGE END', 'UNLOCK TABLES'], 'table_lock'],
  [['BACKUP LOCK t', '1205 BACKUP UNLOCK'], 'table_lock'],
  [['BACKUP LOCK t', 'BACKUP UNLOCK'], ''],
  [["PREPARE a FROM 'SELECT 1'", 'DEALLOCATE PREPARE b'], 'text_prepare'],
  [["PREPARE a FROM 'SELECT 1'", 'DEALLOCATE PREPARE A'], ''],
  [["PREPARE a FROM 'SELECT 1'", "1064 PREPARE a FROM 'nonsense'"], ''],
  [["PREPARE a FROM 'SELECT 1'", "1317 PREPARE a FROM 'SELECT 2'"], 'text_prepare'],
  [["PREPARE a FROM 'SELECT 1'", '1243 EXECUTE a'], ''],
  [['HANDLER t OPEN', 'HANDLER t READ FIRST', 'HANDLER t CLOSE'], ''],
  [['HANDLER t OPEN', 'HANDLER t OPEN AS u', 'HANDLER t CLOSE'], 'handler'],
  [['HANDLER t OPEN', '1109 HANDLER t CLOSE'], ''],
  [['HANDLER t OPEN', '1205 HANDLER t CLOSE'], 'handler'],
  [['SET timestamp=1'], 'one_shot_variable'],
  [['SET timestamp=1', 'SET timestamp=DEFAULT'], ''],
  [['SET timestamp=1', '1231 SET timestamp=DEFAULT'], 'one_shot_variable'],
  [['1231 SET timestamp=1'], ''],
  [['SET @a=1'], ''],
  [['SET @a=1+1'], 'user_variable'],
  [['SET @a=1+1', 'SET @b=1'], 'user_variable'],
  [['SET @a=1+1, @b=f()', 'SET @a=1, @b=2'], 'user_variable'],
  [['SET @a=1+1', 'SET @a=1'], ''],
  [['SET @a=1+1', 'SET @a=NULL'], 'user_variable'],
  [['SELECT @a:=1', 'SET @a=1'], 'user_variable'],
  [['1242 SET @a=(SELECT 1)'], ''],
  [['SELECT NEXTVAL(s)'], 'sequence'],
  [['SET ROLE r'], 'role'],
  [['XA START "x"'], ''],
];

t.test('what holds after which statements', async (t) => {
  for (const [texts, held] of HELD) t.equal(words(after(...texts)).join(), held, texts.join('; '));
});

t.test('an XA transaction is over when no transaction is open', async (t) => {
  const ledger = new SessionLedger(HOME, MARIADB);
  const open = { status: Status.Autocommit | Status.InTransaction };
  runText(ledger, "XA START 'x'", open);
  runText(ledger, "XA END 'x'", open);
  t.strictSame(words(ledger), ['transaction', 'xa']);
  runText(ledger, "XA PREPARE 'x'");
  t.equal(ledger.holds, 0);
});

t.test('user locks are counted from what their functions return', async (t) => {
  const ledger = new SessionLedger(HOME, MARIADB);
  const call = (sql: string, row: (bigint | null)[] | null): number => {
    const effects = textEffects(sql);
    t.not(effects.lockColumns, null, 'its row is asked for');
    ledger.begin(effects);
    ledger.ok(ok(), effects, row);
    return ledger.holds;
  };
  t.equal(call('SELECT GET_LOCK("a", 0)', [0n]), 0);
  t.equal(call('SELECT GET_LOCK("a", 0)', [null]), 0);
  t.not(call('SELECT GET_LOCK("a", 0), 7, GET_LOCK("a", 0)', [1n, 7n, 1n]), 0);
  t.not(call('SELECT RELEASE_LOCK("a")', [1n]), 0);
  t.equal(call('SELECT RELEASE_LOCK("a")', [1n]), 0);
  t.equal(call('SELECT RELEASE_ALL_LOCKS(), GET_LOCK("a", 0)', [0n, 0n]), 0);
  t.not(call('SELECT GET_LOCK("a", 0)', null), 0, 'not seen');
  t.not(call('SELECT RELEASE_LOCK("a")', [1n]), 0);
  t.equal(call('SELECT RELEASE_ALL_LOCKS()', null), 0);
});

t.test(
  'of several statements each OK ends one; the one that fails is in doubt, those behind it did nothing',
  async (t) => {
    const ledger = new SessionLedger(HOME, MARIADB);
    failText(ledger, 1146, 'CREATE TEMPORARY TABLE a(v INT); DROP TABLE b; HANDLER t OPEN', {
      stateChanged: true,
    });
    t.strictSame(words(ledger), ['temporary_table']);
    t.strictSame(
      ledger.questions.tables,
      [{ schema: 'app', name: 'a' }],
      'a DROP that fails may have dropped any',
    );
    ledger.tableIs({ schema: 'app', name: 'a' }, true);
    t.equal(ledger.doubtful, 0);
    failText(ledger, 1146, 'DROP TABLE a; SELECT nope', {});
    t.equal(ledger.holds, 0);
    failText(ledger, 1146, 'CALL p(); CREATE TEMPORARY TABLE c(v INT)', {}, {});
    t.strictSame(
      words(ledger),
      ['temporary_table'],
      'where OKs can not be told apart, all that is made counts',
    );
  },
);

t.test('a table in doubt is asked for', async (t) => {
  const ledger = after('CREATE TEMPORARY TABLE a(v INT)', '1051 DROP TABLE a, b');
  t.equal(ledger.doubtful, ledger.holds);
  ledger.tableIs({ schema: 'app', name: 'a' }, null);
  t.equal(ledger.doubtful, 0, 'no answer: it stays, and is not asked for again');
  t.strictSame(words(ledger), ['temporary_table']);
  const gone = after('CREATE TEMPORARY TABLE A(v INT)', 'DROP TABLE a');
  t.strictSame(
    gone.questions.tables,
    [{ schema: 'app', name: 'A' }],
    'whether case matters only the server knows',
  );
  gone.tableIs({ schema: 'app', name: 'A' }, false);
  t.equal(gone.holds, 0);
  t.equal(after('CREATE TEMPORARY TABLE `é`(v INT)', '1051 DROP TABLE `é`, b').doubtful, 0, 'not askable');
});

t.test('a role and a row id end when the server says so', async (t) => {
  const role = after('SET ROLE r');
  t.equal(role.doubtful, role.holds);
  role.roleIs(false);
  t.equal(role.doubtful, 0);
  t.strictSame(words(role), ['role']);
  runText(role, 'SET ROLE NONE');
  role.roleIs(true);
  t.equal(role.holds, 0);

  const id = new SessionLedger(HOME, MARIADB);
  runText(id, 'SET insert_id=5', { variables: [['insert_id', '5']] });
  t.equal(id.doubtful, 0);
  runText(id, 'INSERT INTO t VALUES(NULL)', { lastInsertId: 5n });
  t.ok(id.questions.insertId);
  id.insertIdIs('5');
  t.strictSame(words(id), ['one_shot_variable']);
  runText(id, 'INSERT INTO t VALUES(NULL)', { lastInsertId: 5n });
  id.insertIdIs('0');
  t.equal(id.holds, 0);
  runText(id, 'SET insert_id=0', { variables: [['insert_id', '0']] });
  runText(id, 'INSERT INTO t VALUES(7)', { lastInsertId: 7n });
  id.insertIdIs('0');
  t.strictSame(words(id), ['one_shot_variable'], 'MySQL shows no difference there');
});

t.test('literals are carried, with what decides how they are read', async (t) => {
  const ledger = new SessionLedger(HOME, MARIADB);
  runText(ledger, "SET @A=-5, @b='x'");
  t.strictSame(
    [...ledger.profile.userVariables],
    [
      ['a', { literal: '-5', over: null, environment: null }],
      ['b', { literal: "'x'", over: null, environment: ['', 'utf8mb4', 'utf8mb4_general_ci'] }],
    ],
  );
  runText(ledger, 'SET @a=NULL');
  t.strictSame(ledger.profile.userVariables.get('a'), { literal: 'NULL', over: '-5', environment: null });
  runText(ledger, 'SET @b=NOW()');
  t.notOk(ledger.profile.userVariables.has('b'), 'its old value is not its own any more');
  runText(ledger, 'SELECT 1 INTO @c');
  t.equal(ledger.profile.userVariables.size, 0, 'any of them may have another value now');
});

t.test('what EXECUTE runs is known by name', async (t) => {
  const ledger = after("PREPARE a FROM 'SET @x=1'", 'PREPARE b FROM @text');
  t.equal(ledger.preparedText('a')?.traits.first, 'set');
  t.equal(ledger.preparedText('b'), null);
  t.equal(after("PREPARE a FROM 'SELECT 1'", 'DROP PREPARE a').preparedText('a'), null);
});

t.test(
  'MySQL shows with each statement that its trackers are on, of a CALL with the first result only',
  async (t) => {
    const alive = { variables: [['statement_id', '1']] as [string, string][] };
    const ledger = new SessionLedger(HOME, MYSQL);
    runText(ledger, 'SELECT 1', alive);
    runText(ledger, 'CALL p()', alive);
    t.notOk(ledger.trackersLost || ledger.trackersDoubtful);
    runText(ledger, 'CALL p()', alive, {}, {});
    t.notOk(ledger.trackersLost);
    t.ok(ledger.trackersDoubtful);
    runText(ledger, 'SELECT 1', {});
    t.ok(ledger.trackersLost && ledger.mustReset);
    const other = new SessionLedger(HOME, MARIADB);
    runText(other, 'SELECT 1');
    t.notOk(other.trackersDoubtful);
    runText(other, 'SELECT f()');
    t.ok(other.trackersDoubtful, 'MariaDB must be asked');
  },
);
