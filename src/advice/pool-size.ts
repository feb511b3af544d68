import type { LoanWindow } from '../pool/loan-log.js';
import { quantile, shareAbove, type Weighted } from './quantile.js';
import { LoanScript } from './replay.js';

/** Recorded requests below which no size is advised: of fewer, p99 is the worst one or two. */
export const ENOUGH_REQUESTS = 200;

const P99 = 0.99;
/** Sums of shares are not quite what they should be. */
const ROUNDING = 1e-9;

/** What is known of a size. */
export interface SizedWait {
  readonly sessions: number;
  /** Ms. */
  readonly p99: number;
}

export interface SizeAdvice {
  /** The fewest sessions with which p99 of the wait is within the target. */
  readonly needed: SizedWait;
  /** One fewer; null where one is enough. */
  readonly fewer: SizedWait | null;
  /** The present size, by the same replay. */
  readonly present: SizedWait;
  /** P99 of the waits in truth, ms. */
  readonly measured: number;
  /** Of the busiest window by itself. */
  readonly busiest: { readonly sessions: number; readonly beganAt: number };
  /** Requests that were replayed, and windows that they came in. */
  readonly requests: number;
  readonly windows: number;
  /** Share of the loans that would have found no session in their client's state, with {@link needed}; 0 where states are not told. */
  readonly restored: number;
}

interface Script {
  readonly window: LoanWindow;
  readonly script: LoanScript;
}

/** Requests that came within a window: those before it say nothing of how long they waited. */
export function requestsIn(windows: readonly LoanWindow[]): number {
  return windows.reduce((sum, { asked }) => sum + asked.filter((time) => time >= 0).length, 0);
}

/** Null where too little was recorded. @param present sessions that there are @param targetMs p99 of the wait at most */
export function adviseSize(
  windows: readonly LoanWindow[],
  present: number,
  targetMs: number,
): SizeAdvice | null {
  const typical = windows.filter(({ weight }) => weight > 0);
  const requests = requestsIn(typical);
  if (requests < ENOUGH_REQUESTS) return null;
  const scripts = typical.map((window) => ({ window, script: new LoanScript(window) }));
  const needed = fewest(scripts, targetMs);
  const p99 = (sessions: number): SizedWait => ({ sessions, p99: p99Of(scripts, sessions) });
  const busiest = windows.reduce((a, b) => (demandOf(b) > demandOf(a) ? b : a));
  const most = fewest([{ window: { ...busiest, weight: 1 }, script: new LoanScript(busiest) }], targetMs);
  return {
    needed: p99(needed),
    fewer: needed > 1 ? p99(needed - 1) : null,
    present: p99(present),
    measured: quantile(
      scripts.map(({ window: { weight }, script }) => ({ values: script.waited, weight })),
      P99,
    ),
    busiest: { sessions: most, beganAt: busiest.beganAt },
    requests,
    windows: typical.length,
    restored: restoredOf(scripts, needed),
  };
}

/** More sessions never make waits longer, but for a hair where clients meet in another order: the search takes that for nothing. */
function fewest(scripts: readonly Script[], targetMs: number): number {
  let low = 1;
  // With a session for each client, nobody waits.
  let high = Math.max(1, ...scripts.map(({ script }) => script.mostUseful));
  while (low < high) {
    const middle = (low + high) >> 1;
    // As many as may be above p99.
    if (shareAbove(waitsOf(scripts, middle), targetMs) <= 1 - P99 + ROUNDING) high = middle;
    else low = middle + 1;
  }
  return low;
}

function p99Of(scripts: readonly Script[], sessions: number): number {
  return quantile(waitsOf(scripts, sessions), P99);
}

function waitsOf(scripts: readonly Script[], sessions: number): Weighted[] {
  return scripts.map(({ window: { weight }, script }) => {
    const values = sessions >= script.mostUseful ? NO_WAIT : script.replay(sessions).waits;
    return { values, weight };
  });
}

const NO_WAIT = new Float64Array(1);

function restoredOf(scripts: readonly Script[], sessions: number): number {
  let restored = 0;
  let all = 0;
  for (const { window, script } of scripts) {
    const { waits, restores } = script.replay(sessions);
    if (waits.length === 0) continue;
    restored += (restores / waits.length) * window.weight;
    all += window.weight;
  }
  return all === 0 ? 0 : restored / all;
}

/** Sessions lent and requests waiting, on average. */
function demandOf({ asked, ended, lengthMs }: LoanWindow): number {
  let sum = 0;
  for (const [row, end] of ended.entries()) sum += Math.min(end, lengthMs) - Math.max(0, asked[row] ?? 0);
  return lengthMs <= 0 ? 0 : sum / lengthMs;
}
