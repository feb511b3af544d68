import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Random } from '../oracle/random.js';
import { caseName, type FuzzCase } from './case.js';
import type { Fuzzed } from './client-targets.js';
import { Coverage } from './coverage.js';
import type { Outcome } from './fuzz-client.js';
import { Mutator } from './mutator.js';

export interface FuzzOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Cases found before, that are run first. */
  readonly corpus?: readonly FuzzCase[];
  /** Looks at V8's coverage as well: what runs new code is kept. */
  readonly coverage?: boolean;
  readonly onProgress?: (text: string) => void;
  readonly onFinding?: (finding: Finding) => void;
}

/** What must not be, and the case that does it; null where none of them does it alone. */
export interface Finding {
  readonly what: string;
  readonly fuzzed: FuzzCase | null;
}

export interface FuzzResult {
  readonly executions: number;
  readonly findings: readonly Finding[];
  /** A few lines for people. */
  readonly report: string;
}

const LOOK_EVERY = 200;
/** Cases in which the cause of what nobody caught is looked for. */
const LAST = 200;
const REST_EVERY = 2000;
const PROGRESS_EVERY_MS = 15_000;
const MOST_KEPT = 2000;
const MOST_FINDINGS = 10;
/** What the heap may have grown by, garbage collected, between the first rest and the last. */
const HEAP_GROWTH = 48 * 2 ** 20;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Runs mutated cases until the time is over, keeps those that do something new, and reports those that break something. */
export class Fuzzer {
  readonly #fuzzed: Fuzzed;
  readonly #options: FuzzOptions;
  readonly #random: Random;
  readonly #mutator: Mutator;
  readonly #coverage: Coverage | null;
  readonly #kept: FuzzCase[];
  readonly #signatures = new Map<string, number>();
  readonly #findings: Finding[] = [];
  readonly #known = new Set<string>();
  #unhandled: string[] = [];
  readonly #recent: FuzzCase[] = [];
  #executions = 0;
  #byCoverage = 0;
  #firstHeap = 0;
  #heap = 0;

  constructor(fuzzed: Fuzzed, options: FuzzOptions) {
    this.#fuzzed = fuzzed;
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#mutator = new Mutator(new Random(this.#random.below(2 ** 31)));
    this.#coverage = options.coverage === true ? new Coverage() : null;
    this.#kept = [...fuzzed.seeds, ...(options.corpus ?? [])];
  }

  async run(): Promise<FuzzResult> {
    const onUnhandled = (error: unknown): void => {
      this.#unhandled.push(`unhandled: ${error instanceof Error ? error.stack : String(error)}`);
    };
    process.on('uncaughtException', onUnhandled).on('unhandledRejection', onUnhandled);
    const started = performance.now();
    try {
      await this.#work([...this.#kept].values());
      await this.#rest();
      const until = Date.now() + this.#options.seconds * 1000;
      let told = Date.now();
      while (Date.now() < until && this.#findings.length < MOST_FINDINGS) {
        await this.#work(this.#mutants(until), () => {
          if (Date.now() - told < PROGRESS_EVERY_MS) return;
          told = Date.now();
          this.#options.onProgress?.(this.#report(performance.now() - started));
        });
        await this.#rest();
      }
      await this.#rest();
      if (this.#heap > this.#firstHeap + HEAP_GROWTH)
        this.#found(`the heap has grown from ${mib(this.#firstHeap)} to ${mib(this.#heap)}`, null);
    } finally {
      process.off('uncaughtException', onUnhandled).off('unhandledRejection', onUnhandled);
      this.#coverage?.stop();
    }
    const report = this.#report(performance.now() - started);
    return { executions: this.#executions, findings: this.#findings, report };
  }

