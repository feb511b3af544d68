import { executable } from './open-sockets.js';
import { type ProcessStat, readStat } from './process-stat.js';

/** More kinds of clients than any machine has. */
const MAX_IMAGES = 4_096;

/**
 * The program images that clients run. What is forked from a client has the same one, until it runs another program: so most new
 * processes of a machine need no look at their descriptors.
 */
export class ProgramImages {
  readonly #known = new Set<string>();

  /** False when there is no such process any more, or it may not be seen. */
  add(pid: number): boolean {
    const stat = readStat(pid);
    if (stat === null) return false;
    if (this.#known.size < MAX_IMAGES) this.#known.add(imageOf(pid, stat));
    return true;
  }

  /** Whether a process may have been forked from a client. */
  mayBe(pid: number, stat: ProcessStat): boolean {
    return this.#known.size >= MAX_IMAGES || this.#known.has(imageOf(pid, stat));
  }
}

function imageOf(pid: number, { stackStart }: ProcessStat): string {
  return `${stackStart} ${executable(pid)}`;
}
