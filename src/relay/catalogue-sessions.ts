import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount, Upstream } from '../backend/upstream.js';

/** How long a session is kept that nothing is read over, in ms: what changes mostly changes several times in a row. */
const KEPT_MS = 1000;

/**
 * Sessions over which the catalogue is read, one per account, open only while it is being read and a little longer: a
 * reading takes its time, so that the connections which carry KILLs are not for it.
 */
export class CatalogueSessions {
  readonly #upstream: Upstream;
  readonly #keptMs: number;
  readonly #sessions = new Map<ServerAccount, Promise<ServerSession>>();
  readonly #timers = new Map<ServerAccount, NodeJS.Timeout>();
  #closed = false;

  constructor(upstream: Upstream, keptMs = KEPT_MS) {
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
      opening = this.#upstream.open(account, null, 0);
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

  async close(): Promise<void> {
    this.#closed = true;
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
    const timer = setTimeout(() => {
      if (session.busy) {
        this.#keep(account, session);
        return;
      }
      this.#timers.delete(account);
      this.#sessions.delete(account);
      if (!session.closed) void session.quit();
    }, this.#keptMs);
    timer.unref();
    this.#timers.set(account, timer);
  }
}
