import { stat } from 'node:fs/promises';

/** How often files are looked at, in ms. */
const INTERVAL_MS = 1_000;

/**
 * Tells when files have changed: written in place, replaced by renaming, or reached through a symbolic link that has been
 * changed (as Kubernetes does it). By looking at them, as no notification covers all of these. A change is told once nothing
 * has changed for one interval, so that files which belong together are all there.
 */
export class FileWatch {
  readonly #paths: readonly string[];
  readonly #onChange: () => void;
  readonly #timer: NodeJS.Timeout;
  /** What was told last, and what was seen last; null before the first look. */
  #told: string | null = null;
  #seen: string | null = null;
  #looking = false;

  constructor(paths: readonly string[], onChange: () => void, intervalMs: number = INTERVAL_MS) {
    this.#paths = paths;
    this.#onChange = onChange;
    this.#timer = setInterval(() => void this.#look(), intervalMs).unref();
    void this.#look();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    // A file system that hangs is asked no second time.
    if (this.#looking) return;
    this.#looking = true;
    const state = (await Promise.all(this.#paths.map(stateOf))).join(' ');
    this.#looking = false;
    const settled = state === this.#seen;
    this.#seen = state;
    if (this.#told === null) this.#told = state;
    else if (settled && state !== this.#told) {
      this.#told = state;
      this.#onChange();
    }
  }
}

/** What differs when a file is another one, or has other contents. */
async function stateOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  }
}
