import { type ChildProcess, spawn } from 'node:child_process';
import type { EveryAnswer } from '../workers/bus.js';
import type { PermitChange } from '../workers/permit-ledger.js';
import { FIRST_FD, type InheritedSocket, socketVariables } from './inherited-sockets.js';
import { type FromWorker, isMessage, type Order, type Plan, PROTOCOL, type ToWorker } from './messages.js';
import { WORKER } from './worker-link.js';

/** How to start the program that is on the disk now. */
export interface Program {
  readonly execPath: string;
  readonly execArgv: readonly string[];
  readonly main: string;
  /** The words behind its name. */
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One that has done what it was there for. */
export const CLEAN: WorkerEnd = { code: 0, signal: null };

/** What a worker that serves is told at its start. */
export type Assignment = Omit<Extract<Order, { kind: 'serve' }>, 'kind' | 'protocol' | 'words'>;

/** A process that serves, as its parent sees it. */
export class Worker {
  readonly ended: Promise<WorkerEnd>;
  /** With what it says of itself. Never settles for one that ends before. */
  readonly ready: Promise<object>;
  /** Null: the system could not start it. */
  readonly #child: ChildProcess | null;
  readonly number: number;
  readonly idSpace: number;
  wasReady = false;
  #hearsSignals = false;
  /** A SIGHUP is to be sent when it can be. */
  #hungUp = false;
  /** It was told to end before it could take that for what it is: it has served nobody, and ends in order. */
  #stoppedBy: NodeJS.Signals | null = null;
  hasEnded = false;
  readonly startedAt = performance.now();

  /**
   * @param sockets - passed on under the numbers that they have in this list, from {@link FIRST_FD}
   * @param said - what it has said, but for `ready`
   */
  constructor(
    program: Program,
    sockets: readonly InheritedSocket[],
    assignment: Assignment,
    said: (worker: Worker, message: FromWorker) => void,
  ) {
    this.number = assignment.worker;
    this.idSpace = assignment.idSpace;
    const child = start(program, sockets);
    this.#child = child;
    this.ended = (child === null ? Promise.resolve({ code: null, signal: null }) : endOf(child)).then(
      (end) => {
        this.hasEnded = true;
        return end.signal !== null && end.signal === this.#stoppedBy ? CLEAN : end;
      },
    );
    this.ready = new Promise((resolve) => {
      child?.on('message', (value) => {
        if (!isMessage(value)) return;
        const message = value as FromWorker;
        if (message.kind === 'hears_signals') {
          this.#hearsSignals = true;
          if (this.#hungUp) this.signal('SIGHUP');
          return;
        }
        if (message.kind !== 'ready') {
          said(this, message);
          return;
        }
        this.wasReady = true;
        resolve(message.facts);
      });
    });
    this.#send({ kind: 'serve', protocol: PROTOCOL, words: program.words, ...assignment });
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** Another one serves. */
  handOver(): void {
    this.#send({ kind: 'hand_over' });
  }

  /** @param join - what it calls its part */
  permits(join: number, change: PermitChange): void {
    this.#send({ kind: 'permits', join, ...change });
  }

  question(id: number, topic: string, question: unknown): void {
    this.#send({ kind: 'question', id, topic, question });
  }

  answers(id: number, { answers, asked }: EveryAnswer): void {
    this.#send({ kind: 'answers', id, answers, asked });
  }

  /** SIGHUP would end one that is just starting: it gets it as soon as it can take it for what it is. */
  signal(signal: NodeJS.Signals): void {
    if (signal === 'SIGHUP' && !this.#hearsSignals) {
      this.#hungUp = true;
      return;
    }
    if (signal !== 'SIGKILL' && !this.#hearsSignals) this.#stoppedBy = signal;
    this.#child?.kill(signal);
  }

  #send(message: ToWorker): void {
    // One that has ended has told so.
    if (this.#child?.connected === true) this.#child.send(message, () => {});
  }
}

/**
 * What the configuration on the disk says now, as the program on the disk reads it. Null: it has said why not on standard error, or
 * has said nothing for so long (a file system that does not answer), or nobody wants to know any more.
 */
export async function askForPlan(program: Program, ms: number, calledOff: AbortSignal): Promise<Plan | null> {
  const child = start(program, []);
  let plan: Plan | null = null;
  if (child === null) return null;
  const giveUp = (): void => void child.kill('SIGKILL');
  const timer = setTimeout(giveUp, ms);
  calledOff.addEventListener('abort', giveUp);
  child.on('message', (value) => {
    const message = isMessage(value) ? (value as FromWorker) : null;
    if (message?.kind === 'plan') plan = message.plan;
  });
  child.send({ kind: 'plan', words: program.words } satisfies ToWorker, () => {});
  await endOf(child);
  clearTimeout(timer);
  calledOff.removeEventListener('abort', giveUp);
  return plan;
}

function endOf(child: ChildProcess): Promise<WorkerEnd> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: null, signal: null }));
  });
}

/** Null where the system lacks what a process takes: then the runtime throws for some reasons (ENOMEM), and tells of others. */
function start(program: Program, sockets: readonly InheritedSocket[]): ChildProcess | null {
  try {
    return spawned(program, sockets);
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) return null;
    throw error;
  }
}

function spawned(program: Program, sockets: readonly InheritedSocket[]): ChildProcess {
  const { execPath, execArgv, main, env } = program;
  // Descriptors of our own become those of the child, in this order; the variables name the child's.
  const passed = sockets.map(({ name }, i) => ({ name, fd: FIRST_FD + i }));
  const child = spawn(execPath, [...execArgv, main, WORKER], {
    stdio: ['ignore', 'inherit', 'inherit', ...sockets.map(({ fd }) => fd), 'ipc'],
    env: { ...env, ...socketVariables(passed, process.pid) },
    // What a terminal sends (Ctrl-C) goes to this process alone, which passes it on.
    detached: true,
  });
  // One that cannot be started, or told something, has ended: that is heard of otherwise.
  child.on('error', () => {});
  return child;
}
