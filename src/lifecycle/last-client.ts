/** How long nobody has to be there after the last client has left, in ms: clients connect anew. */
const GRACE_MS = 5_000;
const LOOK_MS = 250;

/** Clients that have logged in since the start of those processes that there are, and those of them that are there now. */
interface Seen {
  readonly loggedIn: number;
  readonly now: number;
}

/** Resolves once there has been a client and then none for {@link GRACE_MS}. */
export function lastClientLeft(seen: () => Seen | Promise<Seen>): Promise<void> {
  return new Promise((resolve) => {
    let last = 0;
    let hadOne = false;
    let quietMs = 0;
    let isLooking = false;
    const look = async (): Promise<void> => {
      if (isLooking) return;
      isLooking = true;
      const { loggedIn, now } = await seen();
      isLooking = false;
      // It need not be known any more: it may have been a client of a process that has been taken over from.
      hadOne ||= loggedIn > 0;
      const isQuiet = hadOne && now === 0 && loggedIn === last;
      last = loggedIn;
      quietMs = isQuiet ? quietMs + LOOK_MS : 0;
      if (quietMs < GRACE_MS) return;
      clearInterval(timer);
      resolve();
    };
    const timer = setInterval(() => void look(), LOOK_MS);
    timer.unref();
  });
}
