import t from 'tap';
import type { ErrPacket } from '../../src/protocol/generic-response.js';
import {
  type Expiry,
  type TimedClient,
  type TimeLimit,
  type TimeLimits,
  TimeWatch,
} from '../../src/relay/time-limits.js';
import { HoldReason } from '../../src/session/hold-reason.js';

const NONE: TimeLimits = { query: 0, transaction: 0, idleTransaction: 0, clientIdle: 0 };

/** A client whose state the test says, and which notes what becomes of it. */
class Scripted implements TimedClient {
  timeLimits: TimeLimits = NONE;
  isReady = true;
  taken: number | null = null;
  writeTimeout = 60;
  isSending = false;
  holds = 0;
  transactions = 0;
  secondsAtWork = 0;
  ownWaitTimeout: number | null = null;
  mayBeEnded = true;
  mayExpire = true;
  readonly notes: string[] = [];
  readonly errs: ErrPacket[] = [];
  readonly #watch = new TimeWatch();

  constructor(limits: Partial<TimeLimits>) {
    this.timeLimits = { ...NONE, ...limits };
  }

  /** What the ticks came to. */
  ticks(count: number): string[] {
    for (let i = 0; i < count; i++) this.#watch.secondPassed(this);
    return this.notes.splice(0);
  }

  speaks(): void {
    this.#watch.clientSpoke();
  }

  interrupt(err: ErrPacket): boolean {
    this.errs.push(err);
    this.notes.push('interrupt');
    return this.mayBeEnded;
  }

  expire(expiry: Expiry): boolean {
    this.notes.push('expire');
    if (!this.mayExpire) return false;
    this.errs.push(expiry.err(['transaction', 'user_lock']));
    this.holds = 0;
    return true;
  }

  endIdle(limit: TimeLimit | null): void {
    this.notes.push(`end ${limit}`);
  }

  endInside(err: ErrPacket): void {
    this.errs.push(err);
    this.notes.push('end inside');
  }

  endUnread(): void {
    this.notes.push('end unread');
  }

  struck(limit: TimeLimit, seconds: number): void {
    this.notes.push(`${limit} ${seconds}`);
  }
}

t.test('without limits nothing ever happens', async (t) => {
  const client = new Scripted({});
  client.holds = HoldReason.Transaction;
  t.strictSame(client.ticks(10_000), []);
  client.isReady = false;
  client.secondsAtWork = 10_000;
  t.strictSame(client.ticks(10_000), []);
  client.isSending = true;
  t.strictSame(client.ticks(10_000), []);
});

t.test('idle: never early, at most a tick late', async (t) => {
  for (const [limits, own, end] of [
    [{ clientIdle: 2 }, null, ['client_idle_timeout 2', 'end client_idle_timeout']],
    [{}, 2, ['end null']],
    [{ clientIdle: 5 }, 2, ['end null']],
    [{ clientIdle: 2 }, 5, ['client_idle_timeout 2', 'end client_idle_timeout']],
  ] as const) {
    const client = new Scripted(limits);
    client.ownWaitTimeout = own;
    t.strictSame(client.ticks(2), [], 'between the last byte and the first tick there may be no time at all');
    client.speaks();
    t.strictSame(client.ticks(2), []);
    t.strictSame(client.ticks(1), end);
  }
  const working = new Scripted({ clientIdle: 2 });
  t.strictSame(working.ticks(2), []);
  working.isReady = false;
  t.strictSame(working.ticks(10), []);
  working.isReady = true;
  t.strictSame(working.ticks(2), [], 'a client that waited for its reply was not idle');
});

