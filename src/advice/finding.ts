/** How much it matters. */
export const Severity = {
  Ok: 'ok',
  /** Sessions or time are lost. */
  Warn: 'warn',
  /** Clients got errors. */
  Fail: 'fail',
} as const;
export type Severity = (typeof Severity)[keyof typeof Severity];

/** One piece of advice. */
export interface AdviceFinding {
  readonly severity: Severity;
  /** A few words: `pool size`. */
  readonly about: string;
  /** What was found. */
  readonly what: string;
  /** The numbers behind it. */
  readonly why: string;
  /** A key and its value, or the change in the application; null where nothing needs to be done. */
  readonly toDo: string | null;
}

export function finding(
  severity: Severity,
  about: string,
  what: string,
  why: string,
  toDo: string | null,
): AdviceFinding {
  return { severity, about, what, why, toDo };
}

/** `0.4 ms`, `41 ms`, `1.2 s`. */
export function duration(ms: number): string {
  if (ms === Number.POSITIVE_INFINITY) return 'for ever';
  if (ms === 0) return '0 ms';
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1_000 ? `${Math.round(ms)} ms` : seconds(ms / 1_000);
}

/** `1.2 s`, `95 s`, `12 min`, `5.5 h`. */
export function seconds(value: number): string {
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 120) return `${Math.round(value)} s`;
  return value < 7_200 ? `${Math.round(value / 60)} min` : `${(value / 3_600).toFixed(1)} h`;
}

/** `1 session`, `1,024 requests`. */
export function count(n: number, noun: string, plural = `${noun}s`): string {
  return `${n.toLocaleString('en-US')} ${n === 1 ? noun : plural}`;
}

/** An average: as many decimals as say something. */
export function average(value: number): string {
  return value >= 10 ? String(Math.round(value)) : String(Number(value.toFixed(value >= 1 ? 1 : 2)));
}

/** A statement as it is quoted in a line. */
export function quoted(statement: string | null): string {
  if (statement === null) return 'what was no SQL, or too long';
  return statement.length > QUOTED ? `${statement.slice(0, QUOTED)}...` : statement;
}

const QUOTED = 160;
