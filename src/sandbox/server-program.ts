import { execFile } from 'node:child_process';
import { access, constants, realpath } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { SandboxError, SandboxFault } from './error.js';

const run = promisify(execFile);

export type ServerFlavor = 'mariadb' | 'mysql';

/** A database server program that can be started. */
export interface ServerProgram {
  readonly flavor: ServerFlavor;
  /** As the program says it, such as `10.11.19-MariaDB-0+deb12u1` or `9.7.4-2`. */
  readonly version: string;
  /** The program, and the arguments that always come first. */
  readonly command: readonly [string, ...string[]];
  /** Arguments that it needs on every run, such as where its own files are. */
  readonly defaults?: readonly string[];
}

/** Where servers are, besides the directories of `PATH`: an ordinary user's `PATH` often lacks these. */
const SYSTEM_DIRECTORIES = ['/usr/sbin', '/usr/local/sbin', '/usr/libexec', '/opt/homebrew/bin'];

/** The directories of `PATH`, then the system's own. */
export function programDirectories(): string[] {
  return [
    ...(process.env['PATH'] ?? '').split(delimiter).filter((entry) => entry !== ''),
    ...SYSTEM_DIRECTORIES,
  ];
}

/** The full path of a program in the first of these directories that has it; null when none has. */
export async function findProgram(
  name: string,
  directories: readonly string[] = programDirectories(),
): Promise<string | null> {
  for (const directory of directories) {
    const path = join(directory, name);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Not in this directory: the next one is asked.
    }
  }
  return null;
}

/**
 * Asks a server program what it is. `mysqld` is no proof of MySQL: MariaDB installs a program of that name too.
 * @throws SandboxError when the program does not run, or says something else than a server would
 */
export async function identifyProgram(command: readonly [string, ...string[]]): Promise<ServerProgram> {
  const [program, ...first] = command;
  let said: string;
  try {
    said = (await run(program, [...first, '--no-defaults', '--version'])).stdout;
  } catch (cause) {
    throw new SandboxError(SandboxFault.NoServer, `${program} is there, but does not run`, { cause });
  }
  const version = /\bVer\s+(\S+)/.exec(said)?.[1];
  if (version === undefined) {
    throw new SandboxError(
      SandboxFault.NoServer,
      `${program} is not a database server: it says "${said.trim()}"`,
    );
  }
  return { flavor: /mariadb/i.test(said) ? 'mariadb' : 'mysql', version, command };
}

/**
 * The server programs of these flavors on this machine, in the order of their names: mariadbd, mysqld.
 * @throws SandboxError when the only one there is cannot be run
 */
export async function findServerPrograms(
  flavors: readonly ServerFlavor[],
  directories: readonly string[] = programDirectories(),
): Promise<ServerProgram[]> {
  const found: ServerProgram[] = [];
  const seen = new Set<string>();
  let broken: unknown = null;
  for (const name of ['mariadbd', 'mysqld']) {
    const path = await findProgram(name, directories);
    if (path === null) continue;
    // Often two names of one program.
    const real = await realpath(path);
    if (seen.has(real)) continue;
    seen.add(real);
    try {
      const program = await identifyProgram([path]);
      if (flavors.includes(program.flavor)) found.push(program);
    } catch (error) {
      broken ??= error;
    }
  }
  // One that runs is enough.
  if (found.length === 0 && broken !== null) throw broken;
  return found;
}
