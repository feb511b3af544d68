import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Workspace } from '../bench/children.js';
import type { Flavor } from '../support/servers.js';

/** One line of the compiled proxy, as it is and as it is broken. */
export interface Fault {
  readonly what: string;
  /** In dist/src. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Where it can be seen; on both unless given. */
  readonly only?: Flavor;
}

/** Each breaks one promise; together they touch every way in which state is carried, held and settled. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  'sql-mode': {
    what: 'sql_mode is not carried to the next session',
    file: 'session/profile.js',
    find: 'if (this.variable(name) === value)',
    replace: "if (name === 'sql_mode' || this.variable(name) === value)",
  },
  schema: {
    what: 'the schema is not carried to the next session',
    file: 'session/profile.js',
    find: 'if (this.schema === schema)',
    replace: 'if (this.schema !== null)',
  },
  'user-variables': {
    what: 'user variables are not set again on the next session',
    file: 'relay/session-restore.js',
    find: 'if (userVariables === null)',
    replace: 'if (userVariables !== null || userVariables === null)',
  },
  'insert-id': {
    what: 'LAST_INSERT_ID() is not set on the next session',
    file: 'relay/session-restore.js',
    find: 'if (wanted !== null && session.lastInsertId !== wanted)',
    replace: 'if (wanted !== null && session.lastInsertId === undefined)',
  },
  'insert-id-unread': {
    what: 'an insert id that only its session knows is not read before another client gets the session',
    file: 'relay/insert-id.js',
    find: 'this.#unreadOn = session;',
    replace: 'this.#unreadOn = null;',
  },
  'read-back': {
    what: 'what SET @@x has done is not read back where no tracker tells it',
    file: 'session/effects-of.js',
    find: 'readBack.push(name, ...coupledWith(name));',
    replace: 'readBack.length;',
    only: 'mariadb',
  },
  transaction: {
    what: 'a session with a transaction, open or to come, is not held',
    file: 'session/session-ledger.js',
    find: 'this.holds |= reason;',
    // MySQL also tells of an open one by its characteristics, as of one to come.
    replace:
      'this.holds |= reason === HoldReason.Transaction || reason === HoldReason.NextTransaction ? 0 : reason;',
  },
  'temporary-tables': {
    what: 'a session with temporary tables is not held',
    file: 'session/held-state.js',
    find: 'if (this.#tables.any)',
    replace: 'if (this.#tables === null)',
  },
  'user-locks': {
    what: 'a session with user locks is not held',
    file: 'session/held-state.js',
    find: 'if (this.#locks.any)',
    replace: 'if (this.#locks === null)',
  },
  errors: {
    what: 'after an error nobody asks what the statement had done before',
    file: 'session/session-ledger.js',
    find: 'err(errno, effects) {',
    replace: 'err(errno, effects) { if (errno !== -1) return;',
  },
  'parameter-types': {
    what: "a session that has had other types for a shared statement does not get the client's",
    file: 'relay/client-statement.js',
    find: 'if (server.boundTypes !== null && client.types.equals(server.boundTypes))',
    replace: 'if (server.boundTypes !== null)',
  },
  'statement-key': {
    what: 'a shared prepared statement is taken for the same in whatever sql_mode and schema',
    file: 'session/profile.js',
    find: 'this.#parseKey ??= JSON.stringify([this.schema, ...PARSE_VARIABLES.map((name) => this.variable(name))]);',
    replace: "this.#parseKey ??= '';",
  },
};

/** The source has changed, and the fault is to be written anew. */
export class FaultNotPlaced extends Error {
  readonly code = 'fault_not_placed';
}

/** Those that can be seen on a server. */
export function faultsFor(flavor: Flavor, names: readonly string[]): string[] {
  return names.filter((name) => {
    const only = FAULTS[name]?.only;
    return only === undefined || only === flavor;
  });
}

/** Copies the compiled program and breaks it in one place. @returns the copy's main.js */
export async function brokenCopy(workspace: Workspace, main: string, name: string): Promise<string> {
  const fault = FAULTS[name];
  if (fault === undefined) throw new FaultNotPlaced(`there is no fault '${name}'`);
  return copyWith(workspace, main, name, fault);
}

/** As {@link brokenCopy}, with any fault. */
export async function copyWith(
  workspace: Workspace,
  main: string,
  name: string,
  { file, find, replace }: Fault,
): Promise<string> {
  const source = dirname(main);
  const folder = join(workspace.folder, `fault-${name}`);
  await cp(source, join(folder, 'dist', 'src'), { recursive: true });
  const project = dirname(dirname(source));
  await symlink(join(project, 'node_modules'), join(folder, 'node_modules'));
  await cp(join(project, 'package.json'), join(folder, 'package.json'));
  const path = join(folder, 'dist', 'src', file);
  const text = await readFile(path, 'utf8');
  const count = text.split(find).length - 1;
  if (count !== 1) {
    throw new FaultNotPlaced(`fault '${name}': ${count} places in ${file} look like ${JSON.stringify(find)}`);
  }
  await writeFile(
    path,
    text.replace(find, () => replace),
  );
  return join(folder, 'dist', 'src', 'main.js');
}
