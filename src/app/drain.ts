import { setTimeout as sleep, setImmediate as turnOver } from 'node:timers/promises';
import type { AllPools } from '../relay/all-pools.js';
import type { RegisteredClient } from '../relay/client-registry.js';

/** How a drain ends a proxy. All durations are in ms. */
export interface DrainTimes {
  /** `drain_delay`: nothing but `/readyz` changes for so long. */
  readonly delay: number;
  /** `drain_timeout`: from then on. */
  readonly timeout: number;
}

export interface DrainParts {
  readonly clients: Iterable<RegisteredClient> & { readonly size: number };
  readonly frontend: {
    /** Clients that have connected and are not logged in yet. */
    readonly loggingIn: number;
    stopListening(): void;
  };
  readonly log: { info(fields: object, message: string): void };
  /** Between two looks at the clients: what else is to be done then. */
  readonly looked: () => void;
}

/** Between two looks at the clients, in ms. */
const LOOK_MS = 25;

/** Calls of `ClientDrain.tick` for which a client has to be quiet: half a second, or more on a machine that is very busy. */
const PATIENCE = 20;

/** The last part of `drain_timeout`, in which clients are closed right behind a reply, so that none is cut off within a statement. */
const LAST_CALL = 0.1;

/** How often the log tells how far a drain is, in ms. */
const TELL_MS = 5_000;

/**
 * Ends the clients at safe points. While there are any, new ones are let in as well: an application that is told to stop in
 * the same moment goes on with what it has begun, and may need a connection for that. Where somebody else listens at the same
 * addresses (a new process that takes over), none are accepted from the beginning.
 */
export class Drain {
  readonly #parts: DrainParts;
  readonly #times: DrainTimes;
  #hurried = false;
  #hurry: () => void = () => {};
  readonly #whenHurried = new Promise<void>((resolve) => {
    this.#hurry = resolve;
  });

  constructor(parts: DrainParts, times: DrainTimes) {
    this.#parts = parts;
    this.#times = times;
  }

  /** Gives up on whoever has not finished. */
  hurry(): void {
    this.#hurried = true;
    this.#hurry();
  }

  /** Resolves when no client is left, or all time is used up; nobody is listening then. */
  async run(handsOver: boolean): Promise<void> {
    const { clients, frontend } = this.#parts;
    if (handsOver) frontend.stopListening();
    else if (this.#times.delay > 0) await this.#pause(this.#times.delay);
    for (const client of clients) client.beginDrain();
    const deadline = performance.now() + this.#times.timeout;
    await this.#until(deadline);
    frontend.stopListening();
    // Whoever had connected before that.
    await this.#until(deadline);
  }

  async #until(deadline: number): Promise<void> {
    const { clients, frontend, looked, log } = this.#parts;
    const lastCallAt = deadline - this.#times.timeout * LAST_CALL;
    let toldAt = performance.now();
    for (;;) {
      // Behind the poll of the event loop: what has arrived has been read.
      await turnOver();
      const now = performance.now();
      for (const client of clients) client.drainTick(now >= lastCallAt ? 0 : PATIENCE);
      looked();
      if (clients.size === 0 && frontend.loggingIn === 0) return;
      if (this.#hurried || now >= deadline) return;
      if (now - toldAt >= TELL_MS) {
        toldAt = now;
        log.info({ clients: clients.size, secondsLeft: Math.ceil((deadline - now) / 1_000) }, 'draining');
      }
      await this.#pause(Math.min(LOOK_MS, deadline - now));
    }
  }

  async #pause(ms: number): Promise<void> {
    if (this.#hurried) return;
    const timer = new AbortController();
    await Promise.race([
      this.#whenHurried,
      sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
    timer.abort();
  }
}

/** What runs for clients that are cut off has ended on the server by then, mostly, in ms. */
const ENDED_MS = 250;

/**
 * Cuts clients off: first those that have a statement under way, and the others when these have ended, so that none is let
 * go on by the end of a transaction which it waits for.
 */
export async function shutDown(clients: Iterable<RegisteredClient>, pools: AllPools): Promise<void> {
  for (const client of [...clients]) {
    const { state } = client.describe();
    if (state === 'active' || state === 'waiting') client.shutDown();
  }
  const isBusy = (): boolean => [...pools.sessions()].some(({ session }) => session.busy);
  for (const until = performance.now() + ENDED_MS; performance.now() < until && isBusy(); ) await sleep(5);
  for (const client of [...clients]) client.shutDown();
}
