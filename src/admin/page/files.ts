import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { PAGE_HTML, PAGE_ICON } from './html.js';
import { PAGE_STYLE } from './style.js';

/** What the status page loads, all of it from the proxy: by path, and never by a name that a request makes up. */
export interface PageFile {
  readonly type: string;
  readonly content: string | URL;
}

const SCRIPT = 'text/javascript; charset=utf-8';
const STYLE = 'text/css; charset=utf-8';

/** Of `client/`, which is compiled for browsers, by a configuration of its own. */
const SCRIPTS = ['main', 'charts', 'dom', 'format', 'poll', 'summary', 'tables'];

const packaged = createRequire(import.meta.url);

export const PAGE_FILES: ReadonlyMap<string, PageFile> = new Map<string, PageFile>([
  ['/', { type: 'text/html; charset=utf-8', content: PAGE_HTML }],
  ['/page/icon.svg', { type: 'image/svg+xml', content: PAGE_ICON }],
  ['/page/style.css', { type: STYLE, content: PAGE_STYLE }],
  ...SCRIPTS.map(
    (name) =>
      [`/page/${name}.js`, { type: SCRIPT, content: new URL(`client/${name}.js`, import.meta.url) }] as const,
  ),
  ['/page/uplot.js', { type: SCRIPT, content: ofPackage('uplot/dist/uPlot.iife.min.js') }],
  ['/page/uplot.css', { type: STYLE, content: ofPackage('uplot/dist/uPlot.min.css') }],
]);

export async function readPageFile({ content }: PageFile): Promise<string> {
  if (typeof content === 'string') return content;
  // Its map is for those who have the sources.
  return (await readFile(content, 'utf8')).replace(/^\/\/# sourceMappingURL=.*$/m, '');
}

function ofPackage(path: string): URL {
  return pathToFileURL(packaged.resolve(path));
}
