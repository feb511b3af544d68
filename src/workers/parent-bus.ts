import { type EveryAnswer, NOBODY_ASKED, type WorkerAnswer, type WorkerBus } from './bus.js';

/** What a worker says to its parent about questions. */
export type BusMessage =
  | {
      readonly kind: 'ask';
      readonly id: number;
      readonly topic: string;
      readonly question: unknown;
      readonly timeoutMs: number;
      /** Of other generations, too: those that have handed over and drain. */
      readonly everyone: boolean;
    }
  /** Without `value` where there is no answer. */
  | { readonly kind: 'answer'; readonly id: number; readonly value?: unknown };

/** What it hears of them. */
export type BusReply =
  | { readonly kind: 'question'; readonly id: number; readonly topic: string; readonly question: unknown }
  | {
      readonly kind: 'answers';
      readonly id: number;
      readonly answers: readonly WorkerAnswer[];
      /** {@link EveryAnswer.asked}; a parent that was started from an older program does not say it. */
      readonly asked?: number;
    };

/** A worker that holds up its event loop for longer than this would hold up everybody who asks, in ms. */
const TIMEOUT_MS = 2_000;

/** The bus as a worker has it: all goes through the parent process, which knows who is there. */
export class ParentBus implements WorkerBus {
  readonly worker: number;
  readonly count: number;
  readonly #send: (message: BusMessage) => void;
  readonly #handlers = new Map<string, (question: unknown) => unknown>();
  readonly #asked = new Map<number, (answer: EveryAnswer) => void>();
  #last = 0;

  constructor(worker: number, count: number, send: (message: BusMessage) => void) {
    this.worker = worker;
    this.count = count;
    this.#send = send;
  }

  async ask(topic: string, question: unknown, timeoutMs = TIMEOUT_MS): Promise<readonly WorkerAnswer[]> {
    if (this.count === 1) return [];
    const { answers } = await this.#ask(topic, question, timeoutMs, false);
    return answers;
  }

  askEveryone(topic: string, question: unknown, timeoutMs = TIMEOUT_MS): Promise<EveryAnswer> {
    return this.#ask(topic, question, timeoutMs, true);
  }

  answer(topic: string, handler: (question: unknown) => unknown): void {
    this.#handlers.set(topic, handler);
  }

  /** From the parent. */
  take(message: BusReply): void {
    if (message.kind === 'question') {
      void this.#answer(message.id, message.topic, message.question);
      return;
    }
    const done = this.#asked.get(message.id);
    this.#asked.delete(message.id);
    const { answers, asked = answers.length } = message;
    done?.({ answers, asked });
  }

  /** The parent has gone, and nobody can be asked: whoever waits has no answers. */
  close(): void {
    for (const done of this.#asked.values()) done(NOBODY_ASKED);
    this.#asked.clear();
    this.#closed = true;
  }

  #closed = false;

  #ask(topic: string, question: unknown, timeoutMs: number, everyone: boolean): Promise<EveryAnswer> {
    if (this.#closed) return Promise.resolve(NOBODY_ASKED);
    const id = ++this.#last;
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      this.#send({ kind: 'ask', id, topic, question, timeoutMs, everyone });
    });
  }

  /** One that has nobody for the topic yet, or fails, is as good as one that is not there. */
  async #answer(id: number, topic: string, question: unknown): Promise<void> {
    const handler = this.#handlers.get(topic);
    if (handler === undefined) {
      this.#send({ kind: 'answer', id });
      return;
    }
    try {
      this.#send({ kind: 'answer', id, value: (await handler(question)) ?? null });
    } catch {
      this.#send({ kind: 'answer', id });
    }
  }
}
