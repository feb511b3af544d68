import { open, stat as stats } from 'node:fs/promises';
import { decodeText, type PasswordSource, passwordIn, whyUnreadable } from './password-file.js';

/** Longer files are no passwords. */
const MAX_BYTES = 64 * 1024;

/** A file that was written less than this long ago may be written again without a change of its times, in ns. */
const YOUNG_NS = 3_000_000_000n;

export interface SecretFilesLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** A password file: what it says, and what it said before. */
export class SecretFile {
  readonly path: string;
  #password: string;
  #previous: string | null = null;
  readonly changed: (() => void)[] = [];
  /** State of the file when it was last found to say what is taken; null: it is to be read. */
  stamp: string | null = null;
  /** What it said at the last look, or why it could not be read, where that is not what is taken. */
  pending: string | null = null;
  complained: string | null = null;

  constructor(path: string, password: string) {
    this.path = path;
    this.#password = password;
  }

  get password(): string {
    return this.#password;
  }

  /** For a server that has not heard of the new one yet. */
  get previous(): string | null {
    return this.#previous;
  }

  take(password: string): void {
    this.#previous = this.#password;
    this.#password = password;
    for (const callback of this.changed) callback();
  }
}

/**
 * Password files that may change while the proxy runs, in any of the ways in which that is done: written anew in place, another
 * file renamed over it, a directory on its path swapped (Kubernetes' `..data`). They are looked at, rather than watched: what a
 * watch reports hangs on the file system, and it misses what happens above the file.
 */
export class SecretFiles {
  readonly #log: SecretFilesLog;
  readonly #files = new Map<string, SecretFile>();
  #looking = false;

  constructor(log: SecretFilesLog) {
    this.#log = log;
  }

  /** The file that a password was read from; null where it stands in none. */
  add({ file: path, password }: PasswordSource): SecretFile | null {
    if (path === null) return null;
    let file = this.#files.get(path);
    if (file === undefined) {
      file = new SecretFile(path, password.reveal());
      this.#files.set(path, file);
    }
    return file;
  }

  /** The others are not looked at any more. */
  keepOnly(paths: ReadonlySet<string>): void {
    for (const path of this.#files.keys()) if (!paths.has(path)) this.#files.delete(path);
  }

  /** To be called every second: what a file says is taken in once it has said so twice, never half written. */
  secondPassed(): void {
    if (this.#looking || this.#files.size === 0) return;
    this.#looking = true;
    void this.#look().finally(() => {
      this.#looking = false;
    });
  }

  async #look(): Promise<void> {
    for (const file of this.#files.values()) {
      try {
        await this.#lookAt(file);
      } catch (error) {
        this.#failed(file, whyUnreadable(file.path, error));
      }
    }
  }

  async #lookAt(file: SecretFile): Promise<void> {
    const stat = await stats(file.path, { bigint: true });
    // A pipe has been read to its end, and would be waited for.
    if (stat.isFIFO()) return;
    const stamp = [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(' ');
    if (stamp === file.stamp) return;
    const { text, failure } = decodeText(file.path, await readBeginning(file.path));
    const read = text === null ? { failure } : passwordIn(file.path, text);
    if ('failure' in read) {
      this.#failed(file, read.failure);
      return;
    }
    const settled = BigInt(Date.now()) * 1_000_000n - stat.mtimeNs > YOUNG_NS;
    this.#read(file, read.password.reveal(), settled ? stamp : null);
  }

  #read(file: SecretFile, password: string, stamp: string | null): void {
    if (password === file.password) {
      file.pending = null;
      file.complained = null;
      file.stamp = stamp;
      return;
    }
    file.stamp = null;
    if (file.pending !== `=${password}`) {
      file.pending = `=${password}`;
      return;
    }
    file.pending = null;
    file.complained = null;
    file.take(password);
    this.#log.info({ file: file.path }, 'a password file has changed: new connections use what it says now');
  }

  #failed(file: SecretFile, failure: string): void {
    file.stamp = null;
    // A file that is being written is empty for a moment.
    if (file.pending !== failure) {
      file.pending = failure;
      return;
    }
    if (file.complained === failure) return;
    file.complained = failure;
    this.#log.warn(
      { file: file.path, error: failure },
      'a password file cannot be used: what it said before stays in force',
    );
  }
}

async function readBeginning(path: string): Promise<Buffer> {
  const handle = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(MAX_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, MAX_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
