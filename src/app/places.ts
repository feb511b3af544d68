/** So many at a time; others wait for their turn, in order, and give up after a while. */
export class Places {
  readonly #patienceMs: number;
  readonly #waiting: ((enters: boolean) => void)[] = [];
  #free: number;

  constructor(count: number, patienceMs: number) {
    this.#free = count;
    this.#patienceMs = patienceMs;
  }

  /** @returns what is called, once, to leave the place; null when there was none in time */
  async enter(): Promise<(() => void) | null> {
    if (this.#free > 0) this.#free--;
    else if (this.#waiting.length >= MAX_WAITING || !(await this.#turn())) return null;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next(true);
    };
  }

  #turn(): Promise<boolean> {
    return new Promise((resolve) => {
      const entry = (enters: boolean): void => {
        clearTimeout(timer);
        resolve(enters);
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        resolve(false);
      }, this.#patienceMs);
      this.#waiting.push(entry);
    });
  }
}

const MAX_WAITING = 256;
