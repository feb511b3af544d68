import { JepsenClient, pidOf, randomStyle } from '../client.js';
import type { Engine } from '../engines/engine.js';
import type { Entrance } from '../entrance.js';
import { CommandFailed } from '../outcome.js';
import type { Process } from './workload.js';

/** The name by which clients of the proxy get its pool of replicas. */
export const REPLICAS_ALIAS = 'jepsen_ro';

/** Connections for reads on replicas, one for each process, beside those by which it writes. */
export class ReplicaReads {
  readonly #login: Engine['login'];
  readonly #entrance: Entrance;
  readonly #open = new Map<number, JepsenClient>();

  constructor({ login }: Engine, entrance: Entrance) {
    this.#login = login;
    this.#entrance = entrance;
  }

  /** Now and then null: the process reads where it writes. */
  async of(process: Process): Promise<JepsenClient | null> {
    const { number, random, recorder } = process;
    if (random.chance(0.3)) return null;
    const known = this.#open.get(number);
    if (known !== undefined && !known.isLost) return known;
    const { user, password } = this.#login;
    const login = { user, password, schema: REPLICAS_ALIAS, pid: pidOf(number) };
    try {
      const address = await this.#entrance.address(random);
      const style = { ...randomStyle(random), begin: 'BEGIN' } as const;
      const client = await JepsenClient.open(address, login, style, `r${number}`);
      this.#open.set(number, client);
      return client;
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      recorder.failed(error, `process ${number} as it connects to replicas`);
      return null;
    }
  }

  close(): void {
    for (const client of this.#open.values()) client.destroy();
  }
}
