import { type EveryAnswer, NOBODY_ASKED, type WorkerAnswer } from './bus.js';

/** A worker process, as the parent passes questions on to it. */
export interface BusPeer {
  /** {@link WorkerBus.worker} */
  readonly number: number;
  /** To be answered under this id. */
  question(id: number, topic: string, question: unknown): void;
}

export interface Asked {
  readonly topic: string;
  readonly question: unknown;
  readonly timeoutMs: number;
}

interface Pending {
  readonly waitsFor: Set<BusPeer>;
  asked: number;
  readonly answers: WorkerAnswer[];
  readonly timer: NodeJS.Timeout;
  readonly done: (answer: EveryAnswer) => void;
}

/** No answer is waited for longer, whoever asks, in ms. */
const LONGEST_MS = 60_000;

/** The parent's part of the bus: passes each question on, and gathers the answers. */
export class BusRouter {
  readonly #pending = new Map<number, Pending>();
  #last = 0;

  /** @param done called once, with the answers of those that have given one in time */
  ask(
    peers: readonly BusPeer[],
    { topic, question, timeoutMs }: Asked,
    done: (answer: EveryAnswer) => void,
  ): void {
    if (peers.length === 0) {
      done(NOBODY_ASKED);
      return;
    }
    const id = ++this.#last;
    const timer = setTimeout(() => this.#finish(id), Math.min(timeoutMs, LONGEST_MS));
    this.#pending.set(id, { waitsFor: new Set(peers), asked: peers.length, answers: [], timer, done });
    for (const peer of peers) peer.question(id, topic, question);
  }

  /** @param answer null: it has none to give */
  answered(peer: BusPeer, id: number, answer: { readonly value: unknown } | null): void {
    const pending = this.#pending.get(id);
    if (pending?.waitsFor.delete(peer) !== true) return;
    if (answer !== null) pending.answers.push({ worker: peer.number, answer: answer.value });
    if (pending.waitsFor.size === 0) this.#finish(id);
  }

  /** It has ended. */
  gone(peer: BusPeer): void {
    for (const [id, pending] of [...this.#pending]) {
      if (pending.waitsFor.has(peer)) pending.asked--;
      this.answered(peer, id, null);
    }
  }

  #finish(id: number): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.done(pending);
  }
}
