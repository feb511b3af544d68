/** Why one transaction comes before another: bits, so that several may be looked at together. */
export const Edge = {
  /** It wrote what the other one wrote over. */
  WriteWrite: 1,
  /** It wrote what the other one read. */
  WriteRead: 2,
  /** It read what the other one wrote over. */
  ReadWrite: 4,
  /** It was over before the other one began. */
  RealTime: 8,
} as const;
export type Edge = (typeof Edge)[keyof typeof Edge];

const NAMES: ReadonlyMap<number, string> = new Map([
  [Edge.WriteWrite, 'ww'],
  [Edge.WriteRead, 'wr'],
  [Edge.ReadWrite, 'rw'],
  [Edge.RealTime, 'rt'],
]);

/** A way round: `nodes[i]` comes before `nodes[i + 1]` because of `edges[i]`, and the last one before the first. */
export interface Cycle {
  readonly nodes: readonly number[];
  readonly edges: readonly Edge[];
}

/** Ways that are looked for in one component: each takes time that grows with the component. */
const MOST_SEARCHES = 200;

/** A directed graph over 0..size-1, whose edges have kinds. */
export class Graph {
  readonly size: number;
  readonly #targets: number[][];
  readonly #kinds: Edge[][];

  constructor(size: number) {
    this.size = size;
    this.#targets = Array.from({ length: size }, () => []);
    this.#kinds = Array.from({ length: size }, () => []);
  }

  add(from: number, to: number, kind: Edge): void {
    if (from === to) return;
    this.#targets[from]?.push(to);
    this.#kinds[from]?.push(kind);
  }

  /** What nodes can reach each other over edges of these kinds, where they are several (Tarjan, without recursion). */
  components(kinds: number): number[][] {
    const { size } = this;
    const order = new Int32Array(size).fill(-1);
    const low = new Int32Array(size);
    const onStack = new Uint8Array(size);
    const at = new Int32Array(size);
    const stack: number[] = [];
    const found: number[][] = [];
    let next = 0;
    for (let root = 0; root < size; root++) {
      if (order[root] !== -1) continue;
      const path = [root];
      while (path.length > 0) {
        const node = path[path.length - 1] as number;
        if (order[node] === -1) {
          order[node] = low[node] = next++;
          stack.push(node);
          onStack[node] = 1;
        }
        const target = this.#nextTarget(node, kinds, at);
        if (target === -1) {
          path.pop();
          const parent = path[path.length - 1];
          if (parent !== undefined) low[parent] = Math.min(low[parent] as number, low[node] as number);
          if (low[node] === order[node]) this.#take(node, stack, onStack, found);
        } else if (order[target] === -1) {
          path.push(target);
        } else if (onStack[target] === 1) {
          low[node] = Math.min(low[node] as number, order[target] as number);
        }
      }
    }
    return found;
  }

  /** The shortest way round through edges of these kinds within a component. */
  cycleIn(component: readonly number[], kinds: number): Cycle | null {
    const inside = new Set(component);
    let shortest: Cycle | null = null;
    for (const start of component.slice(0, MOST_SEARCHES)) {
      const found = this.#pathTo(start, start, inside, kinds);
      if (found !== null && (shortest === null || found.nodes.length < shortest.nodes.length))
        shortest = found;
    }
    return shortest;
  }

  /** The shortest way round that has exactly one edge of kind `once`, and otherwise those of `kinds`. */
  cycleWithOne(component: readonly number[], once: Edge, kinds: number): Cycle | null {
    const inside = new Set(component);
    let left = MOST_SEARCHES;
    for (const from of component) {
      const targets = this.#targets[from] ?? [];
      for (let i = 0; i < targets.length; i++) {
        const to = targets[i] as number;
        if (this.#kinds[from]?.[i] !== once || !inside.has(to)) continue;
        if (left-- === 0) return null;
        const back = this.#pathTo(to, from, inside, kinds);
        if (back !== null) return { nodes: [from, ...back.nodes], edges: [once, ...back.edges] };
      }
    }
    return null;
  }

  #nextTarget(node: number, kinds: number, at: Int32Array): number {
    const targets = this.#targets[node] as number[];
    const edges = this.#kinds[node] as Edge[];
    for (let i = at[node] as number; i < targets.length; i++) {
      if (((edges[i] as number) & kinds) === 0) continue;
      at[node] = i + 1;
      return targets[i] as number;
    }
    at[node] = targets.length;
    return -1;
  }

  #take(node: number, stack: number[], onStack: Uint8Array, found: number[][]): void {
    const component: number[] = [];
    for (;;) {
      const one = stack.pop() as number;
      onStack[one] = 0;
      component.push(one);
      if (one === node) break;
    }
    if (component.length > 1) found.push(component.reverse());
  }

  /** Breadth first; the nodes from `start` up to, without, `goal`. */
  #pathTo(start: number, goal: number, inside: ReadonlySet<number>, kinds: number): Cycle | null {
    const cameFrom = new Map<number, { readonly node: number; readonly edge: Edge }>();
    const queue = [start];
    for (let head = 0; head < queue.length; head++) {
      const node = queue[head] as number;
      const targets = this.#targets[node] as number[];
      for (let i = 0; i < targets.length; i++) {
        const to = targets[i] as number;
        const edge = (this.#kinds[node] as Edge[])[i] as Edge;
        if ((edge & kinds) === 0 || !inside.has(to)) continue;
        if (to === goal) return walkBack(cameFrom, start, node, edge);
        if (to === start || cameFrom.has(to)) continue;
        cameFrom.set(to, { node, edge });
        queue.push(to);
      }
    }
    return null;
  }
}

function walkBack(
  cameFrom: ReadonlyMap<number, { readonly node: number; readonly edge: Edge }>,
  start: number,
  last: number,
  lastEdge: Edge,
): Cycle {
  const nodes = [last];
  const edges = [lastEdge];
  for (let node = last; node !== start; ) {
    const step = cameFrom.get(node);
    if (step === undefined) break;
    nodes.push(step.node);
    edges.push(step.edge);
    node = step.node;
  }
  return { nodes: nodes.reverse(), edges: edges.reverse() };
}

export function edgeName(edge: Edge): string {
  return NAMES.get(edge) ?? '?';
}
