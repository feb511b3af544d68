import { RoutineCatalogue } from '../backend/routine-catalogue.js';
import type { ServerSession } from '../backend/server-session.js';
import { StoredKind, type StoredObject } from '../session/routine-hazards.js';
import type { ServerInfo } from '../session/server-info.js';
import { count, type Finding, ok, someOf, warn } from './finding.js';
import { type Grant, readGrants, triggersUnseen } from './grants.js';
import { firstRow } from './server-site.js';

/** Whose rights they are, as GRANT wants it; and what the account may see. */
interface Reader {
  readonly grantee: string;
  readonly info: ServerInfo;
  readonly grants: readonly Grant[];
  readonly catalogue: RoutineCatalogue;
}

/** What routines, triggers and views can be read: what one account may read, no other needs to. */
export class DefinitionRights {
  readonly #readers: Reader[] = [];

  /** @throws InternalCommandError | SessionLostError */
  async read(session: ServerSession): Promise<void> {
    const catalogue = new RoutineCatalogue();
    await catalogue.read(session);
    const [currentUser] = await firstRow(session, 'SELECT CURRENT_USER()');
    const grants = await readGrants(session);
    this.#readers.push({ grantee: quotedAccount(currentUser ?? ''), info: session.info, grants, catalogue });
  }

  findings(): Finding[] {
    const [first] = this.#readers;
    if (first === undefined) return [];
    const { readable, unreadable } = this.#objects();
    const hidden = this.#hiddenTriggers();
    const findings: Finding[] = [];
    for (const [about, kinds] of ABOUT) {
      const objects = [...unreadable.values()].filter(({ kind }) => kinds.includes(kind));
      if (objects.length > 0) findings.push(unreadableFinding(about, objects, first));
    }
    if (hidden.length > 0) findings.push(hiddenFinding(hidden, first));
    if (findings.length > 0) return findings;
    return [
      ok(
        'definitions',
        `${count(readable, 'routine, trigger or view', 'routines, triggers and views')} seen, and each can be read`,
      ),
    ];
  }

  #objects(): { readable: number; unreadable: ReadonlyMap<string, StoredObject> } {
    const readable = new Set<string>();
    const unreadable = new Map<string, StoredObject>();
    for (const { catalogue } of this.#readers) {
      for (const { isReadable, object } of catalogue.uses) {
        const key = JSON.stringify([object.kind, object.schema, object.name]);
        if (isReadable) readable.add(key);
        else unreadable.set(key, object);
      }
    }
    for (const key of readable) unreadable.delete(key);
    return { readable: readable.size, unreadable };
  }

  /**
   * MySQL does not even list the triggers of tables on which an account lacks the right TRIGGER, and its trackers tell nothing
   * of a trigger's `SELECT ... INTO @v` or GET_LOCK().
   */
  #hiddenTriggers(): string[] {
    const all = this.#readers.filter(({ info }) => info.flavor === 'mysql').flatMap(({ grants }) => grants);
    return triggersUnseen(all);
  }
}

const ABOUT: readonly (readonly [string, readonly StoredKind[]])[] = [
  ['routines', [StoredKind.Procedure, StoredKind.Function]],
  ['packages', [StoredKind.Other]],
  ['triggers', [StoredKind.Trigger]],
  ['views', [StoredKind.View]],
];

function unreadableFinding(about: string, objects: readonly StoredObject[], reader: Reader): Finding {
  const names = objects.map(({ schema, name }) => `${schema}.${name}`);
  const text = `${count(names.length, 'definition')} cannot be read (${someOf(names)}), so a client that uses one keeps its session until it resets or leaves`;
  return warn(about, text, adviceFor(objects, reader));
}

function hiddenFinding(hidden: readonly string[], { grantee }: Reader): Finding {
  const grants = hidden.map((on) => `GRANT TRIGGER ON ${on} TO ${grantee}`);
  return warn(
    'triggers',
    `the account lacks the right TRIGGER on ${someOf(hidden)}, so triggers there are not seen: what they leave on a session (user variables, user locks) may reach other clients`,
    `If there are triggers that do so: ${someOf(grants, 3)}`,
  );
}

function adviceFor(objects: readonly StoredObject[], { grantee, info }: Reader): string {
  const [{ kind } = { kind: StoredKind.Other }] = objects;
  const schemas = [...new Set(objects.map(({ schema }) => quotedName(schema)))];
  const onSchemas = (right: string): string =>
    someOf(
      schemas.map((schema) => `GRANT ${right} ON ${schema}.* TO ${grantee}`),
      3,
    );
  switch (kind) {
    case StoredKind.Procedure:
    case StoredKind.Function:
      if (info.flavor === 'mysql') return `GRANT SHOW_ROUTINE ON *.* TO ${grantee}`;
      if (info.versionNumber >= SHOW_CREATE_ROUTINE) return onSchemas('SHOW CREATE ROUTINE');
      return `GRANT SELECT ON mysql.proc TO ${grantee}`;
    case StoredKind.Trigger:
      return onSchemas('TRIGGER');
    case StoredKind.View:
      return onSchemas('SHOW VIEW');
    case StoredKind.Other:
      return 'No right helps: what packages and routines in other languages do is not looked at. Mind the sessions that their clients hold (mybouncer_holds)';
  }
}

/** MariaDB that has the right SHOW CREATE ROUTINE. */
const SHOW_CREATE_ROUTINE = 11_03_00;

function quotedName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** Of CURRENT_USER(): the host has no `@`, a name may. */
function quotedAccount(account: string): string {
  const at = account.lastIndexOf('@');
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
  return `${quoted(account.slice(0, at))}@${quoted(account.slice(at + 1))}`;
}
