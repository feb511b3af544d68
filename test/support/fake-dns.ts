import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What one name means to a proxy that is started with {@link nodeArgs} and {@link env}; each answer is valid for a second. */
export class FakeDns {
  readonly name: string;
  readonly #file: string;

  /** @param folder - of the test's */
  constructor(folder: string, name: string) {
    this.name = name;
    this.#file = join(folder, 'names');
    this.set([]);
  }

  readonly nodeArgs: readonly string[] = ['--import', new URL('./fake-dns-hook.js', import.meta.url).href];

  get env(): Readonly<Record<string, string>> {
    return { TEST_DNS_FILE: this.#file };
  }

  /** No address: the name is not known. */
  set(addresses: readonly string[]): void {
    writeFileSync(this.#file, [this.name, ...addresses].join(' '));
  }
}
