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

async function build(program: ServerProgram, statements: readonly string[], target: string): Promise<void> {
  const account = await serverAccount(tmpdir());
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-template-'));
  try {
    await handOver(folder, account);
    await initializeDataDirectory(program, join(folder, 'data'), statements, account);
    await mkdir(dirname(target), { recursive: true });
    const own = `${target}.${process.pid}`;
    await copyTree(join(folder, 'data'), own);
    try {
      await rename(own, target);
    } catch (error) {
      // Another process was faster: its template is as good.
      await rm(own, { recursive: true, force: true });
      if (!(await exists(target))) throw error;
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
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
  const key = createHash('sha256').update(JSON.stringify([RECIPE, program, statements, process.getuid?.()]));
  const name = `${program.flavor}-${program.version}-${key.digest('hex').slice(0, 16)}`;
  const template = join(await cacheFolder(), name);
  if (!(await exists(template))) await build(program, statements, template);
  await copyTree(template, data);
  // A server that finds another one's identity file keeps it; two servers must not share one.
  await rm(join(data, 'auto.cnf'), { force: true });
  if (account !== null) await chownTree(data, account);
}
