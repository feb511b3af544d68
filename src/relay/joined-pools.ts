import type { ServerSession } from '../backend/server-session.js';
import { CheckoutCounts, CheckoutKind } from '../pool/checkout-counts.js';
import { systemClock } from '../pool/clock.js';
import type { PoolPauseError } from '../pool/errors.js';
import { LoanLog } from '../pool/loan-log.js';
import type { PoolSnapshot, PoolsSnapshot, SessionRecord } from '../pool/snapshot.js';
import type { AllPools } from './all-pools.js';
import type { Server } from './server.js';
import type { Servers } from './servers.js';
import type { PoolTarget, ServerPools } from './session-cleaner.js';

type Over = (error: PoolPauseError | null) => void;

/**
 * The pools of several servers as one. A pool is called by its key and its server, `app/…@db1:3306`; where a name is asked
 * for, that of a server stands for all of its pools, and a key alone for the pools of that key on each server.
 */
export class JoinedPools implements AllPools {
  readonly #servers: Pick<Servers, 'all' | 'follow'>;
  readonly #waitingElsewhere: () => { readonly waiting: number; readonly oldestWaitMs: number };
  readonly #pausesChanged: () => void;
  /** Of servers that have gone. */
  readonly #past = new CheckoutCounts();
  /** By PAUSE without a name: servers that come are paused, too, and these have come since. Null: no such pause. */
  #comersPaused: ServerPools[] | null = null;
  /** Servers, and pools of servers, that are paused from when they come. */
  readonly #expected = new Set<string>();

