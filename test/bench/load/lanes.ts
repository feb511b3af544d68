const LOGINS_AT_ONCE = 64;

/** Does something for each client, for a few at a time: thousands of connects at once would overflow the accept queue. */
export async function inLanes(clients: number, work: (client: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < clients) {
      await work(next++);
    }
  };
  await Promise.all(Array.from({ length: Math.min(LOGINS_AT_ONCE, clients) }, lane));
}

export function delay(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
