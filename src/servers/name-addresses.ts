import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';

/** All that a name stands for at a moment. */
export interface Resolved {
  /** In order; without repetition, never empty. */
  readonly addresses: readonly string[];
  /** For so many seconds, by the name's own word; null where that is not told. */
  readonly ttlSeconds: number | null;
}

export type Resolve = (name: string) => Promise<Resolved>;

/** The name servers of a host that has none must not be waited for: the addresses are known by then. */
const TTL_TIMEOUT_MS = 1000;

/**
 * All addresses of a name, as every other program of this machine finds them (/etc/hosts, search domains, whatever nsswitch.conf
 * says: getaddrinfo), which does not tell for how long. The DNS is asked for that besides, and believed where its addresses are
 * the same: a name of /etc/hosts has no TTL, though the DNS may know another one of that name.
 * @param servers - of the DNS, `ADDRESS[:PORT]`; the machine's own unless given
 * @throws as `dns.lookup()` does
 */
export async function resolveName(name: string, servers?: readonly string[]): Promise<Resolved> {
  if (isIP(name) !== 0) return { addresses: [name], ttlSeconds: Number.POSITIVE_INFINITY };
  const found = await lookup(name, { all: true, verbatim: true });
  const addresses = [...new Set(found.map(({ address }) => address))].sort();
  return { addresses, ttlSeconds: await ttlOf(name, addresses, servers) };
}

async function ttlOf(
  name: string,
  addresses: readonly string[],
  servers: readonly string[] | undefined,
): Promise<number | null> {
  // Its own, so that giving up ends these queries alone.
  const resolver = new Resolver({ timeout: TTL_TIMEOUT_MS, tries: 1 });
  if (servers !== undefined) resolver.setServers(servers);
  const [four, six] = await Promise.allSettled([
    resolver.resolve4(name, { ttl: true }),
    resolver.resolve6(name, { ttl: true }),
  ]);
  const records = [four, six].flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  const known = records.filter(({ address }) => addresses.includes(address));
  return known.length === 0 ? null : Math.min(...known.map(({ ttl }) => ttl));
}

/** How often a name is asked for at most and at least, and when it does not say, in s. */
const MIN_SECONDS = 1;
const MAX_SECONDS = 60;
const DEFAULT_SECONDS = 5;

export interface NameChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

export interface NameOptions {
  readonly name: string;
  readonly resolve?: Resolve;
  /** The first answer, and each one that differs from the one before. */
  changed(change: NameChange): void;
  /** It could not be resolved: told once until it can; what was known stays. */
  failed(error: unknown): void;
  /** Calls back once, after so many ms. @returns what calls that off */
  after(ms: number, callback: () => void): () => void;
}

/** The addresses of one name, kept up to date. */
export class NameAddresses {
  readonly #options: NameOptions;
  readonly #resolve: Resolve;
  #addresses: readonly string[] = [];
  #complained = false;
  #stopped = false;
  #asking: Promise<void> | null = null;
  #callOff: () => void = () => undefined;

  constructor(options: NameOptions) {
    this.#options = options;
    this.#resolve = options.resolve ?? ((name) => resolveName(name));
  }

  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** Asks now, and again whenever the answer is out of date. Resolves when the answer is in, or there is none. */
  refresh(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    this.#callOff();
    // One question for all who ask meanwhile.
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  stop(): void {
    this.#stopped = true;
    this.#callOff();
  }

  async #ask(): Promise<void> {
    let seconds: number = DEFAULT_SECONDS;
    try {
      const { addresses, ttlSeconds } = await this.#resolve(this.#options.name);
      if (this.#stopped) return;
      this.#complained = false;
      this.#learn(addresses);
      // An address stands for itself.
      if (ttlSeconds === Number.POSITIVE_INFINITY) return;
      seconds = Math.min(MAX_SECONDS, Math.max(MIN_SECONDS, ttlSeconds ?? DEFAULT_SECONDS));
    } catch (error) {
      if (this.#stopped) return;
      if (!this.#complained) this.#options.failed(error);
      this.#complained = true;
    }
    if (!this.#stopped) this.#callOff = this.#options.after(seconds * 1000, () => void this.refresh());
  }

  #learn(addresses: readonly string[]): void {
    const before = this.#addresses;
    this.#addresses = addresses;
    const added = addresses.filter((address) => !before.includes(address));
    const removed = before.filter((address) => !addresses.includes(address));
    if (added.length > 0 || removed.length > 0) this.#options.changed({ added, removed });
  }
}
