import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { CommandRefused, type Underway } from '../admin/console/source.js';
import { NOBODY_ASKED, type WorkerBus } from '../workers/bus.js';
import { ANSWER_MS, type Everyone, NO_QUESTION, Topic } from './topic.js';

/** PAUSE and RESUME of one worker. */
export interface OwnPauses {
  /** @throws CommandRefused */
  pause(pool: string | null): Underway;
  /** @throws CommandRefused */
  resume(pool: string | null): void;
  /** A pool that this worker has not yet: it is paused from its beginning, until it is resumed. */
  pauseComing(pool: string): void;
  /** Pools that there are. */
  names(): readonly string[];
  /** What is paused, also of pools that are to come. */
  paused(): Paused;
}

export interface Paused {
  readonly all: boolean;
  readonly pools: readonly string[];
}

const asked = z.object({ id: z.string(), pool: z.string().nullable() });
const outcome = z.object({ kind: z.enum(['done', 'waits', 'refused', 'ended']), message: z.string() });
const paused = z.object({ all: z.boolean(), pools: z.array(z.string()) });

type Asked = z.infer<typeof asked>;
type Outcome = z.infer<typeof outcome>;

const DONE: Outcome = { kind: 'done', message: '' };
const WAITS: Outcome = { kind: 'waits', message: '' };

/** A PAUSE waits for transactions; nobody is asked for so long. A worker that is asked answers after this, in ms, and is asked again. */
const TURN_MS = 2_000;

/** Pause before those are asked again of whom one has not answered, in ms: of one that is being replaced there is no answer to wait for. */
const SILENT_MS = 200;

/** How long a new worker waits to be told what is paused, ms. */
const ADOPT_MS = 1_000;

/**
 * PAUSE and RESUME for all processes that have clients. A pause is the proxy's, not a process's: it lasts until RESUME, whoever dies
 * or takes over meanwhile. A new process asks the others, and pauses too; what it is told while it waits for their answers comes
 * after these, as it was said after them.
 */
export class AllPauses {
  readonly #bus: WorkerBus;
  readonly #own: OwnPauses;
  readonly #pause: Topic<Asked, Outcome>;
  readonly #wait: Topic<string, Outcome>;
  readonly #giveUp: Topic<Asked, null>;
  readonly #resume: Topic<string | null, Outcome>;
  readonly #names: Topic<null, readonly string[]>;
  /** Pauses of others and of its own that are not over, or of whose end nobody has been told, by their ids. */
  readonly #underway = new Map<string, Waiting>();
  /** Until the others have answered. */
  #adopting: Promise<void> | null = null;
  #last = 0;

