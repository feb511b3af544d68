import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { SandboxError, SandboxFault } from './error.js';
import { handOver, type ServerAccount } from './server-account.js';
import { findProgram, type ServerProgram } from './server-program.js';

const run = promisify(execFile);

/**
 * Nothing here outlives its folder, so nothing needs to reach the disk; but each commit is handed to the operating system, so
 * that it survives a killed server process.
 */
export const VOLATILE_STORAGE = [
  '--innodb-flush-method=nosync',
  '--innodb-flush-log-at-trx-commit=2',
] as const;

/** MariaDB writes the whole log file when it makes one: 96 MB by default. */
export const SMALL_LOG = '--innodb-log-file-size=8M';

/**
 * A server that starts removes what looks like forgotten temporary tables from its directory for them, those of other running
 * servers included: no two may share one, so it must not be the system's.
 */
function directories(data: string): string[] {
  return [`--datadir=${data}`, `--tmpdir=${dirname(data)}`];
}

function userArguments(account: ServerAccount | null): string[] {
  return account === null ? [] : [`--user=${account.name}`];
}

/** What a server said of its errors, or the end of what it said. */
function errorLines(said: string): string {
  const lines = said.trim().split('\n');
  const errors = lines.filter((line) => /\bERROR\b/.test(line));
  return (errors.length > 0 ? errors : lines).slice(-8).join('\n');
}

function explain(cause: unknown): string {
  const said = typeof cause === 'object' && cause !== null && 'stderr' in cause ? String(cause.stderr) : '';
  if (said.trim() !== '') return errorLines(said);
  return cause instanceof Error ? cause.message : String(cause);
}

async function initializeMysql(
  program: ServerProgram,
  data: string,
  sql: string,
  account: ServerAccount | null,
) {
  const [command, ...first] = program.command;
  const file = join(dirname(data), 'initialize.sql');
  await writeFile(file, sql, { mode: 0o644 });
  try {
    await run(command, [
      ...first,
      '--no-defaults',
      ...(program.defaults ?? []),
      ...userArguments(account),
      ...directories(data),
      '--initialize-insecure',
      `--init-file=${file}`,
      '--loose-innodb-redo-log-capacity=32M',
      // Only to be initialised: the package's own folder may not exist for a server that was not installed for all.
      `--secure-file-priv=${dirname(data)}`,
      ...VOLATILE_STORAGE,
    ]);
  } finally {
    await rm(file, { force: true });
  }
}

/** MariaDB's bootstrap mode reads statements from its standard input, with the grant tables off until they are loaded. */
async function bootstrapMariadb(
  program: ServerProgram,
  data: string,
  sql: string,
  account: ServerAccount | null,
) {
  const [command, ...first] = program.command;
  const options = [
    '--no-defaults',
    ...(program.defaults ?? []),
    ...userArguments(account),
    ...directories(data),
    SMALL_LOG,
    ...VOLATILE_STORAGE,
  ];
  const child = spawn(command, [...first, ...options, '--bootstrap', '--skip-log-bin'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const [said, printed, [code]] = await Promise.all([
    text(child.stderr),
    text(child.stdout),
    once(child, 'exit'),
    // A server that dies early breaks the pipe; its exit code and words say more than EPIPE.
    new Promise<void>((done) => child.stdin.on('error', () => done()).end(sql, done)),
  ]);
  if (code !== 0) throw new Error(`exit code ${String(code)}: ${errorLines(`${printed}\n${said}`)}`);
}

async function initializeMariadb(
  program: ServerProgram,
  data: string,
  sql: string,
  account: ServerAccount | null,
) {
  const installer = (await findProgram('mariadb-install-db')) ?? (await findProgram('mysql_install_db'));
  if (installer === null) {
    throw new Error(
      'mariadb-install-db is not on PATH; on Debian it comes with the package mariadb-server-core',
    );
  }
  await run(installer, [
    '--no-defaults',
    ...userArguments(account),
    ...directories(data),
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    '--skip-name-resolve',
    SMALL_LOG,
    ...VOLATILE_STORAGE,
  ]);
  // The installer makes roots without a password for every name of this machine. FLUSH loads the grant tables; when it is run
  // twice in this mode, MariaDB keeps its later errors to itself.
  const strangers = `DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost';\nFLUSH PRIVILEGES;\n`;
  await bootstrapMariadb(program, data, strangers + sql, account);
}

/**
 * Makes a new data directory and runs statements in it before it is ever served. Afterwards `root@localhost` has no password,
 * unless a statement gives it one.
 * @param data must not exist; its parent must, and belong to `account`
 * @param statements without semicolons at their ends, each on one line (the servers' init files ask for that)
 * @throws SandboxError
 */
export async function initializeDataDirectory(
  program: ServerProgram,
  data: string,
  statements: readonly string[],
  account: ServerAccount | null,
): Promise<void> {
  const sql = statements.map((statement) => `${statement};\n`).join('');
  try {
    await mkdir(data, { mode: 0o700 });
    await handOver(data, account);
    if (program.flavor === 'mysql') await initializeMysql(program, data, sql, account);
    else await initializeMariadb(program, data, sql, account);
  } catch (cause) {
    throw new SandboxError(
      SandboxFault.Initialize,
      `${program.command[0]} could not make its data directory ${data}: ${explain(cause)}`,
      { cause },
    );
  }
}

/** The end of a server's log, for messages. */
export async function logTail(file: string, lines = 12): Promise<string> {
  const log = await readFile(file, 'utf8');
  return log.trim().split('\n').slice(-lines).join('\n');
}
