/** Something that must never be: the soak has failed. */
export interface Violation {
  /** Seconds since the start. */
  readonly at: number;
  readonly what: string;
}

/** Violations shown; more are only counted. */
const SHOWN = 20;

/** What a soak has seen: what must not be, and how often what may be was. */
export class Findings {
  readonly violations: Violation[] = [];
  readonly #start = Date.now();
  readonly #counts = new Map<string, number>();
  #more = 0;
  /** Called with each violation as it is found. */
  onViolation: ((violation: Violation) => void) | null = null;

  get failed(): boolean {
    return this.violations.length > 0;
  }

  get seconds(): number {
    return (Date.now() - this.#start) / 1000;
  }

  violated(what: string): void {
    if (this.violations.length >= SHOWN) {
      this.#more++;
      return;
    }
    const violation = { at: this.seconds, what };
    this.violations.push(violation);
    this.onViolation?.(violation);
  }

  count(what: string, by = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by);
  }

  counted(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  /** Of what begins so, the most frequent first: `12 deadlock, 3 lost`. */
  countsOf(prefix: string): string {
    return [...this.#counts]
      .filter(([what]) => what.startsWith(prefix))
      .sort(([, a], [, b]) => b - a)
      .map(([what, count]) => `${count} ${what.slice(prefix.length)}`)
      .join(', ');
  }

  report(): string {
    const lines = this.violations.map(({ at, what }) => `VIOLATED at ${at.toFixed(1)} s: ${what}`);
    if (this.#more > 0) lines.push(`and ${this.#more} more`);
    return lines.join('\n');
  }
}
