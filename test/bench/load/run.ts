import { performance } from 'node:perf_hooks';
import { LatencyHistogram } from '../histogram.js';
import type { LoadPlan, LoadResult } from './plan.js';
import { LoadSession } from './session.js';
import { ExecutePackets, preparePacket, queryPacket } from './wire.js';

const LOGINS_AT_ONCE = 64;
const DIFFERENT_QUERIES = 1024;
const RETRY_MS = 10;
const ERROR_TEXTS = 5;
/** After so long nobody will answer any more: longer than anyone waits for a session. */
const DRAIN_MS = 15_000;
const DRAIN_POLL_MS = 20;

/** Counts for all clients of this process. */
class Meter {
  readonly #histogram = new LatencyHistogram();
  readonly #errorTexts = new Set<string>();
  readonly #byClient: Float64Array;
  /** Commands that were sent and not answered. */
  pending = 0;
  #errors = 0;
  #lastReply = 0;
  #stall = 0;
  #begun = 0;
  #cpu = process.cpuUsage();

  constructor(clients: number) {
    this.#byClient = new Float64Array(clients);
  }

  begin(): void {
    this.#histogram.reset();
    this.#byClient.fill(0);
    this.#stall = 0;
    this.#begun = performance.now();
    this.#lastReply = this.#begun;
    this.#cpu = process.cpuUsage();
  }

  completed(client: number, sentAt: number, now: number): void {
    this.#histogram.record(now - sentAt);
    this.#byClient[client] = (this.#byClient[client] ?? 0) + 1;
    const gap = now - this.#lastReply;
    if (gap > this.#stall) {
      this.#stall = gap;
    }
    this.#lastReply = now;
  }

  /** Errors count from the first login on: a run with any is not a good one. */
  failed(text: string): void {
    this.#errors += 1;
    if (this.#errorTexts.size < ERROR_TEXTS) {
      this.#errorTexts.add(text);
    }
  }

