import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, chown, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { initializeDataDirectory } from '../../src/sandbox/data-directory.js';
import { handOver, type ServerAccount, serverAccount } from '../../src/sandbox/server-account.js';
import type { ServerProgram } from '../../src/sandbox/server-program.js';

const run = promisify(execFile);

/** Part of the key: to be raised when the way a data directory is made changes. */
const RECIPE = 1;

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/** `node_modules/.cache`, as build tools use it: it goes with the installation. */
async function cacheFolder(): Promise<string> {
  for (let directory = dirname(fileURLToPath(import.meta.url)); ; directory = dirname(directory)) {
    const modules = join(directory, 'node_modules');
    if (await exists(modules)) return join(modules, '.cache', 'mybouncer-test');
    if (dirname(directory) === directory) throw new Error('the tests run beside an installed node_modules');
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  // `cp` keeps holes and shares extents where the file system can.
  await run('cp', ['-R', from, to]);
}

async function chownTree(path: string, account: ServerAccount): Promise<void> {
  const entries = await readdir(path, { recursive: true });
  await Promise.all(['', ...entries].map((entry) => chown(join(path, entry), account.uid, account.gid)));
}

/** Makes a copy of a data directory the template of that name, unless another process was faster: its one is as good. */
async function publish(data: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  // Nobody else's, not even of this process: it may want two of them at a time.
  const own = await mkdtemp(`${target}.`);
  try {
    await copyTree(data, join(own, 'data'));
    await rename(join(own, 'data'), target);
  } catch (error) {
    if (!(await exists(target))) throw error;
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

async function build(program: ServerProgram, statements: readonly string[], target: string): Promise<void> {
  const account = await serverAccount(tmpdir());
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-template-'));
  try {
    await handOver(folder, account);
    await initializeDataDirectory(program, join(folder, 'data'), statements, account);
    await publish(join(folder, 'data'), target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function templateOf(program: ServerProgram, recipe: unknown): Promise<string> {
  const key = createHash('sha256').update(JSON.stringify([RECIPE, program, recipe, process.getuid?.()]));
  const name = `${program.flavor}-${program.version}-${key.digest('hex').slice(0, 16)}`;
  return join(await cacheFolder(), name);
}

async function copyFrom(template: string, data: string, account: ServerAccount | null): Promise<void> {
  await copyTree(template, data);
  // A server that finds another one's identity file keeps it; two servers must not share one.
  await rm(join(data, 'auto.cnf'), { force: true });
  if (account !== null) await chownTree(data, account);
}

/**
 * Makes a data directory as {@link initializeDataDirectory} would, from a copy that is made once for each server version:
 * a tenth of a second in place of three.
 */
export async function copyTemplate(
  program: ServerProgram,
  statements: readonly string[],
  data: string,
  account: ServerAccount | null,
): Promise<void> {
  const template = await templateOf(program, statements);
  if (!(await exists(template))) await build(program, statements, template);
  await copyFrom(template, data, account);
}

/**
 * The same for a data directory that a server has been at work in.
 * @param recipe - all that makes the difference
 * @param make - gives the path of such a directory to `publish`, which copies it; nobody may be at work in it any more
 */
export async function copyUsedTemplate(
  program: ServerProgram,
  recipe: unknown,
  data: string,
  account: ServerAccount | null,
  make: (publish: (used: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const template = await templateOf(program, recipe);
  if (!(await exists(template))) await make((used) => publish(used, template));
  await copyFrom(template, data, account);
}
