import { setTimeout as sleep } from 'node:timers/promises';
import { checkLists } from '../check/lists.js';
import type { JepsenClient } from '../client.js';
import type { Engine, EnginePromises } from '../engines/engine.js';
import {
  type Anomaly,
  type AnyOperation,
  IsolationLevel,
  type ListOperation,
  type ListStep,
  Outcome,
} from '../history.js';
import type { Recorder } from '../recorder.js';
import { OK, rollBack, toldBy, transaction } from './transaction.js';
import type { Process, Told, Workload } from './workload.js';

/** Lists that are written to at a time. */
const LISTS = 6;
/** One that has about so many values is left alone. */
const VALUES_IN_A_LIST = 32;
const MOST_STEPS = 4;

type Plan = { readonly do: 'append' | 'read'; readonly key: number; readonly value: number };

/** Transactions that read lists and put values at their ends, each another one. */
export class AppendWorkload implements Workload {
  readonly level: IsolationLevel;
  readonly #table: string;
  readonly #promises: EnginePromises;
  readonly #sizes: number[] = Array.from({ length: LISTS }, () => 0);
  readonly #keys: number[] = Array.from({ length: LISTS }, (_, i) => i);
  #nextValue = 0;

  constructor(level: IsolationLevel, promises: EnginePromises, round: number) {
    this.level = level;
    this.#promises = promises;
    this.#table = `lists_${level === IsolationLevel.Serializable ? 's' : 'r'}_${round}`;
  }

  async setUp(engine: Engine): Promise<void> {
    await engine.query(
      `CREATE TABLE ${engine.login.schema}.${this.#table} (k INT PRIMARY KEY, v TEXT NOT NULL) ENGINE=InnoDB`,
    );
  }

  async step(process: Process, client: JepsenClient): Promise<void> {
    const { random, recorder, number } = process;
    const plans = Array.from({ length: 1 + random.below(MOST_STEPS) }, () => this.#plan(process));
    const steps: ListStep[] = [];
    const invoked = recorder.begin();
    const told =
      client.style.chains && plans.every((plan) => plan.do === 'append')
        ? await this.#chain(process, client, plans, steps)
        : await transaction(process, client, this.level, async () => {
            for (const plan of plans) {
              if (random.chance(0.3)) await sleep(random.below(4));
              await this.#run(client, plan, steps);
            }
          });
    recorder.end({ workload: 'append', process: number, invoked, level: this.level, steps, ...told });
  }

  async finish(engine: Engine, recorder: Recorder): Promise<void> {
    const invoked = recorder.begin();
    const rows = await engine.finalRead<{ k: number; v: string }>(
      `SELECT k, v FROM ${engine.login.schema}.${this.#table} ORDER BY k`,
    );
    const lists = new Map(rows.map(({ k, v }) => [k, valuesOf(v)]));
    const steps = Array.from({ length: Math.max(...this.#keys) + 1 }, (_, key): ListStep => {
      return { do: 'read', key, values: lists.get(key) ?? [] };
    });
    const { level } = this;
    recorder.end({
      ...{ workload: 'append', process: -1, invoked, outcome: Outcome.Ok },
      ...{ level, steps, final: true },
    });
  }

  check(operations: readonly AnyOperation[]): readonly Anomaly[] {
    const own = operations.filter(
      (one): one is ListOperation => one.workload === 'append' && one.level === this.level,
    );
    const { serializable } = this.#promises;
    const as = serializable ? own : own.map((one) => ({ ...one, level: IsolationLevel.RepeatableRead }));
    return checkLists(as, this.#promises);
  }

  #plan({ random }: Process): Plan {
    const place = random.below(LISTS);
    const key = this.#keys[place] ?? 0;
    if (random.chance(0.5)) return { do: 'read', key, value: 0 };
    const size = (this.#sizes[place] ?? 0) + 1;
    this.#sizes[place] = size;
    if (size >= VALUES_IN_A_LIST) {
      this.#keys[place] = Math.max(...this.#keys) + 1;
      this.#sizes[place] = 0;
    }
    return { do: 'append', key, value: ++this.#nextValue };
  }

  /** What was begun counts: nobody knows whether it was done. */
  async #run(client: JepsenClient, { do: what, key, value }: Plan, steps: ListStep[]): Promise<void> {
    if (what === 'append') {
      steps.push({ do: 'append', key, value });
      await client.write(...this.#append(key, value));
      return;
    }
    const at = steps.push({ do: 'read', key, values: null }) - 1;
    const [row] = await client.read<{ v: string }>(`SELECT ? AS tag, v FROM ${this.#table} WHERE k = ?`, [
      key,
    ]);
    steps[at] = { do: 'read', key, values: valuesOf(row?.v ?? '') };
  }

  async #chain(
    process: Process,
    client: JepsenClient,
    plans: readonly Plan[],
    steps: ListStep[],
  ): Promise<Told> {
    for (const { key, value } of plans) steps.push({ do: 'append', key, value });
    try {
      await client.chain([
        ['BEGIN', []],
        ...plans.map(({ key, value }) => this.#append(key, value)),
        ['COMMIT', []],
      ]);
      return OK;
    } catch (error) {
      // Whichever statement it was that failed.
      const told = toldBy(error, process, client, true);
      await rollBack(process, client);
      return told;
    }
  }

  #append(key: number, value: number): readonly [string, readonly (string | number)[]] {
    const sql = `INSERT INTO ${this.#table} (k, v) VALUES (?, ?) ON DUPLICATE KEY UPDATE v = CONCAT(v, ?)`;
    return [sql, [key, `,${value}`, `,${value}`]];
  }
}

/** `,1,2,3` */
function valuesOf(text: string): number[] {
  return text === '' ? [] : text.slice(1).split(',').map(Number);
}
