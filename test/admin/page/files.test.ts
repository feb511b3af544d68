import { existsSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { PAGE_FILES, readPageFile } from '../../../src/admin/page/files.js';
import { projectFolder } from '../../clients/conformance.js';

/* The page's files are in the package that users install, or in one that it depends on. */

const manifest = JSON.parse(readFileSync(join(projectFolder(), 'package.json'), 'utf8')) as {
  readonly files: readonly string[];
  readonly dependencies: Readonly<Record<string, string>>;
};

for (const [path, file] of PAGE_FILES) {
  t.test(path, async (t) => {
    if (typeof file.content !== 'string') {
      const place = fileURLToPath(file.content);
      const [, inModule] = place.split(`${sep}node_modules${sep}`);
      if (inModule === undefined) {
        t.ok(existsSync(place), 'npm run build has compiled it');
        t.match(relative(join(projectFolder(), 'dist/src'), place), /^admin\/page\/client\/\w+\.js$/);
        t.ok(manifest.files.includes('dist/src'));
      } else {
        t.ok((inModule.split(sep)[0] ?? '') in manifest.dependencies, inModule);
      }
    }
    const text = await readPageFile(file);
    t.ok(text.length > 100);
    t.notMatch(text, /sourceMappingURL/);
    for (const [, name = ''] of text.matchAll(/^import .* from '(.+)';$/gm))
      t.ok(PAGE_FILES.has(`/page/${name.replace(/^\.\//, '')}`), `${name} is served`);
    for (const [, url = ''] of text.matchAll(/(?:src|href|url\()=?"?(https?:)?\/\//g))
      t.fail(`from elsewhere: ${url}`);
  });
}
