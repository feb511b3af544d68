import { existsSync, readFileSync } from 'node:fs';
import * as z from 'zod';

const packageSchema = z.object({ version: z.string() });

/** The package's file lies above this one, how far depends on where the compiled files were put. */
function readVersion(): string {
  for (let url = new URL('.', import.meta.url); ; url = new URL('..', url)) {
    const file = new URL('package.json', url);
    if (existsSync(file)) return packageSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).version;
    if (url.pathname === '/') throw new Error('the package.json of mybouncer is missing');
  }
}

/** The version of this program. */
export const VERSION = readVersion();
