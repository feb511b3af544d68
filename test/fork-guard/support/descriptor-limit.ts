import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { Test } from 'tap';

/** Standard input, output and errors stay usable: they are open already. */
const NONE = 3;

/** Changes the limit for another process when it reads a line, as that one cannot start programs any more by then. */
const SCRIPT = `
while read limit; do prlimit --pid "$1" --nofile="$limit:"; echo done; done`;

export const canLimit = spawnSync('prlimit', ['--version']).status === 0;

/** How many descriptors this process may have: whatever is open stays open. */
export class DescriptorLimit {
  readonly #helper: ChildProcess;
  readonly #usual: string;

  private constructor(helper: ChildProcess, usual: string) {
    this.#helper = helper;
    this.#usual = usual;
  }

  static async open(t: Test): Promise<DescriptorLimit> {
    const query = ['--pid', String(process.pid), '--nofile', '--output', 'SOFT', '--noheadings'];
    const usual = spawnSync('prlimit', query, { encoding: 'utf8' }).stdout.trim();
    const helper = spawn('sh', ['-c', SCRIPT, 'sh', String(process.pid)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(helper, 'spawn');
    const limit = new DescriptorLimit(helper, usual);
    t.teardown(async () => {
      await limit.lift();
      helper.kill();
    });
    return limit;
  }

  /** From now on every attempt to open something fails with EMFILE. */
  reach(): Promise<void> {
    return this.#set(String(NONE));
  }

  lift(): Promise<void> {
    return this.#set(this.#usual);
  }

  async #set(limit: string): Promise<void> {
    const { stdin, stdout } = this.#helper;
    if (stdin === null || stdout === null) throw new Error('it has no pipes');
    const done = once(stdout, 'data');
    stdin.write(`${limit}\n`);
    await done;
  }
}
