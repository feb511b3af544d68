import { execFile } from 'node:child_process';
import { chmod, chown, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The operating system's account that a server runs as; null means "as we are" (we are not root). */
export interface ServerAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const ROOT: ServerAccount = { name: 'root', uid: 0, gid: 0 };

async function accountNamed(name: string): Promise<ServerAccount | null> {
  try {
    const uid = Number((await run('id', ['-u', name])).stdout);
    const gid = Number((await run('id', ['-g', name])).stdout);
    return Number.isInteger(uid) && Number.isInteger(gid) ? { name, uid, gid } : null;
  } catch {
    // `id` fails for an account that does not exist.
    return null;
  }
}

/** True: any account may pass through this directory and all above it. */
async function isOpenToAll(directory: string): Promise<boolean> {
  const { mode } = await stat(directory);
  if ((mode & 0o001) === 0) return false;
  const parent = dirname(directory);
  return parent === directory || isOpenToAll(parent);
}

/**
 * The account for a server whose folder is to be in `parent`. Servers refuse to run as root unless told to; the account that
 * the server's package made for it is the better one, where it can reach the folder.
 */
export async function serverAccount(parent: string): Promise<ServerAccount | null> {
  if (process.getuid?.() !== 0) return null;
  const account = await accountNamed('mysql');
  return account !== null && (await isOpenToAll(parent)) ? account : ROOT;
}

/** Makes a directory of ours the account's own; clients of other accounts may still pass through to the socket. */
export async function handOver(directory: string, account: ServerAccount | null): Promise<void> {
  await chmod(directory, 0o755);
  if (account !== null) await chown(directory, account.uid, account.gid);
}
