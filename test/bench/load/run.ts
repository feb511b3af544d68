import { performance } from 'node:perf_hooks';
import { delay, inLanes } from './lanes.js';
import { Meter } from './meter.js';
import type { LoadPlan, LoadResult } from './plan.js';
import { LoadSession } from './session.js';
import { ExecutePackets, escapedBlob, filePackets, longQuery, preparePacket, queryPacket } from './wire.js';

const DIFFERENT_QUERIES = 1024;
const RETRY_MS = 10;
/** After so long nobody will answer any more: longer than anyone waits for a session. */
const DRAIN_MS = 15_000;
const DRAIN_POLL_MS = 20;

/** What the clients of a run share. */
interface Shared {
  readonly plan: LoadPlan;
  readonly meter: Meter;
  readonly queries: readonly Buffer[];
  readonly file: Buffer | null;
  stopping: boolean;
}

function randomBelow(limit: number): number {
  return (Math.random() * limit) | 0;
}

function pickQuery(shared: Shared): Buffer {
  return shared.queries[randomBelow(shared.queries.length)] ?? Buffer.alloc(0);
}

function makeQueries(plan: LoadPlan): Buffer[] {
  const blob = /\{blob:(\d+)\}/.exec(plan.statement);
  if (blob !== null) return [longQuery(plan.statement.split(blob[0]), escapedBlob(Number(blob[1])))];
  const make = () => queryPacket(plan.statement.replaceAll('?', () => String(1 + randomBelow(plan.rows))));
  return plan.statement.includes('?') ? Array.from({ length: DIFFERENT_QUERIES }, make) : [make()];
}

function makeFile({ statement }: LoadPlan): Buffer | null {
  const file = /\{file:(\d+)\}/.exec(statement);
  return file === null ? null : filePackets(Number(file[1]));
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
  const events = {
    onReady: () => (preamble === undefined ? begin() : session.send(queryPacket(preamble))),
    onReply: (error: string | undefined) => {
      if (prepared) {
        handlers.reply(error);
        return;
      }
      if (error !== undefined) {
        shared.meter.failed(error);
      }
      begin();
    },
    onLost: (reason: string) => handlers.lost(reason),
  };
  const session = new LoadSession(shared.plan, shared.meter, events, shared.file);
}

/**
 * A client that keeps its connection. It is ready when it has logged in and prepared what it will execute.
 * @returns what makes it send statement after statement; nothing where the login failed
 */
function openQueryClient(shared: Shared, client: number): Promise<(() => void) | undefined> {
  return new Promise((resolve) => {
    const { plan, meter } = shared;
    let sentAt = 0;
    let active: LoadSession | undefined;
    let execute: ExecutePackets | undefined;
    const sendNext = (session: LoadSession, now: number) => {
      sentAt = now;
      meter.pending += 1;
      session.send(execute === undefined ? pickQuery(shared) : execute.next(1 + randomBelow(plan.rows)));
    };
    const ready = (session: LoadSession) => {
      active = session;
      resolve(() => {
        if (active !== undefined) {
          sendNext(active, performance.now());
        }
      });
    };
    openSession(shared, client, {
      ready: (session) => {
        if (plan.mode === 'prepared') {
          session.prepare(preparePacket(plan.statement), (statementId) => {
            execute = new ExecutePackets(statementId);
            ready(session);
          });
        } else {
          ready(session);
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
        if (sentAt > 0) {
          meter.pending -= 1;
        }
        active = undefined;
        resolve(undefined);
      },
    });
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

/**
 * Starts all clients. Those that keep their connection send nothing before all have logged in: a server with a thread per
 * connection, kept busy by the first of thousands of clients, takes minutes to let the others in.
 */
async function startClients(shared: Shared): Promise<void> {
  const { clients, mode } = shared.plan;
  if (mode === 'connect') {
    for (let client = 0; client < clients; client += 1) {
      startConnectClient(shared, client);
    }
    return;
  }
  const starts: (() => void)[] = [];
  await inLanes(clients, async (client) => {
    const start = await openQueryClient(shared, client);
    if (start !== undefined) {
      starts.push(start);
    }
  });
  for (const start of starts) {
    start();
  }
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
  const shared: Shared = { plan, meter, queries: makeQueries(plan), file: makeFile(plan), stopping: false };
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
