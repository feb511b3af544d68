import type { Findings } from './findings.js';

/** What clients and faults have under way at the moment comes and goes. */
const SLACK = 64 * 2 ** 20;
const GROWTH = 1.3;
/** What a process needs at first says nothing of what it needs in the end. */
const LEAST_LOOKS = 40;

/** The process's memory over time: the proxy's, and that of clients and faults, whose own share does not grow. */
export class Memory {
  readonly #resident: number[] = [];
  readonly #heap: number[] = [];

  look(): void {
    const { rss, heapUsed } = process.memoryUsage();
    this.#resident.push(rss);
    this.#heap.push(heapUsed);
  }

  /** The last quarter against the second one: no growth but what is under way. */
  check(findings: Findings): void {
    if (this.#resident.length < LEAST_LOOKS) return;
    for (const { what, quarters } of this.#quarters()) {
      const [, early = 0, , late = 0] = quarters;
      if (late > early * GROWTH + SLACK)
        findings.violated(`${what} has grown from ${mib(early)} to ${mib(late)}`);
    }
  }

  report(): string {
    const parts = this.#quarters().map(({ what, quarters }) => `${what} ${quarters.map(mib).join(', ')}`);
    return `memory by quarters of the time: ${parts.join('; ')}`;
  }

  #quarters(): { readonly what: string; readonly quarters: readonly number[] }[] {
    const middle = (values: readonly number[]): number => values[Math.floor(values.length / 2)] ?? 0;
    // The least is what a collection has just left.
    const least = ([first = 0]: readonly number[]): number => first;
    return [
      { what: 'resident', quarters: quarters(this.#resident, middle) },
      { what: 'live heap', quarters: quarters(this.#heap, least) },
    ];
  }
}

/** One figure for each quarter of the time, from its values in ascending order. */
function quarters(values: readonly number[], figure: (sorted: readonly number[]) => number): number[] {
  return [0, 1, 2, 3].map((index) => {
    const part = values.slice((values.length * index) / 4, (values.length * (index + 1)) / 4);
    return figure(part.sort((a, b) => a - b));
  });
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
