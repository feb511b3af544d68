import type { InspectorClient } from './inspector-client.js';
import { type Inheritance, UNREAD } from './messages.js';
import type { SocketWatch } from './socket-watch.js';

/** So much time for doubts is nothing to hurry for, in ms; and how much of it is forgotten in a millisecond. */
const PATIENCE_MS = 100;
const LEAK = 0.1;
/** More is not remembered: what is over must not keep commands from waiting for longer than some seconds. */
const MAX_SPENT_MS = 300;
/** Once they have cost too much, there is a pause after each reading of the tables, so many times as long as that took. */
const REST = 4;
const MAX_INNOCENT = 4_096;

/** A new process with sockets that may be clients', and the surveys that had been asked for by then. */
interface Doubt {
  readonly image: string;
  readonly survey: number;
}

/**
 * New processes with sockets of which nobody knows yet whose they are, until the kernel's tables have told, and what it has cost
 * lately to read those.
 */
export class Doubts {
  readonly #inspector: Pick<InspectorClient, 'resolve'>;
  readonly #onResolved: (inherited: readonly Inheritance[]) => void;
  #open: Doubt[] = [];
  /** Images that were doubted before, for nothing. */
  readonly #innocent = new Set<string>();
  #resolvingSince: number | null = null;
  #rest: NodeJS.Timeout | null = null;
  #spentMs = 0;
  #spentAt = 0;

  /** @param onResolved Some doubts are no more; and which clients' sockets there were. */
  constructor(
    inspector: Pick<InspectorClient, 'resolve'>,
    onResolved: (inherited: readonly Inheritance[]) => void,
  ) {
    this.#inspector = inspector;
    this.#onResolved = onResolved;
  }

  /** @param surveys How many have been asked for so far. */
  add(images: readonly string[], surveys: number): void {
    for (const image of images) this.#open.push({ image, survey: surveys });
    this.#resolve();
  }

  /** Whether a new process may have this client's socket. */
  concern(watch: SocketWatch): boolean {
    for (const doubt of this.#open) if (concerns(doubt, watch)) return true;
    return false;
  }

  /** Whether one of them is of the client's own program, as far as that is known. */
  suspect(watch: SocketWatch): boolean {
    return this.#open.some((doubt) => {
      // That there are no descriptors says nothing of anyone.
      if (!concerns(doubt, watch) || doubt.image === UNREAD) return false;
      if (watch.images !== null || watch.claimedImage === doubt.image) return true;
      return !this.#innocent.has(doubt.image);
    });
  }

  /** Some of it could not be looked at at all so far. */
  get includeUnread(): boolean {
    return this.#open.some(({ image }) => image === UNREAD);
  }

  /** They have taken long lately. */
  get areSlow(): boolean {
    return this.#spent() > PATIENCE_MS;
  }

  /** Somebody waits for them: see {@link suspect}. */
  urge(): void {
    this.close();
    this.#resolve();
  }

  close(): void {
    if (this.#rest !== null) clearTimeout(this.#rest);
    this.#rest = null;
  }

  #resolve(): void {
    if (this.#resolvingSince !== null || this.#rest !== null || this.#open.length === 0) return;
    const begun = performance.now();
    this.#resolvingSince = begun;
    const resolved = new Set(this.#open);
    this.#inspector.resolve(({ inherited, innocent }) => {
      this.#spent();
      this.#resolvingSince = null;
      if (this.#innocent.size >= MAX_INNOCENT) this.#innocent.clear();
      for (const image of innocent) this.#innocent.add(image);
      this.#open = this.#open.filter((doubt) => !resolved.has(doubt));
      const restMs = this.areSlow ? (performance.now() - begun) * REST : 0;
      this.#onResolved(inherited);
      if (restMs > 0 && this.#resolvingSince === null)
        this.#rest = setTimeout(() => this.urge(), restMs).unref();
      else this.#resolve();
    });
  }

  /** What they have cost lately, in ms. */
  #spent(): number {
    const now = performance.now();
    const since = this.#resolvingSince ?? now;
    const cost = now - Math.max(since, this.#spentAt);
    const before = Math.max(0, this.#spentMs - (now - this.#spentAt) * LEAK);
    this.#spentMs = Math.min(before + cost, MAX_SPENT_MS);
    this.#spentAt = now;
    return this.#spentMs;
  }
}

function concerns(doubt: Doubt, watch: SocketWatch): boolean {
  // Who logged in later than that has made its own connection.
  if (watch.blind || watch.loginSurvey > doubt.survey) return false;
  return watch.images === null || doubt.image === UNREAD || watch.images.includes(doubt.image);
}
