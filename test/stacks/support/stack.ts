import { constants } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Test } from 'tap';
import { type Command, projectFolder, succeeds } from '../../clients/conformance.js';

/** Both servers; below the time that a file has. */
const STACK_TIMEOUT_MS = 540_000;

/** Tried in this order: an interpreter that is not the distribution's own may lack its modules. */
const INTERPRETERS = ['/usr/bin/python3', 'python3'];

/** Where servers are, and where the PATH of an ordinary user does not lead. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin'];

export interface Stack {
  /** Of the subtest. */
  readonly name: string;
  /** What it runs, by name: `nginx`. Debian's versioned names are found as well: `php-fpm` is `php-fpm8.2`. */
  readonly programs?: readonly string[];
  /** Python modules, which one interpreter must have all of. */
  readonly modules?: readonly string[];
  /** Commands that succeed where the rest of it is installed: `['ruby', '-e', 'require "mysql2"']`. */
  readonly checks?: readonly Command[];
  /** What to install where it is missing: Debian's packages, as in `.ci/install`. */
  readonly packages: string;
}

/** Where the parts of a stack are on this machine. */
export interface InstalledStack {
  /** The interpreter that has the modules. */
  readonly python: string;
  /** The path of a program. @throws for a name that the stack has not listed */
  program(name: string): string;
}

/** The folder of the sources in other languages, which are not compiled to where the tests run. */
export function stackFolder(): string {
  return join(projectFolder(), 'test/stacks');
}

/** Runs a test where a stack is installed. Elsewhere it is a skip that says what to install; in CI, a failure. */
export async function withStack(
  t: Test,
  stack: Stack,
  run: (t: Test, installed: InstalledStack) => Promise<void>,
): Promise<void> {
  const installed = await find(stack);
  const missing = `${stack.name} is missing: install ${stack.packages}`;
  const skip = installed === null && process.env['CI'] !== 'true';
  await t.test(stack.name, skip ? { skip: missing } : { timeout: STACK_TIMEOUT_MS }, async (t) => {
    if (installed === null) t.fail(missing);
    else await run(t, installed);
  });
}

async function find(stack: Stack): Promise<InstalledStack | null> {
  const paths = new Map<string, string>();
  for (const name of stack.programs ?? []) {
    const path = await findProgram(name);
    if (path === null) return null;
    paths.set(name, path);
  }
  for (const check of stack.checks ?? []) if (!(await succeeds(check))) return null;
  const python = await pythonWith(stack.modules ?? []);
  if (python === null) return null;
  return {
    python,
    program: (name) => {
      const path = paths.get(name);
      if (path === undefined) throw new Error(`${stack.name} does not list the program ${name}`);
      return path;
    },
  };
}

/** An interpreter that has these modules; null where there is none. Any name will do where no module is wanted. */
async function pythonWith(modules: readonly string[]): Promise<string | null> {
  if (modules.length === 0) return INTERPRETERS.at(-1) ?? null;
  const imports = modules.map((module) => `import ${module}`).join(';');
  for (const interpreter of INTERPRETERS)
    if (await succeeds([interpreter, '-c', imports])) return interpreter;
  return null;
}

async function findProgram(name: string): Promise<string | null> {
  const versioned = new RegExp(`^${name}-?\\d[\\d.]*$`);
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_FOLDERS];
  for (const folder of folders) {
    if (folder === '') continue;
    if (await isExecutable(join(folder, name))) return join(folder, name);
    const found = (await readdir(folder).catch(() => [])).filter((entry) => versioned.test(entry)).sort();
    const last = found.at(-1);
    if (last !== undefined && (await isExecutable(join(folder, last)))) return join(folder, last);
  }
  return null;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
