import { readFile } from 'node:fs/promises';
import t from 'tap';
import { RECIPES } from './recipes/app-servers.js';
import { recipeBlocks } from './recipes/readme.js';
import { recipePath } from './recipes/recipe.js';

t.test('the README shows the recipes as they are tried, and no other code', async (t) => {
  const blocks = await recipeBlocks();
  const files = [...new Set(RECIPES.flatMap(({ shown }) => shown))];
  const tried = new Map<string, string>();
  for (const file of files) tried.set(await readFile(recipePath(file), 'utf8'), file);
  for (const [text, file] of tried) t.ok(blocks.includes(text), `it shows ${file}`);
  t.equal(tried.size, files.length, 'no two files are alike');
  t.same(
    blocks.filter((block) => !tried.has(block)),
    [],
    'each block is a file that is tried',
  );
});
