import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, chmod, rm, writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { SandboxError, SandboxFault } from './error.js';
import {
  findProgram,
  findServerPrograms,
  programDirectories,
  type ServerFlavor,
  type ServerProgram,
} from './server-program.js';

const PACKAGE = 'mariadb-server';
const POLICY = '/usr/sbin/policy-rc.d';

const HOW_TO = `install MariaDB (on Debian or Ubuntu: apt-get install ${PACKAGE}; on Fedora: dnf install ${PACKAGE}; on macOS: brew install mariadb)`;

/**
 * Installing a server's package starts its service; a private server needs none, and port 3306 is not ours to take.
 * Debian asks this file, where it exists, before a package's script starts a service.
 */
async function withoutServices<T>(action: () => Promise<T>): Promise<T> {
  try {
    await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { flag: 'wx' });
  } catch (error) {
    // The machine has a policy of its own: it stays.
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return action();
    throw error;
  }
  await chmod(POLICY, 0o755);
  try {
    return await action();
  } finally {
    await rm(POLICY, { force: true });
  }
}

async function aptGet(...args: string[]): Promise<void> {
  const child = spawn(
    'apt-get',
    ['-o', 'DPkg::Lock::Timeout=600', '-o', 'Acquire::Retries=3', '-qq', ...args],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
    },
  );
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve)),
  ]);
  if (code === 0) return;
  const tail = `${out}\n${err}`.trim().split('\n').slice(-15).join('\n');
  throw new SandboxError(
    SandboxFault.Install,
    `"apt-get ${args.join(' ')}" failed with exit code ${code}; ${HOW_TO} by hand. It said:\n${tail}`,
  );
}

async function canInstall(): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  try {
    await access('/etc/debian_version', constants.R_OK);
  } catch {
    return false;
  }
  return (await findProgram('apt-get')) !== null;
}

export interface ServerSearch {
  /** Where to look; without it {@link programDirectories}. */
  readonly directories?: readonly string[];
  /** May the packages be installed where that is possible? True unless given. */
  readonly install?: boolean;
}

/**
 * A server program of one of these flavors; where there is none, and we are root on Debian, MariaDB is installed first
 * (no service is started).
 * @param log is told what takes its time
 * @throws SandboxError whose message says what to install
 */
export async function findOrInstallServer(
  flavors: readonly ServerFlavor[],
  log: (message: string) => void,
  { directories = programDirectories(), install = true }: ServerSearch = {},
): Promise<ServerProgram> {
  const [found] = await findServerPrograms(flavors, directories);
  if (found !== undefined) return found;
  if (!install || !(await canInstall())) {
    throw new SandboxError(
      SandboxFault.NoServer,
      `no database server was found on PATH: ${HOW_TO}, and try again`,
    );
  }
  log(`no database server was found: installing Debian's package ${PACKAGE} (about a minute)`);
  await withoutServices(async () => {
    await aptGet('update');
    await aptGet('install', '-y', '--no-install-recommends', PACKAGE);
  });
  const [installed] = await findServerPrograms(flavors, directories);
  if (installed === undefined) {
    throw new SandboxError(SandboxFault.Install, `${PACKAGE} is installed, but there is no mariadbd on PATH`);
  }
  return installed;
}
