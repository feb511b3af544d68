import t from 'tap';
import { type Holder, HoldRegister, KEPT_TEXT, type StatementText } from '../../src/relay/hold-register.js';
import { HoldReason } from '../../src/session/hold-reason.js';
import { mariadb } from '../sql/describe.js';

const { Transaction, UserLock, TemporaryTable, Diagnostics, SessionMode, Cursor } = HoldReason;

const text = (sql: string): StatementText => ({ sql: Buffer.from(sql), context: mariadb() });
const holder = (connectionId: number): Holder => ({
  connectionId,
  userName: `user ${connectionId}`,
  serverUser: 'app',
  serverConnectionId: 7,
});

/** A register whose time is told, and which counts the digests that it asks for. */
function world() {
  const digests: string[] = [];
  const clock = { now: 1_000 };
  const register = new HoldRegister(
    ({ sql }) => {
      digests.push(sql.toString());
      return `digest of ${sql}`;
    },
    () => clock.now,
  );
  return { register, digests, clock };
}

t.test('who holds a session, why, since when and by which statement', async (t) => {
  const { register, digests, clock } = world();
  const [late, early] = [holder(1), holder(2)];
  t.equal(register.changed(early, UserLock, text('GET_LOCK')), UserLock);
  clock.now = 2_000;
  t.equal(register.changed(late, Transaction, text('BEGIN')), Transaction);
  clock.now = 3_000;
  t.equal(
    register.changed(early, UserLock | TemporaryTable, text('CREATE')),
    TemporaryTable,
    'only what is new',
  );
  t.same(digests, [], 'nothing is made of the texts until somebody looks');
  const [first, second, ...more] = register.snapshot();
  t.same(more, []);
  t.same(first, {
    clientId: 2,
    user: 'user 2',
    serverUser: 'app',
    serverConnectionId: 7,
    reasons: ['user_lock', 'temporary_table'],
    since: 1_000,
    statement: 'digest of GET_LOCK',
    holds: [
      { reason: 'user_lock', since: 1_000, statement: 'digest of GET_LOCK' },
      { reason: 'temporary_table', since: 3_000, statement: 'digest of CREATE' },
    ],
  });
  t.match(second, { clientId: 1, reasons: ['transaction'], since: 2_000, statement: 'digest of BEGIN' });
  for (const frozen of [register.snapshot(), first, first?.holds, first?.holds[0], first?.reasons])
    t.ok(Object.isFrozen(frozen));
});

t.test('when the oldest hold ends, the next oldest counts', async (t) => {
  const { register, clock } = world();
  const client = holder(1);
  register.changed(client, Transaction, text('BEGIN'));
  clock.now = 2_000;
  register.changed(client, Transaction | UserLock, text('GET_LOCK'));
  clock.now = 3_000;
  t.equal(register.changed(client, UserLock, text('COMMIT')), 0, 'nothing is new');
  t.match(register.snapshot(), [{ reasons: ['user_lock'], since: 2_000, statement: 'digest of GET_LOCK' }]);
  register.changed(client, 0, null);
  t.same(register.snapshot(), []);
  t.equal(register.size, 0);
  clock.now = 4_000;
  register.changed(client, UserLock, null);
  t.match(register.snapshot(), [{ since: 4_000, statement: null }], 'a new hold is a new one');
});

t.test('one statement may begin several holds, of which one ends', async (t) => {
  const { register } = world();
  const client = holder(1);
  t.equal(register.changed(client, Transaction | Cursor, text('SELECT')), Transaction | Cursor);
  register.changed(client, Cursor, null);
  t.match(register.snapshot(), [{ reasons: ['cursor'], statement: 'digest of SELECT' }]);
});

t.test('a text is copied, and not more of it than can matter', async (t) => {
  const { register } = world();
  const sql = Buffer.from('x'.repeat(2 * KEPT_TEXT));
  register.changed(holder(1), UserLock, { sql, context: mariadb() });
  sql.fill('y');
  t.equal(register.snapshot()[0]?.statement, `digest of ${'x'.repeat(KEPT_TEXT)}`);
});

t.test('counts', async (t) => {
  const { register, clock } = world();
  const [a, b, c] = [holder(1), holder(2), holder(3)];
  register.changed(a, Transaction, null);
  register.changed(a, Transaction | Diagnostics, null);
  register.changed(b, SessionMode, null);
  t.equal(register.lasting, 0, 'these end by themselves, or are no doing of the client');
  t.equal(register.longestLasting(), null);
  register.changed(a, UserLock | TemporaryTable, null);
  clock.now = 2_000;
  register.changed(b, SessionMode | UserLock, null);
  register.changed(c, UserLock, null);
  t.equal(register.lasting, 3);
  t.same(
    new Map(register.lastingReasons()),
    new Map([
      ['temporary_table', 1],
      ['user_lock', 3],
    ]),
  );
  t.match(register.longestLasting(), { holder: a, since: 1_000 });
  register.changed(a, TemporaryTable, null);
  t.equal(register.lasting, 3, 'one reason is enough');
  register.changed(a, Transaction, null);
  t.equal(register.lasting, 2);
  t.match(register.longestLasting(), { holder: b, since: 2_000 });
  register.changed(b, 0, null);
  register.changed(c, 0, null);
  t.equal(register.lasting, 0);
  t.equal(register.size, 1);
  const begun = register.begun();
  t.equal(begun.get('user_lock'), 3);
  t.equal(begun.get('temporary_table'), 1);
  t.equal(begun.get('transaction'), 2);
  t.equal(begun.get('unknown'), 0, 'every reason has its count');
});
