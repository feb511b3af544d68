/* What the worker processes of one proxy ask each other (`workers`, `master: on`). */

/** Everything on it is JSON that can be cloned, bigints as text; whoever asks validates the answers. */
export interface WorkerBus {
  /** 1..count */
  readonly worker: number;
  readonly count: number;
  /** Asks all the other workers; those that die or take longer than `timeoutMs` are left out. */
  ask(topic: string, question: unknown, timeoutMs?: number): Promise<readonly WorkerAnswer[]>;
  /**
   * As {@link ask}, and those as well that belong to another generation: after a restart, those that drain have clients, and
   * what is said to the proxy is said to them, too.
   */
  askEveryone(topic: string, question: unknown, timeoutMs?: number): Promise<EveryAnswer>;
  /** Who answers the others' questions on a topic; one per topic. */
  answer(topic: string, handler: (question: unknown) => unknown): void;
}

export interface WorkerAnswer {
  readonly worker: number;
  readonly answer: unknown;
}

export interface EveryAnswer {
  readonly answers: readonly WorkerAnswer[];
  /** Those that have been asked, and have not died since; those that have given no answer included. */
  readonly asked: number;
}

export const NOBODY_ASKED: EveryAnswer = { answers: [], asked: 0 };

/** The bus of a process that has no others beside it, before it or behind it. */
export const LONE_WORKER: WorkerBus = {
  worker: 1,
  count: 1,
  ask: () => Promise.resolve([]),
  askEveryone: () => Promise.resolve(NOBODY_ASKED),
  answer: () => {},
};
