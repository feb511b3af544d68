import * as z from 'zod';

/* What /status answers. Fields are added without notice; one that changes its meaning, or goes, raises `schemaVersion`. */

export const STATUS_SCHEMA_VERSION = 1;

/** Rows of lists, at most; `…Total` says how many there are. */
export const STATUS_ROWS = { pools: 100, waiters: 20, holds: 50, topQueries: 20 } as const;

const count = z.int().min(0);
const ms = z.number().min(0);
const moment = z.iso.datetime().describe('RFC 3339, UTC');
const userName = z.string().describe('as the client gave it: not to be trusted as markup');
const digest = z.string().describe('a statement without its literals, at most 512 characters');

const percentiles = z
  .strictObject({ p50: ms, p95: ms, p99: ms })
  .describe('in milliseconds, of the last interval of the history');

const server = z.strictObject({
  name: z.string(),
  state: z.string().describe('unknown, up, slow_start, suspect, down'),
  role: z.string().nullable().describe('primary, replica, unusable; null before it was asked'),
  getsWrites: z.boolean().describe('whether clients that write are sent there now'),
  lagSeconds: z.number().nullable().describe('null where it is not known'),
  reasons: z.array(z.string()).describe('why it is in this state, or second choice'),
  seconds: count.describe('for so long'),
  paused: z.boolean(),
  lent: count.describe('server sessions'),
  waiting: count.describe('requests for one'),
});

const pool = z.strictObject({
  name: z.string().describe('sessions in a pool are interchangeable'),
  user: userName.describe("the server's account"),
  paused: z.boolean().describe('by PAUSE in the admin console'),
  waiting: count.describe('requests'),
  lent: count.describe('sessions that run something now, or will in a moment'),
  held: count.describe('sessions that clients keep between statements'),
  idle: count,
  opening: count,
  closing: count,
  longestWaitMs: ms,
});

const waiter = z.strictObject({
  client: count.describe('its connection id'),
  user: userName,
  address: z.string().nullable().describe('null over a unix socket'),
  application: z.string().nullable().describe('program_name as the client gave it, at most 100 characters'),
  waitedMs: ms,
});

const hold = z.strictObject({
  client: count,
  user: userName,
  server: count.nullable().describe("the server's own connection id"),
  reason: z.string(),
  since: moment,
  seconds: count,
  statement: digest.nullable().describe('that began it; null where it was no SQL'),
});

const topQuery = z.strictObject({
  id: z.string(),
  text: digest,
  count,
  errors: count,
  p50Ms: ms,
  p95Ms: ms,
  p99Ms: ms,
  serverMs: ms.describe('sum over all'),
  waitMs: ms.describe('sum over all'),
  rows: count,
  bytes: count,
  holds: count.describe('that it began'),
});

const worker = z.strictObject({
  worker: count.min(1),
  pid: count,
  clients: count.describe('logged in'),
  sessions: count.describe('server sessions: lent, held and idle'),
  uptimeSeconds: count,
});

const column = z.array(z.number().nullable());

const history = z.strictObject({
  intervalMs: count,
  points: count.describe('kept at most'),
  time: z.array(count).describe('ms since the epoch, oldest first; the columns belong to it'),
  clients: column,
  active: column,
  waiting: column,
  idle: column,
  held: column,
  sessions: column,
  sessionsLent: column,
  sessionLimit: column,
  queriesPerSecond: column,
  errorsPerSecond: column,
  waitP50: column,
  waitP95: column,
  waitP99: column,
  serverP50: column,
  serverP95: column,
  serverP99: column,
});

export const statusSchema = z
  .strictObject({
    schemaVersion: z.literal(STATUS_SCHEMA_VERSION),
    time: moment,
    version: z.string().describe("the proxy's"),
    startedAt: moment,
    uptimeSeconds: count,
    state: z
      .enum(['starting', 'serving', 'draining'])
      .describe('starting: the server has not been reached yet; draining: told to stop'),
    reason: z.string().describe('why it is not serving, in a sentence'),
    trouble: z
      .strictObject({ pool: z.string(), error: z.string(), seconds: count, attempts: count })
      .nullable()
      .describe('server sessions that cannot be opened, since when and why; null when all is well'),
    listen: z.array(z.string()),
    server: z.strictObject({ address: z.string(), version: z.string().nullable() }),
    servers: z
      .array(server)
      .nullable()
      .describe('several servers of one data set, in the order of the configuration; null for one alone'),
    poolMode: z.enum(['transaction', 'session']),
    clients: z
      .strictObject({
        total: count.describe('logged in'),
        active: count,
        waiting: count.describe('for a server session'),
        held: count.describe('idle, with a server session that it keeps'),
        idle: count,
        login: count.describe('logging in: not part of the total'),
      })
      .describe('client connections by state'),
    sessions: z
      .strictObject({
        limit: count.describe('at most, now'),
        share: count.describe('before a full server has a say'),
        open: count.describe('lent, held and idle'),
        lent: count,
        held: count,
        idle: count,
        opening: count,
        closing: count,
      })
      .describe('server sessions'),
    waiting: count.describe('requests that wait for a session'),
    longestWaitMs: ms,
    rates: z
      .strictObject({
        queriesPerSecond: z.number().min(0).nullable(),
        errorsPerSecond: z.number().min(0).nullable(),
        wait: percentiles.nullable().describe('of requests that had to wait for a session'),
        server: percentiles.nullable().describe('command sent until reply complete'),
      })
      .describe('of the last interval of the history; null where nothing was measured'),
    totals: z
      .strictObject({
        queries: count,
        checkouts: z.record(z.string(), count),
        reuseRatio: z.number().min(0).max(1),
        restores: count,
        resets: count,
        kills: z.record(z.string(), count),
        holds: z.record(z.string(), count),
        logins: z.record(z.string(), count),
        timeLimits: z.record(z.string(), count),
        sharedSockets: z.record(z.string(), count),
      })
      .describe('since the start; as the metrics of these names'),
    pools: z
      .array(pool)
      .max(STATUS_ROWS.pools)
      .describe('those with most waiters, then with most sessions, first'),
    poolsTotal: count,
    waiters: z.array(waiter).max(STATUS_ROWS.waiters).describe('longest first'),
    holdsByReason: z.array(z.strictObject({ reason: z.string(), clients: count })).describe('most first'),
    holds: z.array(hold).max(STATUS_ROWS.holds).describe('longest first'),
    holdsTotal: count,
    topQueries: z
      .array(topQuery)
      .max(STATUS_ROWS.topQueries)
      .nullable()
      .describe('most time on the server first; null with top_queries 0'),
    fleet: z
      .strictObject({ members: count, share: count, limit: count, maxConnections: count })
      .nullable()
      .describe('proxies on the same server; null where they are not counted'),
    workers: z
      .array(worker)
      .min(1)
      .describe('processes that serve clients, those that have answered: all else here is of them together'),
    workersTotal: count.min(1).describe('processes that serve clients'),
    history,
  })
  .describe('Status of MyBouncer');

export type Status = z.infer<typeof statusSchema>;

/** What one worker knows by itself. */
export const ownStatusSchema = statusSchema.omit({
  rates: true,
  history: true,
  topQueries: true,
  workersTotal: true,
});
export type OwnStatus = z.infer<typeof ownStatusSchema>;

/** {@link statusSchema} as JSON Schema. */
export function statusJsonSchema(): string {
  return `${JSON.stringify(z.toJSONSchema(statusSchema), null, 2)}\n`;
}
