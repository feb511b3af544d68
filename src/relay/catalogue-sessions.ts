import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount, Upstream } from '../backend/upstream.js';
import { BouncerError } from '../errors.js';

class CatalogueClosedError extends BouncerError {
  readonly code = 'CATALOGUE_CLOSED';
}

/** How long a session is kept that nothing is read over, in ms: what changes mostly changes several times in a row. */
const KEPT_MS = 1000;

/**
 * Sessions of guests (pass-through) at a time, each closed as soon as nothing is read over it: there may be many more of them
 * than the server has connections to spare.
 */
const MAX_GUESTS = 4;
const KEPT_OF_GUEST_MS = 20;

/**
 * Sessions over which the catalogue is read, one per account, open only while it is being read and a little longer: a
 * reading takes its time, so that the connections which carry KILLs are not for it.
 */
export class CatalogueSessions {
  readonly #upstream: Pick<Upstream, 'open'>;
  readonly #keptMs: number;
  readonly #sessions = new Map<ServerAccount, Promise<ServerSession>>();
  readonly #timers = new Map<ServerAccount, NodeJS.Timeout>();
  /** Guests that have a session, or one being opened. */
  readonly #guests = new Set<ServerAccount>();
  readonly #waiting: (() => void)[] = [];
  #closed = false;

  constructor(upstream: Pick<Upstream, 'open'>, keptMs = KEPT_MS) {
    this.#upstream = upstream;
    this.#keptMs = keptMs;
  }

  /** Opens the session of an account, or finds it open. @throws what kept it from being opened */
  async connect(account: ServerAccount): Promise<ServerSession> {
    let opening = this.#sessions.get(account);
    // Whoever has closed it has told nobody.
    if (opening !== undefined && (await opening).closed && this.#sessions.get(account) === opening)
      opening = undefined;
    if (opening === undefined) {
      opening = this.#open(account);
      this.#sessions.set(account, opening);
    }
    try {
      const session = await opening;
      this.#keep(account, session);
      return session;
    } catch (error) {
      if (this.#sessions.get(account) === opening) this.#sessions.delete(account);
      throw error;
    }
  }

  async #open(account: ServerAccount): Promise<ServerSession> {
    if (!account.isGuest) return this.#upstream.open(account, null, 0);
    while (!this.#guests.has(account) && this.#guests.size >= MAX_GUESTS)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#closed) throw new CatalogueClosedError('the proxy is stopping');
    this.#guests.add(account);
    try {
      return await this.#upstream.open(account, null, 0);
    } catch (error) {
      this.#left(account);
      throw error;
    }
  }

  #left(account: ServerAccount): void {
    if (this.#guests.delete(account)) this.#waiting.shift()?.();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#guests.clear();
    for (const resolve of this.#waiting.splice(0)) resolve();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const opened of await Promise.allSettled(sessions)) {
      if (opened.status === 'fulfilled') opened.value.close();
    }
  }

  #keep(account: ServerAccount, session: ServerSession): void {
    clearTimeout(this.#timers.get(account));
    if (this.#closed) return;
    const keptMs = account.isGuest ? KEPT_OF_GUEST_MS : this.#keptMs;
    const timer = setTimeout(() => {
      if (session.busy) {
        this.#keep(account, session);
        return;
      }
      this.#timers.delete(account);
      this.#sessions.delete(account);
      if (session.closed) this.#left(account);
      else void session.quit().then(() => this.#left(account));
    }, keptMs);
    timer.unref();
    this.#timers.set(account, timer);
  }
}
