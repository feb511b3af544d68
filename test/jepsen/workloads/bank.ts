import { setTimeout as sleep } from 'node:timers/promises';
import { checkBank } from '../check/bank.js';
import type { JepsenClient } from '../client.js';
import type { Engine, EnginePromises } from '../engines/engine.js';
import { type Anomaly, type AnyOperation, IsolationLevel, Outcome, type Transfer } from '../history.js';
import type { Recorder } from '../recorder.js';
import { transaction } from './transaction.js';
import type { Process, Workload } from './workload.js';

const ACCOUNTS = 8;
const OPENING = 100;

/** Money goes from account to account. */
export class BankWorkload implements Workload {
  readonly level = IsolationLevel.RepeatableRead;
  readonly #accounts: string;
  readonly #transfers: string;
  readonly #promises: EnginePromises;
  #serial = 0;

  constructor(promises: EnginePromises, round: number) {
    this.#promises = promises;
    this.#accounts = `accounts_${round}`;
    this.#transfers = `transfers_${round}`;
  }

  async setUp(engine: Engine): Promise<void> {
    const { schema } = engine.login;
    await engine.query(
      `CREATE TABLE ${schema}.${this.#accounts} (id INT PRIMARY KEY, balance INT NOT NULL) ENGINE=InnoDB`,
    );
    const values = Array.from({ length: ACCOUNTS }, (_, id) => `(${id}, ${OPENING})`);
    await engine.query(`INSERT INTO ${schema}.${this.#accounts} VALUES ${values.join()}`);
    // Nothing but their transaction keeps transfers from being there twice.
    await engine.query(
      `CREATE TABLE ${schema}.${this.#transfers} (nr INT AUTO_INCREMENT PRIMARY KEY, id VARCHAR(40) NOT NULL, src INT NOT NULL, dst INT NOT NULL, amount INT NOT NULL) ENGINE=InnoDB`,
    );
  }

  step(process: Process, client: JepsenClient): Promise<void> {
    return process.random.chance(0.4) ? this.#read(process, client) : this.#transfer(process, client);
  }

  async finish(engine: Engine, recorder: Recorder): Promise<void> {
    const invoked = recorder.begin();
    const { schema } = engine.login;
    const accounts = await engine.finalRead<{ balance: number }>(
      `SELECT balance FROM ${schema}.${this.#accounts} ORDER BY id`,
    );
    const rows = await engine.finalRead<{ id: string; src: number; dst: number; amount: number }>(
      `SELECT id, src, dst, amount FROM ${schema}.${this.#transfers}`,
    );
    const balances = accounts.map(({ balance }) => balance);
    const transfers = rows.map(({ id, src, dst, amount }) => ({ id, from: src, to: dst, amount }));
    const body = { do: 'final', balances, transfers } as const;
    recorder.end({ workload: 'bank', process: -1, invoked, outcome: Outcome.Ok, body });
  }

  check(operations: readonly AnyOperation[]): readonly Anomaly[] {
    const opening = Array.from({ length: ACCOUNTS }, () => OPENING);
    const { keepsAcknowledged } = this.#promises;
    return checkBank(
      operations.filter((one) => one.workload === 'bank'),
      { total: ACCOUNTS * OPENING, opening, keepsAcknowledged },
    );
  }

  /** All at once, or one after the other: within a transaction, that is the same. */
  async #read(process: Process, client: JepsenClient): Promise<void> {
    const { random, recorder, number } = process;
    const balances: number[] = [];
    const invoked = recorder.begin();
    const parts = random.pick([1, 2, 4]);
    const told = await transaction(process, client, this.level, async () => {
      for (let part = 0; part < parts; part++) {
        const [first, after] = [(part * ACCOUNTS) / parts, ((part + 1) * ACCOUNTS) / parts];
        const rows = await client.read<{ balance: number }>(
          `SELECT ? AS tag, balance FROM ${this.#accounts} WHERE id >= ? AND id < ? ORDER BY id`,
          [first, after],
        );
        balances.push(...rows.map(({ balance }) => balance));
        if (random.chance(0.3)) await sleep(random.below(4));
      }
    });
    const body = { do: 'read', balances } as const;
    recorder.end({ workload: 'bank', process: number, invoked, ...told, body });
  }

  async #transfer(process: Process, client: JepsenClient): Promise<void> {
    const { random, recorder, number } = process;
    const from = random.below(ACCOUNTS);
    const to = (from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
    const transfer: Transfer = { id: `${number}-${++this.#serial}`, from, to, amount: 1 + random.below(5) };
    const { amount, id } = transfer;
    const invoked = recorder.begin();
    let isPoor = false;
    const told = await transaction(process, client, this.level, async () => {
      const rows = await client.read<{ balance: number }>(
        `SELECT ? AS tag, balance FROM ${this.#accounts} WHERE id = ? FOR UPDATE`,
        [from],
      );
      isPoor = (rows[0]?.balance ?? 0) < amount;
      if (isPoor) return;
      const take = `UPDATE ${this.#accounts} SET balance = balance - ? WHERE id = ?`;
      const give = `UPDATE ${this.#accounts} SET balance = balance + ? WHERE id = ?`;
      await client.write(take, [amount, from]);
      if (random.chance(0.5)) await sleep(random.below(4));
      await client.write(give, [amount, to]);
      await client.write(`INSERT INTO ${this.#transfers} (id, src, dst, amount) VALUES (?, ?, ?, ?)`, [
        ...[id, from, to, amount],
      ]);
    });
    if (isPoor) return;
    recorder.end({
      ...{ workload: 'bank', process: number, invoked, ...told },
      body: { do: 'transfer', ...transfer },
    });
  }
}
