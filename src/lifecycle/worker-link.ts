import { ParentBus } from '../workers/parent-bus.js';
import type { PermitChange } from '../workers/permit-ledger.js';
import type { PermitPort } from '../workers/seat.js';
import { type FromWorker, isMessage, type Order, type Plan, type ToWorker } from './messages.js';

/** What the parent wants of a worker that serves. */
export interface ParentWishes {
  /** Another one has taken over. */
  handOver(): void;
  /** The parent has gone. */
  orphaned(): void;
}

/** A worker's end of the channel to its parent. */
export class WorkerLink {
  readonly order: Promise<Order>;
  #wishes: ParentWishes | null = null;
  /** Another one has taken over; maybe before there was anybody to take note of it. */
  readonly handedOver: Promise<void>;
  #isHandedOver = false;
  #handOver: () => void = () => {};
  #bus: ParentBus | null = null;
  /** Of servers that this worker has a part of, by the number of its joining. */
  readonly #parts = new Map<number, (change: PermitChange) => void>();
  #joins = 0;
  #resolve: (order: Order) => void = () => {};

  private constructor() {
    this.order = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.handedOver = new Promise((resolve) => {
      this.#handOver = resolve;
    });
    process.on('message', (value) => this.#take(value));
    process.on('disconnect', () => {
      // Before it serves, there is nothing to end.
      if (this.#wishes === null) process.exit(1);
      this.#bus?.close();
      this.#wishes.orphaned();
    });
  }

  /** Null where this process is no worker. @param words - the program's own */
  static of(words: readonly string[]): WorkerLink | null {
    return words.length === 1 && words[0] === WORKER && process.send !== undefined ? new WorkerLink() : null;
  }

  follow(wishes: ParentWishes): void {
    this.#wishes = wishes;
    if (this.#isHandedOver) wishes.handOver();
  }

  /** What a worker asks the others, and they ask it. */
  bus(worker: number, count: number): ParentBus {
    this.#bus = new ParentBus(worker, count, (message) => this.#send(message));
    return this.#bus;
  }

  /** {@link PermitLedger} */
  readonly permits: PermitPort = {
    join: (server, size, take) => {
      const join = ++this.#joins;
      this.#parts.set(join, take);
      this.#send({ kind: 'join', join, server, size });
      return (message) => {
        if (!this.#parts.has(join)) return;
        if (message.kind === 'leave') this.#parts.delete(join);
        this.#send({ ...message, join });
      };
    },
  };

  hearsSignals(): void {
    this.#send({ kind: 'hears_signals' });
  }

  /** @param facts for the log */
  ready(facts: object): void {
    this.#send({ kind: 'ready', facts });
  }

  /** All workers are to stop. @param why for the log */
  stop(drains: boolean, why: object): void {
    this.#send({ kind: 'stop', drains, why });
  }

  restart(): void {
    this.#send({ kind: 'restart' });
  }

  notify(state: readonly string[]): void {
    this.#send({ kind: 'notify', state });
  }

  /** Resolves when the parent has it. */
  tell(plan: Plan): Promise<void> {
    return new Promise((resolve) => this.#send({ kind: 'plan', plan }, resolve));
  }

  #send(message: FromWorker, sent: () => void = () => {}): void {
    // A parent that has gone is told of by 'disconnect'.
    if (process.connected) process.send?.(message, undefined, undefined, () => sent());
    else sent();
  }

  #take(value: unknown): void {
    if (!isMessage(value)) return;
    const message = value as ToWorker;
    switch (message.kind) {
      case 'hand_over':
        this.#isHandedOver = true;
        this.#handOver();
        this.#wishes?.handOver();
        break;
      case 'permits':
        this.#parts.get(message.join)?.(message);
        break;
      case 'question':
        // Asked too early, it has no answer.
        if (this.#bus === null) this.#send({ kind: 'answer', id: message.id });
        else this.#bus.take(message);
        break;
      case 'answers':
        this.#bus?.take(message);
        break;
      default:
        this.#resolve(message);
    }
  }
}

/** The word that a worker is started with; it is no command for people. */
export const WORKER = 'worker';
