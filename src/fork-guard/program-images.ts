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

  /** Null when there is no such process any more, or it may not be seen. */
  add(pid: number): string | null {
    const image = programImage(pid);
    if (image !== null && this.#known.size < MAX_IMAGES) this.#known.add(image);
    return image;
  }

  /** Whether a process may have been forked from a client. */
  mayBe(image: string): boolean {
    return this.#known.size >= MAX_IMAGES || this.#known.has(image);
  }
}

/** Null when there is no such process, or it may not be seen. @throws what {@link isShortage} knows */
export function programImage(pid: number): string | null {
  const stat = readStat(pid);
  return stat === null ? null : imageOf(pid, stat);
}

/** The same in processes forked from one another without an exec, and in no others. */
export function imageOf(pid: number, { stackStart }: ProcessStat): string {
  return `${stackStart} ${executable(pid)}`;
}
