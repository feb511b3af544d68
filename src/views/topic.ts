import * as z from 'zod';
import { NOBODY_ASKED, type WorkerAnswer, type WorkerBus } from '../workers/bus.js';

/** One worker's part of what all of them say. */
export interface Part<A> {
  readonly worker: number;
  readonly value: A;
}

/** What all processes say that have clients, those included that another generation has taken over from. */
export interface Everyone<A> {
  readonly parts: readonly Part<A>[];
  /** So many have been asked, have not died, and have not answered in time: they may stand still. */
  readonly silent: number;
}

/** A worker that takes longer is left out, ms. Less than what a scrape or a person waits. */
export const ANSWER_MS = 3_000;

export interface TopicOptions<Q, A> {
  readonly name: string;
  readonly question: z.ZodType<Q>;
  readonly answer: z.ZodType<A>;
  /** This worker's own part. */
  readonly own: (question: Q) => A | Promise<A>;
  readonly timeoutMs?: number;
}

/** Something that each worker knows a part of. Questions and answers are JSON, and are checked by whoever gets them. */
export class Topic<Q, A> {
  readonly #bus: WorkerBus;
  readonly #options: TopicOptions<Q, A>;

  /** From here on, the others may ask this one. */
  constructor(bus: WorkerBus, options: TopicOptions<Q, A>) {
    this.#bus = bus;
    this.#options = options;
    bus.answer(options.name, (question) => options.own(options.question.parse(question)));
  }

  /** The parts of this worker and of all others that answer, in the order of their numbers. Rejects only where its own fails. */
  async all(question: Q): Promise<readonly Part<A>[]> {
    const { worker } = this.#bus;
    const others = this.others(question);
    const own = { worker, value: await this.#options.own(question) };
    return [own, ...(await others)].sort((a, b) => a.worker - b.worker);
  }

  /** The parts of the others that answer. Never rejects. */
  async others(question: Q): Promise<readonly Part<A>[]> {
    if (this.#bus.count === 1) return [];
    const { name, timeoutMs = ANSWER_MS } = this.#options;
    return this.#checked(await this.#bus.ask(name, question, timeoutMs).catch(() => []));
  }

  /** Rejects only where its own part fails. */
  async everyone(question: Q): Promise<Everyone<A>> {
    const { name, own, timeoutMs = ANSWER_MS } = this.#options;
    const asking = this.#bus.askEveryone(name, question, timeoutMs).catch(() => NOBODY_ASKED);
    const { worker } = this.#bus;
    const mine = { worker, value: await own(question) };
    const { answers, asked } = await asking;
    const others = this.#checked(answers);
    return { parts: [mine, ...others], silent: Math.max(0, asked - others.length) };
  }

  #checked(answers: readonly WorkerAnswer[]): readonly Part<A>[] {
    return answers.flatMap(({ worker, answer }) => {
      // What it says in another way, as one of another version may, is no answer.
      const { success, data } = this.#options.answer.safeParse(answer);
      return success ? [{ worker, value: data }] : [];
    });
  }
}

/** A question that asks for all there is. */
export const NO_QUESTION = z.null();
