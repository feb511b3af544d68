/** Times in ms, to be printed. */
export class Durations {
  readonly #sorted: number[] = [];

  add(ms: number): void {
    this.#sorted.push(ms);
    this.#sorted.sort((a, b) => a - b);
  }

  toString(): string {
    const at = (share: number): string =>
      (this.#sorted[Math.min(this.#sorted.length - 1, Math.floor(share * this.#sorted.length))] ?? 0).toFixed(
        1,
      );
    return `median ${at(0.5)} ms, 95 % ${at(0.95)} ms, worst ${at(1)} ms of ${this.#sorted.length}`;
  }
}
