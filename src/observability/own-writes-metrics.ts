import { Counter, Gauge, type Registry } from 'prom-client';
import type { LatencyHistogram } from './latency-histogram.js';
import { registerLatency } from './latency-metric.js';

/** How `read_your_writes` does. */
export interface OwnWritesCounts {
  /** Since the start: reads that a replica might have answered with less than was written, by how it went. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Of those that waited. */
  readonly waited: LatencyHistogram;
  /** App processes of which it is kept what they have written. */
  readonly processes: number;
}

/** `mybouncer_read_your_writes_*`, which are there where a pool has it. */
export function registerOwnWrites(registers: Registry[], counts: OwnWritesCounts): void {
  new Counter({
    name: 'mybouncer_read_your_writes_total',
    help:
      'Reads on replicas that had to see what their client had written: reached (the replica was asked, and had it or got it in ' +
      'time), timed_out (not within read_your_writes_timeout), not_tried (another read of the process had timed out shortly before).',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.reset();
      for (const [outcome, count] of Object.entries(counts.outcomes)) this.inc({ outcome }, count);
    },
  });
  new Gauge({
    name: 'mybouncer_read_your_writes_processes',
    help: 'Processes of applications of which it is kept what they have written.',
    registers,
    collect() {
      this.set(counts.processes);
    },
  });
  for (const registry of registers)
    registerLatency(registry, {
      name: 'mybouncer_read_your_writes_wait_seconds',
      help: 'Time that reads waited on a replica for what their client had written.',
      times: counts.waited,
    });
}
