/**
 * What `--json` writes. The schema is the documentation of it (`--json-schema` prints it), and the compiler checks that what is
 * written fits: no field of it can change unnoticed.
 */
import { z } from 'zod';
import type { Circumstances } from './machine.js';
import { isLoadReport, type Report, summarizeIdle } from './report.js';
import { summarize } from './series.js';
import { type Verdict, VerdictOutcome } from './verdict.js';

const FORMAT = 'mybouncer-bench/1';

const number = (about: string) => z.number().describe(about);
const ifKnown = (about: string) =>
  z.number().optional().describe(`${about}; left out where it can't be seen`);
const listOf = <T extends z.ZodType>(item: T) => z.array(item).readonly();

const errors = {
  errors: z.int().describe('errors that clients saw, the logins and the warm-up included'),
  errorTexts: listOf(z.string()).describe('the first few different ones'),
};

const failedRun = z.strictObject({ failure: z.string().describe('why there are no figures') });

const loadRun = z.strictObject({
  rate: number("per second, what the scenario's `unit` says"),
  p50: number('latency in ms'),
  p95: number('latency in ms'),
  p99: number('latency in ms'),
  p999: number('latency in ms'),
  max: number('latency in ms'),
  stall: ifKnown('longest time without any reply to any client, in ms'),
  lag: ifKnown('longest time for which the load generator itself did not get to run, in ms'),
  bytesPerSecond: ifKnown('what came back'),
  fairness: ifKnown('what the slowest client got done, of what the one in the middle did'),
  unanswered: ifKnown('commands that were never answered'),
  ...errors,
  conflicts: number('transactions repeated after a deadlock or a lock wait timeout'),
  proxyCpu: ifKnown('CPU of the proxy in µs per query, connection or result'),
  serverCpu: number('the same of the server'),
  loadCpu: number('the same of the load generator'),
  sessions: z
    .int()
    .describe("server sessions of the target's account at their most, control connections included"),
  residentBytes: z
    .int()
    .optional()
    .describe("the proxy's resident memory at its most; left out where it can't be seen"),
  disturbance: number('share of the CPU time of the machine that went to strangers, 0 to 1'),
});

const loadSummary = z.strictObject({
  rate: number('median'),
  rateSpread: number('(best - worst) / median of the rounds'),
  p50: number('median'),
  p95: number('median'),
  p99: number('median'),
  p999: number('median'),
  worstMax: number('of all rounds'),
  worstStall: ifKnown('of all rounds'),
  worstLag: ifKnown('of all rounds'),
  bytesPerSecond: ifKnown('median'),
  fairness: ifKnown('of the worst round'),
  unanswered: number('of all rounds together'),
  proxyCpu: ifKnown('median'),
  serverCpu: number('median'),
  loadCpu: number('median'),
  sessions: number('the most of any round'),
  residentBytes: ifKnown('the most of any round'),
  errors: number('of all rounds together'),
  conflicts: number('of all rounds together'),
  disturbance: number('median'),
  loadShare: number('share of a core that the load generator used: near 1, it may be the limit'),
});

const memory = z.strictObject({
  median: z.number().describe('in bytes'),
  low: z.number().describe('in bytes'),
  high: z.number().describe('in bytes'),
});

const idleRun = z.strictObject({
  clients: z.int(),
  before: memory.describe('RSS before the clients came'),
  idle: memory.describe('RSS with all of them'),
  left: memory.describe('RSS when they have left'),
  collected: z
    .strictObject({ idle: memory, left: memory })
    .optional()
    .describe('the same after collections of garbage; left out where the proxy cannot be made to do one'),
  each: number('bytes that the proxy grew by, for each client'),
  held: ifKnown('bytes that it gave back when they left, for each client, without garbage before and after'),
  noise: number('bytes by which memory moved by itself while it was looked at, for each client'),
  loginsPerSecond: number('while they came'),
  sessions: z.int().describe('server sessions with all of them'),
  ...errors,
});

