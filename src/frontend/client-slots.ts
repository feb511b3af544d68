/** Gives back one client's place; calling it again does nothing. */
export type ReleaseSlot = () => void;

/** Places under max_client_conn: one per connected client, from accept to close. */
export class ClientSlots {
  readonly #limit: () => number;
  #used = 0;

  /** @param limit at least 1; where it falls, nobody loses a place */
  constructor(limit: () => number) {
    this.#limit = limit;
  }

  get limit(): number {
    return this.#limit();
  }

  get used(): number {
    return this.#used;
  }

  /** null when all places are taken. */
  take(): ReleaseSlot | null {
    if (this.#used >= this.limit) return null;
    this.#used++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#used--;
    };
  }
}
