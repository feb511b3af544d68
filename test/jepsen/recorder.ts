import { createWriteStream, type WriteStream } from 'node:fs';
import { type AnyOperation, Outcome, type WorkloadName } from './history.js';
import { type CommandFailed, isExplained } from './outcome.js';

type Without<T> = T extends unknown ? Omit<T, 'completed'> : never;
/** An operation that is over, but for when. */
export type EndedOperation = Without<AnyOperation>;

/** Takes down what clients do, in memory for the check and in a file for people. */
export class Recorder {
  readonly operations: AnyOperation[] = [];
  /** Errors that no fault explains, each once. */
  readonly unexplained = new Set<string>();
  readonly #file: WriteStream;
  readonly #errors = new Map<string, number>();
  #clock = 0;

  constructor(path: string) {
    this.#file = createWriteStream(path);
  }

  /** The place of a beginning in the order of all beginnings and ends. */
  begin(): number {
    return ++this.#clock;
  }

  end(operation: EndedOperation): void {
    const complete = { ...operation, completed: ++this.#clock } as AnyOperation;
    this.operations.push(complete);
    this.#write(complete);
  }

  /** What the world did at this time. */
  note(fault: string, state: string): void {
    this.#write({ at: ++this.#clock, time: new Date().toISOString(), fault, state });
  }

  failed(error: CommandFailed, what: string): void {
    const { errno, code, message } = error;
    const name = errno === 0 ? code : String(errno);
    this.#errors.set(name, (this.#errors.get(name) ?? 0) + 1);
    if (!isExplained(error)) this.unexplained.add(`${name} ${message.slice(0, 300)} of ${what}`);
  }

  /** How many have succeeded, by workload. */
  done(): Map<WorkloadName, number> {
    const counts = new Map<WorkloadName, number>();
    for (const { workload, outcome } of this.operations)
      if (outcome === Outcome.Ok) counts.set(workload, (counts.get(workload) ?? 0) + 1);
    return counts;
  }

  /** How many there were of each outcome, by workload, and of each error. */
  summary(): string {
    const counts = new Map<string, number[]>();
    const all = Object.values(Outcome);
    for (const { workload, outcome } of this.operations) {
      const own = counts.get(workload) ?? all.map(() => 0);
      own[all.indexOf(outcome)] = (own[all.indexOf(outcome)] ?? 0) + 1;
      counts.set(workload, own);
    }
    const words = [...counts].map(
      ([workload, own]) => `${workload} ${all.map((outcome, i) => `${own[i]} ${outcome}`).join(' ')}`,
    );
    const errors = [...this.#errors].sort(([, a], [, b]) => b - a).map(([name, count]) => `${count} ${name}`);
    return `${words.join('; ')}; errors: ${errors.join(', ') || 'none'}`;
  }

  close(): Promise<void> {
    return new Promise((done) => this.#file.end(done));
  }

  #write(line: object): void {
    this.#file.write(`${JSON.stringify(line, (_, value) => (value instanceof Map ? [...value] : value))}\n`);
  }
}
