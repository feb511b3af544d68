import * as z from 'zod';
import type { Later } from '../admin/console/later.js';
import { type DigestParts, mergedDigests, type QueryDigests } from '../observability/query-digests.js';
import type { WorkerBus } from '../workers/bus.js';
import { count, histogram } from './schemas.js';
import { NO_QUESTION, Topic } from './topic.js';

export type DigestRows = ReturnType<QueryDigests['top']>;

const digest = z.object({
  id: z.string(),
  text: z.string(),
  count,
  errors: count,
  serverMs: z.number(),
  waitMs: z.number(),
  rows: count,
  bytes: count,
  holds: count,
  times: histogram,
}) satisfies z.ZodType<DigestParts>;

type Weights = readonly (readonly [string, number])[];

/**
 * The statements that have taken most time, on all workers. Each is asked twice: for the times of all that it has, and then for
 * the numbers of the few that are wanted, so that what one worker sees little of counts as well, and texts and histograms
 * cross the bus for no more than are shown.
 */
export class AllDigests {
  readonly #table: QueryDigests;
  readonly #weights: Topic<null, Weights> | null;
  readonly #parts: Topic<readonly string[], readonly DigestParts[]> | null;

  constructor(bus: WorkerBus, table: QueryDigests) {
    this.#table = table;
    const alone = bus.count === 1;
    this.#weights = alone
      ? null
      : new Topic<null, Weights>(bus, {
          name: 'digests.weights',
          question: NO_QUESTION,
          answer: z.array(z.tuple([z.string(), z.number()])),
          own: () => table.weights(),
        });
    this.#parts = alone
      ? null
      : new Topic<readonly string[], readonly DigestParts[]>(bus, {
          name: 'digests.parts',
          question: z.array(z.string()),
          answer: z.array(digest),
          own: (ids) => table.partsOf(ids),
        });
  }

  /** {@link QueryDigests.top} */
  top(n: number): Later<DigestRows> {
    if (this.#weights === null || this.#parts === null) return this.#table.top(n);
    return this.#topOfAll(this.#weights, this.#parts, n);
  }

  async #topOfAll(
    weights: Topic<null, Weights>,
    parts: Topic<readonly string[], readonly DigestParts[]>,
    n: number,
  ): Promise<DigestRows> {
    const sums = new Map<string, number>();
    for (const { value } of await weights.all(null))
      for (const [id, serverMs] of value) sums.set(id, (sums.get(id) ?? 0) + serverMs);
    const ids = [...sums].sort((a, b) => b[1] - a[1]).map(([id]) => id);
    const answers = await parts.all(ids.slice(0, n));
    return mergedDigests(answers.flatMap(({ value }) => value));
  }
}
