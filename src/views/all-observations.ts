import * as z from 'zod';
import type { Later } from '../admin/console/later.js';
import { mergedObservation } from '../advice/merged-observation.js';
import type { Observation } from '../advice/observation.js';
import type { LoanWindow } from '../pool/loan-log.js';
import type { WorkerBus } from '../workers/bus.js';
import { count } from './schemas.js';
import { NO_QUESTION, Topic } from './topic.js';

/** Rows of a window, and bytes of a number of each of its columns. */
const MOST_ROWS = 4_096;
const NUMBER_BYTES = 4;

/** A column as text: infinite times are no JSON, and this is a third of the size. */
const column = z.base64().max(Math.ceil((MOST_ROWS * NUMBER_BYTES) / 3) * 4);
const windowSchema = z.object({
  beganAt: z.number(),
  lengthMs: z.number().min(0),
  weight: z.number().min(0),
  client: column,
  asked: column,
  lent: column,
  ended: column,
  profile: column,
});

const counts = z.array(z.tuple([z.string(), z.number()]));
const sampled = { mean: z.number(), peak: z.number() };
const statement = z.object({
  reason: z.string(),
  statement: z.string().nullable(),
  count,
  seconds: z.number(),
});

const observation = z.object({
  seconds: z.number(),
  mode: z.enum(['transaction', 'session', 'dry_run']),
  commands: count,
  pool: z.object({
    size: count,
    configured: z.union([count, z.literal('auto')]),
    pools: count,
    loans: count,
    peak: count,
    windows: z.array(windowSchema),
  }),
  demand: z.object({ moments: count, mean: z.number(), p99: count }),
  holds: z.object({
    lasting: z.object(sampled),
    reasons: z.array(z.object({ reason: z.string(), begun: count, ...sampled })),
    statements: z.array(statement),
  }),
  gaps: z.array(statement.omit({ reason: true })),
  timeLimits: counts,
  refusals: counts,
  sharedSockets: counts,
  checkouts: counts,
  differences: z.array(z.object({ name: z.string(), values: count })),
  profiles: count,
  dryRun: z.object({ shared: count, refused: z.array(statement), sessions: count }).nullable(),
});

type ObservationJson = z.infer<typeof observation>;
type WindowJson = z.infer<typeof windowSchema>;

/** What all workers have seen, for advice. */
export class AllObservations {
  readonly #own: () => Observation;
  readonly #topic: Topic<null, ObservationJson> | null;

  constructor(bus: WorkerBus, own: () => Observation) {
    this.#own = own;
    this.#topic =
      bus.count === 1
        ? null
        : new Topic<null, ObservationJson>(bus, {
            name: 'advice.observation',
            question: NO_QUESTION,
            answer: observation,
            own: () => toJson(own()),
          });
  }

  take(): Later<Observation> {
    return this.#topic === null ? this.#own() : this.#taken(this.#topic);
  }

  async #taken(topic: Topic<null, ObservationJson>): Promise<Observation> {
    const others = await topic.others(null);
    return mergedObservation(
      this.#own(),
      others.map(({ value }) => fromJson(value)),
    );
  }
}

function toJson(own: Observation): ObservationJson {
  const { pool, holds, gaps, dryRun, differences, ...rest } = own;
  return {
    ...rest,
    pool: { ...pool, windows: pool.windows.map(windowToJson) },
    holds: { ...holds, reasons: [...holds.reasons], statements: [...holds.statements] },
    gaps: [...gaps],
    timeLimits: [...own.timeLimits],
    refusals: [...own.refusals],
    sharedSockets: [...own.sharedSockets],
    checkouts: [...own.checkouts],
    differences: [...differences],
    dryRun: dryRun === null ? null : { ...dryRun, refused: [...dryRun.refused] },
  };
}

function fromJson({ pool, ...rest }: ObservationJson): Observation {
  return {
    ...rest,
    pool: { ...pool, windows: pool.windows.map(windowFromJson) },
    timeLimits: new Map(rest.timeLimits),
    refusals: new Map(rest.refusals),
    sharedSockets: new Map(rest.sharedSockets),
    checkouts: new Map(rest.checkouts),
  };
}

function windowToJson({
  client,
  asked,
  lent,
  ended,
  profile,
  beganAt,
  lengthMs,
  weight,
}: LoanWindow): WindowJson {
  const text = ({ buffer, byteOffset, byteLength }: Uint32Array | Float32Array | Int32Array): string =>
    Buffer.from(buffer, byteOffset, byteLength).toString('base64');
  return {
    beganAt,
    lengthMs,
    weight,
    client: text(client),
    asked: text(asked),
    lent: text(lent),
    ended: text(ended),
    profile: text(profile),
  };
}

function windowFromJson({ client, asked, lent, ended, profile, ...rest }: WindowJson): LoanWindow {
  return {
    ...rest,
    client: new Uint32Array(bytesOf(client)),
    asked: new Float32Array(bytesOf(asked)),
    lent: new Float32Array(bytesOf(lent)),
    ended: new Float32Array(bytesOf(ended)),
    profile: new Int32Array(bytesOf(profile)),
  };
}

/** Of a whole number of numbers. */
function bytesOf(text: string): ArrayBuffer {
  const bytes = Buffer.from(text, 'base64');
  const whole = new ArrayBuffer(bytes.length - (bytes.length % NUMBER_BYTES));
  new Uint8Array(whole).set(bytes.subarray(0, whole.byteLength));
  return whole;
}
