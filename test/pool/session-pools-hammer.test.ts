/** Many clients, few sessions, and everything that can go wrong going wrong at random. */
import t from 'tap';

import { AppProcess } from '../../src/pool/app-process.js';
import { CheckoutRequest } from '../../src/pool/checkout-request.js';
import { type PoolError, PoolOverloadedError, PoolTimeoutError } from '../../src/pool/errors.js';
import { SessionPools } from '../../src/pool/session-pools.js';
import { FakeSession } from './support.js';

const CLIENTS = 10_000;
const LIMIT = 8;
const TURNS = 4;

const pause = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

async function pauses(most: number): Promise<void> {
  for (let i = Math.floor(Math.random() * (most + 1)); i > 0; i--) await pause();
}

class Asking extends CheckoutRequest<FakeSession> {
  #settled: { resolve: (session: FakeSession) => void; reject: (error: PoolError) => void } | null = null;

  lend(pools: SessionPools<FakeSession, string>): Promise<FakeSession> {
    return new Promise((resolve, reject) => {
      this.#settled = { resolve, reject };
      const session = pools.checkout(this);
      if (session !== null) this.granted(session);
    });
  }

  override granted(session: FakeSession): void {
    const settled = this.#settled;
    if (settled === null) throw new Error('granted twice, or after it was cancelled');
    this.#settled = null;
    settled.resolve(session);
  }

  override refused(error: PoolError): void {
    const settled = this.#settled;
    if (settled === null) throw new Error('refused twice, or after it was cancelled');
    this.#settled = null;
    settled.reject(error);
  }

  forget(): void {
    this.#settled = null;
  }
}

t.test(`${CLIENTS} clients over ${LIMIT} sessions`, async (t) => {
  const inUse = new Set<FakeSession>();
  const live = new Set<FakeSession>();
  let ids = 0;
  let mostLive = 0;
  let served = 0;
  let cancelled = 0;
  let failedDials = 0;
  const pools = new SessionPools<FakeSession, string>({
    limit: LIMIT,
    waitTimeoutMs: 0,
    dialRetryMs: 1,
    dial: async (key) => {
      await pauses(3);
      if (Math.random() < 0.05) {
        failedDials++;
        throw new Error('refused');
      }
      const session = new FakeSession(++ids, key);
      live.add(session);
      mostLive = Math.max(mostLive, live.size);
      return session;
    },
    close: async (session) => {
      if (inUse.has(session)) throw new Error('closed while in use');
      await pauses(2);
      if (!live.delete(session)) throw new Error('closed twice');
    },
    fingerprint: (session) => session.fingerprint,
    observer: { closeFailed: (_pool, error) => t.fail('close failed', { error }) },
  });

  async function client(number: number): Promise<void> {
    const request = new Asking(pools.pool(`key${number % 3}`, `key${number % 3}`));
    for (let turn = 0; turn < TURNS; turn++) {
      await pauses(3);
      if (number % 50 === 0 && turn === 1) {
        // Gives up while waiting.
        void request.lend(pools).then((session) => pools.checkin(session));
        if (pools.cancel(request)) {
          request.forget();
          cancelled++;
        }
        continue;
      }
      const session = await request.lend(pools);
      if (inUse.has(session)) t.fail('lent to two clients');
      if (session.key !== request.pool.key) t.fail('lent across keys');
      if (!live.has(session)) t.fail('lent a closed session');
      inUse.add(session);
      served++;
      await pauses(2);
      inUse.delete(session);
      request.preferred = session;
      if (Math.random() < 0.01) pools.retire(session, 'random');
      else pools.checkin(session);
    }
  }

  const alive = setInterval(() => {}, 60_000);
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));
  const { idle, active, dialing, waiting } = pools.snapshot();
  t.same([active, waiting], [0, 0]);
  t.ok(idle + dialing <= LIMIT);
  t.equal(served, CLIENTS * TURNS - CLIENTS / 50, 'every turn but the given up ones was served');
  t.ok(cancelled > 0);
  t.ok(mostLive <= LIMIT, 'the server never saw more than the limit');
  await pools.close();
  clearInterval(alive);
  t.equal(live.size, 0);
  t.comment(`${ids} sessions opened, ${failedDials} dials failed, ${cancelled} cancelled`);
});

