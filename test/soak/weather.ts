import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../oracle/random.js';
import type { PrivateTestServer } from '../support/servers.js';
import type { FaultProxy, Link } from './fault-proxy.js';
import type { Findings } from './findings.js';

/** Faults a second, from fair weather to foul; one holds for a few seconds. */
const RATES = [0, 1, 5, 15];
const LONGEST_STALL_MS = 3000;

type LinkFault = (link: Link, random: Random) => void;

const LINK_FAULTS: Readonly<Record<string, LinkFault>> = {
  reset: (link) => link.reset(),
  stall: (link, random) => link.stall(random.below(LONGEST_STALL_MS)),
  'stall and reset': (link, random) => {
    const ms = random.below(LONGEST_STALL_MS);
    link.stall(ms);
    setTimeout(() => link.reset(), ms).unref();
  },
  trickle: (link, random) => link.trickle(random.below(1000)),
  'half close': (link, random) => link.halfClose(random.chance(0.5), random.below(1000)),
  cut: (link, random) => link.cut(random.chance(0.5), random.next(), random.pick(['fin', 'rst'])),
  // All of the command has arrived, and nothing of the reply does: whoever sends it again does it twice.
  'lost reply': (link, random) => link.cut(true, 0, random.pick(['fin', 'rst'])),
};
/** Most others hit a connection that is idle just then. */
const LOST_REPLY_WEIGHT = 8;

export interface WeatherOptions {
  readonly random: Random;
  readonly findings: Findings;
  /** Between clients and the proxy; between the proxy and the server. */
  readonly front: FaultProxy;
  readonly back: FaultProxy;
  readonly server: PrivateTestServer;
  /** Between two restarts of the server, in ms, on average. */
  readonly restartEveryMs: number;
}

/** What networks and servers do to a proxy, at random, until it is told to clear up. */
export class Weather {
  readonly #options: WeatherOptions;
  #over = false;
  #running: Promise<unknown> | null = null;
  /** Clock time (ms) since which the server is up, and nobody is refused. */
  fairSince = Date.now();
  /** False while the server is down or restarting. */
  serverUp = true;

  constructor(options: WeatherOptions) {
    this.#options = options;
  }

  start(): void {
    const { restartEveryMs } = this.#options;
    this.#running = Promise.all([this.#faults(), this.#doors(), this.#restarts(restartEveryMs)]);
    // Thrown by `clear`; until then it must not count as unhandled.
    this.#running.catch(() => {});
  }

  /** No more faults; the server is up. */
  async clear(): Promise<void> {
    this.#over = true;
    await this.#running;
    await Promise.all([this.#options.front.setDoor('open'), this.#options.back.setDoor('open')]);
  }

  async #faults(): Promise<void> {
    const { random, front, back, findings } = this.#options;
    while (!this.#over) {
      const rate = random.pick(RATES);
      for (let left = 2000 + random.below(4000); left > 0 && !this.#over; ) {
        const pause = rate === 0 ? left : Math.min(left, (2000 * random.next()) / rate);
        left -= pause + 1;
        await this.#sleep(pause);
        if (rate === 0 || this.#over) continue;
        const side = random.chance(0.5) ? 'front' : 'back';
        const links = [...(side === 'front' ? front : back).links];
        if (links.length === 0) continue;
        const [name, fault] = random.weighted(Object.entries(LINK_FAULTS), ([what]) =>
          what === 'lost reply' ? LOST_REPLY_WEIGHT : 1,
        );
        findings.count(`fault ${name} (${side})`);
        fault(random.pick(links), random);
      }
    }
  }

  /** Now and then nobody gets in, on one side. */
  async #doors(): Promise<void> {
    const { random, front, back, findings } = this.#options;
    while (!this.#over) {
      await this.#sleep(1000 + random.below(8000));
      if (this.#over) return;
      const [side, proxy] = random.pick([['front', front] as const, ['back', back] as const]);
      const door = random.pick(['reset', 'silent', 'closed'] as const);
      findings.count(`fault ${door} door (${side})`);
      await proxy.setDoor(door);
      await this.#sleep(random.below(2500));
      await proxy.setDoor('open');
      this.fairSince = Date.now();
    }
  }

  async #restarts(everyMs: number): Promise<void> {
    const { random, server, findings } = this.#options;
    while (!this.#over) {
      await this.#sleep(everyMs * (0.5 + random.next()));
      if (this.#over) return;
      const signal = random.pick(['SIGKILL', 'SIGTERM'] as const);
      findings.count(`fault restart by ${signal}`);
      this.serverUp = false;
      await server.kill(signal);
      await sleep(random.below(2000));
      await server.start();
      this.serverUp = true;
      this.fairSince = Date.now();
    }
  }

  /** Wakes early when the weather clears up. */
  async #sleep(ms: number): Promise<void> {
    const until = Date.now() + ms;
    while (!this.#over && Date.now() < until) await sleep(Math.min(100, until - Date.now()));
  }
}