const idleSummary = z.strictObject({
  before: number('median, bytes'),
  idle: number('median, bytes'),
  left: number('median, bytes'),
  each: number('median, bytes'),
  held: ifKnown('median, bytes'),
  noise: number('the most of any round, bytes'),
  loginsPerSecond: number('median'),
  sessions: number('the most of any round'),
  errors: number('of all rounds together'),
});

const scenario = {
  name: z.string(),
  title: z.string(),
  clients: z.int(),
  poolSize: z.int().describe('server sessions that a pooling target may use'),
};

const report = {
  server: z.enum(['mariadb', 'mysql']),
  notes: listOf(z.string()).describe('what a reader must know before believing the figures'),
  meaningless: z.boolean().describe('noise is so loud that a comparison says nothing'),
  faulty: z.boolean().describe('a run failed, or a client saw an error'),
};

const loadReport = z.strictObject({
  ...report,
  scenario: z.strictObject({
    ...scenario,
    kind: z.literal('load'),
    unit: z.enum(['queries', 'connections', 'results']).describe('what is counted per second'),
    group: z.string().optional().describe('scenarios of one group were measured in the same rounds'),
  }),
  targets: listOf(
    z.strictObject({
      target: z.string(),
      runs: listOf(z.union([loadRun, failedRun])).describe('round by round'),
      summary: loadSummary.optional().describe('of all rounds; left out when each of them failed'),
    }),
  ),
});

const idleReport = z.strictObject({
  ...report,
  scenario: z.strictObject({ ...scenario, kind: z.literal('idle') }),
  targets: listOf(
    z.strictObject({
      target: z.string(),
      runs: listOf(z.union([idleRun, failedRun])).describe('round by round'),
      summary: idleSummary.optional().describe('of all rounds; left out when each of them failed'),
    }),
  ),
});

const verdict = z.strictObject({
  criterion: z.string(),
  scenario: z.string(),
  server: z.enum(['mariadb', 'mysql']),
  target: z.string(),
  bound: z.enum(['at least', 'at most']),
  limit: z.number(),
  figure: z.number().optional().describe('median of the rounds; the worst of them for the longest stall'),
  rounds: listOf(z.number()).describe("the rounds' own figures: ratios are of the same round"),
  outcome: z.enum(Object.values(VerdictOutcome)),
});

export const benchResult = z
  .object({
    format: z.literal(FORMAT),
    machine: z.string(),
    versions: listOf(z.string()),
    command: z.string(),
    rounds: z.int(),
    seconds: z.number().describe('of each run, without its warm-up'),
    date: z.string(),
    scenarios: listOf(z.union([loadReport, idleReport])),
    verdict: listOf(verdict).describe(
      'what the project asks of itself, for each build of MyBouncer in the run',
    ),
  })
  .describe('A run of the bench of MyBouncer');

export type BenchResult = z.infer<typeof benchResult>;

/** The JSON schema of what `--json` writes. */
export function resultSchema(): object {
  return z.toJSONSchema(benchResult);
}

export function benchResultOf(
  about: Circumstances,
  reports: readonly Report[],
  verdicts: readonly Verdict[],
): BenchResult {
  return {
    format: FORMAT,
    ...about,
    scenarios: reports.map(reportResult),
    verdict: verdicts,
  };
}

function reportResult(given: Report): BenchResult['scenarios'][number] {
  const { server, meaningless, faulty, notes } = given;
  const common = { server, meaningless, faulty, notes };
  const { name, title, clients, poolSize } = given.scenario;
  if (isLoadReport(given)) {
    const { kind, unit, group } = given.scenario;
    return {
      ...common,
      scenario: { name, title, clients, poolSize, kind, unit, group },
      targets: given.series.map((series) => ({
        target: series.target,
        runs: series.runs,
        summary: summarize(series),
      })),
    };
  }
  return {
    ...common,
    scenario: { name, title, clients, poolSize, kind: 'idle' },
    targets: given.series.map((series) => ({
      target: series.target,
      runs: series.runs,
      summary: summarizeIdle(series),
    })),
  };
}
