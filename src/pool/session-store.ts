import genericPool from 'generic-pool';

import { PoolContractError } from './errors.js';
import { IdleList } from './idle-list.js';
import { ImmediatePromise } from './immediate-promise.js';
import type { SessionSlot } from './session-slot.js';

/** The parts of generic-pool that are used; its published types leave out the constructor. */
interface GenericPool<R> {
  readonly size: number;
  readonly available: number;
  readonly borrowed: number;
  readonly pending: number;
  acquire(): unknown;
  release(resource: R): unknown;
  destroy(resource: R): unknown;
  isBorrowedResource(resource: R): boolean;
}
type GenericPoolConstructor = new <R>(
  evictor: unknown,
  deque: unknown,
  priorityQueue: unknown,
  factory: { create(): unknown; destroy(resource: R): unknown },
  options: Record<string, unknown>,
) => GenericPool<R>;
const library = genericPool as unknown as {
  readonly Pool: GenericPoolConstructor;
  readonly PriorityQueue: unknown;
  readonly DefaultEvictor: unknown;
};

/**
 * The adapter to generic-pool, which owns one pool's sessions: it creates, lends, takes back and destroys
 * them. Everything here happens synchronously.
 *
 * generic-pool is only ever asked for what it can do at once. It never waits (its queue cannot be cancelled),
 * never dials (it retries a failing `create()` without a pause), never validates (a rejection leaks the
 * resource) and never evicts; the pool in front of it decides all that. The connection budget is not its
 * `max` either, because the cap spans several pools.
 */
export class SessionStore<S extends object> {
  readonly idle = new IdleList<S>();
  readonly #pool: GenericPool<SessionSlot<S>>;
  #arriving: SessionSlot<S> | null = null;

  constructor() {
    const { idle } = this;
    // `new` of a function that returns an object gives that object: generic-pool gets our list.
    function GivenDeque(): IdleList<S> {
      return idle;
    }
    const factory = {
      create: () => this.#handOver(),
      // Closing a session takes time, and its place in the budget stays taken meanwhile: the group sees to it.
      destroy: () => ImmediatePromise.resolve(undefined),
    };
    this.#pool = new library.Pool<SessionSlot<S>>(
      library.DefaultEvictor,
      GivenDeque,
      library.PriorityQueue,
      factory,
      { max: 0x7fff_ffff, min: 0, fifo: false, evictionRunIntervalMillis: 0, Promise: ImmediatePromise },
    );
  }

  /** All sessions of the pool but those being closed. */
  get size(): number {
    return this.#pool.size;
  }

  get available(): number {
    return this.#pool.available;
  }

  get borrowed(): number {
    return this.#pool.borrowed;
  }

  /** Requests inside generic-pool: always 0 between calls. */
  get pending(): number {
    return this.#pool.pending;
  }

  isBorrowed(slot: SessionSlot<S>): boolean {
    return this.#pool.isBorrowedResource(slot);
  }

  /** Takes in a session that was dialled elsewhere; it arrives as borrowed. */
  adopt(slot: SessionSlot<S>): void {
    this.#arriving = slot;
    this.idle.expect(slot);
    try {
      this.#acquire(slot);
    } finally {
      this.idle.expect(null);
      this.#arriving = null;
    }
  }

  /** Borrows precisely this idle session. */
  lend(slot: SessionSlot<S>): void {
    this.idle.choose(slot);
    this.#acquire(slot);
  }

  /** Makes a borrowed session idle, as the most recently used one. */
  release(slot: SessionSlot<S>): void {
    settled('release', this.#pool.release(slot));
  }

  /** Destroys a borrowed session. */
  destroy(slot: SessionSlot<S>): void {
    settled('destroy', this.#pool.destroy(slot));
  }

  #acquire(slot: SessionSlot<S>): void {
    settled('acquire', this.#pool.acquire());
    if (!this.#pool.isBorrowedResource(slot)) {
      throw new PoolContractError('generic-pool lent another session than the one chosen');
    }
  }

  #handOver(): ImmediatePromise<SessionSlot<S>> {
    const slot = this.#arriving;
    if (slot === null) throw new PoolContractError('generic-pool asked for a session that nobody dialled');
    this.#arriving = null;
    return ImmediatePromise.resolve(slot);
  }
}

function settled(call: string, result: unknown): void {
  if (result instanceof ImmediatePromise && result.state === 'fulfilled') return;
  const cause = result instanceof ImmediatePromise ? result.reason : undefined;
  throw new PoolContractError(`generic-pool's ${call}() did not succeed at once`, { cause });
}
