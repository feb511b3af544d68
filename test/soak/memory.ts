import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Findings } from './findings.js';

/** What clients and faults have under way at the moment comes and goes. */
const SLACK = 64 * 2 ** 20;
const GROWTH = 1.3;
/** A heap is looked at after a collection, which stops everything. */
const HEAP_EVERY = 10;
/** What a process needs at first says nothing of what it needs in the end. */
const LEAST_LOOKS = 40;

/** The process's memory over time: the proxy's, and that of clients and faults, whose own share does not grow. */
export class Memory {
  readonly #collect: () => void;
  readonly #resident: number[] = [];
  readonly #heap: number[] = [];

  constructor() {
    setFlagsFromString('--expose-gc');
    this.#collect = runInNewContext('gc') as () => void;
  }

  look(): void {
    this.#resident.push(process.memoryUsage.rss());
    if (this.#resident.length % HEAP_EVERY !== 0) return;
    this.#collect();
    this.#heap.push(process.memoryUsage().heapUsed);
  }

  /** The last quarter against the second one: no growth but what is under way. */
  check(findings: Findings): void {
    for (const [what, values] of [
      ['resident memory', this.#resident],
      ['heap', this.#heap],
    ] as const) {
      if (this.#resident.length < LEAST_LOOKS) return;
      const [early, late] = [quarter(values, 1), quarter(values, 3)];
      if (late > early * GROWTH + SLACK)
        findings.violated(`${what} has grown from ${mib(early)} to ${mib(late)}`);
    }
  }

  report(): string {
    const line = (values: readonly number[]): string =>
      [0, 1, 2, 3].map((index) => mib(quarter(values, index))).join(', ');
    return `memory by quarters: resident ${line(this.#resident)}; heap ${line(this.#heap)}`;
  }
}

/** Median of the values of one quarter of the time. */
function quarter(values: readonly number[], index: number): number {
  const part = values.slice((values.length * index) / 4, (values.length * (index + 1)) / 4);
  return part.sort((a, b) => a - b)[Math.floor(part.length / 2)] ?? 0;
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
