import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  findServerPrograms,
  identifyProgram,
  type ServerFlavor,
  type ServerProgram,
} from '../../src/sandbox/server-program.js';

/** Where `.ci/install` puts MySQL. */
export const MYSQL_ROOT = process.env['MYBOUNCER_MYSQL_ROOT'] ?? '/var/cache/mybouncer/mysql-root';
const MARKER = '.mybouncer-complete';

/** The dynamic linker's and the libraries' places in a folder that holds a whole system. */
async function foreignLoader(root: string, within: string): Promise<readonly [string, ...string[]] | null> {
  for (const directory of ['lib64', 'lib']) {
    const names = await readdir(join(root, directory)).catch(() => []);
    const loader = names.find((name) => /^ld-linux.*\.so\.\d+$/.test(name));
    if (loader === undefined) continue;
    const triplets = (await readdir(join(root, 'usr/lib'))).filter((name) => name.includes('-linux-gnu'));
    const folders = within === '' ? [root] : [join(root, within), root];
    const libraries = folders
      .flatMap((folder) => triplets.map((name) => join(folder, 'usr/lib', name)))
      .join(':');
    return [join(root, directory, loader), '--library-path', libraries];
  }
  return null;
}

/**
 * The words that run a program of the folder with the folder's own libraries; null when it isn't there. No chroot: the
 * program sees the same files, sockets and accounts as we do, and need not be started by root.
 * @param within a part of the folder with packages of its own, whose libraries come first
 */
async function foreignCommand(
  root: string,
  path: string,
  within = '',
): Promise<readonly [string, ...string[]] | null> {
  const folder = join(root, within);
  const complete = await readFile(join(folder, MARKER)).catch(() => null);
  const loader = complete === null ? null : await foreignLoader(root, within);
  if (loader === null) return null;
  const program = join(folder, path);
  return [loader[0], '--argv0', program, ...loader.slice(1), program];
}

async function installedMysql(): Promise<ServerProgram | null> {
  const command = await foreignCommand(MYSQL_ROOT, 'usr/sbin/mysqld');
  if (command === null) return null;
  const found = await identifyProgram(command);
  const basedir = `--basedir=${join(MYSQL_ROOT, 'usr')}`;
  // `--no-defaults` must stay the first of the server's own arguments.
  return { ...found, defaults: [basedir] };
}

/** MySQL 5.7 and older are out of support, and lack half of the session trackers. */
function isSupported(program: ServerProgram): boolean {
  return program.flavor === 'mariadb' || Number.parseInt(program.version, 10) >= 8;
}

/** The server program for a flavor's tests, or null where this machine has none. */
export async function testProgram(flavor: ServerFlavor): Promise<ServerProgram | null> {
  const installed = flavor === 'mysql' ? await installedMysql() : null;
  if (installed !== null) return installed;
  return (await findServerPrograms([flavor])).find(isSupported) ?? null;
}

/**
 * MySQL's own command-line client: the words that start it, or null where there is none. (`mysql` on PATH is often
 * MariaDB's client under its old name.)
 */
export async function mysqlClientCommand(): Promise<readonly [string, ...string[]] | null> {
  return foreignCommand(MYSQL_ROOT, 'usr/bin/mysql');
}

/** Where `.ci/install` puts a MariaDB client that is newer than the machine's own. */
const MARIADB_CLIENT = 'opt/mariadb-client';

/**
 * MariaDB's command-line client from 11.4 on, which wants TLS and knows a certificate that nobody vouches for by the password:
 * the words that start it, or null where there is none.
 */
export async function newMariadbClientCommand(): Promise<readonly [string, ...string[]] | null> {
  const command = await foreignCommand(MYSQL_ROOT, 'usr/bin/mariadb', MARIADB_CLIENT);
  if (command === null) return null;
  const libraries = join(MYSQL_ROOT, MARIADB_CLIENT, 'usr/lib');
  const [triplet = ''] = (await readdir(libraries)).filter((name) => name.includes('-linux-gnu'));
  const plugins = join(libraries, triplet, 'libmariadb3/plugin');
  // `--no-defaults` must stay the first of the client's own arguments.
  return [...command, '--no-defaults', `--plugin-dir=${plugins}`];
}
