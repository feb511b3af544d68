import { existsSync, readFileSync } from 'node:fs';
import { isShortage } from './shortage.js';

/** Of `/proc/<pid>/stat`: see proc_pid_stat(5). */
export interface ProcessStat {
  /** The name the kernel shows, 15 bytes at most. */
  readonly name: string;
  /** One letter, as `S` for sleeping. */
  readonly state: string;
  readonly parent: number;
  /** The id is a thread's, and the process has another one. */
  readonly isThread: boolean;
  /** It has run nothing but what its parent was running when it forked: no exec since. */
  readonly forkedOnly: boolean;
  /** Processor time used, in ticks. */
  readonly cpuTicks: number;
  /** When it was forked, in ticks since the system started. */
  readonly startTicks: number;
  /** Where its stack begins: random for each exec, the same in what is forked. `0` where we may not know. */
  readonly stackStart: string;
}

/** Ticks of /proc are this long on every architecture that Node runs on (USER_HZ), in milliseconds. */
export const TICK_MS = 10;

/** PF_FORKNOEXEC of the kernel's include/linux/sched.h. */
const FORKED_BUT_NOT_EXECED = 0x40;

/** Places in the line behind the name: the manual's number of the field less 3. */
const Field = {
  State: 0,
  Parent: 1,
  Flags: 6,
  UserTime: 11,
  SystemTime: 12,
  StartTime: 19,
  StackStart: 25,
  ExitSignal: 35,
} as const;

/** Null when the text is not such a line. */
export function parseStat(text: string): ProcessStat | null {
  // The name may hold spaces and parentheses itself.
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return null;
  const fields = text.slice(close + 2).split(' ');
  const exitSignal = fields[Field.ExitSignal];
  if (exitSignal === undefined) return null;
  const number = (field: number): number => Number(fields[field]);
  return {
    name: text.slice(open + 1, close),
    state: fields[Field.State] ?? '',
    parent: number(Field.Parent),
    // Only threads end without telling a parent.
    isThread: exitSignal === '-1',
    forkedOnly: (number(Field.Flags) & FORKED_BUT_NOT_EXECED) !== 0,
    cpuTicks: number(Field.UserTime) + number(Field.SystemTime),
    startTicks: number(Field.StartTime),
    stackStart: fields[Field.StackStart] ?? '0',
  };
}

/**
 * Changes whenever the main thread of a process has run: how long, and how often. Empty where the kernel does not count.
 * @throws what {@link isShortage} knows
 */
export function readProgress(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/schedstat`, 'latin1');
  } catch (error) {
    if (isShortage(error)) throw error;
    return '';
  }
}

/** Whether there is no such process or thread, rather than no descriptor left to read of it. */
export function isMissing(pid: number): boolean {
  return !existsSync(`/proc/${pid}`);
}

/** Null when there is no such process or thread, or it may not be seen. @throws what {@link isShortage} knows */
export function readStat(pid: number): ProcessStat | null {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch (error) {
    if (isShortage(error)) throw error;
    return null;
  }
}
