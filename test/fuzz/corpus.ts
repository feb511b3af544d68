import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type FuzzCase, parseCase, type Target } from './case.js';

/** In the sources: the compiled files have none of it beside them. */
const FOLDER = new URL('../../../test/fuzz/corpus/', import.meta.url);

/** Cases that once found something, by name. */
export async function namedCorpusOf(target: Target): Promise<Map<string, FuzzCase>> {
  const folder = new URL(`${target}/`, FOLDER);
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const cases = new Map<string, FuzzCase>();
  for (const name of names.sort())
    cases.set(name, parseCase(await readFile(fileURLToPath(new URL(name, folder)), 'utf8')));
  return cases;
}

export async function corpusOf(target: Target): Promise<FuzzCase[]> {
  return [...(await namedCorpusOf(target)).values()];
}
