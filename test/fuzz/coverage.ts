import { type Profiler, Session } from 'node:inspector';

/** Only what is tested counts. */
const OURS = /\/dist\/src\//;

/** Which blocks of `src` have run, as V8 counts them: what is new since the last look. */
export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
  }

  /** Blocks known by now. */
  get blocks(): number {
    return this.#seen.size;
  }

  /** How many blocks have run for the first time since the last call. */
  look(): number {
    const before = this.#seen.size;
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error;
      for (const script of result) if (OURS.test(script.url)) this.#take(script);
    });
    return this.#seen.size - before;
  }

  stop(): void {
    this.#session.disconnect();
  }

  #take({ url, functions }: Profiler.ScriptCoverage): void {
    for (const { ranges } of functions)
      for (const { startOffset, endOffset, count } of ranges)
        if (count > 0) this.#seen.add(`${url}:${startOffset}-${endOffset}`);
  }
}
