import { randomBytes } from 'node:crypto';
import { initializeDataDirectory } from './data-directory.js';
import { findOrInstallServer } from './install-server.js';
import { PrivateServer } from './private-server.js';
import type { ServerFlavor } from './server-program.js';

export const SANDBOX_USER = 'app';
export const SANDBOX_PASSWORD = 'secret';
export const SANDBOX_SCHEMA = 'app';

const GREETINGS: readonly (readonly [string, string])[] = [
  ['English', 'Hello'],
  ['Français', 'Bonjour'],
  ['Deutsch', 'Grüß Gott'],
  ['Ελληνικά', 'Γειά σου'],
  ['हिन्दी', 'नमस्ते'],
  ['日本語', 'こんにちは'],
];

export interface SandboxOptions {
  /** Told what is being done, in sentences without a full stop. */
  readonly log?: (message: string) => void;
}

/** A throwaway database server with one user, one schema and a small table. */
export interface Sandbox {
  /** `mysql://app:secret@127.0.0.1:PORT/app` */
  readonly url: string;
  /** The same server's unix socket. */
  readonly socketPath: string;
  readonly flavor: ServerFlavor;
  /** As the server program says it, such as `10.11.19-MariaDB-0+deb12u1`. */
  readonly version: string;
  /** Kills the server and removes all it stored; may be called twice. Without it the same happens when this process ends. */
  stop(): Promise<void>;
}

/**
 * Statements that make an account with all rights on `schema` and on the schemas named `schema_...`, from every host that can
 * reach the server at all. Each is one line.
 */
export function accountStatements(user: string, password: string, schema: string): string[] {
  return [
    `CREATE USER '${user}'@'%' IDENTIFIED BY '${password}'`,
    `CREATE DATABASE ${schema} CHARACTER SET utf8mb4`,
    `GRANT ALL PRIVILEGES ON ${schema}.* TO '${user}'@'%'`,
    `GRANT ALL PRIVILEGES ON \`${schema}\\_%\`.* TO '${user}'@'%'`,
  ];
}

function seedStatements(): string[] {
  const rows = GREETINGS.map(([language, text]) => `('${language}', '${text}')`).join(', ');
  return [
    // Nobody needs the administrator; a password that nobody knows locks it.
    `ALTER USER root@localhost IDENTIFIED BY '${randomBytes(24).toString('hex')}'`,
    ...accountStatements(SANDBOX_USER, SANDBOX_PASSWORD, SANDBOX_SCHEMA),
    `USE ${SANDBOX_SCHEMA}`,
    'SET NAMES utf8mb4',
    'CREATE TABLE greetings (id INT AUTO_INCREMENT PRIMARY KEY, language VARCHAR(40) NOT NULL, greeting VARCHAR(80) NOT NULL)',
    `INSERT INTO greetings (language, greeting) VALUES ${rows}`,
  ];
}

/**
 * Starts a private MariaDB (or MySQL, when only that is there) in a temporary folder, on a free port of 127.0.0.1.
 * @throws SandboxError when there is no server program and none could be installed, or it does not start
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const log = options.log ?? (() => undefined);
  const program = await findOrInstallServer(['mariadb', 'mysql'], log);
  log(`starting a private ${program.flavor === 'mariadb' ? 'MariaDB' : 'MySQL'} ${program.version}`);
  const server = await PrivateServer.start({
    program,
    prefix: 'mybouncer-sandbox-',
    prepare: (data, account) => initializeDataDirectory(program, data, seedStatements(), account),
  });
  return {
    url: `mysql://${SANDBOX_USER}:${SANDBOX_PASSWORD}@${server.host}:${server.port}/${SANDBOX_SCHEMA}`,
    socketPath: server.socketPath,
    flavor: server.flavor,
    version: server.version,
    stop: () => server.stop(),
  };
}
