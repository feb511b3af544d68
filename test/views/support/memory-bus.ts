import { setTimeout as sleep } from 'node:timers/promises';
import type { EveryAnswer, WorkerAnswer, WorkerBus } from '../../../src/workers/bus.js';

type Handler = (question: unknown) => unknown;

/** A worker on a {@link memoryBus}. */
export class MemoryWorker implements WorkerBus {
  readonly worker: number;
  /** The first one is 1. */
  readonly generation: number;
  readonly #all: MemoryWorker[];
  readonly #handlers = new Map<string, Handler>();
  #goesOn: (() => void)[] | null = null;
  /** What crosses the bus, in bytes of JSON: to it, and from it. */
  bytes = 0;
  #dead: (() => void)[] | null = [];

  constructor(worker: number, generation: number, all: MemoryWorker[]) {
    this.worker = worker;
    this.generation = generation;
    this.#all = all;
  }

  get count(): number {
    return this.#all.filter(({ generation }) => generation === this.generation).length;
  }

  /** It does not answer: to ask it takes as long as whoever asks has patience. What it was asked, it does when it goes on. */
  set isBusy(isBusy: boolean) {
    const waiting = this.#goesOn ?? [];
    this.#goesOn = isBusy ? waiting : null;
    if (!isBusy) for (const goOn of waiting) goOn();
  }

  /** Those who wait for its answers are told that there is none. */
  die(): void {
    const waiting = this.#dead ?? [];
    this.#dead = null;
    for (const tell of waiting) tell();
  }

  /** Another process in its place. */
  replaced(): MemoryWorker {
    this.die();
    const heir = new MemoryWorker(this.worker, this.generation, this.#all);
    this.#all[this.#all.indexOf(this)] = heir;
    return heir;
  }

  async ask(topic: string, question: unknown, timeoutMs = 1_000): Promise<readonly WorkerAnswer[]> {
    const { answers } = await this.#ask(
      (one) => one.generation === this.generation,
      topic,
      question,
      timeoutMs,
    );
    return answers;
  }

  askEveryone(topic: string, question: unknown, timeoutMs = 1_000): Promise<EveryAnswer> {
    return this.#ask(() => true, topic, question, timeoutMs);
  }

  async #ask(
    which: (one: MemoryWorker) => boolean,
    topic: string,
    question: unknown,
    timeoutMs: number,
  ): Promise<EveryAnswer> {
    const others = this.#all.filter((one) => one !== this && which(one));
    const answers = await Promise.all(
      others.map(async (one) => {
        const late = new AbortController();
        const answer = await Promise.race([
          one.#asked(topic, question),
          sleep(Math.min(timeoutMs, 2 ** 31 - 1), null, { signal: late.signal }).catch(() => null),
        ]);
        late.abort();
        return answer === null ? [] : [{ worker: one.worker, answer: answer.said }];
      }),
    );
    return { answers: answers.flat(), asked: others.filter((one) => one.#dead !== null).length };
  }

  answer(topic: string, handler: Handler): void {
    if (this.#handlers.has(topic)) throw new Error(`${topic} is answered already`);
    this.#handlers.set(topic, handler);
  }

  async #asked(topic: string, question: unknown): Promise<{ said: unknown } | null> {
    const handler = this.#handlers.get(topic);
    const dead = this.#dead;
    if (handler === undefined || dead === null) return null;
    const stalled = this.#goesOn;
    if (stalled !== null) await new Promise<void>((resolve) => stalled.push(resolve));
    const died = new Promise<null>((resolve) => {
      dead.push(() => resolve(null));
    });
    const answer = Promise.resolve(handler(this.#crossing(question)));
    return Promise.race([died, answer.then((said) => ({ said: this.#crossing(said) }))]).catch(() => null);
  }

  /** As it comes out at the other end. */
  #crossing(value: unknown): unknown {
    const json = JSON.stringify(value ?? null);
    this.bytes += json.length;
    return JSON.parse(json);
  }
}

/** Workers of one proxy, all of them in this process; of each generation so many. */
export function memoryBus(...counts: number[]): MemoryWorker[] {
  const all: MemoryWorker[] = [];
  for (const [i, count] of counts.entries())
    for (let worker = 1; worker <= count; worker++) all.push(new MemoryWorker(worker, i + 1, all));
  return all;
}
