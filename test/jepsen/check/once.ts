import { Anomalies, type Anomaly, type OnceOperation, Outcome } from '../history.js';

export interface OncePromises {
  /** What was acknowledged is there in the end. */
  readonly keepsAcknowledged: boolean;
  /** A read sees all that was committed before it began. */
  readonly readsFresh: boolean;
  /** A read sees at least what its own process has written. */
  readonly readsOwn?: boolean;
}

/**
 * Statements without a transaction: acknowledged means exactly once, failed never, and unknown at most once.
 * Each counter is counted by one process only, so all that it does with it has an order.
 */
export function checkOnce(operations: readonly OnceOperation[], promises: OncePromises): readonly Anomaly[] {
  const anomalies = new Anomalies();
  const final = operations.map(({ body }) => body).find((body) => body.do === 'final');
  const inserts = new Map<string, OnceOperation>();
  const counters = new Map<number, OnceOperation[]>();
  for (const operation of operations) {
    const { body } = operation;
    if (body.do === 'insert') inserts.set(body.mark, operation);
    if (body.do !== 'count' && body.do !== 'read') continue;
    const own = counters.get(body.counter) ?? [];
    own.push(operation);
    counters.set(body.counter, own);
  }
  if (final !== undefined) checkRows(inserts, final.rows, promises, anomalies);
  for (const [counter, own] of counters)
    checkCounter(counter, own, final?.counts.get(counter), promises, anomalies);
  return anomalies.list;
}

function checkRows(
  inserts: ReadonlyMap<string, OnceOperation>,
  rows: ReadonlyMap<string, number>,
  { keepsAcknowledged }: OncePromises,
  anomalies: Anomalies,
): void {
  for (const [mark, { outcome, error, mayBeLost }] of inserts) {
    const count = rows.get(mark) ?? 0;
    const what = `INSERT of ${mark} (${outcome}${error === undefined ? '' : `, ${error}`}): ${count} rows`;
    if (count > 1) anomalies.add('run twice', what);
    if (outcome === Outcome.Fail && count > 0) anomalies.add('failed and done', what);
    const mustBeThere = keepsAcknowledged && mayBeLost !== true;
    if (outcome === Outcome.Ok && count === 0 && mustBeThere) anomalies.add('lost write', what);
  }
  for (const mark of rows.keys())
    if (!inserts.has(mark)) anomalies.add('garbage', `nobody has inserted ${mark}`);
}

function checkCounter(
  counter: number,
  operations: readonly OnceOperation[],
  final: number | undefined,
  { keepsAcknowledged, readsFresh, readsOwn = false }: OncePromises,
  anomalies: Anomalies,
): void {
  let least = 0;
  let most = 0;
  for (const { outcome, body, invoked, mayBeLost } of [...operations].sort((a, b) => a.invoked - b.invoked)) {
    if (body.do === 'count') {
      if (outcome === Outcome.Ok && mayBeLost !== true) least++;
      if (outcome !== Outcome.Fail) most++;
    } else if (body.do === 'read' && outcome === Outcome.Ok) {
      const what = `counter ${counter} was ${body.count} at ${invoked}: ${least} acknowledged, ${most} sent`;
      if (body.count > most) anomalies.add('run twice', what);
      if (body.count < least && readsFresh) anomalies.add('stale read', what);
      else if (body.count < least && body.own === true && readsOwn) anomalies.add('own write not read', what);
    }
  }
  if (final === undefined) return;
  const what = `counter ${counter} is ${final} in the end: ${least} acknowledged, ${most} sent`;
  if (final > most) anomalies.add('run twice', what);
  if (final < least && keepsAcknowledged) anomalies.add('lost write', what);
}
