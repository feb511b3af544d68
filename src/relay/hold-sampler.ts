import { HOLD_WORDS, HoldReason, holdWords } from '../session/hold-reason.js';
import { type Holder, type HoldRegister, LASTING, type Origin } from './hold-register.js';

/** Kinds of statements of which something is kept, at most; the rest counts together. */
export const MOST_STATEMENTS = 500;

/** Clients whose statements are looked at each time, at most: with more, the times are of a part of them. */
const MOST_HOLDERS = 500;

/** What a holder's statements are looked at for. */
const LOOKED_AT = LASTING | HoldReason.Transaction;

/** One kind of statement. */
export interface StatementTimes {
  /** Null where it was no SQL, too long, or one of too many kinds. */
  readonly statement: string | null;
  /** Word of a hold; empty for pauses in transactions. */
  readonly reason: string;
  count: number;
  seconds: number;
}

/** A lasting hold that has begun. */
export interface BegunHold {
  readonly reason: string;
  /** Digest; null where it was no SQL, or too long. */
  readonly statement: string | null;
  readonly client: number;
  readonly user: string;
  /** The account on the server. */
  readonly serverUser: string;
}

/** Sessions held for one reason, or for any lasting one. */
export interface HeldTimes {
  readonly mean: number;
  readonly peak: number;
}

/**
 * What holds cost, and by which statements, as it shows at regular moments: the clients that hold a session are few, and a
 * command pays nothing for being watched. What lasts long is seen often, so times come out right on average; how often a lasting
 * hold began is counted besides.
 */
export class HoldSampler {
  readonly #register: HoldRegister;
  readonly #tell: (hold: BegunHold) => void;
  readonly #sums = new Float64Array(32);
  readonly #peaks = new Float64Array(32);
  readonly #now = new Float64Array(32);
  #lastingSum = 0;
  #lastingPeak = 0;
  #moments = 0;
  readonly #begun = new Map<string, StatementTimes>();
  readonly #pauses = new Map<string, StatementTimes>();

  /** @param begun told of lasting holds that have begun since the last look; of very many, the first */
  constructor(register: HoldRegister, begun: (hold: BegunHold) => void = () => {}) {
    this.#register = register;
    this.#tell = begun;
  }

  /** Looks once. `seconds`: since the last time. */
  sample(seconds: number): void {
    const register = this.#register;
    this.#moments++;
    for (const origin of register.takeFresh()) {
      const { client, user, serverUser } = origin;
      for (const reason of holdWords(origin.begun & LASTING)) {
        this.#timesOf(reason, origin).count++;
        this.#tell({ reason, statement: register.digestOf(origin), client, user, serverUser });
      }
    }
    this.#now.fill(0);
    let lasting = 0;
    let looked = 0;
    register.visit((holder, bits, origins) => {
      for (let rest = bits; rest !== 0; rest &= rest - 1) {
        const bit = 31 - Math.clz32(rest & -rest);
        this.#now[bit] = (this.#now[bit] ?? 0) + 1;
      }
      if ((bits & LASTING) !== 0) lasting++;
      if ((bits & LOOKED_AT) !== 0 && looked++ < MOST_HOLDERS) this.#look(holder, bits, origins, seconds);
    });
    for (const [bit, count] of this.#now.entries()) {
      this.#sums[bit] = (this.#sums[bit] ?? 0) + count;
      if (count > (this.#peaks[bit] ?? 0)) this.#peaks[bit] = count;
    }
    this.#lastingSum += lasting;
    if (lasting > this.#lastingPeak) this.#lastingPeak = lasting;
  }

  /** Sessions held for a reason that does not end by itself. */
  get lasting(): HeldTimes {
    return { mean: this.#meanOf(this.#lastingSum), peak: this.#lastingPeak };
  }

  /** By reason. */
  get reasons(): ReadonlyMap<string, HeldTimes> {
    const times = new Map(HOLD_WORDS.map((word) => [word, { mean: 0, peak: 0 }]));
    for (const [bit, sum] of this.#sums.entries()) {
      for (const word of holdWords(1 << bit))
        times.set(word, { mean: this.#meanOf(sum), peak: this.#peaks[bit] ?? 0 });
    }
    return times;
  }

  /** Statements that began lasting holds. */
  get statements(): readonly StatementTimes[] {
    return [...this.#begun.values()];
  }

  /** Statements behind which clients were idle in a transaction. */
  get pauses(): readonly StatementTimes[] {
    return [...this.#pauses.values()];
  }

  #look(holder: Holder, bits: number, origins: readonly Origin[], seconds: number): void {
    if ((bits & LASTING) !== 0) {
      for (const origin of origins) {
        for (const word of holdWords(origin.bits & LASTING)) this.#timesOf(word, origin).seconds += seconds;
      }
    }
    if ((bits & HoldReason.Transaction) === 0) return;
    const pause = holder.pause ?? null;
    if (pause === null) return;
    const isNew = pause.digest === undefined;
    pause.digest ??= this.#register.digestOfText(pause.text);
    const times = entryOf(this.#pauses, '', pause.digest);
    if (isNew) times.count++;
    times.seconds += seconds;
  }

  #timesOf(word: string, origin: Origin): StatementTimes {
    return entryOf(this.#begun, word, this.#register.digestOf(origin));
  }

  #meanOf(sum: number): number {
    return this.#moments === 0 ? 0 : sum / this.#moments;
  }
}

function entryOf(
  entries: Map<string, StatementTimes>,
  reason: string,
  digest: string | null,
): StatementTimes {
  const statement = entries.size < MOST_STATEMENTS || entries.has(`${reason} ${digest}`) ? digest : null;
  const key = `${reason} ${statement}`;
  let times = entries.get(key);
  if (times === undefined) {
    times = { statement, reason, count: 0, seconds: 0 };
    entries.set(key, times);
  }
  return times;
}