t.test('idle_transaction_timeout: for what keeps others waiting, and once', async (t) => {
  for (const [word, reason] of Object.entries(HoldReason)) {
    const client = new Scripted({ idleTransaction: 3 });
    client.holds = reason;
    const blocks = ['Transaction', 'TableLock', 'Xa'].includes(word);
    t.strictSame(client.ticks(3), []);
    t.strictSame(client.ticks(2), blocks ? ['expire', 'idle_transaction_timeout 3'] : [], word);
  }
  const later = new Scripted({ idleTransaction: 1 });
  later.holds = HoldReason.Transaction;
  later.mayExpire = false;
  t.strictSame(later.ticks(3), ['expire', 'expire'], 'where it cannot be now, it is tried again');
});

t.test('transaction_timeout counts from its beginning, idle or not', async (t) => {
  const client = new Scripted({ transaction: 3 });
  client.holds = HoldReason.Transaction;
  t.strictSame(client.ticks(2), []);
  client.isReady = false;
  t.strictSame(client.ticks(1), []);
  client.secondsAtWork = 1;
  t.strictSame(client.ticks(2), ['interrupt', 'transaction_timeout 3'], 'its statement is killed, once');
  client.isReady = true;
  t.strictSame(client.ticks(1), ['expire', 'transaction_timeout 3']);
  t.match(client.errs[1]?.message, /transaction_timeout; gone with it: transaction, user_lock\./);
  const short = new Scripted({ transaction: 3 });
  short.holds = HoldReason.Transaction;
  for (let i = 0; i < 20; i++) {
    short.transactions++;
    t.strictSame(short.ticks(3), [], 'one after another is none that lasts');
  }
});

t.test('query_timeout: one interruption for each statement', async (t) => {
  const client = new Scripted({ query: 2 });
  client.isReady = false;
  client.secondsAtWork = 1;
  t.strictSame(client.ticks(1), []);
  client.secondsAtWork = 2;
  t.strictSame(client.ticks(3), ['interrupt', 'query_timeout 2']);
  t.match(client.errs[0], {
    errno: 1317,
    sqlState: '70100',
    message:
      /^mybouncer: Query execution was interrupted: the statement took longer than the 2s of query_timeout; /,
  });
  client.secondsAtWork = 0;
  t.strictSame(client.ticks(1), []);
  client.secondsAtWork = 2;
  client.mayBeEnded = false;
  t.strictSame(client.ticks(3), ['interrupt'], 'the next one; one that may not be ended is not counted');
});

t.test('a client that takes nothing of its replies is idle', async (t) => {
  for (const [limits, strikes] of [
    [{ clientIdle: 2 }, ['client_idle_timeout 2', 'end client_idle_timeout']],
    [{ idleTransaction: 2 }, ['expire', 'idle_transaction_timeout 2']],
  ] as const) {
    const client = new Scripted(limits);
    client.holds = HoldReason.Transaction;
    for (client.taken = 1; client.taken < 10; client.taken++)
      t.strictSame(client.ticks(1), [], 'it takes some');
    t.strictSame(client.ticks(3), []);
    t.strictSame(client.ticks(1), strikes);
  }
});

t.test('net_write_timeout: whatever the client is at', async (t) => {
  for (const isReady of [true, false]) {
    const client = new Scripted({});
    client.isReady = isReady;
    client.writeTimeout = 2;
    for (client.taken = 1; client.taken < 10; client.taken++) t.strictSame(client.ticks(1), []);
    client.speaks();
    t.strictSame(client.ticks(3), []);
    t.strictSame(client.ticks(1), ['end unread'], 'whatever it sends meanwhile');
    client.taken = null;
    t.strictSame(client.ticks(10), []);
  }
});

t.test('a client that stops in the midst of a command', async (t) => {
  const client = new Scripted({ idleTransaction: 2, query: 1 });
  client.isReady = false;
  client.isSending = true;
  t.strictSame(client.ticks(2), []);
  client.speaks();
  t.strictSame(client.ticks(2), []);
  t.strictSame(client.ticks(1), ['idle_transaction_timeout 2', 'end inside']);
  t.match(client.errs[0], { errno: 1159, sqlState: '08S01', message: /idle_transaction_timeout/ });
});
