type Outcome = 'pending' | 'fulfilled' | 'rejected';
type Resolve<T> = (value: T | PromiseLike<T>) => void;
type Reject = (reason: unknown) => void;
type OnFulfilled<T, A> = ((value: T) => A | PromiseLike<A>) | null | undefined;
type OnRejected<B> = ((reason: unknown) => B | PromiseLike<B>) | null | undefined;

/**
 * The promise implementation handed to generic-pool through its `Promise` option. It runs reactions at once,
 * not in a microtask, which makes generic-pool's create path as synchronous as its dispatch path: a dialled
 * session becomes a borrowed one inside a single `acquire()` call, with no moment in between at which another
 * checkout could take the wrong session. It also makes the outcome of a call visible right after it.
 *
 * Only what generic-pool uses on the paths we use: constructor, resolve, reject, then, catch. Not for use
 * anywhere else: code that awaits expects asynchronous reactions.
 */
export class ImmediatePromise<T> implements PromiseLike<T> {
  #state: Outcome = 'pending';
  #value: T | undefined = undefined;
  #reason: unknown = undefined;
  #reactions: (() => void)[] | null = null;

  static resolve<T>(value: T | PromiseLike<T>): ImmediatePromise<T> {
    if (value instanceof ImmediatePromise) return value as ImmediatePromise<T>;
    const promise = new ImmediatePromise<T>();
    promise.#resolve(value);
    return promise;
  }

  static reject<T = never>(reason: unknown): ImmediatePromise<T> {
    const promise = new ImmediatePromise<T>();
    promise.#reject(reason);
    return promise;
  }

  /** Without an executor it stays pending; only this class can settle it then. */
  constructor(executor?: (resolve: Resolve<T>, reject: Reject) => void) {
    if (executor === undefined) return;
    try {
      executor(
        (value) => this.#resolve(value),
        (reason) => this.#reject(reason),
      );
    } catch (error) {
      this.#reject(error);
    }
  }

  get state(): Outcome {
    return this.#state;
  }

  /** Why it was rejected; undefined in every other state. */
  get reason(): unknown {
    return this.#reason;
  }

  // biome-ignore lint/suspicious/noThenProperty: being a promise is the purpose of this class
  then<A = T, B = never>(
    onFulfilled?: OnFulfilled<T, A>,
    onRejected?: OnRejected<B>,
  ): ImmediatePromise<A | B> {
    const next = new ImmediatePromise<A | B>();
    if (this.#state !== 'pending') {
      this.#react(next, onFulfilled, onRejected);
    } else {
      this.#reactions ??= [];
      this.#reactions.push(() => this.#react(next, onFulfilled, onRejected));
    }
    return next;
  }

  catch<B = never>(onRejected: (reason: unknown) => B | PromiseLike<B>): ImmediatePromise<T | B> {
    return this.then<T, B>(null, onRejected);
  }

  #react<A, B>(
    next: ImmediatePromise<A | B>,
    onFulfilled: OnFulfilled<T, A>,
    onRejected: OnRejected<B>,
  ): void {
    try {
      if (this.#state === 'fulfilled') {
        const value = this.#value as T;
        next.#resolve(onFulfilled ? onFulfilled(value) : (value as unknown as A));
      } else if (onRejected) {
        next.#resolve(onRejected(this.#reason));
      } else {
        next.#reject(this.#reason);
      }
    } catch (error) {
      next.#reject(error);
    }
  }

  #resolve(value: T | PromiseLike<T>): void {
    if (this.#state !== 'pending') return;
    if (isThenable(value)) {
      value.then(
        (inner) => this.#resolve(inner),
        (reason: unknown) => this.#reject(reason),
      );
      return;
    }
    this.#state = 'fulfilled';
    this.#value = value;
    this.#run();
  }

  #reject(reason: unknown): void {
    if (this.#state !== 'pending') return;
    this.#state = 'rejected';
    this.#reason = reason;
    this.#run();
  }

  #run(): void {
    const reactions = this.#reactions;
    if (reactions === null) return;
    this.#reactions = null;
    for (const reaction of reactions) reaction();
  }
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}
