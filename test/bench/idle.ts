import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from './errors.js';
import { runIdleLoad } from './lean-load.js';
import type { IdleMeasurement, IdleRun, Memory } from './measurement.js';
import { handlesSignal, processTree, residentBytes } from './proc.js';
import { settle } from './run.js';
import { type IdleScenario, POINT_SELECT } from './scenarios.js';
import { median } from './statistics.js';
import { COLLECT_SIGNAL, type Target, type TargetContext, type TargetKind } from './targets.js';

export interface IdleContext extends TargetContext {
  readonly scenario: IdleScenario;
  /** How long memory is looked at, at each step. */
  readonly settleSeconds: number;
}

/** Enough queries for a runtime to have compiled what it will, and to have its heap at its usual size. */
const WARM_CLIENTS = 100;
const WARM_STATEMENTS = 200;

const LOOK_EVERY_MS = 100;
/** Memory that still moves by more than this share is looked at for longer, */
const UNSETTLED = 0.01;
/** up to so many times the usual time. */
const LONGEST = 3;
const PATIENCE_MS = 120_000;
const LOGIN_PATIENCE_MS = 20;

/** One run, with a proxy that is started for it: what one of them has grown to would hide what the next one needs. */
export async function measureIdle(context: IdleContext, kind: TargetKind): Promise<IdleRun> {
  context.signal.throwIfAborted();
  try {
    const target = await kind.start(context);
    try {
      return await measureProxy(context, target);
    } finally {
      await target.stop();
      await settle(context.server, target, context.scenario.poolSize);
    }
  } catch (error) {
    context.signal.throwIfAborted();
    return { failure: messageOf(error) };
  }
}

async function measureProxy(context: IdleContext, target: Target): Promise<IdleRun> {
  const { workspace, scenario, server, settleSeconds } = context;
  if (target.pids.length === 0) {
    return { failure: 'its memory cannot be seen from here' };
  }
  const look = () => memory(target, settleSeconds);
  const seen: Partial<Record<'before' | 'idle' | 'left', Memory>> & { sessions: number } = { sessions: 0 };
  const collected: Partial<Record<'idle' | 'left', Memory>> = {};
  const plan = {
    ...({ mode: 'idle', address: target.address, tls: false, credentials: target.credentials } as const),
    ...{ clients: scenario.clients, statement: POINT_SELECT.replace('?', '1') },
    ...{ warmClients: Math.min(WARM_CLIENTS, scenario.clients), warmStatements: WARM_STATEMENTS },
  };
  const looking = 5 * LONGEST * settleSeconds * 1000;
  const load = await runIdleLoad(
    workspace,
    plan,
    {
      deadlineMs: PATIENCE_MS + looking + scenario.clients * LOGIN_PATIENCE_MS,
      signal: context.signal,
    },
    {
      warmed: async () => {
        seen.before = await look();
      },
      connected: async () => {
        seen.idle = await look();
        seen.sessions = await server.sessions(target.credentials.user);
        if (target.collects) {
          collectGarbage(target);
          collected.idle = await look();
        }
      },
      left: async () => {
        seen.left = await look();
        if (target.collects) {
          collectGarbage(target);
          collected.left = await look();
        }
      },
    },
  );
  const { before, idle, left, sessions } = seen;
  if (before === undefined || idle === undefined || left === undefined) {
    return { failure: 'the load generator left out a step' };
  }
  const without =
    collected.idle === undefined || collected.left === undefined
      ? undefined
      : { idle: collected.idle, left: collected.left };
  return figures(scenario.clients, { before, idle, left, collected: without, sessions }, load);
}

interface Looks {
  readonly before: Memory;
  readonly idle: Memory;
  readonly left: Memory;
  readonly collected: IdleMeasurement['collected'];
  readonly sessions: number;
}

function figures(
  clients: number,
  looks: Looks,
  load: { seconds: number; errors: number; errorTexts: readonly string[] },
): IdleMeasurement {
  const { before, idle, collected } = looks;
  const each = (more: Memory, less: Memory) => (more.median - less.median) / clients;
  const range = ({ low, high }: Memory) => high - low;
  return {
    clients,
    ...looks,
    each: each(idle, before),
    held: collected === undefined ? undefined : each(collected.idle, collected.left),
    noise: (range(before) + range(idle)) / clients,
    loginsPerSecond: clients / load.seconds,
    errors: load.errors,
    errorTexts: load.errorTexts,
  };
}

/** The signal would end a process that does not listen to it. */
function collectGarbage({ pids }: Target): void {
  for (const pid of pids.flatMap(processTree)) {
    if (handlesSignal(pid, COLLECT_SIGNAL)) {
      process.kill(pid, COLLECT_SIGNAL);
    }
  }
}

/** Looks until the second half of what was seen is at rest, or has had its time. */
async function memory({ pids }: Target, seconds: number): Promise<Memory> {
  const seen: number[] = [];
  const enough = Math.max(4, (seconds * 1000) / LOOK_EVERY_MS);
  for (;;) {
    await sleep(LOOK_EVERY_MS);
    seen.push(pids.flatMap(processTree).reduce((sum, pid) => sum + residentBytes(pid), 0));
    const recent = seen.slice(seen.length >> 1);
    const [low, high, middle] = [Math.min(...recent), Math.max(...recent), median(recent)];
    const settled = high - low <= middle * UNSETTLED || seen.length >= LONGEST * enough;
    if (seen.length >= enough && settled) {
      return { median: middle, low, high };
    }
  }
}
