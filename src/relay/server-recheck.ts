import type { ServerSession } from '../backend/server-session.js';
import type { FreshServer, ServerAccount } from '../backend/upstream.js';
import { ServerHint } from '../servers/statement-outcome.js';
import type { RefusedCommand, ServerHints } from './server-hints.js';

export interface RecheckLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface RecheckOptions {
  /** Opens a connection of its own and asks. @throws where none is to be had, in bounded time */
  look(account: ServerAccount): Promise<FreshServer>;
  /** Sessions on these servers serve no further client. @returns how many there are */
  leave(servers: ReadonlySet<string | null>): number;
  /** Whether the server was seen to take writes when it was asked last. */
  readonly tookWrites: () => boolean;
  /** For how long a refused command is kept waiting for a server that takes it, in ms; 0: until it was looked once. */
  readonly patienceMs: () => number;
  readonly log: RecheckLog;
}

/**
 * Pauses between two looks, in ms: they double, up to the longest. Each look opens a connection, so that this is what bounds the
 * dials that a read-only server costs, however many clients write to it.
 */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;
/** Once clients are told what the server says: a look every now and then, for clients that go on to write. */
const LONGEST_IDLE_PAUSE_MS = 5_000;
/** After so long without a look, in ms, the pauses begin anew. */
const CALM_MS = 10_000;

/** Servers behind one address that are remembered as left. */
const MAX_LEFT = 16;

/**
 * One server address, behind which the primary may be another server tomorrow (a name, a virtual IP, a balancer), or the same one
 * read-only for a while. When a reply says that its server takes no writes, a new connection is opened to see what the address
 * leads to now:
 * - to a server that takes writes: refused commands run once more, and if it is another server than the one that has refused,
 *   that one's sessions are given up, idle ones at once;
 * - to none: where the server took writes before, it is looked again until the patience of those who wait has ended; else it is
 *   read-only on purpose, and clients are told so by its own error, with a look now and then.
 * Sessions of a server that was read-only from the beginning are never given up: there would be no end to it.
 */
export class ServerRecheck implements ServerHints {
  readonly #options: RecheckOptions;
  #waiting: RefusedCommand[] = [];
  /** Servers that have refused something since it was looked last. */
  #refusing = new Set<string | null>();
  /** Those that were left at {@link #leftAt}. */
  #left: ReadonlySet<string | null> = new Set();
  #leftAt = 0;
  #isLooking = false;
  #timer: NodeJS.Timeout | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #pauseMs = FIRST_PAUSE_MS;
  /** Since when writes are refused; null while they are not. */
  #since: number | null = null;
  /** Nobody waits any more: what is said is passed on. */
  #hasGivenUp = false;
  #stopped = false;

  constructor(options: RecheckOptions) {
    this.#options = options;
  }

  /** {@link ServerHints.told} */
  told(session: ServerSession, hint: ServerHint, refused: RefusedCommand | null): boolean {
    const { account, server } = session;
    const now = performance.now();
    if (account === null || this.#stopped) return false;
    if (session.openedAt < this.#leftAt && this.#left.has(server)) {
      // It is one of those that were lent when their server was left: there are better ones already.
      if (refused !== null) queueMicrotask(() => refused.known(true));
      return refused !== null;
    }
    if (hint !== ServerHint.Leaving) this.#begin(hint, session, now);
    if (this.#refusing.size < MAX_LEFT) this.#refusing.add(server);
    if (refused === null) {
      this.#lookSoon(account, now);
      return false;
    }
    if (refused.isSecond && now - refused.since > this.#patienceMs) return false;
    const isFresh = now < this.#lookedAt + this.#pauseMs;
    if (this.#hasGivenUp && isFresh && !this.#isLooking) return false;
    this.#waiting.push(refused);
    this.#lookSoon(account, now);
    return true;
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const refused of this.#waiting.splice(0)) refused.known(false);
  }

  get #patienceMs(): number {
    return this.#hasGivenUp || !this.#options.tookWrites() ? 0 : this.#options.patienceMs();
  }

  #begin(hint: ServerHint, { connectionId: serverSession, server }: ServerSession, now: number): void {
    if (this.#since !== null) return;
    this.#since = now;
    this.#options.log.warn({ hint, server, serverSession }, 'the server refuses statements for what it is');
  }

  /** As soon as the pause since the last look is over. */
  #lookSoon(account: ServerAccount, now: number): void {
    if (this.#isLooking || this.#timer !== null || this.#stopped) return;
    if (now - this.#lookedAt > CALM_MS) this.#pauseMs = FIRST_PAUSE_MS;
    // What comes and goes must not be looked at in step with it.
    const pause = Math.max(0, this.#lookedAt + this.#pauseMs * (0.5 + Math.random() / 2) - now);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#look(account);
    }, pause);
  }

  async #look(account: ServerAccount): Promise<void> {
    this.#isLooking = true;
    const startedAt = performance.now();
    this.#lookedAt = startedAt;
    const longest = this.#hasGivenUp ? LONGEST_IDLE_PAUSE_MS : LONGEST_PAUSE_MS;
    this.#pauseMs = Math.min(longest, 2 * this.#pauseMs);
    const found = await this.#options.look(account).catch(() => null);
    this.#isLooking = false;
    if (this.#stopped) return;
    if (found?.takesWrites === true) this.#found(found, startedAt);
    else this.#foundNone(account);
  }

  #found({ server }: FreshServer, startedAt: number): void {
    const { log, leave } = this.#options;
    const left = this.#refusing;
    left.delete(server);
    this.#refusing = new Set();
    if (left.size > 0) {
      this.#left = left;
      this.#leftAt = startedAt;
    }
    const sessions = left.size > 0 ? leave(left) : 0;
    const since = this.#since;
    const forMs = Math.round(performance.now() - (since ?? startedAt));
    this.#since = null;
    this.#hasGivenUp = false;
    const waiting = this.#waiting.splice(0);
    const fields = { server, forMs, runAgain: waiting.length };
    if (sessions > 0)
      log.info(
        { ...fields, sessionsLeft: sessions },
        'the address leads to another server, which takes writes',
      );
    else if (since !== null) log.info(fields, 'the server takes writes');
    for (const refused of waiting) refused.known(true);
  }

  #foundNone(account: ServerAccount): void {
    const now = performance.now();
    const patience = this.#patienceMs;
    const tired = this.#waiting.filter(({ since }) => now - since >= patience);
    this.#waiting = this.#waiting.filter(({ since }) => now - since < patience);
    if (tired.length > 0 && !this.#hasGivenUp) {
      this.#hasGivenUp = true;
      const forMs = Math.round(now - (this.#since ?? now));
      this.#options.log.warn({ forMs }, 'no server takes writes at this address: clients are told so');
    }
    for (const refused of tired) refused.known(false);
    if (this.#waiting.length > 0) this.#lookSoon(account, now);
    else if (!this.#hasGivenUp) this.#since = null;
  }
}