  constructor(bus: WorkerBus, own: OwnPauses) {
    this.#bus = bus;
    this.#own = own;
    this.#pause = new Topic<Asked, Outcome>(bus, {
      name: 'console.pause',
      question: asked,
      answer: outcome,
      own: (question) => this.#afterwards(() => this.#begin(question)),
    });
    this.#wait = new Topic<string, Outcome>(bus, {
      name: 'console.pause.wait',
      question: z.string(),
      answer: outcome,
      own: (id) => this.#afterwards(() => this.#underway.get(id)?.turn() ?? DONE),
      timeoutMs: TURN_MS + ANSWER_MS,
    });
    this.#giveUp = new Topic<Asked, null>(bus, {
      name: 'console.pause.give_up',
      question: asked,
      answer: z.null(),
      own: (question) => this.#afterwards(() => this.#takeBack(question)),
    });
    this.#resume = new Topic<string | null, Outcome>(bus, {
      name: 'console.resume',
      question: z.string().nullable(),
      answer: outcome,
      own: (pool) => this.#afterwards(() => this.#end(pool)),
    });
    this.#names = new Topic<null, readonly string[]>(bus, {
      name: 'console.pools',
      question: NO_QUESTION,
      answer: z.array(z.string()),
      own: () => own.names(),
    });
    bus.answer('console.paused', () => own.paused());
  }

  /** Done when all have paused. */
  pause(pool: string | null): Underway {
    const id = `${this.#bus.worker}.${process.pid}.${++this.#last}`;
    let hasBegun = false;
    let isGivenUp = false;
    const run = async (): Promise<void> => {
      if (pool !== null) await this.#assertKnown(pool);
      if (isGivenUp) return;
      hasBegun = true;
      let { outcomes, silent } = heard(await this.#pause.everyone({ id, pool }));
      // Where only some refuse, they are paused already, as the others are now.
      if (outcomes.every(({ kind }) => kind === 'refused'))
        throw new CommandRefused(outcomes[0]?.message ?? '');
      // Whoever does not answer may stand still, and pauses when it goes on: until then its sessions are lent. A worker that has died
      // has nothing left to wait for; the one in its place has asked what is paused, and knows of no pause that waits.
      const isOver = (): boolean => silent === 0 && outcomes.every(({ kind }) => kind !== 'waits');
      while (!isOver() && !isGivenUp) {
        if (silent > 0) await sleep(SILENT_MS, null, { ref: false });
        ({ outcomes, silent } = heard(await this.#wait.everyone(id)));
        const ended = outcomes.find(({ kind }) => kind === 'ended');
        if (ended !== undefined) throw new CommandRefused(ended.message);
      }
    };
    return {
      done: run(),
      giveUp: () => {
        isGivenUp = true;
        if (hasBegun) void this.#giveUp.everyone({ id, pool });
      },
    };
  }

  /** @throws CommandRefused where none has such a pause */
  async resume(pool: string | null): Promise<void> {
    if (pool !== null) await this.#assertKnown(pool);
    const { outcomes } = heard(await this.#resume.everyone(pool));
    if (outcomes.some(({ kind }) => kind === 'done')) return;
    throw new CommandRefused(outcomes[0]?.message ?? '');
  }

  /** To be called before clients come: what the others have paused is paused here, too. Never rejects. */
  adopt(): Promise<void> {
    this.#adopting = this.#adopt().finally(() => {
      this.#adopting = null;
    });
    return this.#adopting;
  }

  async #adopt(): Promise<void> {
    const { answers } = await this.#bus
      .askEveryone('console.paused', null, ADOPT_MS)
      .catch(() => NOBODY_ASKED);
    const all = answers.flatMap(({ answer }) => {
      const { success, data } = paused.safeParse(answer);
      return success ? [data] : [];
    });
    if (all.some((one) => one.all)) this.#begin({ id: 'adopted', pool: null });
    for (const pool of new Set(all.flatMap(({ pools }) => pools))) this.#own.pauseComing(pool);
  }

  /** @throws CommandRefused */
  async #assertKnown(pool: string): Promise<void> {
    const { parts } = await this.#names.everyone(null);
    const names = new Set(parts.flatMap(({ value }) => value));
    if (names.has(pool)) return;
    const there = names.size === 0 ? 'there is none yet' : `there are ${[...names].join(', ')}`;
    throw new CommandRefused(`Unknown pool '${pool}': ${there}`);
  }

  /** In the order in which it was said. */
  #afterwards<T>(what: () => T | Promise<T>): T | Promise<T> {
    return this.#adopting === null ? what() : this.#adopting.then(what);
  }

  #begin({ id, pool }: Asked): Outcome {
    const own = this.#own;
    if (pool !== null && !own.names().includes(pool)) {
      // Another worker has it: here, it may come.
      own.pauseComing(pool);
      return DONE;
    }
    try {
      const underway = own.pause(pool);
      this.#underway.set(id, new Waiting(underway, () => this.#underway.delete(id)));
      return WAITS;
    } catch (error) {
      return refused(error);
    }
  }

  /** A pause that is not over everywhere is none: also where it is over, and where the pool is yet to come. */
  #takeBack({ id, pool }: Asked): null {
    const waiting = this.#underway.get(id);
    if (waiting !== undefined && !waiting.isOver) waiting.giveUp();
    else this.#end(pool);
    return null;
  }

  #end(pool: string | null): Outcome {
    try {
      this.#own.resume(pool);
      return DONE;
    } catch (error) {
      return refused(error);
    }
  }
}

/** A pause of this worker that somebody waits for. */
class Waiting {
  isOver = false;
  readonly #underway: Underway;
  readonly #over: Promise<Outcome>;
  readonly #told: () => void;

  /** @param told called when whoever waits has been told how it came out */
  constructor(underway: Underway, told: () => void) {
    this.#underway = underway;
    this.#told = told;
    this.#over = underway.done.then(
      () => DONE,
      (error: unknown) => ({ kind: 'ended', message: error instanceof Error ? error.message : '' }),
    );
    // Where nobody asks (any more), it is remembered for as long as somebody might.
    void this.#over.then(() => {
      this.isOver = true;
      setTimeout(told, 4 * TURN_MS).unref();
    });
  }

  giveUp(): void {
    this.#underway.giveUp();
    this.#told();
  }

  /** How it has come out, or that it goes on. */
  async turn(): Promise<Outcome> {
    const late = new AbortController();
    const outcome = await Promise.race([
      this.#over,
      sleep(TURN_MS, WAITS, { signal: late.signal, ref: false }).catch(() => WAITS),
    ]);
    late.abort();
    return outcome;
  }
}

function heard({ parts, silent }: Everyone<Outcome>): { outcomes: readonly Outcome[]; silent: number } {
  return { outcomes: parts.map(({ value }) => value), silent };
}

function refused(error: unknown): Outcome {
  if (error instanceof CommandRefused) return { kind: 'refused', message: error.message };
  throw error;
}
