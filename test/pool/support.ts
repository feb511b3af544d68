import { AppProcess } from '../../src/pool/app-process.js';
import { CheckoutRequest } from '../../src/pool/checkout-request.js';
import type { PoolClock, StopTicking } from '../../src/pool/clock.js';
import type { PoolError } from '../../src/pool/errors.js';
import type { SessionPoolsOptions } from '../../src/pool/options.js';
import type { SessionPool } from '../../src/pool/session-pool.js';
import { SessionPools } from '../../src/pool/session-pools.js';

/** Time stands still but for `advance`, which runs every tick that falls due, in order. */
export class FakeClock implements PoolClock {
  time = 1_000;
  #tickers = new Set<{ readonly periodMs: number; readonly tick: () => void; due: number }>();

  now(): number {
    return this.time;
  }

  every(periodMs: number, tick: () => void): StopTicking {
    const ticker = { periodMs, tick, due: this.time + periodMs };
    this.#tickers.add(ticker);
    return () => this.#tickers.delete(ticker);
  }

  get ticking(): number {
    return this.#tickers.size;
  }

  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = [...this.#tickers].sort((a, b) => a.due - b.due)[0];
      if (next === undefined || next.due > end) break;
      this.time = next.due;
      next.due += next.periodMs;
      next.tick();
    }
    this.time = end;
  }
}

/** The pool knows nothing of what a session is: this is all there is to one. */
export class FakeSession {
  readonly id: number;
  readonly key: string;
  fingerprint: unknown = 'clean';

  constructor(id: number, key: string) {
    this.id = id;
    this.key = key;
  }
}

export class PendingDial {
  readonly key: string;
  readonly signal: AbortSignal;
  readonly #server: FakeServer;
  readonly #resolve: (session: FakeSession) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    key: string,
    signal: AbortSignal,
    server: FakeServer,
    resolve: (session: FakeSession) => void,
    reject: (error: unknown) => void,
  ) {
    this.key = key;
    this.signal = signal;
    this.#server = server;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  succeed(): FakeSession {
    const session = this.#server.open(this.key);
    this.#server.dials.splice(this.#server.dials.indexOf(this), 1);
    this.#resolve(session);
    return session;
  }

  fail(error: unknown): void {
    this.#server.dials.splice(this.#server.dials.indexOf(this), 1);
    this.#reject(error);
  }
}

export interface PendingClose {
  readonly session: FakeSession;
  readonly reason: string;
  readonly done: () => void;
  readonly fail: (error: unknown) => void;
}

/** Dials and closes wait for the test to decide, unless `closesAtOnce`. */
export class FakeServer {
  readonly dials: PendingDial[] = [];
  readonly closes: PendingClose[] = [];
  /** Every close that was asked for, in order. */
  readonly closed: { readonly session: FakeSession; readonly reason: string }[] = [];
  readonly live = new Set<FakeSession>();
  closesAtOnce = true;
  opened = 0;
  mostAtOnce = 0;

  open(key: string): FakeSession {
    const session = new FakeSession(++this.opened, key);
    this.live.add(session);
    this.mostAtOnce = Math.max(this.mostAtOnce, this.live.size);
    return session;
  }

  dial(key: string, signal: AbortSignal): Promise<FakeSession> {
    return new Promise((resolve, reject) => {
      this.dials.push(new PendingDial(key, signal, this, resolve, reject));
    });
  }

  close(session: FakeSession, reason: string): Promise<void> | undefined {
    this.closed.push({ session, reason });
    if (this.closesAtOnce) {
      this.live.delete(session);
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        this.closes.splice(this.closes.indexOf(pending), 1);
        this.live.delete(session);
        end();
      };
      const pending: PendingClose = {
        session,
        reason,
        done: () => settle(resolve),
        fail: (error) => settle(() => reject(error)),
      };
      this.closes.push(pending);
    });
  }
}

export class TestRequest extends CheckoutRequest<FakeSession> {
  readonly granteds: FakeSession[] = [];
  readonly refusals: PoolError[] = [];
  onGranted: ((session: FakeSession) => void) | null = null;
  onRefused: ((error: PoolError) => void) | null = null;

  override granted(session: FakeSession): void {
    this.granteds.push(session);
    this.onGranted?.(session);
  }

  override refused(error: PoolError): void {
    this.refusals.push(error);
    this.onRefused?.(error);
  }

  /** The one session granted so far. */
  get session(): FakeSession {
    const [session, ...more] = this.granteds;
    if (session === undefined || more.length > 0) throw new Error(`granted ${this.granteds.length} times`);
    return session;
  }

  get refusal(): PoolError {
    const [refusal, ...more] = this.refusals;
    if (refusal === undefined || more.length > 0) throw new Error(`refused ${this.refusals.length} times`);
    return refusal;
  }
}

/** Lets every promise that can settle do so. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

export function must<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('nothing there');
  return value;
}

export class World {
  readonly clock = new FakeClock();
  readonly server = new FakeServer();
  readonly pools: SessionPools<FakeSession, string>;

  constructor(options: Partial<SessionPoolsOptions<FakeSession, string>> = {}) {
    this.pools = new SessionPools<FakeSession, string>({
      limit: 2,
      waitTimeoutMs: 5_000,
      dialRetryMs: 1_000,
      dial: (key, signal) => this.server.dial(key, signal),
      close: (session, reason) => this.server.close(session, reason),
      fingerprint: (session) => session.fingerprint,
      clock: this.clock,
      random: () => 1 - Number.EPSILON,
      ...options,
    });
  }

  pool(key = 'app'): SessionPool<FakeSession> {
    return this.pools.pool(key, key);
  }

  /** A request that has been made and waits, or was granted at once. */
  ask(
    key = 'app',
    preferred: FakeSession | null = null,
    fingerprint: unknown = 'clean',
    process = new AppProcess(),
  ): TestRequest {
    const request = new TestRequest(this.pool(key), process);
    request.preferred = preferred;
    request.fingerprint = fingerprint;
    const session = this.pools.checkout(request);
    if (session !== null) request.granteds.push(session);
    return request;
  }

  /** Opens `count` sessions, all lent. */
  async lend(count: number, key = 'app'): Promise<FakeSession[]> {
    const requests = Array.from({ length: count }, () => this.ask(key));
    for (let i = 0; i < count; i++) {
      this.server.dials[0]?.succeed();
      await settle();
    }
    return requests.map((request) => request.session);
  }

  /** The states as [idle, active, dialing, retiring, waiting]. */
  get counts(): number[] {
    const { idle, active, dialing, retiring, waiting } = this.pools.snapshot();
    return [idle, active, dialing, retiring, waiting];
  }
}
