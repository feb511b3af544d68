import { type AdviceFinding, average, count, duration, finding, Severity, seconds } from './finding.js';
import type { Observation } from './observation.js';
import { adviseSize, ENOUGH_REQUESTS, requestsIn, type SizeAdvice } from './pool-size.js';

const ABOUT = 'pool size';

/** Refusals of requests for which there was no session in time. */
const NO_SESSION = ['POOL_TIMEOUT', 'POOL_OVERLOADED'];

/** Whether the pool has the right size. @param targetMs p99 of the wait for a session, at most */
export function sizeFindings(observation: Observation, targetMs: number): AdviceFinding[] {
  const { pool, dryRun } = observation;
  const advice = adviseSize(pool.windows, pool.size, targetMs);
  if (advice === null) return [tooLittle(observation)];
  if (dryRun !== null) return [dryRunFinding(observation, advice, targetMs)];
  if (advice.measured > targetMs && advice.present.p99 <= targetMs)
    return [slowToOpen(pool.size, advice, targetMs)];
  if (advice.present.p99 > targetMs) return [tooSmall(observation, advice, targetMs)];
  return [enough(observation, advice, targetMs)];
}

function tooLittle({ pool, seconds: observed }: Observation): AdviceFinding {
  const recorded = requestsIn(pool.windows);
  return finding(
    Severity.Ok,
    ABOUT,
    'too little was seen to advise a size',
    `${count(recorded, 'request')} for a session recorded in ${seconds(observed)}, and ${ENOUGH_REQUESTS} are needed; ` +
      `sessions in use and requests waiting at the same time: ${pool.peak} at most`,
    'Ask again later, under the usual load',
  );
}

function tooSmall(observation: Observation, advice: SizeAdvice, targetMs: number): AdviceFinding {
  const { pool, refusals } = observation;
  const refused = NO_SESSION.some((code) => (refusals.get(code) ?? 0) > 0);
  const { sessions } = advice.needed;
  return finding(
    refused ? Severity.Fail : Severity.Warn,
    ABOUT,
    `${present(pool.configured, pool.size)} is too small: p99 of the wait for a session is ${duration(advice.measured)}, and ${duration(targetMs)} is the target`,
    whyText(observation, advice),
    `${pool.configured === 'auto' ? `Raise max_connections on the server, or lower reserve, so that pool_size auto comes to ${sessions}` : `Set pool_size: ${sessions}`}${peakText(advice)}`,
  );
}

function enough(observation: Observation, advice: SizeAdvice, targetMs: number): AdviceFinding {
  const { pool } = observation;
  const { sessions } = advice.needed;
  const fits = `p99 of the wait for a session is ${duration(advice.measured)}, within the target of ${duration(targetMs)}`;
  const why = whyText(observation, advice);
  if (pool.peak >= pool.size)
    return finding(
      Severity.Ok,
      ABOUT,
      `${present(pool.configured, pool.size)} is enough: ${fits}`,
      why,
      null,
    );
  const lower =
    pool.configured === 'auto'
      ? null
      : `pool_size: ${pool.peak} has all that was ever needed; with ${sessions}, p99 stays within the target`;
  const what = `${present(pool.configured, pool.size)} is more than was ever needed (${pool.peak}): ${fits}`;
  return finding(Severity.Ok, ABOUT, what, why, lower);
}

function slowToOpen(size: number, advice: SizeAdvice, targetMs: number): AdviceFinding {
  return finding(
    Severity.Warn,
    ABOUT,
    `requests wait although the pool is large enough: p99 is ${duration(advice.measured)}, and ${duration(targetMs)} is the target`,
    `replayed over ${count(size, 'session')}, the same requests wait ${duration(advice.present.p99)} (p99): in truth they waited for sessions to be opened, or the pool was smaller then`,
    `Keep sessions open: min_pool_size: ${Math.min(size, advice.needed.sessions)}; see that the server answers logins quickly (mybouncer doctor)`,
  );
}

function dryRunFinding(observation: Observation, advice: SizeAdvice, targetMs: number): AdviceFinding {
  const { pool, dryRun, demand } = observation;
  const { sessions } = advice.needed;
  return finding(
    Severity.Ok,
    'dry run',
    `pool_mode transaction would need ${count(sessions, 'session')} for p99 of the wait within ${duration(targetMs)}; pool_mode session has ${dryRun?.sessions ?? 0} open now`,
    `${replayText(advice)}; needed at the same time: ${average(demand.mean)} on average, ${demand.p99} at p99 of the time, ${pool.peak} at most; ` +
      `${Math.round(advice.restored * 100)}% of the loans would have had to restore their client's state`,
    `Set pool_mode: transaction, dry_run: off, and pool_size: ${Math.max(sessions, advice.busiest.sessions)}, once you agree with what else is said here`,
  );
}

function present(configured: number | 'auto', size: number): string {
  return configured === size ? `pool_size ${size}` : `pool_size ${configured} (${size} now)`;
}

function whyText({ pool, demand }: Observation, advice: SizeAdvice): string {
  const { needed, fewer, present: now } = advice;
  const sizes = [now, fewer, needed]
    .filter((one) => one !== null)
    .filter((one, i, all) => all.findIndex(({ sessions }) => sessions === one.sessions) === i)
    .sort((a, b) => a.sessions - b.sessions)
    .map(({ sessions, p99 }) => `${sessions}: ${duration(p99)}`);
  const used =
    demand.moments === 0 ? '' : `${average(demand.mean)} on average, ${demand.p99} at p99 of the time, `;
  return (
    `${replayText(advice)}; p99 of the wait by sessions ${sizes.join(', ')} (measured with those there were: ${duration(advice.measured)}); ` +
    `in use or waited for at the same time: ${used}${pool.peak} at most` +
    `${pool.pools > 1 ? `; ${pool.pools} pools share the size, and are taken for one` : ''}`
  );
}

function replayText({ requests, windows }: SizeAdvice): string {
  return `${count(requests, 'request')} recorded in ${count(windows, 'window')}, replayed with the times that they took`;
}

function peakText({ needed, busiest }: SizeAdvice): string {
  if (busiest.sessions <= needed.sessions) return '';
  const when = new Date(busiest.beganAt).toISOString().slice(0, 19);
  return `, or ${busiest.sessions} for the busiest time seen (${when}Z) as well`;
}
