import { type AdviceFinding, count, finding, quoted, Severity, seconds } from './finding.js';
import type { Observation } from './observation.js';

/** Errors that clients got for want of a session. */
export function refusalFindings({ refusals, seconds: observed, pool }: Observation): AdviceFinding[] {
  return [...refusals]
    .filter(([code, times]) => times > 0 && code !== 'POOL_CLOSED')
    .map(([code, times]) =>
      finding(
        Severity.Fail,
        'refusals',
        `${count(times, 'request')} got an error and no session (${REFUSED[code] ?? code})`,
        `in ${seconds(observed)}, and ${count(pool.loans, 'request')} got one`,
        REFUSED_ADVICE[code] ?? null,
      ),
    );
}

const REFUSED: Readonly<Record<string, string>> = {
  POOL_TIMEOUT: 'query_wait_timeout was over',
  POOL_OVERLOADED: 'max_waiting was reached',
  POOL_DIAL_REFUSED: 'the server let no session be opened',
  NO_SERVER: 'no server was to be had for failover_timeout',
  NO_SERVER_OVERLOADED: 'max_waiting was reached while no server was to be had',
};

const REFUSED_ADVICE: Readonly<Record<string, string>> = {
  POOL_TIMEOUT:
    'See pool size and holds here; query_wait_timeout is how long they wait, which helps where the rush is short',
  POOL_OVERLOADED: 'See pool size and holds here; max_waiting is how many may wait, and 0 is no limit',
  POOL_DIAL_REFUSED: 'Run mybouncer doctor; the log has what the server answered',
  NO_SERVER: 'The log has what each server was; failover_timeout is how long they wait for another one',
  NO_SERVER_OVERLOADED:
    'The log has what each server was; max_waiting is how many may wait for another one, and 0 is no limit',
};

/** Limits that clients ran into. */
export function limitFindings({ timeLimits, seconds: observed }: Observation): AdviceFinding[] {
  return [...timeLimits]
    .filter(([, times]) => times > 0)
    .map(([limit, times]) =>
      finding(
        Severity.Warn,
        limit,
        `${limit} was reached ${times === 1 ? 'once' : `${times} times`}`,
        `in ${seconds(observed)}; the log says by which clients`,
        LIMIT_ADVICE[limit] ?? `Raise ${limit}`,
      ),
    );
}

const LIMIT_ADVICE: Readonly<Record<string, string>> = {
  query_timeout: 'Make the statement faster, or raise query_timeout, for its user alone in users',
  transaction_timeout:
    'Make the transaction shorter, or raise transaction_timeout, for its user alone in users',
  idle_transaction_timeout:
    'Commit or roll back before other work (see idle transactions), or raise idle_transaction_timeout',
  client_idle_timeout:
    "Have the application's own pool drop connections earlier (pool_recycle, CONN_MAX_AGE), or raise client_idle_timeout",
};

/** Connections that two processes used. */
export function forkFindings({ sharedSockets }: Observation): AdviceFinding[] {
  const causes = [...sharedSockets].filter(([, times]) => times > 0);
  if (causes.length === 0) return [];
  const all = causes.reduce((sum, [, times]) => sum + times, 0);
  return [
    finding(
      Severity.Fail,
      'forks',
      `${count(all, 'connection')} of clients had to be closed, because two processes used them`,
      causes.map(([cause, times]) => `${cause} ${times}`).join(', '),
      'Open connections after the fork, or dispose of them before (README, "With your app server"); the log has the processes',
    ),
  ];
}

/** Share of the loans that need their client's state set before it is worth a look. */
const MANY_RESTORES = 0.2;
/** Below this many loans a share says little. */
const ENOUGH_LOANS = 100;

/** Whether clients are in so many states that sessions have to be changed from one to another all the time. */
export function restoreFindings({ checkouts, differences, profiles, pool }: Observation): AdviceFinding[] {
  const restored = checkouts.get('restored') ?? 0;
  const all = [...checkouts.values()].reduce((sum, times) => sum + times, 0);
  if (all < ENOUGH_LOANS) return [];
  const share = restored / all;
  const numbers = [...checkouts].map(([kind, times]) => `${kind} ${times}`).join(', ');
  const about = 'restores';
  const percent = `${Math.round(share * 100)}% of ${count(all, 'loan')}`;
  if (share < MANY_RESTORES)
    return [finding(Severity.Ok, about, `${percent} had to restore their client's state`, numbers, null)];
  const differ = differences.map(({ name, values }) => `${name} (${values} values)`).join(', ');
  return [
    finding(
      Severity.Warn,
      about,
      `${percent} had to restore their client's state, a round trip each: clients are in ${count(profiles, 'state')} over ${count(pool.size, 'session')}`,
      `${numbers}; clients differ in: ${differ === '' ? 'nothing at this moment' : differ}`,
      'Have all clients connect with the same settings (time zone, character set, sql_mode, schema); write schema.table in place of USE',
    ),
  ];
}

/** What `on_unsafe` would have refused. */
export function dryRunFindings({ dryRun, commands }: Observation): AdviceFinding[] {
  if (dryRun === null) return [];
  const shared = finding(
    Severity.Ok,
    'sharing',
    `after ${dryRun.shared.toLocaleString('en-US')} of ${count(commands, 'command')} the session could have gone to anybody`,
    'by the same ledger that pool_mode transaction goes by; commands answered without a session count as not shared',
    null,
  );
  const refused = dryRun.refused.map(({ reason, statement, count: times }) =>
    finding(
      Severity.Fail,
      `on_unsafe ${reason}`,
      `on_unsafe: {${reason}: error} would have refused ${count(times, 'statement')}`,
      quoted(statement),
      `Change the statement, or allow it: on_unsafe: {${reason}: hold}`,
    ),
  );
  return [shared, ...refused];
}
