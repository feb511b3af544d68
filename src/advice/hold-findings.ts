import { type AdviceFinding, average, count, finding, quoted, Severity, seconds } from './finding.js';
import type { Observation, ReasonObservation, Sampled, StatementObservation } from './observation.js';

/** Share of the sessions that holds may cost, on average, before it is worth a change in the application. */
const WORTHWHILE = 0.1;

/** Share of the sessions that may be held at the same time. */
const TOO_MANY = 0.5;

/** Statements that are named, at most. */
const NAMED = 3;

/** Reasons that are no state of the client's own, or over by themselves with its next statement. */
const OWN_FINDINGS: ReadonlySet<string> = new Set(['transaction', 'session_mode']);

/** What ends a hold, or does without it, by its word. */
const INSTEAD: Readonly<Record<string, string>> = {
  table_lock:
    'UNLOCK TABLES as soon as the work is done, or use a transaction and SELECT ... FOR UPDATE in place of LOCK TABLES',
  temporary_table:
    'DROP TEMPORARY TABLE as soon as it has been read, or use a common table expression (WITH ...) or a derived table in its place',
  user_lock:
    'RELEASE_LOCK as soon as the work is done; for one that is kept for long (who leads), connect to the server itself',
  user_variable:
    'set the variable to a literal, which is carried from session to session, or pass the value as a parameter',
  text_prepare:
    "use prepared statements of the driver's, which cost no session, or DEALLOCATE PREPARE after use",
  handler: 'HANDLER ... CLOSE after use, or SELECT ... LIMIT in its place',
  xa: 'XA COMMIT or XA ROLLBACK soon, or do without XA where only one database is written',
  role: 'give the account the rights itself, or SET DEFAULT ROLE on the server',
  sequence: 'use NEXT VALUE FOR in the INSERT itself, or connect to the server itself for LASTVAL',
  resource_group: 'name the resource group in a hint of the statement: /*+ RESOURCE_GROUP(name) */',
  one_shot_variable:
    'set the variable in the same text as the statement that it is for, or use SET STATEMENT ... FOR',
  next_transaction: 'begin the transaction right behind SET TRANSACTION',
  session_tracking: 'leave session_track_* alone: what ran while they were off cannot be known',
  diagnostics: 'none: it is over with the next statement',
  cursor:
    'read the cursor to its end, or do without it (a cursor for rows that fit into memory gains nothing)',
  long_data: 'none: it is over with the execution of the statement',
  unknown:
    'see the log: no rule explains what the statement changed. Run mybouncer doctor: it may be that a routine, trigger or view cannot be read',
};

/** What sessions are kept for between statements, and by which. */
export function holdFindings(observation: Observation): AdviceFinding[] {
  const { holds, pool } = observation;
  const begun = holds.reasons.filter(({ reason, begun }) => begun > 0 && !OWN_FINDINGS.has(reason));
  const lasting = begun.filter(({ reason }) => INSTEAD[reason]?.startsWith('none') !== true);
  if (lasting.length === 0) {
    const why = `holds of other reasons than a transaction begun in ${seconds(observation.seconds)}: 0`;
    return [finding(Severity.Ok, 'holds', 'no state of a client ties up a session', why, null)];
  }
  const severity = costOf(holds.lasting, pool.size);
  const all = finding(
    severity,
    'holds',
    `${average(holds.lasting.mean)} of ${count(pool.size, 'session')} are held on average for state of clients, ${holds.lasting.peak} at most`,
    `begun in ${seconds(observation.seconds)}: ${lasting.map(({ reason, begun }) => `${reason} ${begun}`).join(', ')}`,
    severity === Severity.Ok
      ? null
      : `See the holds by reason below; max_held keeps a share of the sessions for clients that hold nothing, on_unsafe: {${lasting[0]?.reason ?? ''}: warn} logs each statement`,
  );
  return [
    all,
    ...lasting
      .sort((a, b) => b.mean - a.mean || b.begun - a.begun)
      .map((one) => reasonFinding(one, observation)),
  ];
}

function reasonFinding(
  { reason, mean, peak, begun }: ReasonObservation,
  { holds, pool }: Observation,
): AdviceFinding {
  const severity = costOf({ mean, peak }, pool.size);
  const statements = mostOf(holds.statements.filter((one) => one.reason === reason));
  return finding(
    severity,
    `hold ${reason}`,
    `${average(mean)} ${mean === 1 ? 'session is' : 'sessions are'} held on average, ${peak} at most`,
    `${count(begun, 'hold')}${statements === '' ? '' : `, by: ${statements}`}`,
    INSTEAD[reason] === undefined ? null : sentence(INSTEAD[reason]),
  );
}

function mostOf(statements: readonly StatementObservation[]): string {
  return [...statements]
    .sort((a, b) => b.seconds - a.seconds || b.count - a.count)
    .slice(0, NAMED)
    .map(({ statement, count: times, seconds: held }) => `${quoted(statement)} (${times}x, ${seconds(held)})`)
    .join('; ');
}

/** Sessions that do nothing because their clients do something else within a transaction. */
export function gapFindings({ gaps, seconds: observed, pool }: Observation): AdviceFinding[] {
  const idle = gaps.reduce((sum, gap) => sum + gap.seconds, 0);
  const mean = observed === 0 ? 0 : idle / observed;
  const why = [...gaps]
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, NAMED)
    .map(
      ({ statement, count: times, seconds: time }) =>
        `behind ${quoted(statement)}: ${count(times, 'gap')}, ${seconds(time)}`,
    )
    .join('; ');
  const about = 'idle transactions';
  if (gaps.length === 0)
    return [
      finding(
        Severity.Ok,
        about,
        'no client was seen idle within a transaction',
        `looked at 4 times a second for ${seconds(observed)}`,
        null,
      ),
    ];
  const severity = mean / Math.max(1, pool.size) >= WORTHWHILE ? Severity.Warn : Severity.Ok;
  return [
    finding(
      severity,
      about,
      `clients were idle within transactions for ${seconds(idle)} in all, which costs ${average(mean)} sessions on average`,
      why,
      'Commit or roll back there, before the work that is not for the database (a request to another service, a template, a queue); idle_transaction_timeout ends those that last too long',
    ),
  ];
}

/** Transactions, which are no fault: what they cost. */
export function transactionFindings({ holds, seconds: observed }: Observation): AdviceFinding[] {
  const one = holds.reasons.find(({ reason }) => reason === 'transaction');
  if (one === undefined || one.begun === 0) return [];
  return [
    finding(
      Severity.Ok,
      'transactions',
      `${average(one.mean)} sessions are in a transaction on average between two statements, ${one.peak} at most`,
      `${count(one.begun, 'transaction')} of more than one statement in ${seconds(observed)}`,
      null,
    ),
  ];
}

function costOf({ mean, peak }: Sampled, poolSize: number): Severity {
  return mean >= WORTHWHILE * poolSize || peak >= TOO_MANY * poolSize ? Severity.Warn : Severity.Ok;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
