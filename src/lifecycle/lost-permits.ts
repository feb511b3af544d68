/** As long as the pool waits for the server to be rid of a session that it has cut off, in ms; then its permit is back regardless. */
const GONE_WITHIN_MS = 5_000;

/** Pauses between two looks, in ms: they double, up to the longest. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;

/** What a worker that has ended has left behind. */
export interface Legacy {
  /** Permits. */
  readonly permits: number;
  /** Sessions that the server had of it: whose each is, by the server's id. */
  readonly sessions: ReadonlyMap<string, string>;
}

export interface LostPermitsParts {
  /** Which of these sessions of a user the server is rid of, as another worker finds out; none where nobody knows. */
  readonly gone: (user: string, ids: readonly string[]) => Promise<readonly string[]>;
  /** So many permits are back. */
  readonly found: (count: number) => void;
}

/**
 * The permits of a worker that has ended. The kernel has closed its sockets, but the server notices that of a running statement
 * only when it writes: a permit is back when the server does not show its session any more. What cannot be known is taken to be
 * over after {@link GONE_WITHIN_MS}.
 */
export function reclaim({ permits, sessions }: Legacy, { gone, found }: LostPermitsParts): void {
  const there = new Map(sessions);
  // It opens one session at a time, which it may just have been doing.
  let opening = permits > there.size ? 1 : 0;
  let given = 0;
  const give = (): void => {
    const back = Math.max(0, permits - opening - there.size);
    if (back > given) found(back - given);
    given = Math.max(given, back);
  };
  const deadline = performance.now() + GONE_WITHIN_MS;
  const over = setTimeout(() => {
    opening = 0;
    there.clear();
    give();
  }, GONE_WITHIN_MS).unref();
  const look = async (pause: number): Promise<void> => {
    for (const [user, ids] of byUser(there)) for (const id of await gone(user, ids)) there.delete(id);
    give();
    if (given === permits) clearTimeout(over);
    if (there.size === 0 || performance.now() + pause > deadline) return;
    setTimeout(() => void look(Math.min(2 * pause, LONGEST_PAUSE_MS)), pause).unref();
  };
  void look(FIRST_PAUSE_MS);
}

function byUser(sessions: ReadonlyMap<string, string>): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>();
  for (const [id, user] of sessions) users.set(user, [...(users.get(user) ?? []), id]);
  return users;
}
