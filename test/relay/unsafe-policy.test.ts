import t from 'tap';
import { UNSAFE_KINDS } from '../../src/config/unsafe-holds.js';
import { type Holder, HoldRegister, type StatementText } from '../../src/relay/hold-register.js';
import {
  REMEMBERED_DIGESTS,
  type UnsafeAction,
  UnsafePolicy,
  type UnsafeStatement,
} from '../../src/relay/unsafe-policy.js';
import { HOLD_WORDS, HoldReason } from '../../src/session/hold-reason.js';
import { mariadb } from '../sql/describe.js';

const { Transaction, UserLock, UserVariable, TemporaryTable, Unknown } = HoldReason;

const text = (sql: string): StatementText => ({ sql: Buffer.from(sql), context: mariadb() });
const holder = (connectionId: number): Holder => ({
  connectionId,
  userName: 'ann',
  serverUser: 'app',
  serverConnectionId: null,
});

function world(actions: Record<string, UnsafeAction> = {}, maxHeld = 1, poolSize = 10) {
  const digest = ({ sql }: StatementText): string => sql.toString();
  const register = new HoldRegister(digest, () => Date.UTC(2030, 0, 1));
  const warnings: UnsafeStatement[] = [];
  const policy = new UnsafePolicy({
    actions,
    maxHeld: () => maxHeld,
    poolSize: () => poolSize,
    register,
    digest,
    warn: (warning) => warnings.push(warning),
  });
  return { register, policy, warnings };
}

t.test('every kind that can be configured is a reason to hold', async (t) => {
  for (const kind of UNSAFE_KINDS) t.ok(HOLD_WORDS.includes(kind), kind);
});

t.test('what is watched, and what refused', async (t) => {
  const { policy } = world({ user_lock: 'error', unknown: 'warn', xa: 'hold' });
  t.equal(policy.refused, UserLock);
  t.equal(policy.watched, UserLock | Unknown);
  t.equal(world().policy.watched, 0);
});

t.test('a refusal names the kind, the client and what to do', async (t) => {
  const { policy } = world({ user_lock: 'error', temporary_table: 'warn' });
  t.equal(policy.refusal(holder(5), TemporaryTable), null);
  t.equal(policy.refusal(holder(5), 0), null);
  const err = policy.refusal(holder(5), UserLock | TemporaryTable);
  t.match(err, { errno: 1290, sqlState: 'HY000' });
  t.match(
    err?.message,
    /^mybouncer: on_unsafe refuses user_lock: .*client 5 \(user ann\).* until RELEASE_LOCK\. .*on_unsafe: \{user_lock: hold\}$/,
  );
  const all = Object.fromEntries(UNSAFE_KINDS.map((kind) => [kind, 'error' as const]));
  for (const bit of Object.values(HoldReason)) {
    const message = world(all).policy.refusal(holder(2 ** 30 + 1), bit)?.message ?? '';
    t.ok(Buffer.byteLength(message) < 512, 'what clients show of a message');
  }
});

t.test('holds that are watched are told once for each digest', async (t) => {
  const { policy, warnings } = world({ user_lock: 'warn', user_variable: 'error' });
  policy.began(holder(1), UserLock, text('one'));
  policy.began(holder(2), UserLock | TemporaryTable, text('one'));
  policy.began(holder(2), TemporaryTable, text('not watched'));
  t.same(warnings, [{ client: 1, user: 'ann', reasons: ['user_lock'], statement: 'one' }]);
  policy.began(holder(2), UserLock, text('two'));
  policy.began(holder(2), UserVariable, text('two'));
  policy.began(holder(2), UserVariable, null);
  policy.began(holder(2), UserVariable, null);
  t.same(
    warnings.slice(1).map(({ reasons, statement }) => [...reasons, statement]),
    [
      ['user_lock', 'two'],
      ['user_variable', 'two'],
      ['user_variable', null],
    ],
  );
});

t.test('only so many digests are remembered', async (t) => {
  const { policy, warnings } = world({ user_lock: 'warn' });
  for (let i = 0; i <= REMEMBERED_DIGESTS; i++) policy.began(holder(1), UserLock, text(`number ${i}`));
  const before = warnings.length;
  policy.began(holder(1), UserLock, text(`number ${REMEMBERED_DIGESTS}`));
  t.equal(warnings.length, before, 'the last is remembered');
  policy.began(holder(1), UserLock, text('number 0'));
  t.equal(warnings.length, before + 1, 'the first is forgotten');
});

/** How many clients may hold a session, one after the other. */
function allowed(maxHeld: number, poolSize: number): number {
  const { policy, register } = world({}, maxHeld, poolSize);
  for (let held = 0; ; held++) {
    if (held > poolSize || policy.tooMany('app', UserLock) !== null) return held;
    register.changed(holder(held), UserLock, null);
  }
}

t.test('max_held is a share of the pool', async (t) => {
  t.equal(allowed(0.8, 10), 8);
  t.equal(allowed(0.8, 9), 7, 'rounded down');
  t.equal(allowed(0.29, 100), 29, 'whatever floating point says');
  t.equal(allowed(0.01, 3), 1, 'at least one');
  t.equal(allowed(0, 3), 0, 'but for 0');
  t.equal(allowed(1, 3), 4, 'no limit');
});

t.test('what is no lasting hold is never too many', async (t) => {
  const { policy, register } = world({}, 0);
  register.changed(holder(1), UserLock, null);
  t.equal(policy.tooMany('app', Transaction), null);
  t.equal(policy.tooMany('app', 0), null);
  t.not(policy.tooMany('app', Transaction | UserLock), null);
});

t.test('the error of max_held has the numbers', async (t) => {
  const { policy, register } = world({}, 0.5, 4);
  register.changed(holder(2 ** 30 + 1), UserLock, null);
  register.changed(holder(2 ** 30 + 2), UserLock | TemporaryTable, null);
  const err = policy.tooMany('app/0', UserVariable);
  t.match(err, { errno: 1040, sqlState: '08004' });
  t.equal(
    err?.message,
    'mybouncer: too many held server sessions in pool app/0: of 4 sessions 2 may be held (max_held 50%) and 2 are: ' +
      'user_lock 2, temporary_table 1, the longest by client 1073741825 (user ann) since 2030-01-01T00:00:00.000Z. ' +
      'This statement, which would hold one more (user_variable), was not executed',
  );
});
