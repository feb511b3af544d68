import * as z from 'zod';
import {
  HISTORY_COLUMNS,
  type History,
  type HistoryColumn,
  type HistoryPart,
  type HistorySnapshot,
  type HistorySource,
} from '../observability/history.js';
import { LatencyHistogram } from '../observability/latency-histogram.js';
import type { WorkerBus } from '../workers/bus.js';
import { count, histogram } from './schemas.js';
import { NO_QUESTION, Topic } from './topic.js';

const gauges = z.object({
  clients: count,
  active: count,
  waiting: count,
  idle: count,
  held: count,
  sessions: count,
  sessionsLent: count,
  sessionLimit: count,
});

const part = z.object({
  process: z.string(),
  at: z.number(),
  gauges,
  queries: count,
  errors: count.nullable(),
  wait: histogram,
  server: histogram,
});

type PartJson = z.infer<typeof part>;

const column = z.array(z.number().nullable());
const snapshot = z.object({
  time: z.array(count),
  columns: z.object(
    Object.fromEntries(HISTORY_COLUMNS.map((name) => [name, column])) as Record<HistoryColumn, typeof column>,
  ),
});

/** How long a new worker waits to be told what was before it, ms. */
const PAST_MS = 1_000;

/** Points of all workers: each has the same, as each asks the others whenever it takes one. */
export function allHistory(bus: WorkerBus, own: () => HistoryPart): HistorySource {
  if (bus.count === 1) return () => [own()];
  const topic = new Topic<null, PartJson>(bus, {
    name: 'history.part',
    question: NO_QUESTION,
    answer: part,
    own: () => toJson(own()),
  });
  return async () => (await topic.all(null)).map(({ value }) => fromJson(value));
}

/** A worker in the place of one that has died begins with the points that another one has. Never rejects. */
export async function shareHistory(bus: WorkerBus, history: History): Promise<void> {
  if (bus.count === 1) return;
  const topic = new Topic<null, HistorySnapshot>(bus, {
    name: 'history.past',
    question: NO_QUESTION,
    answer: snapshot,
    own: () => history.snapshot(),
    timeoutMs: PAST_MS,
  });
  const answers = (await topic.others(null)).map(({ value }) => value);
  const [longest] = answers.sort((a, b) => b.time.length - a.time.length);
  if (longest !== undefined) history.restore(longest);
}

function toJson({ wait, server, ...rest }: HistoryPart): PartJson {
  return { ...rest, wait: wait.parts(), server: server.parts() };
}

function fromJson({ wait, server, ...rest }: PartJson): HistoryPart {
  return { ...rest, wait: LatencyHistogram.of(wait), server: LatencyHistogram.of(server) };
}
