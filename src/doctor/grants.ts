import { callInternal, queryCommand } from '../backend/internal-commands.js';
import type { ServerSession } from '../backend/server-session.js';
import { firstRow } from './server-site.js';

/** Rights on everything (`*.*`), a schema or a table. */
export interface Grant {
  /** In upper case, such as `SHOW VIEW`; `ALL PRIVILEGES` is one of them. */
  readonly privileges: ReadonlySet<string>;
  /** As the server writes it: `*.*`, `` `shop`.* ``, `` `shop`.`orders` ``. */
  readonly on: string;
}

const LINE = /^GRANT (.+?) ON ((?:\*|`(?:[^`]|``)*`)\.(?:\*|`(?:[^`]|``)*`)) TO /;

/** Of one line of SHOW GRANTS; null for a role, a proxy, or a single routine. */
export function parseGrant(line: string): Grant | null {
  const [, list, on] = LINE.exec(line) ?? [];
  if (list === undefined || on === undefined) return null;
  // Rights on columns have them in brackets.
  const names = list.replaceAll(/\((?:[^)`]|`(?:[^`]|``)*`)*\)/g, '').split(',');
  return { privileges: new Set(names.map((name) => name.trim().toUpperCase())), on };
}

/** What the session may do, by its active roles as well. @throws InternalCommandError | SessionLostError */
export async function readGrants(session: ServerSession): Promise<readonly Grant[]> {
  const [role] = await firstRow(session, 'SELECT CURRENT_ROLE()');
  // MariaDB lists the rights of the active role by itself.
  const using = session.info.flavor === 'mysql' && role && role !== 'NONE' ? ` USING ${role}` : '';
  const [, shown] = await callInternal(session, [
    queryCommand("SET SESSION sql_mode=''"),
    queryCommand(`SHOW GRANTS FOR ${using === '' ? 'CURRENT_USER' : `CURRENT_USER()${using}`}`),
  ]);
  const rows = shown?.rows ?? [];
  return rows.map(([line]) => parseGrant(line ?? '')).filter((grant) => grant !== null);
}

const has = ({ privileges }: Grant, name: string): boolean =>
  privileges.has(name) || privileges.has('ALL PRIVILEGES');

/** Those that the account has everywhere, of a list. */
export function globalPrivileges(grants: readonly Grant[], names: readonly string[]): string[] {
  const everywhere = grants.filter(({ on }) => on === '*.*');
  return names.filter((name) => everywhere.some((grant) => has(grant, name)));
}

/**
 * Where rows may be changed, and the triggers that this runs not be looked at: schemas and tables as {@link Grant.on}. Names
 * with wildcards only cover the very same name.
 */
export function triggersUnseen(grants: readonly Grant[]): string[] {
  const seen = new Set(grants.filter((grant) => has(grant, 'TRIGGER')).map(({ on }) => on));
  const changed = grants.filter((grant) => ['INSERT', 'UPDATE', 'DELETE'].some((name) => has(grant, name)));
  const schemaOf = (on: string): string => on.replace(/\.(?:\*|`(?:[^`]|``)*`)$/, '.*');
  return [...new Set(changed.map(({ on }) => on))].filter(
    (on) => !seen.has('*.*') && !seen.has(schemaOf(on)) && !seen.has(on),
  );
}