  end(): LoadResult {
    const now = performance.now();
    const cpu = process.cpuUsage(this.#cpu);
    const byClient = this.#byClient.toSorted();
    return {
      completed: this.#histogram.total,
      seconds: (now - this.#begun) / 1000,
      histogram: this.#histogram.entries(),
      maxMs: this.#histogram.max,
      stallMs: Math.max(this.#stall, now - this.#lastReply),
      leastOfClient: byClient[0] ?? 0,
      medianOfClient: byClient[byClient.length >> 1] ?? 0,
      errors: this.#errors,
      errorTexts: [...this.#errorTexts],
      cpuMicros: cpu.user + cpu.system,
    };
  }
}

/** What the clients of a run share. */
interface Shared {
  readonly plan: LoadPlan;
  readonly meter: Meter;
  readonly queries: readonly Buffer[];
  stopping: boolean;
}

function randomBelow(limit: number): number {
  return (Math.random() * limit) | 0;
}

function pickQuery(shared: Shared): Buffer {
  return shared.queries[randomBelow(shared.queries.length)] ?? Buffer.alloc(0);
}

function makeQueries(plan: LoadPlan): Buffer[] {
  const make = () => queryPacket(plan.statement.replaceAll('?', () => String(1 + randomBelow(plan.rows))));
  return plan.statement.includes('?') ? Array.from({ length: DIFFERENT_QUERIES }, make) : [make()];
}

/** Logs in, sends the client's preamble, and goes on with `ready`. */
function openSession(
  shared: Shared,
  client: number,
  handlers: {
    ready(session: LoadSession): void;
    reply(error: string | undefined): void;
    lost(reason: string): void;
  },
): void {
  const { preambles } = shared.plan;
  const preamble = preambles[client % preambles.length];
  let prepared = false;
  const begin = () => {
    prepared = true;
    handlers.ready(session);
  };
  const session = new LoadSession(shared.plan, {
    onReady: () => (preamble === undefined ? begin() : session.send(queryPacket(preamble))),
    onReply: (error) => {
      if (prepared) {
        handlers.reply(error);
        return;
      }
      if (error !== undefined) {
        shared.meter.failed(error);
      }
      begin();
    },
    onLost: (reason) => handlers.lost(reason),
  });
}

/** A client that keeps its connection. `onReady` is called once, when it has logged in or failed to. */
function startQueryClient(shared: Shared, client: number, onReady: () => void): void {
  const { meter, plan } = shared;
  let active: LoadSession | undefined;
  let execute: ExecutePackets | undefined;
  let sentAt = 0;
  const sendNext = (session: LoadSession, now: number) => {
    sentAt = now;
    meter.pending += 1;
    session.send(execute === undefined ? pickQuery(shared) : execute.next(1 + randomBelow(plan.rows)));
  };
  const begin = (session: LoadSession) => {
    active = session;
    onReady();
    sendNext(session, performance.now());
  };
  openSession(shared, client, {
    ready: (session) => {
      if (plan.mode === 'prepared') {
        session.prepare(preparePacket(plan.statement), (statementId) => {
          execute = new ExecutePackets(statementId);
          begin(session);
        });
      } else {
        begin(session);
      }
    },
    reply: (error) => {
      const now = performance.now();
      meter.pending -= 1;
      if (error === undefined) {
        meter.completed(client, sentAt, now);
      } else {
        meter.failed(error);
      }
      if (shared.stopping) {
        active?.quit();
      } else if (active !== undefined) {
        sendNext(active, now);
      }
    },
    lost: (reason) => {
      meter.failed(reason);
      if (active !== undefined) {
        meter.pending -= 1;
      } else {
        onReady();
      }
    },
  });
}

/** A client that connects for each statement, as an app without persistent connections does. */
function startConnectClient(shared: Shared, client: number): void {
  const { meter } = shared;
  const connectAgain = () => {
    if (shared.stopping) {
      return;
    }
    const startedAt = performance.now();
    let active: LoadSession | undefined;
    openSession(shared, client, {
      ready: (session) => {
        active = session;
        session.send(pickQuery(shared));
      },
      reply: (error) => {
        active?.quit();
        if (error === undefined) {
          meter.completed(client, startedAt, performance.now());
        } else {
          meter.failed(error);
        }
        connectAgain();
      },
      lost: (reason) => {
        meter.failed(reason);
        setTimeout(connectAgain, RETRY_MS);
      },
    });
  };
  connectAgain();
}

/** Starts all clients; resolves when each has logged in, or failed to. */
async function startClients(shared: Shared): Promise<void> {
  const { clients, mode } = shared.plan;
  if (mode === 'connect') {
    for (let client = 0; client < clients; client += 1) {
      startConnectClient(shared, client);
    }
    return;
  }
  // A login at a time per lane, or the accept queue would overflow with thousands of clients.
  let next = 0;
  const lane = async () => {
    while (next < clients) {
      const client = next++;
      await new Promise<void>((resolve) => startQueryClient(shared, client, resolve));
    }
  };
  await Promise.all(Array.from({ length: Math.min(LOGINS_AT_ONCE, clients) }, lane));
}

/**
 * Runs a plan; `onBegin` is called at the end of the warm-up, `onEnd` when the time is up.
 * @returns how many of the last commands were never answered
 */
export async function runLoad(
  plan: LoadPlan,
  { onBegin, onEnd }: { onBegin(): void; onEnd(result: LoadResult): void },
): Promise<number> {
  const meter = new Meter(plan.clients);
  const shared: Shared = { plan, meter, queries: makeQueries(plan), stopping: false };
  await startClients(shared);
  await delay(plan.warmupSeconds);
  onBegin();
  meter.begin();
  await delay(plan.seconds);
  shared.stopping = true;
  onEnd(meter.end());
  for (let waited = 0; meter.pending > 0 && waited < DRAIN_MS; waited += DRAIN_POLL_MS) {
    await delay(DRAIN_POLL_MS / 1000);
  }
  return meter.pending;
}

function delay(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
