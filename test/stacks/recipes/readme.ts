import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectFolder } from '../../clients/conformance.js';

const SECTION = '## With your app server\n';

/** The code blocks of the README's section about app servers, as they stand there. */
export async function recipeBlocks(): Promise<string[]> {
  const text = await readFile(join(projectFolder(), 'README.md'), 'utf8');
  const start = text.indexOf(SECTION);
  if (start === -1) throw new Error(`the README has no section ${SECTION}`);
  const end = text.indexOf('\n## ', start + SECTION.length);
  const section = text.slice(start, end === -1 ? text.length : end);
  return [...section.matchAll(/^```\w+\n(.*?)^```$/gms)].map(([, block = '']) => block);
}