t.test('processes, holds, ages and shedding, all at the same time', async (t) => {
  const live = new Set<FakeSession>();
  const inUse = new Set<FakeSession>();
  let ids = 0;
  let mostLive = 0;
  let served = 0;
  let shed = 0;
  let timedOut = 0;
  let secondHalves = 0;
  const reasons = new Map<string, number>();
  const pools: SessionPools<FakeSession, string> = new SessionPools<FakeSession, string>({
    limit: LIMIT,
    minSize: 4,
    idleTimeoutMs: 5,
    lifetimeMs: 20,
    maxWaiting: 100,
    waitTimeoutMs: 500,
    dialRetryMs: 1,
    dial: async (key) => {
      await pauses(2);
      if (Math.random() < 0.05) throw new Error('refused');
      const session = new FakeSession(++ids, key);
      live.add(session);
      mostLive = Math.max(mostLive, live.size);
      return session;
    },
    close: async (session, reason) => {
      if (inUse.has(session)) throw new Error('closed while in use');
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      await pauses(2);
      if (!live.delete(session)) throw new Error('closed twice');
    },
    fingerprint: (session) => session.fingerprint,
    observer: { closeFailed: (_pool, error) => t.fail('close failed', { error }) },
  });

  async function use(request: Asking, work: () => Promise<void>): Promise<boolean> {
    try {
      const session = await request.lend(pools);
      if (inUse.has(session)) t.fail('lent to two clients');
      inUse.add(session);
      await work();
      request.holding(false);
      inUse.delete(session);
      pools.checkin(session);
      served++;
      return true;
    } catch (error) {
      if (error instanceof PoolOverloadedError) shed++;
      else if (error instanceof PoolTimeoutError) timedOut++;
      else throw error;
      return false;
    }
  }

  const processes = Array.from({ length: 20 }, (_, i) => new AppProcess(`process ${i}`));
  async function client(number: number): Promise<void> {
    // Half of the clients are of one process.
    const process = processes[number % 2 === 0 ? 0 : number % processes.length] as AppProcess;
    const pool = pools.pool(`key${number % 3}`, `key${number % 3}`);
    const [first, second] = [new Asking(pool, process), new Asking(pool, process)];
    for (let turn = 0; turn < 10; turn++) {
      await pauses(30);
      await use(first, async () => {
        if (number % 4 !== 0) {
          await pauses(2);
          return;
        }
        first.holding(true);
        if (await use(second, () => pauses(2))) secondHalves++;
      });
    }
  }

  const ages = setInterval(() => pools.retireAged(), 1);
  await Promise.all(Array.from({ length: 300 }, (_, number) => client(number)));
  t.same(
    processes.map(({ held, urgent }) => [held, urgent]),
    processes.map(() => [0, false]),
    'no process has anything any more',
  );
  const settled = async (): Promise<boolean> => {
    const { idle, active, dialing, waiting, retiring } = pools.snapshot();
    await pause();
    return active + dialing + waiting + retiring === 0 && idle === 4;
  };
  while (!(await settled()));
  clearInterval(ages);
  t.equal(live.size, 4, 'as many are left as are kept');
  t.ok(mostLive <= LIMIT);
  t.ok(
    shed > 0 && served > 0 && secondHalves > 0 && (reasons.get('lifetime') ?? 0) > 0,
    'the run reached what it is about',
  );
  await pools.close();
  t.equal(live.size, 0);
  t.comment(`${served} served, ${secondHalves} second halves, ${shed} shed, ${timedOut} timed out`, reasons);
});
