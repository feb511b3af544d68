import { type Anomalies, IsolationLevel, type ListOperation, Outcome } from '../history.js';
import { type Cycle, Edge, edgeName, Graph } from './graph.js';
import { describe } from './list-words.js';
import type { ListFacts, ListPromises } from './lists.js';

interface CycleKind {
  readonly name: string;
  /** Edges of which there may be any number. */
  readonly of: number;
  /** One edge of this kind must be there as well. */
  readonly one?: Edge;
  readonly only?: IsolationLevel;
  readonly needsTime?: true;
}

const WRITES = Edge.WriteWrite;
const FLOW = WRITES | Edge.WriteRead;
const ANY = FLOW | Edge.ReadWrite;
const { Serializable } = IsolationLevel;

/** From the worst on; a set of transactions is told of once. */
const KINDS: readonly CycleKind[] = [
  { name: 'G0 write cycle', of: WRITES },
  { name: 'G1c circular information flow', of: FLOW },
  { name: 'G-single', of: FLOW, one: Edge.ReadWrite, only: Serializable },
  { name: 'G2', of: ANY, only: Serializable },
  { name: 'G0-realtime', of: WRITES | Edge.RealTime, needsTime: true },
  { name: 'G1c-realtime', of: FLOW | Edge.RealTime, needsTime: true },
  {
    name: 'G-single-realtime',
    of: FLOW | Edge.RealTime,
    one: Edge.ReadWrite,
    only: Serializable,
    needsTime: true,
  },
  { name: 'G2-realtime', of: ANY | Edge.RealTime, only: Serializable, needsTime: true },
];

/** Transactions that each must have come before the other. */
export function listCycles(
  operations: readonly ListOperation[],
  lists: ReadonlyMap<number, ListFacts>,
  promises: ListPromises,
  anomalies: Anomalies,
): void {
  const graph = new Graph(operations.length);
  addDependencies(graph, operations, lists);
  if (promises.readsFresh) addTime(graph, operations);
  const strict = operations.every(({ level }) => level === Serializable);
  const told = new Set<number>();
  for (const { name, of, one, only, needsTime } of KINDS) {
    if (only !== undefined && !strict) continue;
    if (needsTime === true && !promises.readsFresh) continue;
    for (const component of graph.components(of | (one ?? 0))) {
      if (component.some((node) => told.has(node))) continue;
      const cycle = one === undefined ? graph.cycleIn(component, of) : graph.cycleWithOne(component, one, of);
      if (cycle === null) continue;
      for (const node of component) told.add(node);
      anomalies.add(name, cycleWords(cycle, operations));
    }
  }
}

function addDependencies(
  graph: Graph,
  operations: readonly ListOperation[],
  lists: ReadonlyMap<number, ListFacts>,
): void {
  for (const { order, writers } of lists.values()) {
    for (let i = 1; i < order.length; i++) {
      const before = writers.get(order[i - 1] as number);
      const after = writers.get(order[i] as number);
      if (before !== undefined && after !== undefined) graph.add(before.at, after.at, Edge.WriteWrite);
    }
  }
  for (const [at, { outcome, steps }] of operations.entries()) {
    if (outcome !== Outcome.Ok) continue;
    const written = new Set<number>();
    for (const step of steps) {
      // What is read behind an own write is its own, and what comes before that is known from the order of writes.
      if (step.do === 'append') written.add(step.key);
      if (step.do !== 'read' || step.values === null || written.has(step.key)) continue;
      const list = lists.get(step.key);
      const last = step.values.at(-1);
      const writer = last === undefined ? undefined : list?.writers.get(last);
      if (writer !== undefined) graph.add(writer.at, at, Edge.WriteRead);
      const next = list?.order[step.values.length];
      const overwriter = next === undefined ? undefined : list?.writers.get(next);
      if (overwriter !== undefined) graph.add(at, overwriter.at, Edge.ReadWrite);
    }
  }
}

/**
 * Whatever was over before something else began came before it. Only those that nothing else that is over has followed yet get
 * an edge: there are never more of them than processes.
 */
function addTime(graph: Graph, operations: readonly ListOperation[]): void {
  const events: { readonly when: number; readonly at: number; readonly ends: boolean }[] = [];
  for (const [at, { invoked, completed, outcome }] of operations.entries()) {
    if (outcome === Outcome.Fail) continue;
    events.push({ when: invoked, at, ends: false });
    if (outcome === Outcome.Ok) events.push({ when: completed, at, ends: true });
  }
  events.sort((a, b) => a.when - b.when);
  let latest: readonly number[] = [];
  const before = new Map<number, readonly number[]>();
  for (const { at, ends } of events) {
    if (ends) {
      const followed = new Set(before.get(at));
      before.delete(at);
      latest = [...latest.filter((one) => !followed.has(one)), at];
    } else {
      for (const one of latest) graph.add(one, at, Edge.RealTime);
      if (operations[at]?.outcome === Outcome.Ok) before.set(at, latest);
    }
  }
}

function cycleWords({ nodes, edges }: Cycle, operations: readonly ListOperation[]): string {
  return nodes
    .map((node, i) => {
      const operation = operations[node];
      const edge = edges[i];
      return `${operation === undefined ? '' : describe(operation)} -${edge === undefined ? '' : edgeName(edge)}->`;
    })
    .join(' ');
}
