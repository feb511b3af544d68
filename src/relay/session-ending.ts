import type { ControlConnection } from './control-connection.js';

/** Pauses between two KILLs of a session that is still there, in ms: they double, up to the longest. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 250;

/** How long the server may take to be rid of a session that was cut off, in ms: then it counts as gone regardless. */
const GONE_WITHIN_MS = 5_000;

/** Ends a session on the server, and finds out when the server is rid of it. */
export class SessionEnding {
  readonly #connectionId: number;
  readonly #control: ControlConnection;
  readonly #over: () => void;
  /** Over another connection the id may be somebody else's: the server may have been started anew. */
  readonly #connection: object | null;
  readonly #deadline = performance.now() + GONE_WITHIN_MS;
  #isOver = false;
  #underWay = false;
  #nextAt = 0;
  #pause = FIRST_PAUSE_MS;

  /** `over`: the server is rid of it, or will not tell. */
  constructor(connectionId: number, control: ControlConnection, over: () => void) {
    this.#connectionId = connectionId;
    this.#control = control;
    this.#connection = control.connection;
    this.#over = over;
  }

  begin(): void {
    this.#kill();
  }

  /** @returns whether there may be more to do */
  tick(now: number): boolean {
    if (!this.#isOver && now > this.#deadline) this.#end();
    if (!this.#isOver && !this.#underWay && now >= this.#nextAt) this.#kill();
    return !this.#isOver;
  }

  #kill(): void {
    if (this.#connection === null || this.#control.connection !== this.#connection) {
      this.#end();
      return;
    }
    this.#underWay = true;
    this.#control.send({
      statement: `KILL ${this.#connectionId}`,
      patient: false,
      wanted: () => true,
      sent: () => {},
      done: (reply, error) => {
        this.#underWay = false;
        this.#nextAt = performance.now() + this.#pause;
        this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
        // An error: there is none of this id any more.
        if (error !== null || reply === null || reply.err !== null) this.#end();
      },
    });
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#over();
  }
}
