import { Worker } from 'node:worker_threads';
import type { InspectorThread } from './inspector-worker.js';
import type {
  Clientele,
  Holder,
  Inheritance,
  InspectorOptions,
  Located,
  Report,
  Request,
  Resolved,
  Sought,
  Survey,
  Suspicion,
} from './messages.js';
import { isShortage } from './shortage.js';

export interface InspectorEvents {
  /** Processes with clients' sockets that no survey has found in time. */
  late(inherited: readonly Inheritance[], doubts: readonly string[]): void;
  /** The thread has ended by itself: there will be no more answers. */
  failed(error: Error): void;
}

type Pending = { readonly request: Request } & (
  | { readonly kind: 'survey'; readonly done: (survey: Survey) => void }
  | { readonly kind: 'resolve'; readonly done: (resolved: Resolved) => void }
  | { readonly kind: 'locate'; readonly done: (located: readonly Located[]) => void }
  | { readonly kind: 'examine'; readonly done: (holders: readonly (readonly Holder[])[]) => void }
);

/** When there were no means to start the thread, it is tried again after so long, in ms. */
const START_AGAIN_MS = 500;

/** The thread that looks at processes. It does not keep the process alive. */
export class InspectorClient {
  readonly #options: () => InspectorOptions;
  readonly #events: InspectorEvents;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | null = null;
  #startTimer: NodeJS.Timeout | null = null;
  #serial = 0;
  #ended = false;

  /** @param options Read when the thread starts. */
  constructor(options: () => InspectorOptions, events: InspectorEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Starts the thread, which takes tens of milliseconds: the first question would wait for it. May be repeated. */
  start(): void {
    if (!this.#ended && this.#startTimer === null) this.#worker ??= this.#start();
  }

  /** {@link Inspector.survey} */
  survey(clients: Clientele, done: (survey: Survey) => void): void {
    const serial = ++this.#serial;
    const request = { kind: 'survey', serial, clients } as const;
    this.#pending.set(serial, { kind: 'survey', request, done });
    this.#send(request);
  }

  /** {@link Inspector.resolve} */
  resolve(done: (resolved: Resolved) => void): void {
    const serial = ++this.#serial;
    const request = { kind: 'resolve', serial } as const;
    this.#pending.set(serial, { kind: 'resolve', request, done });
    this.#send(request);
  }

  /** {@link Inspector.missing} */
  missing(ids: readonly number[]): void {
    this.#send({ kind: 'missing', ids });
  }

  /** {@link Inspector.locate} */
  locate(sought: readonly Sought[], done: (located: readonly Located[]) => void): void {
    const serial = ++this.#serial;
    const request = { kind: 'locate', serial, sought } as const;
    this.#pending.set(serial, { kind: 'locate', request, done });
    this.#send(request);
  }

  /** {@link findHolders} */
  examine(suspicions: readonly Suspicion[], done: (holders: readonly (readonly Holder[])[]) => void): void {
    const serial = ++this.#serial;
    const request = { kind: 'examine', serial, suspicions } as const;
    this.#pending.set(serial, { kind: 'examine', request, done });
    this.#send(request);
  }

  close(): void {
    this.#ended = true;
    this.#pending.clear();
    if (this.#startTimer !== null) clearTimeout(this.#startTimer);
    void this.#worker?.terminate();
  }

  #send(request: Request): void {
    if (this.#ended) return;
    this.start();
    this.#worker?.postMessage(request);
  }

  #start(): Worker {
    const workerData: InspectorThread = { options: this.#options() };
    const worker = new Worker(new URL('./inspector-worker.js', import.meta.url), { workerData });
    worker.unref();
    worker.on('message', (report: Report) => this.#onReport(report));
    worker.on('error', (error) => this.#onEnd(worker, error));
    worker.on('exit', (code) => this.#onEnd(worker, new Error(`the thread has ended with ${code}`)));
    return worker;
  }

  #onEnd(worker: Worker, error: Error): void {
    if (this.#ended || worker !== this.#worker) return;
    if (isShortage(error)) {
      // Once it runs it bears that itself. What it was asked until then it has not heard.
      this.#worker = null;
      this.#startTimer ??= setTimeout(() => this.#startAgain(), START_AGAIN_MS).unref();
      return;
    }
    this.#ended = true;
    this.#pending.clear();
    this.#events.failed(error);
  }

  #startAgain(): void {
    this.#startTimer = null;
    this.start();
    for (const { request } of this.#pending.values()) this.#worker?.postMessage(request);
  }

  #onReport(report: Report): void {
    if (this.#ended) return;
    if (report.kind === 'late') {
      this.#events.late(report.inherited, report.doubts);
      return;
    }
    const pending = this.#pending.get(report.serial);
    this.#pending.delete(report.serial);
    if (pending?.kind === 'survey' && report.kind === 'survey') pending.done(report.survey);
    if (pending?.kind === 'resolve' && report.kind === 'resolve') pending.done(report.resolved);
    if (pending?.kind === 'locate' && report.kind === 'locate') pending.done(report.located);
    if (pending?.kind === 'examine' && report.kind === 'examine') pending.done(report.holders);
  }
}
