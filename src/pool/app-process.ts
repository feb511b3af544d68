/** The waiters of a process in one pool: among those of urgent processes, or among the others. */
export interface ProcessLane {
  readonly waits: boolean;
  enterRing(): void;
  leaveRing(): void;
}

/**
 * An app's process: the clients among whom one queue is no injustice. Sessions go round among the processes that wait, so
 * that one with many waiting clients takes no more turns than one with few.
 *
 * A process that holds a session, between statements, is served ahead of its turn, with one session more for each that it
 * holds: what it waits for may be the second half of a request whose first half it holds, and if first halves fill
 * the pool, then nothing comes free before somebody gets a second. Sessions got ahead of a turn count for no further ones,
 * so each hold of a process has been granted in its turn, and when it ends, the session goes to whose turn it is: nobody
 * is passed over for longer than the holds last that were there before.
 */
export class AppProcess {
  /** For error texts: it is made of what clients say of themselves. */
  readonly label: string;
  /** @internal Its lines of waiters, one for each pool in which it has ever waited. */
  readonly lanes: ProcessLane[] = [];
  /** Sessions held by its clients: those they had in turn, and those they had ahead of it. */
  #held = 0;
  #heldAhead = 0;
  /** Sessions lent to its clients ahead of their turn. */
  #ahead = 0;
  #urgent = false;

  constructor(label = '') {
    this.label = label;
  }

  /** Sessions that its clients hold between statements. */
  get held(): number {
    return this.#held + this.#heldAhead;
  }

  /** Whether its next waiter is served before those of other processes. */
  get urgent(): boolean {
    return this.#urgent;
  }

  /** @internal A client of it holds `change` sessions more. */
  holds(change: number, ahead: boolean): void {
    if (ahead) this.#heldAhead += change;
    else this.#held += change;
    this.#changed();
  }

  /** @internal `change` sessions more are lent to it ahead of its turn. */
  lentAhead(change: number): void {
    this.#ahead += change;
    this.#changed();
  }

  #changed(): void {
    const urgent = this.#ahead < this.#held;
    if (urgent === this.#urgent) return;
    // The lanes leave the ring that they are in by what it was.
    for (const lane of this.lanes) if (lane.waits) lane.leaveRing();
    this.#urgent = urgent;
    for (const lane of this.lanes) if (lane.waits) lane.enterRing();
  }
}
