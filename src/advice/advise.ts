import { type AdviceFinding, count, duration, finding, Severity, seconds } from './finding.js';
import { gapFindings, holdFindings, transactionFindings } from './hold-findings.js';
import type { Observation } from './observation.js';
import { sizeFindings } from './size-findings.js';
import {
  dryRunFindings,
  forkFindings,
  limitFindings,
  refusalFindings,
  restoreFindings,
} from './trouble-findings.js';

/** P99 of the wait for a session that is aimed at unless another is asked for, ms. */
export const DEFAULT_TARGET_MS = 10;

/** Advice, and what it is based on. */
export interface Advice {
  readonly targetMs: number;
  /** For how long was observed, in s. */
  readonly observedSeconds: number;
  readonly mode: Observation['mode'];
  /** The worst first. */
  readonly findings: readonly AdviceFinding[];
}

/** What an operator should know and do, from what was seen. */
export function advise(observation: Observation, targetMs: number = DEFAULT_TARGET_MS): Advice {
  const found = [
    basis(observation, targetMs),
    ...(observation.mode === 'session' ? [sessionMode(observation)] : sizeFindings(observation, targetMs)),
    ...dryRunFindings(observation),
    ...refusalFindings(observation),
    ...forkFindings(observation),
    ...holdFindings(observation),
    ...gapFindings(observation),
    ...transactionFindings(observation),
    ...limitFindings(observation),
    ...(observation.mode === 'transaction' ? restoreFindings(observation) : []),
  ];
  const rank = { [Severity.Fail]: 0, [Severity.Warn]: 1, [Severity.Ok]: 2 };
  const [first, ...rest] = found;
  const findings = rest.sort((a, b) => rank[a.severity] - rank[b.severity]);
  return {
    targetMs,
    observedSeconds: observation.seconds,
    mode: observation.mode,
    findings: first === undefined ? findings : [first, ...findings],
  };
}

function basis(observation: Observation, targetMs: number): AdviceFinding {
  const { seconds: observed, commands, pool } = observation;
  return finding(
    Severity.Ok,
    'basis',
    `seen in ${seconds(observed)} since the proxy was started: ${count(commands, 'command')}, ${count(pool.loans, 'loan')} of a session`,
    `the target is a wait for a session of ${duration(targetMs)} at p99; what is held is counted 4 times a second`,
    null,
  );
}

function sessionMode({ pool }: Observation): AdviceFinding {
  return finding(
    Severity.Ok,
    'pool size',
    'in pool_mode session each client keeps a session: as many are needed as there are clients at the same time',
    `sessions in use and clients waiting at the same time: ${pool.peak} at most; pool_size is ${pool.size}`,
    'Set dry_run: on to see what pool_mode transaction would need',
  );
}
