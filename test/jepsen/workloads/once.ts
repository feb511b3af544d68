import { checkOnce, type OncePromises } from '../check/once.js';
import type { JepsenClient } from '../client.js';
import type { Engine } from '../engines/engine.js';
import { type Anomaly, type AnyOperation, IsolationLevel, type OnceOperation, Outcome } from '../history.js';
import type { Recorder } from '../recorder.js';
import type { ReplicaReads } from './replica-reads.js';
import { OK, toldBy, transaction } from './transaction.js';
import type { Process, Told, Workload } from './workload.js';

/** Statements that are transactions by themselves: a row with a mark of its own, and a counter that one process counts. */
export class OnceWorkload implements Workload {
  readonly level = IsolationLevel.RepeatableRead;
  readonly #rows: string;
  readonly #counters: string;
  readonly #promises: OncePromises;
  readonly #replicas: ReplicaReads | null;
  #serial = 0;

  constructor(promises: OncePromises, round: number, replicas: ReplicaReads | null = null) {
    this.#replicas = replicas;
    this.#promises = promises;
    this.#rows = `once_${round}`;
    this.#counters = `counters_${round}`;
  }

  async setUp(engine: Engine): Promise<void> {
    const { schema } = engine.login;
    // No key that would keep a row from being there twice.
    await engine.query(
      `CREATE TABLE ${schema}.${this.#rows} (nr INT AUTO_INCREMENT PRIMARY KEY, mark VARCHAR(40) NOT NULL) ENGINE=InnoDB`,
    );
    await engine.query(
      `CREATE TABLE ${schema}.${this.#counters} (id INT PRIMARY KEY, n INT NOT NULL) ENGINE=InnoDB`,
    );
    const values = Array.from({ length: 100 }, (_, id) => `(${id}, 0)`);
    await engine.query(`INSERT INTO ${schema}.${this.#counters} VALUES ${values.join()}`);
  }

  async step(process: Process, client: JepsenClient): Promise<void> {
    const { random, recorder, number } = process;
    const invoked = recorder.begin();
    const kind = random.below(5);
    const mark = `${number}-${++this.#serial}`;
    let body: OnceOperation['body'];
    let told: Told;
    if (kind < 2) {
      body = { do: 'insert', mark };
      told = await this.#alone(process, client, () =>
        client.write(`INSERT INTO ${this.#rows} (mark) VALUES (?)`, [mark]),
      );
    } else if (kind < 4) {
      body = { do: 'count', counter: number };
      told = await this.#alone(process, client, () =>
        client.write(`UPDATE ${this.#counters} SET n = n + 1 WHERE id = ?`, [number]),
      );
    } else {
      let count = -1;
      const replica = (await this.#replicas?.of(process)) ?? null;
      const reader = replica ?? client;
      told = await this.#alone(process, reader, async () => {
        const [row] = await reader.read<{ n: number }>(
          `SELECT ? AS tag, n FROM ${this.#counters} WHERE id = ?`,
          [number],
        );
        count = row?.n ?? -1;
      });
      body = { do: 'read', counter: number, count, ...(replica === null ? {} : { own: true }) };
    }
    recorder.end({ workload: 'once', process: number, invoked, ...told, body });
  }

  async finish(engine: Engine, recorder: Recorder): Promise<void> {
    const invoked = recorder.begin();
    const { schema } = engine.login;
    const rows = await engine.finalRead<{ mark: string; times: number }>(
      `SELECT mark, COUNT(*) AS times FROM ${schema}.${this.#rows} GROUP BY mark`,
    );
    const counts = await engine.finalRead<{ id: number; n: number }>(
      `SELECT id, n FROM ${schema}.${this.#counters}`,
    );
    const body = {
      do: 'final',
      rows: new Map(rows.map(({ mark, times }) => [mark, Number(times)])),
      counts: new Map(counts.map(({ id, n }) => [id, n])),
    } as const;
    recorder.end({ workload: 'once', process: -1, invoked, outcome: Outcome.Ok, body });
  }

  check(operations: readonly AnyOperation[]): readonly Anomaly[] {
    return checkOnce(
      operations.filter((one) => one.workload === 'once'),
      this.#promises,
    );
  }

  /** With autocommit = 0 it takes a COMMIT. */
  async #alone(process: Process, client: JepsenClient, run: () => Promise<unknown>): Promise<Told> {
    if (client.style.begin === 'off')
      return transaction(process, client, this.level, async () => {
        await run();
      });
    try {
      await run();
      return OK;
    } catch (error) {
      return toldBy(error, process, client, true);
    }
  }
}
