import type { Report } from './report.js';
import { type Verdict, VerdictOutcome } from './verdict.js';

export const ExitCode = { Good: 0, Faulty: 1, Usage: 2, Meaningless: 3, Missed: 4 } as const;

/** What a run as a whole is good for, in words and as a code. */
export function conclude(
  given: {
    readonly reports: readonly Pick<Report, 'faulty' | 'meaningless'>[];
    readonly verdicts: readonly Pick<Verdict, 'outcome'>[];
  },
  verdictAsked: boolean,
): { code: number; text: string | undefined } {
  const { reports, verdicts } = given;
  const some = (outcome: VerdictOutcome) => verdictAsked && verdicts.some((line) => line.outcome === outcome);
  if (reports.some(({ faulty }) => faulty)) {
    return { code: ExitCode.Faulty, text: 'Some runs failed or saw errors.' };
  }
  if (verdictAsked ? some(VerdictOutcome.Noise) : reports.some(({ meaningless }) => meaningless)) {
    const text =
      'The machine was too noisy: what is marked ~, or said to be meaningless, is. Run again when it is quiet.';
    return { code: ExitCode.Meaningless, text };
  }
  if (some(VerdictOutcome.Fail)) {
    return { code: ExitCode.Missed, text: 'Not all limits are kept.' };
  }
  return { code: ExitCode.Good, text: undefined };
}
