import type { LoanWindow } from '../pool/loan-log.js';

/** Numbers of one worker's clients are apart from those of the others' by so much. */
const CLIENTS_APART = 2 ** 26;

/**
 * Windows in which the loans of all workers are seen: of each of those that the busiest worker has, the part in which every worker
 * recorded. Workers begin theirs at the same moments, and those of a moment are kept by all or by none; of moments at which one has none nothing
 * is said, since a part of the requests would be missing.
 */
export function joinedWindows(workers: readonly (readonly LoanWindow[])[]): readonly LoanWindow[] {
  const hasRows = ({ client }: LoanWindow): boolean => client.length > 0;
  const [only] = workers;
  if (workers.length === 1 && only !== undefined) return only.filter(hasRows);
  const loans = workers.map((windows) => windows.reduce((sum, { weight }) => sum + weight, 0));
  const total = loans.reduce((sum, count) => sum + count, 0);
  const most = loans.indexOf(Math.max(...loans));
  const lead = workers[most] ?? [];
  const share = (loans[most] ?? 0) / total;
  return lead
    .flatMap((window) => {
      const parts = workers.map((windows, i) => (i === most ? window : nearest(windows, window)));
      const known = parts.filter((part) => part !== null);
      if (known.length < parts.length) return [];
      const joined = join(known);
      return joined === null ? [] : [{ ...joined, weight: window.weight / share }];
    })
    .filter(hasRows);
}

const endOf = ({ beganAt, lengthMs }: LoanWindow): number => beganAt + lengthMs;

/** The one that has most of this one's time; null where none has any. */
function nearest(windows: readonly LoanWindow[], one: LoanWindow): LoanWindow | null {
  let found: LoanWindow | null = null;
  let longest = 0;
  for (const window of windows) {
    const shared = Math.min(endOf(window), endOf(one)) - Math.max(window.beganAt, one.beganAt);
    if (shared <= longest) continue;
    longest = shared;
    found = window;
  }
  return found;
}

/** Null where there is no moment of which all of them tell. */
function join(windows: readonly LoanWindow[]): Omit<LoanWindow, 'weight'> | null {
  const beganAt = Math.max(...windows.map((window) => window.beganAt));
  const lengthMs = Math.min(...windows.map(endOf)) - beganAt;
  if (lengthMs <= 0) return null;
  const client: number[] = [];
  const asked: number[] = [];
  const lent: number[] = [];
  const ended: number[] = [];
  const profile: number[] = [];
  const within = (time: number): number => (time > lengthMs ? Number.POSITIVE_INFINITY : time);
  for (const [worker, window] of windows.entries()) {
    const skipped = beganAt - window.beganAt;
    for (const [row, id] of window.client.entries()) {
      const askedAt = (window.asked[row] ?? 0) - skipped;
      const endedAt = (window.ended[row] ?? 0) - skipped;
      if (askedAt > lengthMs || endedAt <= 0) continue;
      client.push((id + worker * CLIENTS_APART) >>> 0);
      asked.push(askedAt);
      lent.push(within((window.lent[row] ?? 0) - skipped));
      ended.push(within(endedAt));
      profile.push(window.profile[row] ?? 0);
    }
  }
  return {
    beganAt,
    lengthMs,
    client: Uint32Array.from(client),
    asked: Float32Array.from(asked),
    lent: Float32Array.from(lent),
    ended: Float32Array.from(ended),
    profile: Int32Array.from(profile),
  };
}