  /**
   * @param waitingElsewhere - for a server at all
   * @param pausesChanged - a server may be paused now, or not any more
   */
  constructor(
    servers: Pick<Servers, 'all' | 'follow'>,
    waitingElsewhere: () => { readonly waiting: number; readonly oldestWaitMs: number },
    pausesChanged: () => void,
  ) {
    this.#servers = servers;
    this.#waitingElsewhere = waitingElsewhere;
    this.#pausesChanged = pausesChanged;
    servers.follow({
      came: (server) => this.#came(server),
      gone: ({ pools }) => add(pools.checkouts, this.#past),
    });
  }

  get checkouts(): CheckoutCounts {
    const all = new CheckoutCounts();
    for (const checkouts of [this.#past, ...this.#pools.map((pools) => pools.checkouts)]) add(checkouts, all);
    return all;
  }

  /** Those of the server that has lent most: what is found out by them is about a pool of one server. */
  get loans(): ServerPools['loans'] {
    const [first, ...others] = this.#pools;
    // Nobody has lent anything before any server is known.
    if (first === undefined) return NO_LOANS;
    return others.reduce((most, pools) => (pools.checkouts.all > most.checkouts.all ? pools : most), first)
      .loans;
  }

  get waiting(): number {
    return this.#sum((pools) => pools.waiting) + this.#waitingElsewhere().waiting;
  }

  get lent(): number {
    return this.#sum((pools) => pools.lent);
  }

  get limit(): number {
    return this.#sum((pools) => pools.limit);
  }

  get size(): number {
    return this.#sum((pools) => pools.size);
  }

  get allPaused(): boolean {
    return this.#pools.length === 0
      ? this.#comersPaused !== null
      : this.#pools.every((pools) => pools.allPaused);
  }

  get pausedComing(): readonly string[] {
    const { all } = this.#servers;
    return [
      ...all.flatMap((server) => server.pools.pausedComing.map((key) => nameOf(server, key))),
      ...this.#expected,
    ];
  }

  snapshot(): PoolsSnapshot {
    const each = this.#servers.all.map((server) => ({ server, snapshot: server.pools.snapshot() }));
    const elsewhere = this.#waitingElsewhere();
    const sum = (count: (snapshot: PoolsSnapshot) => number): number =>
      each.reduce((total, { snapshot }) => total + count(snapshot), 0);
    return {
      limit: sum(({ limit }) => limit),
      idle: sum(({ idle }) => idle),
      active: sum(({ active }) => active),
      dialing: sum(({ dialing }) => dialing),
      retiring: sum(({ retiring }) => retiring),
      waiting: sum(({ waiting }) => waiting) + elsewhere.waiting,
      oldestWaitMs: Math.max(elsewhere.oldestWaitMs, ...each.map(({ snapshot }) => snapshot.oldestWaitMs)),
      held: sum(({ held }) => held),
      heldReason: each.find(({ snapshot }) => snapshot.heldReason !== null)?.snapshot.heldReason ?? null,
      pools: each.flatMap(({ server, snapshot }) =>
        snapshot.pools.map((pool): PoolSnapshot => ({ ...pool, key: nameOf(server, pool.key) })),
      ),
    };
  }

  *sessions(): Generator<SessionRecord<ServerSession>> {
    for (const server of this.#servers.all)
      for (const record of server.pools.sessions()) yield { ...record, key: nameOf(server, record.key) };
  }

  target(name: string): PoolTarget | null {
    for (const { server, key } of this.#named(name)) {
      const target = key === null ? null : server.pools.target(key);
      if (target !== null) return target;
    }
    return null;
  }

  retryDials(which: (target: PoolTarget) => boolean): void {
    for (const pools of this.#pools) pools.retryDials(which);
  }

  retireAll(which: (target: PoolTarget) => boolean, reason: string): void {
    for (const pools of this.#pools) pools.retireAll(which, reason);
  }

  retire(session: ServerSession, reason: string): boolean {
    return this.#pools.some((pools) => pools.retire(session, reason));
  }

  retireIdle(reason: string, unwanted: (session: ServerSession, idleMs: number) => boolean): number {
    return this.#sum((pools) => pools.retireIdle(reason, unwanted));
  }

  retireAged(): void {
    for (const pools of this.#pools) pools.retireAged();
  }

  dismiss(which: (target: PoolTarget) => boolean, reason: string): boolean {
    return this.#pools.map((pools) => pools.dismiss(which, reason)).every((isAll) => isAll);
  }

  pause(name: string | null, over: Over): (() => void) | null {
    const begun: (() => void)[] = [];
    const open = new Set<Server>();
    const giveUp = (): void => {
      for (const one of begun) one();
      this.#pausesChanged();
    };
    let begins = true;
    let failed: PoolPauseError | null = null;
    const settle = (): void => {
      if (begins || open.size > 0) return;
      over(failed);
    };
    try {
      for (const { server, key } of this.#named(name)) {
        open.add(server);
        const giveUpOne = server.pools.pause(key, (error) => {
          open.delete(server);
          failed ??= error;
          settle();
        });
        if (giveUpOne === null) open.delete(server);
        else begun.push(giveUpOne);
      }
    } catch (error) {
      giveUp();
      throw error;
    }
    if (begun.length === 0 && name !== null) return null;
    begins = false;
    if (name === null) this.#comersPaused = [];
    this.#pausesChanged();
    settle();
    return () => {
      if (name === null && open.size > 0) this.#resumeComers();
      giveUp();
    };
  }

  resume(name: string | null): boolean {
    let refusal: unknown = null;
    let resumed = this.#forget(name);
    if (name === null) resumed = this.#resumeComers() || resumed;
    for (const { server, key } of this.#named(name)) {
      try {
        resumed = server.pools.resume(key) || resumed;
      } catch (error) {
        refusal = error;
      }
    }
    this.#pausesChanged();
    // One that was not paused does not matter where another one was.
    if (!resumed && refusal !== null) throw refusal;
    return resumed;
  }

  pauseComing(name: string): void {
    const { all } = this.#servers;
    if (all.some((server) => pauseIn(server, name))) this.#pausesChanged();
    else this.#expected.add(name);
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pools) => pools.close()));
  }

  get #pools(): readonly ServerPools[] {
    return this.#servers.all.map(({ pools }) => pools);
  }

  #sum(count: (pools: ServerPools) => number): number {
    return this.#pools.reduce((total, pools) => total + count(pools), 0);
  }

  /** Key null: all pools of the server. */
  #named(name: string | null): readonly { readonly server: Server; readonly key: string | null }[] {
    const { all } = this.#servers;
    if (name === null) return all.map((server) => ({ server, key: null }));
    const found = all.find((server) => server.name === name);
    if (found !== undefined) return [{ server: found, key: null }];
    const of = all.find((server) => name.endsWith(nameOf(server, '')));
    if (of !== undefined) return [{ server: of, key: name.slice(0, -nameOf(of, '').length) }];
    return all.map((server) => ({ server, key: name }));
  }

  /** @returns whether it was expected, or, for null, any was */
  #forget(name: string | null): boolean {
    if (name !== null) return this.#expected.delete(name);
    const any = this.#expected.size > 0;
    this.#expected.clear();
    return any;
  }

  /** What is paused everywhere is paused there as well. */
  #came(server: Server): void {
    for (const name of this.#expected) if (pauseIn(server, name)) this.#expected.delete(name);
    const { pools } = server;
    if (this.#comersPaused === null) return;
    if (!pools.allPaused) pools.pause(null, () => undefined);
    this.#comersPaused.push(pools);
  }

  /** @returns whether there was a pause of all */
  #resumeComers(): boolean {
    const comers = this.#comersPaused;
    this.#comersPaused = null;
    for (const pools of comers ?? []) if (pools.allPaused) pools.resume(null);
    return comers !== null;
  }
}

const NO_LOANS: ServerPools['loans'] = new LoanLog({
  clock: systemClock,
  inFlight: () => [],
  waiting: () => [],
});

function add(counts: CheckoutCounts, to: CheckoutCounts): void {
  for (const kind of Object.values(CheckoutKind)) to[kind] += counts[kind];
}

/** Nobody waits for it. @returns whether it is a name of the server, or of a pool there */
function pauseIn(server: Server, name: string): boolean {
  const { pools } = server;
  const ofPool = nameOf(server, '');
  if (name === server.name) {
    if (!pools.allPaused) pools.pause(null, () => undefined);
  } else if (name.endsWith(ofPool)) {
    pools.pauseComing(name.slice(0, -ofPool.length));
  } else return false;
  return true;
}

function nameOf({ name }: Server, key: string): string {
  return `${key}@${name}`;
}
