import t from 'tap';
import { type Loan, LoanLog, type WaitingLoan } from '../../src/pool/loan-log.js';
import { FakeClock } from './support.js';

class OneLoan implements Loan {
  client = 0;
  askedAt = 0;
  lentAt = 0;
  readonly profile: number;

  constructor(profile = 0) {
    this.profile = profile;
  }
}

/** A log whose time is told. */
function world(random = () => 0.5) {
  const clock = new FakeClock();
  const loans: OneLoan[] = [];
  const waiting: WaitingLoan[] = [];
  const log = new LoanLog({ clock, inFlight: () => loans, waiting: () => waiting, random });
  const lend = (client: number, askedAt = 0): OneLoan => {
    const loan = new OneLoan(client);
    loans.push(loan);
    log.lend(loan, client, askedAt, waiting.length);
    return loan;
  };
  /** So many loans of one client, one after the other, of 1 ms each. */
  const run = (count: number, client = 1): void => {
    for (let i = 0; i < count; i++) {
      const loan = lend(client);
      clock.advance(1);
      log.returned(loan);
    }
    loans.length = 0;
  };
  return { clock, loans, waiting, log, lend, run };
}

t.test('all loans of a window, those included that began before it or have not ended', async (t) => {
  const { clock, waiting, log, lend } = world();
  const early = lend(log.newClient());
  t.strictSame([log.lent, log.peak, log.count], [1, 1, 1]);
  t.strictSame(log.windows(), [], 'nothing is recorded yet');
  clock.advance(100);
  log.tick();
  clock.advance(10);
  const second = lend(2, clock.now() - 5);
  clock.advance(20);
  log.returned(early);
  log.returned(early);
  t.equal(log.lent, 1, 'none comes back twice');
  waiting.push({ client: 3, askedAt: clock.now() });
  log.joined(1);
  clock.advance(70);
  const [window] = log.windows();
  t.match(window, { lengthMs: 100, weight: 1 });
  const rows = [...(window?.client ?? [])].map((client, i) => [
    client,
    window?.asked[i],
    window?.lent[i],
    window?.ended[i],
    window?.profile[i],
  ]);
  const { NEGATIVE_INFINITY: before, POSITIVE_INFINITY: after } = Number;
  t.strictSame(rows, [
    [1, before, before, 30, 1],
    [2, 5, 10, after, 2],
    [3, 30, after, after, 0],
  ]);
  log.returned(second);
  t.strictSame([log.lent, log.peak, log.count], [0, 2, 2]);
});

t.test('windows end when they are full or have lasted long, and stand for what comes after', async (t) => {
  const { clock, log, run } = world();
  log.tick();
  run(1_024);
  run(500);
  t.match(log.windows(), [{ weight: 1_524 }]);
  t.equal(log.windows()[0]?.client.length, 1_024);
  log.tick();
  t.equal(log.windows().length, 1, 'not at once');
  clock.advance(10_000);
  log.tick();
  run(10);
  t.match(log.windows(), [{ weight: 1_524 }, { weight: 10 }]);
  clock.advance(60_000);
  log.tick();
  t.match(log.windows(), [{ weight: 1_524 }, { weight: 10, lengthMs: 60_010 }]);
  run(3);
  t.match(log.windows(), [{ weight: 1_524 }, { weight: 10 }, { weight: 3, lengthMs: 3 }]);
});

t.test('memory is bounded; the weights are those of all loans, and the busiest windows stay', async (t) => {
  let seed = 1;
  const { clock, log, run, lend, loans } = world(() => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  });
  for (let i = 0; i < 200; i++) {
    log.tick();
    const rush = i === 50 ? Array.from({ length: 40 }, (_, client) => lend(100 + client)) : [];
    run(20);
    for (const loan of rush) log.returned(loan);
    loans.length = 0;
    clock.advance(60_000);
    log.tick();
  }
  const windows = log.windows();
  t.ok(windows.length <= 15);
  const weights = windows.reduce((sum, { weight }) => sum + weight, 0);
  t.ok(weights > 3_000 && weights < 8_000, `${weights} of ${log.count}`);
  t.ok(
    windows.some(({ client }) => client.includes(100)),
    'the rush is among them',
  );
});

t.test('windows that are begun from outside, and by several processes at the same moments', async (t) => {
  const { clock, log, run } = world();
  log.tick(false);
  run(3);
  t.same(log.windows(), [], 'none begins by itself');
  log.begin();
  log.begin();
  run(3);
  t.match(log.windows(), [{ weight: 3, lengthMs: 3 }]);
  clock.advance(60_000);
  log.tick(false);
  run(1_000);
  t.match(log.windows(), [{ weight: 1_003, lengthMs: 60_003 }], 'it ends, and no other one begins');
  log.begin();
  t.equal(log.windows().length, 1);
  t.match(log.windows(true), [{ lengthMs: 60_003 }, { weight: 0 }], 'one in which nothing has happened yet');
});
