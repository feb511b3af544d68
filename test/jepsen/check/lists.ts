import { Anomalies, type Anomaly, type ListOperation, Outcome } from '../history.js';
import { listCycles } from './list-cycles.js';
import { withoutLost } from './list-losses.js';
import { describe } from './list-words.js';

/** What an engine promises of transactions on its primary, or on every node that takes writes. */
export interface ListPromises {
  /** What was acknowledged is there in the end. */
  readonly keepsAcknowledged: boolean;
  /** A transaction reads all that was committed before it began. */
  readonly readsFresh: boolean;
}

/** Who has put a value into a list. */
export interface Writer {
  /** Place of its operation in the history that is checked. */
  readonly at: number;
  readonly operation: ListOperation;
  /** The last one that its transaction has put into that list. */
  last: boolean;
}

/** All that is known of one list. */
export interface ListFacts {
  readonly key: number;
  readonly writers: Map<number, Writer>;
  /** Values in their order: the longest that was read. */
  order: readonly number[];
  /** It was read when all was over. */
  finalRead: boolean;
}

/**
 * Lists tell in what order their values came, so what transactions depended on each other is known, and no order of all of
 * them has to be searched for (Kingsbury and Alvaro: Elle, VLDB 2020). Takes time in proportion to what was read.
 *
 * At REPEATABLE READ, InnoDB reads a snapshot and writes to what is there now, so that lost updates and cycles with a read
 * that missed a write are what it is known for: they count at SERIALIZABLE only. All else counts always.
 */
export function checkLists(all: readonly ListOperation[], promises: ListPromises): readonly Anomaly[] {
  const anomalies = new Anomalies();
  const operations = withoutLost(all);
  const lists = gatherLists(operations, anomalies);
  for (const operation of operations) {
    if (operation.outcome !== Outcome.Ok) continue;
    checkReads(operation, lists, anomalies);
    checkOwn(operation, anomalies);
  }
  if (promises.keepsAcknowledged) checkLost(operations, lists, anomalies);
  if (promises.readsFresh) checkFresh(operations, lists, anomalies);
  listCycles(operations, lists, promises, anomalies);
  return anomalies.list;
}

function gatherLists(operations: readonly ListOperation[], anomalies: Anomalies): Map<number, ListFacts> {
  const lists = new Map<number, ListFacts>();
  const listOf = (key: number): ListFacts => {
    let list = lists.get(key);
    if (list === undefined) {
      list = { key, writers: new Map(), order: [], finalRead: false };
      lists.set(key, list);
    }
    return list;
  };
  for (const [at, operation] of operations.entries()) {
    const lastOf = new Map<number, Writer>();
    for (const step of operation.steps) {
      const list = listOf(step.key);
      if (step.do === 'append') {
        const earlier = lastOf.get(step.key);
        if (earlier !== undefined) earlier.last = false;
        const writer = { at, operation, last: true };
        lastOf.set(step.key, writer);
        if (list.writers.has(step.value)) throw new RangeError(`value ${step.value} is not unique`);
        list.writers.set(step.value, writer);
      } else if (step.values !== null && operation.outcome === Outcome.Ok) {
        if (operation.final === true) list.finalRead = true;
        if (step.values.length > list.order.length) list.order = step.values;
      }
    }
  }
  for (const list of lists.values()) {
    const seen = new Set<number>();
    for (const value of list.order) {
      if (seen.has(value)) anomalies.add('duplicate', `list ${list.key} has ${value} twice: [${list.order}]`);
      seen.add(value);
    }
  }
  return lists;
}

