import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { SLOW_FILES, slowestFirst } from './slow-files.js';

/** The project's root, from dist/test/support. */
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

t.test('slow files are there, and come first in their order; all others stay in theirs', async (t) => {
  t.strictSame(
    SLOW_FILES.filter((name) => !existsSync(join(ROOT, name))),
    [],
    'a file that has been renamed is renamed in the list',
  );
  const [slowest = '', next = ''] = SLOW_FILES;
  const files = ['test/a.test.ts', next, 'test/b.test.ts', slowest].map((name) => ({ name }));
  t.strictSame(
    slowestFirst(files).map(({ name }) => name),
    [slowest, next, 'test/a.test.ts', 'test/b.test.ts'],
  );
});
