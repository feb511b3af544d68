import { access, readdir, readFile } from 'node:fs/promises';
import { dirname, join, posix, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

/**
 * What may import what. A part is a folder of src/ or a file at its top; imports within a part, and of what is {@link COMMON}, are free.
 * Pool and backend do not know each other, nor frontend and backend: app joins them.
 */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  main: ['cli'],
  cli: ['advice', 'app', 'lifecycle', 'doctor', 'config', 'observability', 'sandbox'],
  app: [
    'views',
    'advice',
    'admin',
    'frontend',
    'relay',
    'fork-guard',
    'workers',
    'observability',
    'config',
    'sandbox',
    'pool',
    'backend',
    'session',
    'sql',
    'protocol',
    'servers',
  ],
  // The frontend's listener tells whether an address is free.
  doctor: ['frontend', 'backend', 'servers', 'fork-guard', 'observability', 'session', 'protocol', 'config'],
  admin: ['observability', 'protocol'],
  // What all workers show together: it knows what is shown, and nothing of where it comes from.
  views: ['workers', 'admin', 'advice', 'observability', 'pool'],
  // What was recorded comes as the pool has it.
  advice: ['pool'],
  frontend: ['relay', 'pool', 'backend', 'session', 'sql', 'protocol', 'streams'],
  relay: ['pool', 'backend', 'session', 'sql', 'protocol', 'streams', 'servers', 'writes'],
  backend: ['session', 'protocol', 'streams'],
  session: ['sql', 'protocol', 'writes'],
  writes: ['protocol'],
  protocol: [],
  // Stands on the runtime alone.
  streams: [],
  sql: [],
  pool: [],
  workers: [],
  'fork-guard': [],
  // Asks over an interface: it knows no connection, no pool and no relay.
  servers: [],
  lifecycle: ['frontend', 'workers', 'config', 'observability'],
  observability: ['config'],
  config: [],
  sandbox: [],
  errors: [],
  'turnover-map': [],
};

/** Anybody's to use. */
const COMMON = ['errors', 'turnover-map'];

/** Interfaces that a part implements for another one that does not know it: their types may be imported, and nothing else. */
const IMPLEMENTED: Readonly<Record<string, readonly string[]>> = {
  'fork-guard': ['relay/fork-check.ts'],
  observability: ['relay/digest-table.ts'],
};

/** Where the packages we depend on may be imported: a part, or the one file that adapts it to us. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  commander: ['config'],
  'generic-pool': ['pool/session-store.ts'],
  mysql2: ['backend/mysql2-adapter.ts'],
  pino: ['observability', 'app', 'cli'],
  'prom-client': ['observability', 'views/all-metrics.ts'],
  uplot: ['admin/page/client/charts.ts'],
  yaml: ['config'],
  zod: ['config', 'app/worker-team.ts', 'admin/status-document.ts', 'views'],
};

/** What nobody imports: the program, and the script of the status page. */
const ENTRIES = ['main.ts', 'admin/page/client/main.ts'];

/** Bytes in, values out: these parts do no input or output. */
const PURE = ['protocol', 'sql', 'session', 'writes'];
const PURE_MODULES = ['node:buffer', 'node:crypto'];

interface Import {
  /** Path of the importing file in src/. */
  readonly from: string;
  /** Path in src/ of the file that is imported, or the package's name as written. */
  readonly to: string;
  readonly isOurs: boolean;
  /** Erased by the compiler: it makes no cycle at run time. */
  readonly isType: boolean;
}

/** The nearest folder above this file that has the sources, whether this is the source or compiled. */
async function findSources(): Promise<string> {
  for (let dir = dirname(fileURLToPath(import.meta.url)); dir !== dirname(dir); dir = dirname(dir)) {
    const sources = join(dir, 'src');
    const found = await access(join(sources, 'main.ts')).then(
      () => true,
      () => false,
    );
    if (found) return sources;
  }
  throw new Error('the sources are not there');
}

const STATIC = /^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;
const DYNAMIC = /\bimport\(\s*'([^']+)'\s*\)/g;

