import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { projectFolder } from './clients/conformance.js';

/* What the README says the program is built from is what it is built from. */

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly optional?: boolean }>>;
}

const read = (name: string): string => readFileSync(join(projectFolder(), name), 'utf8');
const manifest = JSON.parse(read('package.json')) as Manifest;
const lock = JSON.parse(read('package-lock.json')) as Lock;
const section = /^## What it is built from\n([\s\S]*?)^## /m.exec(read('README.md'))?.[1] ?? '';
const rows = [...section.matchAll(/^\| (.+?)( \(development\))? \| (.+) \|$/gm)].filter(
  ([, names]) => names !== 'package',
);

t.test('every package has its reason in the README, and the README names no other', async (t) => {
  const named = (development: boolean): string[] =>
    rows
      .filter(([, , marked]) => (marked !== undefined) === development)
      .flatMap(([, names = '']) => names.split(', '))
      .map((name) => (name === 'biome' ? '@biomejs/biome' : name))
      .sort();
  t.same(named(false), Object.keys(manifest.dependencies).sort());
  t.same(named(true), Object.keys(manifest.devDependencies).sort());
  for (const [, names, , reason = ''] of rows) t.ok(reason.length > 10, `${names}: ${reason}`);
});

t.test('each is pinned to one version', async (t) => {
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }))
    t.match(version, /^\d+\.\d+\.\d+$/, name);
});

t.test('how many packages the program is run with', async (t) => {
  const all = Object.entries(lock.packages).filter(
    ([path, { dev, optional }]) => path !== '' && dev !== true && optional !== true,
  );
  const said = /With what they bring along, the program is run with (\d+) packages/.exec(section)?.[1];
  t.equal(Number(said), all.length, all.map(([path]) => path).join(' '));
});
