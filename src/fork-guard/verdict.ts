import type { Holder } from './messages.js';

/** Who has slept for so long, in ms, is not on the way to its exec. */
const ASLEEP_MS = 50;
/** Nor is who has not come to one in this time, in ms, although it has had a processor. */
const HESITATION_MS = 1_000;
/** Nor who was asleep so many times, and has run in between. */
const SLEEPS = 3;
/** Nor who has used so much processor time. */
const BUSY_TICKS = 5;

export type Verdict =
  | { readonly kind: 'single' }
  /** `wait`: they may be about to run another program, and should be looked at again. */
  | { readonly kind: 'wait' | 'shared'; readonly opener: Holder; readonly holders: readonly number[] };

/** How far a process had come when it was seen first, or had moved, and when that was. */
interface Sighting {
  readonly progress: string;
  /** As `performance.now()`. */
  readonly at: number;
  /** How often it was seen asleep, having run since the time before. */
  readonly sleeps: number;
}

/** What was seen of young processes before, by id; for one client. */
export type Sightings = Map<number, Sighting>;

/**
 * What the holders of one client's socket mean. It is shared when another one runs the same program image as the oldest: it was
 * forked from it, and neither has done an exec since. (With an exec the program that knew the connection is gone, and a
 * descriptor may be left over for as long as the process lives: drivers without close-on-exec, shells and their subshells.)
 *
 * A process about to run another program (subprocess, system) looks exactly like a worker between its fork and its exec, and
 * stays so for tens of milliseconds where processors are scarce. But it always moves on, or would if it could: only a worker
 * sleeps, as all do that wait for a request or for a reply. So there must be two sightings between which it has not run.
 */
export function judge(holders: readonly Holder[], sightings: Sightings, now: number): Verdict {
  const [opener, ...others] = [...holders].sort((a, b) => a.startTicks - b.startTicks || a.pid - b.pid);
  if (opener === undefined) return SINGLE;
  const heirs = others.filter((other) => runsTheSame(other, opener));
  if (heirs.length === 0) return SINGLE;
  const settled = heirs.filter((heir) => isSettled(heir, sightings, now));
  const kind = settled.length === 0 ? 'wait' : 'shared';
  return { kind, opener, holders: [opener, ...heirs].map(({ pid }) => pid) };
}

const SINGLE: Verdict = { kind: 'single' };

function runsTheSame(a: Holder, b: Holder): boolean {
  return a.stackStart === b.stackStart && a.executable === b.executable;
}

function isSettled(heir: Holder, sightings: Sightings, now: number): boolean {
  const { pid, state, progress, ageMs, cpuTicks } = heir;
  if (cpuTicks >= BUSY_TICKS) return true;
  const before = sightings.get(pid);
  if (state !== 'S' || before?.progress !== progress) {
    const sleeps = (before?.sleeps ?? 0) + (state === 'S' && before?.progress !== progress ? 1 : 0);
    sightings.set(pid, { progress, at: now, sleeps });
    return state === 'S' && (ageMs >= HESITATION_MS || sleeps >= SLEEPS);
  }
  return ageMs >= HESITATION_MS || now - before.at >= ASLEEP_MS;
}