function importsOf(from: string, text: string): Import[] {
  const found = [
    ...[...text.matchAll(STATIC)].map(([, type, to]) => ({ to: to as string, isType: type !== undefined })),
    ...[...text.matchAll(DYNAMIC)].map(([, to]) => ({ to: to as string, isType: false })),
  ];
  return found.map(({ to, isType }) => {
    const isOurs = to.startsWith('.');
    const path = posix.join(posix.dirname(from), to).replace(/\.js$/, '.ts');
    return { from, to: isOurs ? path : to, isOurs, isType };
  });
}

function partOf(path: string): string {
  const slash = path.indexOf('/');
  return slash < 0 ? path.replace(/\.ts$/, '') : path.slice(0, slash);
}

/** A cycle among the edges, as the list of its files; null when there is none. */
function findCycle(edges: ReadonlyMap<string, readonly string[]>): string[] | null {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | null => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    path.push(file);
    for (const next of edges.get(file) ?? []) {
      const cycle = visit(next);
      if (cycle !== null) return cycle;
    }
    path.pop();
    done.add(file);
    return null;
  };
  for (const file of edges.keys()) {
    const cycle = visit(file);
    if (cycle !== null) return cycle;
  }
  return null;
}

const sources = await findSources();
const files = (await readdir(sources, { recursive: true }))
  .map((file) => file.split(sep).join('/'))
  .filter((file) => file.endsWith('.ts'))
  .sort();
const texts = await Promise.all(files.map((file) => readFile(join(sources, file), 'utf8')));
const imports = files.flatMap((file, i) => importsOf(file, texts[i] as string));
const text = ({ from, to }: Import): string => `${from} imports ${to}`;

t.test('every import is seen and leads somewhere', async (t) => {
  const known = new Set(files);
  t.strictSame(imports.filter(({ isOurs, to }) => isOurs && !known.has(to)).map(text), []);
  const reached = new Set(imports.map(({ to }) => to));
  t.strictSame(
    files.filter((file) => !ENTRIES.includes(file) && !reached.has(file)),
    [],
    'no file is left over',
  );
});

t.test('imports go in the allowed directions only', async (t) => {
  t.strictSame(
    [...new Set(files.map(partOf))].filter((part) => !(part in ALLOWED)),
    [],
    'every part has its place',
  );
  const wrong = imports.filter(({ from, to, isOurs, isType }) => {
    const [importer, imported] = [partOf(from), partOf(to)];
    if (!isOurs || importer === imported || COMMON.includes(imported)) return false;
    if (isType && IMPLEMENTED[importer]?.includes(to)) return false;
    return !(ALLOWED[importer] ?? []).includes(imported);
  });
  t.strictSame(wrong.map(text), []);
});

t.test('the allowed directions have no way back', async (t) => {
  t.equal(findCycle(new Map(Object.entries(ALLOWED))), null);
  t.strictSame(
    findCycle(
      new Map([
        ['a', ['b']],
        ['b', ['c']],
        ['c', ['b']],
      ]),
    ),
    ['b', 'c', 'b'],
    'a cycle would be found',
  );
});

t.test('no file needs itself, by whatever way', async (t) => {
  const edges = new Map(files.map((file) => [file, [] as string[]]));
  for (const { from, to, isOurs, isType } of imports) if (isOurs && !isType) edges.get(from)?.push(to);
  t.equal(findCycle(edges), null);
});

t.test('packages are imported where they are adapted to us', async (t) => {
  const wrong = imports.filter(({ from, to, isOurs }) => {
    if (isOurs || to.startsWith('node:')) return false;
    const places = PACKAGES[to] ?? [];
    return !places.includes(from) && !places.includes(partOf(from));
  });
  t.strictSame(wrong.map(text), []);
});

t.test('the pure parts do no input or output', async (t) => {
  const wrong = imports.filter(
    ({ from, to, isOurs }) => PURE.includes(partOf(from)) && !isOurs && !PURE_MODULES.includes(to),
  );
  t.strictSame(wrong.map(text), []);
});
