import type { Socket } from 'node:net';

/** Bytes that trickle leave so many at a time, so often. */
const TRICKLE_BYTES = 5;
const TRICKLE_MS = 2;

/** One direction of a connection: what comes in on one socket goes out on another, unless told otherwise. */
export class Flow {
  /** Called once, with the first bytes. */
  onFirst: ((bytes: Buffer) => void) | null = null;
  readonly #from: Socket;
  readonly #to: Socket;
  #stalls = 0;
  #trickleLeft = 0;
  #held: Buffer[] = [];
  #timer: NodeJS.Timeout | null = null;
  #ended = false;
  #cut: { readonly share: number; readonly then: () => void } | null = null;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    from.on('data', (bytes: Buffer) => this.#take(bytes));
    from.on('end', () => {
      this.#ended = true;
      this.#move();
    });
    to.on('drain', () => this.#move());
    to.on('close', () => {
      if (this.#timer !== null) clearTimeout(this.#timer);
    });
  }

  stall(): void {
    this.#stalls++;
    this.#from.pause();
  }

  release(): void {
    this.#stalls--;
    this.#move();
  }

  trickle(bytes: number): void {
    this.#trickleLeft += bytes;
  }

  cut(share: number, then: () => void): void {
    this.#cut = { share, then };
  }

  #take(bytes: Buffer): void {
    this.onFirst?.(bytes);
    this.onFirst = null;
    if (this.#cut !== null) {
      const { share, then } = this.#cut;
      this.#cut = null;
      this.#held.push(bytes.subarray(0, Math.floor(bytes.length * share)));
      this.#trickleLeft = 0;
      this.#stalls = 0;
      this.#move();
      then();
      return;
    }
    this.#held.push(bytes);
    this.#move();
  }

  /** Passes on what it may; reads on when all of it has gone. */
  #move(): void {
    if (this.#to.destroyed || this.#timer !== null) return;
    if (this.#stalls > 0) {
      this.#from.pause();
      return;
    }
    for (let bytes = this.#held.shift(); bytes !== undefined; bytes = this.#held.shift()) {
      if (this.#trickleLeft > 0 && bytes.length > TRICKLE_BYTES) {
        this.#held.unshift(bytes.subarray(TRICKLE_BYTES));
        bytes = bytes.subarray(0, TRICKLE_BYTES);
      }
      const full = !this.#to.write(bytes);
      if (this.#trickleLeft > 0) {
        this.#trickleLeft -= bytes.length;
        this.#from.pause();
        this.#timer = setTimeout(() => {
          this.#timer = null;
          this.#move();
        }, TRICKLE_MS);
        return;
      }
      if (full) {
        this.#from.pause();
        return;
      }
    }
    if (this.#ended) this.#to.end();
    else this.#from.resume();
  }
}
