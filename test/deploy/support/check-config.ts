import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { stringify } from 'yaml';
import { temporaryFolder } from '../../stacks/support/folder.js';
import { TestAuthority } from '../../support/certificates.js';
import { parseDocuments } from './deploy-files.js';
import { type Ended, run } from './program.js';

/** The compiled command line, from dist/test/deploy/support. */
export const MAIN = fileURLToPath(new URL('../../../src/main.js', import.meta.url));

/** Where the files of deploy/ expect passwords and certificates. */
const MOUNTED = /(?:\/etc\/mybouncer|\/run\/secrets|\/run\/credentials)\/[\w./-]+/g;

/** What `mybouncer check` says of configurations that expect files which this machine does not have. */
export class ConfigChecker {
  readonly #folder: string;
  readonly #contents: (path: string) => string;

  private constructor(folder: string, contents: (path: string) => string) {
    this.#folder = folder;
    this.#contents = contents;
  }

  static async start(t: Test): Promise<ConfigChecker> {
    const folder = await temporaryFolder(t);
    const authority = await TestAuthority.make(t);
    const { cert, key } = await authority.issue('mybouncer.example');
    return new ConfigChecker(folder, (path) => {
      if (path.endsWith('ca.pem')) return authority.cert;
      if (path.endsWith('.crt')) return cert;
      if (path.endsWith('.key')) return key;
      return 'a-password\n';
    });
  }

  /** @param text - of the file */
  async check(text: string): Promise<Ended> {
    for (const [path] of text.matchAll(MOUNTED)) await this.#provide(path);
    const [configuration] = parseDocuments(text.replaceAll(MOUNTED, (path) => join(this.#folder, path)));
    const file = join(this.#folder, 'mybouncer.yaml');
    await writeFile(file, stringify(configuration), { mode: 0o600 });
    return this.#run(['--config', file], {});
  }

  /** The same for settings by environment variables. */
  async checkEnvironment(variables: Readonly<Record<string, string>>): Promise<Ended> {
    const known: Record<string, string> = {};
    for (const [name, value] of Object.entries(variables)) {
      for (const [path] of value.matchAll(MOUNTED)) await this.#provide(path);
      known[name] = value.replaceAll(MOUNTED, (path) => join(this.#folder, path));
    }
    return this.#run([], known);
  }

  async #provide(path: string): Promise<void> {
    const file = join(this.#folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, this.#contents(path), { mode: 0o600 });
  }

  async #run(args: readonly string[], variables: Readonly<Record<string, string>>): Promise<Ended> {
    const own = Object.entries(process.env).filter(([name]) => !/^(MYBOUNCER_|DATABASE_URL$)/.test(name));
    const ended = await run([process.execPath, MAIN, 'check', ...args], {
      env: { ...Object.fromEntries(own), ...variables },
    });
    if (ended === null) throw new Error('there is no node');
    return ended;
  }
}