  #next(): FuzzCase {
    const from = this.#random.pick(this.#kept);
    const { fixed } = this.#fuzzed;
    const changed = { writes: from.writes.slice(fixed), ending: from.ending };
    const { writes, ending } = this.#mutator.mutate(changed, this.#kept);
    return { writes: [...from.writes.slice(0, fixed), ...writes], ending };
  }

  *#mutants(until: number): Generator<FuzzCase, undefined> {
    for (let left = REST_EVERY; left > 0 && Date.now() < until; left--) {
      if (this.#unhandled.length > 0) return;
      yield this.#next();
    }
  }

  async #work(cases: Iterator<FuzzCase>, done: () => void = () => {}): Promise<void> {
    const work = async (): Promise<void> => {
      for (let one = cases.next(); one.done !== true; one = cases.next()) {
        await this.#execute(one.value);
        if (this.#executions % LOOK_EVERY === 0) this.#look();
        done();
      }
    };
    await Promise.all(Array.from({ length: this.#fuzzed.width }, work));
    if (this.#unhandled.length > 0) await this.#blame();
  }

  /** One of the last has run what never ran: any of them may be on the way to more. */
  #look(): void {
    if (this.#coverage === null || this.#coverage.look() === 0) return;
    for (let left = 4; left > 0; left--) this.#keep(this.#random.pick(this.#recent));
    this.#byCoverage++;
  }

  async #execute(fuzzed: FuzzCase): Promise<void> {
    const outcome: Outcome = await this.#fuzzed.run(fuzzed);
    this.#executions++;
    this.#recent.push(fuzzed);
    if (this.#recent.length > LAST) this.#recent.shift();
    for (const what of outcome.violations) this.#found(what, fuzzed);
    const times = this.#signatures.get(outcome.signature) ?? 0;
    this.#signatures.set(outcome.signature, times + 1);
    if (times === 0) this.#keep(fuzzed);
  }

  get #keptBytes(): number {
    return this.#kept.reduce(
      (sum, { writes }) => sum + writes.reduce((all, { bytes }) => all + bytes.length + 200, 0),
      0,
    );
  }

  #keep(fuzzed: FuzzCase): void {
    if (this.#kept.length < MOST_KEPT) this.#kept.push(fuzzed);
    else this.#kept[this.#random.below(MOST_KEPT)] = fuzzed;
  }

  /** Finds out which case it was that threw: each is run again, alone. */
  async #blame(): Promise<void> {
    const errors = this.#unhandled;
    this.#unhandled = [];
    const blamed = new Set<string>();
    for (const fuzzed of [...this.#recent].reverse()) {
      await this.#fuzzed.run(fuzzed);
      for (const what of this.#unhandled) {
        blamed.add(headOf(what));
        this.#found(what, fuzzed);
      }
      this.#unhandled = [];
    }
    for (const what of errors) if (!blamed.has(headOf(what))) this.#found(what, null);
  }

  async #rest(): Promise<void> {
    for (const what of await this.#fuzzed.atRest()) this.#found(what, null);
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    // The fuzzer's own share grows.
    this.#heap = heapUsed + external - this.#keptBytes;
    if (this.#firstHeap === 0) this.#firstHeap = this.#heap;
  }

  /** Of the same kind only the first. */
  #found(what: string, fuzzed: FuzzCase | null): void {
    const head = headOf(what);
    if (this.#known.has(head)) return;
    this.#known.add(head);
    const finding = { what, fuzzed };
    this.#findings.push(finding);
    this.#options.onFinding?.(finding);
  }

  #report(ms: number): string {
    const coverage =
      this.#coverage === null
        ? ''
        : `, ${this.#coverage.blocks} blocks of src (${this.#byCoverage} times new)`;
    const most = [...this.#signatures].sort(([, a], [, b]) => b - a).slice(0, 4);
    const frequent = most.map(([what, times]) => `${times} x ${what || 'nothing'}`).join(', ');
    const names = this.#findings.map(({ fuzzed }) => (fuzzed === null ? '?' : caseName(fuzzed))).join();
    return [
      `${this.#executions} executions in ${(ms / 1000).toFixed(0)} s (${((1000 * this.#executions) / ms).toFixed(0)}/s)`,
      `${this.#signatures.size} outcomes (${frequent}), ${this.#kept.length} cases kept${coverage}`,
      `heap ${mib(this.#firstHeap)} to ${mib(this.#heap)}, ${this.#fuzzed.report()}`,
      `${this.#findings.length} findings ${names}`,
    ].join('; ');
  }
}

function headOf(what: string): string {
  return what.replaceAll(/\d+/g, 'n').split('\n').slice(0, 3).join('\n');
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
