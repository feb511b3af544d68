import { checkTags } from '../check/tags.js';
import { CrossedAnswer, type JepsenClient } from '../client.js';
import type { Engine } from '../engines/engine.js';
import { type Anomaly, type AnyOperation, IsolationLevel } from '../history.js';
import { OK, toldBy, transaction } from './transaction.js';
import type { Process, Told, Workload } from './workload.js';

/** Characters of a long answer, more than fits into one read of a socket. */
const LONG = 70_000;

/** Answers of every size, each with the tag that was asked for. (Reads of the other workloads carry tags as well.) */
export class TagsWorkload implements Workload {
  readonly level = IsolationLevel.RepeatableRead;
  #serial = 0;

  async setUp(_engine: Engine): Promise<void> {}

  async step(process: Process, client: JepsenClient): Promise<void> {
    const { random, recorder, number } = process;
    const asked = `${number}-${++this.#serial}`;
    const invoked = recorder.begin();
    let got: string[] = [];
    const ask = async (): Promise<void> => {
      got = await this.#ask(client, asked, random.below(4));
    };
    let told: Told = OK;
    if (client.style.begin === 'off') told = await transaction(process, client, this.level, ask);
    else
      await ask().catch((error: unknown) => {
        told = toldBy(error, process, client, true);
      });
    recorder.end({ workload: 'tags', process: number, invoked, ...told, asked, got });
  }

  async finish(): Promise<void> {}

  check(operations: readonly AnyOperation[]): readonly Anomaly[] {
    return checkTags(operations.filter((one) => one.workload === 'tags'));
  }

  async #ask(client: JepsenClient, asked: string, kind: number): Promise<string[]> {
    switch (kind) {
      case 0: {
        const rows = await client.read<{ own: string }>('SELECT ? AS tag, ? AS own', [asked]);
        return rows.map(({ own }) => own);
      }
      case 1: {
        const rows = await client.read<{ own: string }>(
          'SELECT ? AS tag, ? AS own UNION ALL SELECT 0, 0 FROM DUAL WHERE 1 = 0',
          [asked],
        );
        return rows.map(({ own }) => own);
      }
      case 2: {
        const rows = await client.read<{ own: string; filler: string }>(
          `SELECT ? AS tag, ? AS own, REPEAT(?, ${LONG}) AS filler`,
          [asked, asked.slice(0, 1)],
        );
        if (rows.some(({ filler }) => filler !== asked.slice(0, 1).repeat(LONG)))
          throw new CrossedAnswer(asked, ['another filler']);
        return rows.map(({ own }) => own);
      }
      default: {
        await client.command(`SET @own = '${asked}'`);
        const rows = await client.read<{ own: string | null }>('SELECT ? AS tag, @own AS own');
        return rows.map(({ own }) => String(own));
      }
    }
  }
}
