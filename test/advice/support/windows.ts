import type { LoanWindow } from '../../../src/pool/loan-log.js';

/** One loan: whose, when asked for, lent and given back, in ms from the beginning of the window. */
export type Row = readonly [client: number, asked: number, lent: number, ended: number];

/** A window as the log records it. */
export function windowOf(
  rows: readonly Row[],
  lengthMs: number,
  profiles: readonly number[] = [],
): LoanWindow {
  return {
    beganAt: 0,
    lengthMs,
    weight: rows.length,
    client: Uint32Array.from(rows, ([client]) => client),
    asked: Float32Array.from(rows, ([, asked]) => asked),
    lent: Float32Array.from(rows, ([, , lent]) => lent),
    ended: Float32Array.from(rows, ([, , , ended]) => ended),
    profile: Int32Array.from(rows, (_row, i) => profiles[i] ?? 0),
  };
}