function checkReads(
  operation: ListOperation,
  lists: ReadonlyMap<number, ListFacts>,
  anomalies: Anomalies,
): void {
  for (const step of operation.steps) {
    if (step.do !== 'read' || step.values === null) continue;
    const list = lists.get(step.key);
    if (list === undefined) continue;
    const { values, key } = step;
    const differs = values.findIndex((value, i) => list.order[i] !== value);
    if (differs !== -1)
      anomalies.add(
        'incompatible-order',
        `list ${key} was read as [${values}] and as [${list.order}]: ${describe(operation)}`,
      );
    for (const value of values) {
      const writer = list.writers.get(value);
      if (writer === undefined)
        anomalies.add('garbage', `nobody has put ${value} into list ${key}: ${describe(operation)}`);
      else if (writer.operation.outcome === Outcome.Fail)
        anomalies.add(
          'G1a aborted read',
          `${value} in list ${key}, as read by ${describe(operation)}, is of ${describe(writer.operation)}`,
        );
    }
    const lastValue = values.at(-1);
    const lastWriter = lastValue === undefined ? undefined : list.writers.get(lastValue);
    if (lastWriter !== undefined && !lastWriter.last && lastWriter.operation !== operation)
      anomalies.add(
        'G1b intermediate read',
        `list ${key} ends in ${lastValue} for ${describe(operation)}, half-way through ${describe(lastWriter.operation)}`,
      );
  }
}

/** What a transaction has written is the last in its list for it: nobody else can have written since. */
function checkOwn(operation: ListOperation, anomalies: Anomalies): void {
  const own = new Map<number, number[]>();
  const read = new Map<number, readonly number[]>();
  for (const step of operation.steps) {
    if (step.do === 'append') {
      const values = own.get(step.key) ?? [];
      values.push(step.value);
      own.set(step.key, values);
      continue;
    }
    if (step.values === null) continue;
    const written = own.get(step.key) ?? [];
    const end = step.values.slice(step.values.length - written.length);
    if (written.length > step.values.length || written.some((value, i) => end[i] !== value))
      anomalies.add(
        'internal',
        `list ${step.key} does not end in its own [${written}]: ${describe(operation)}`,
      );
    // A snapshot does not move; at REPEATABLE READ, own writes bring in what was written by others before them.
    const before = read.get(step.key);
    const isSame = before === undefined || step.values.join() === before.join();
    if (written.length === 0 && !isSame)
      anomalies.add('internal', `list ${step.key} changed while it was read: ${describe(operation)}`);
    if (written.length === 0) read.set(step.key, step.values);
  }
}

function checkLost(
  operations: readonly ListOperation[],
  lists: ReadonlyMap<number, ListFacts>,
  anomalies: Anomalies,
): void {
  const there = new Map([...lists].map(([key, list]) => [key, new Set(list.order)]));
  for (const operation of operations) {
    if (operation.outcome !== Outcome.Ok) continue;
    for (const step of operation.steps) {
      if (step.do !== 'append' || lists.get(step.key)?.finalRead !== true) continue;
      if (there.get(step.key)?.has(step.value) === false)
        anomalies.add('lost append', `${step.value} is not in list ${step.key}: ${describe(operation)}`);
    }
  }
}

/** Whoever begins after a commit was acknowledged reads what it has written. */
function checkFresh(
  operations: readonly ListOperation[],
  lists: ReadonlyMap<number, ListFacts>,
  anomalies: Anomalies,
): void {
  /** By list and place: which of the values from there on was acknowledged first. */
  const firstOf = new Map<number, (Writer | null)[]>();
  for (const { key, order, writers } of lists.values()) {
    const first: (Writer | null)[] = Array.from({ length: order.length + 1 }, () => null);
    for (let i = order.length - 1; i >= 0; i--) {
      const writer = writers.get(order[i] as number);
      const later = first[i + 1] ?? null;
      const counts = writer !== undefined && writer.operation.outcome === Outcome.Ok;
      first[i] =
        counts && (later === null || writer.operation.completed < later.operation.completed) ? writer : later;
    }
    firstOf.set(key, first);
  }
  for (const operation of operations) {
    if (operation.outcome !== Outcome.Ok) continue;
    for (const step of operation.steps) {
      if (step.do !== 'read' || step.values === null) continue;
      const missed = firstOf.get(step.key)?.[step.values.length] ?? null;
      if (missed !== null && missed.operation.completed < operation.invoked)
        anomalies.add(
          'stale read',
          `list ${step.key} was [${step.values}] for ${describe(operation)}, after ${describe(missed.operation)}`,
        );
    }
  }
}
