import type { Random } from '../oracle/random.js';
import type { FaultProxy } from '../soak/fault-proxy.js';
import type { TcpAddress } from '../support/listening.js';
import type { Engine } from './engines/engine.js';
import { CommandFailed } from './outcome.js';

/** Where clients connect. */
export interface Entrance {
  /** @throws CommandFailed while there is nobody to connect to */
  address(random: Random): Promise<TcpAddress>;
  /** What it has said that must never be, until it is stopped. */
  readonly troubles: readonly string[];
  readonly log: string;
  stop(): Promise<void>;
}

/** Without a proxy: who wants to connect asks the engine who takes writes, as applications do that know their engine. */
export class DirectEntrance implements Entrance {
  readonly troubles = [];
  readonly log = '';
  readonly #engine: Engine;
  readonly #network: readonly FaultProxy[];

  constructor(engine: Engine, network: readonly FaultProxy[]) {
    this.#engine = engine;
    this.#network = network;
  }

  async address(random: Random): Promise<TcpAddress> {
    try {
      const way = this.#network[await this.#engine.writable(random)];
      if (way === undefined) throw new RangeError('each node has a way to it');
      return way.address;
    } catch (error) {
      throw new CommandFailed(String(error), { errno: 0, code: 'ECONNREFUSED', isLost: true });
    }
  }

  async stop(): Promise<void> {}
}
