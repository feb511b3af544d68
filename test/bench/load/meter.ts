import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { LatencyHistogram } from '../histogram.js';
import type { LoadResult } from './plan.js';

const ERROR_TEXTS = 5;
const LAG_RESOLUTION_MS = 10;

/** The first few different error texts, and how many errors there were. */
export class ErrorTally {
  readonly #texts = new Set<string>();
  count = 0;

  add(text: string): void {
    this.count += 1;
    if (this.#texts.size < ERROR_TEXTS) {
      this.#texts.add(text);
    }
  }

  get texts(): string[] {
    return [...this.#texts];
  }
}

/** Counts for all clients of this process. */
export class Meter {
  readonly #histogram = new LatencyHistogram();
  readonly #errors = new ErrorTally();
  readonly #byClient: Float64Array;
  readonly #lag: IntervalHistogram = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  /** Commands that were sent and not answered. */
  pending = 0;
  /** Bytes read by all clients so far, logins included. */
  received = 0;
  #receivedBefore = 0;
  #lastReply = 0;
  #stall = 0;
  #begun = 0;
  #cpu = process.cpuUsage();

  constructor(clients: number) {
    this.#byClient = new Float64Array(clients);
  }

  begin(): void {
    this.#histogram.reset();
    this.#byClient.fill(0);
    this.#stall = 0;
    this.#begun = performance.now();
    this.#lastReply = this.#begun;
    this.#receivedBefore = this.received;
    this.#cpu = process.cpuUsage();
    this.#lag.enable();
    this.#lag.reset();
  }

  completed(client: number, sentAt: number, now: number): void {
    this.#histogram.record(now - sentAt);
    this.#byClient[client] = (this.#byClient[client] ?? 0) + 1;
    const gap = now - this.#lastReply;
    if (gap > this.#stall) {
      this.#stall = gap;
    }
    this.#lastReply = now;
  }

  /** Errors count from the first login on: a run with any is not a good one. */
  failed(text: string): void {
    this.#errors.add(text);
  }

  end(): LoadResult {
    const now = performance.now();
    const cpu = process.cpuUsage(this.#cpu);
    this.#lag.disable();
    const byClient = this.#byClient.toSorted();
    return {
      completed: this.#histogram.total,
      seconds: (now - this.#begun) / 1000,
      receivedBytes: this.received - this.#receivedBefore,
      histogram: this.#histogram.entries(),
      maxMs: this.#histogram.max,
      stallMs: Math.max(this.#stall, now - this.#lastReply),
      // What the monitor counts is the time between two of its own timers.
      lagMs: Math.max(0, this.#lag.max / 1e6 - LAG_RESOLUTION_MS),
      leastOfClient: byClient[0] ?? 0,
      medianOfClient: byClient[byClient.length >> 1] ?? 0,
      errors: this.#errors.count,
      errorTexts: this.#errors.texts,
      cpuMicros: cpu.user + cpu.system,
    };
  }
}
