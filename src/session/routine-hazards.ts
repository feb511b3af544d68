import { bodyStatements, ProgramText } from '../sql/body-statements.js';
import { type LexerContext, lexerContext } from '../sql/lexer-context.js';
import { StatementClassifier } from '../sql/trait-cache.js';
import { Flag, Hold, StatementKind, type StatementTraits } from '../sql/traits.js';
import type { ServerInfo } from './server-info.js';

/** What a server keeps and runs when a statement names it, or changes a table. */
export const StoredKind = {
  Procedure: 'PROCEDURE',
  Function: 'FUNCTION',
  Trigger: 'TRIGGER',
  View: 'VIEW',
  /** Of a kind that is not taken apart: a package, a routine in another language. */
  Other: 'OTHER',
} as const;
export type StoredKind = (typeof StoredKind)[keyof typeof StoredKind];

export interface StoredObject {
  readonly kind: StoredKind;
  readonly schema: string;
  readonly name: string;
  /** What a statement names that runs it: a trigger's table, else its own name. */
  readonly usedAs: string;
}

export interface Definition {
  /** As SHOW CREATE shows it; of a view, its query. */
  readonly text: string;
  /** Under which it is to be read. */
  readonly sqlMode: string;
}

/** What one object does by itself. */
export interface OwnUse {
  /** Bits of {@link Hold}. */
  readonly holds: number;
  /** It changes rows, so triggers may run. */
  readonly changesRows: boolean;
  /** It makes, changes or drops objects of this kind. */
  readonly changesObjects: boolean;
  /** In lower case: of whatever it names, and many that mean nothing. */
  readonly names: ReadonlySet<string>;
  /** Routines that it runs, as {@link StatementTraits.routines}. */
  readonly calls: readonly string[];
}

/** What using a name may do to a session without any tracker showing it: bits of {@link Hold}. */
export interface Hazard {
  /** By any statement that names it. */
  readonly always: number;
  /** By one that changes rows: what triggers do. */
  readonly changingRows: number;
  readonly changesObjects: boolean;
}

const UNREADABLE: OwnUse = {
  holds: Hold.Unknown,
  changesRows: true,
  changesObjects: false,
  names: new Set(),
  calls: [],
};

const scanner = new StatementClassifier(0);

/**
 * What an object does to the session that uses it, by its own text. What it cannot be known to leave alone counts as changed.
 * @param definition null when it must not be read
 */
export function ownUse(kind: StoredKind, definition: Definition | null, server: ServerInfo): OwnUse {
  const program = programOf(kind);
  if (definition === null || program === null) return UNREADABLE;
  const modes = new Set(definition.sqlMode.split(','));
  // Another grammar altogether.
  if (modes.has('ORACLE')) return UNREADABLE;
  const context = lexerContext({
    charset: 'utf8mb4',
    ansiQuotes: modes.has('ANSI_QUOTES'),
    noBackslashEscapes: modes.has('NO_BACKSLASH_ESCAPES'),
    mariadb: server.flavor === 'mariadb',
    serverVersion: server.versionNumber,
  });
  const body = bodyStatements(Buffer.from(definition.text), program, context);
  if (body === null) return UNREADABLE;
  let holds = 0;
  let flags = 0;
  let changes = false;
  const calls: string[] = [];
  for (const statement of body.statements) {
    const traits = classify(statement, context);
    holds |= holdsInBody(traits);
    flags |= traits.flags;
    if (changesObjects(traits)) changes = true;
    calls.push(...traits.routines);
  }
  return { holds, changesRows: (flags & Flag.Dml) !== 0, changesObjects: changes, names: body.names, calls };
}

/** Whether running it changes routines, triggers or views. */
export function changesObjects({ flags, changes }: StatementTraits): boolean {
  if ((flags & Flag.ChangesRoutines) !== 0) return true;
  // A table takes its triggers along.
  return changes.length > 0 && changes.some(({ kind }) => kind === 'rename_table');
}

function programOf(kind: StoredKind): ProgramText | null {
  switch (kind) {
    case StoredKind.Procedure:
    case StoredKind.Function:
      return ProgramText.Routine;
    case StoredKind.Trigger:
      return ProgramText.Trigger;
    case StoredKind.View:
      return ProgramText.Query;
    case StoredKind.Other:
      return null;
  }
}

function classify(statement: Buffer, context: LexerContext): StatementTraits {
  return scanner.classify(statement, 0, statement.length, context);
}

function holdsInBody({ holds, first }: StatementTraits): number {
  // The tracker of characteristics tells of it, and of its end.
  if (first === StatementKind.SetTransaction) return holds & ~Hold.OneShot;
  // Nobody tells which variable it was.
  if ((holds & Hold.UnscopedSystemVariable) !== 0)
    return (holds & ~Hold.UnscopedSystemVariable) | Hold.Unknown;
  return holds;
}

/**
 * What using each name may do, everything counted that an object uses in its turn. Names are in lower case and without a
 * schema: objects of one name in two schemas are taken for one that does what both do. Routines have {@link routineKey}s.
 */
export function hazardsOf(uses: ReadonlyMap<StoredObject, OwnUse>): ReadonlyMap<string, Hazard> {
  const nodes = [...uses].map(([object, own]) => new Node(object, own));
  const routines = new Set(nodes.filter((node) => node.isRoutine).map((node) => node.key));
  const byName = new Map<string, Node[]>();
  for (const node of nodes) {
    node.resolve(routines);
    const same = byName.get(node.key);
    if (same === undefined) byName.set(node.key, [node]);
    else same.push(node);
  }
  for (const node of nodes) node.link(byName);
  for (let changed = true; changed; ) {
    changed = false;
    for (const node of nodes) if (node.gather()) changed = true;
  }
  const hazards = new Map<string, Hazard>();
  for (const [name, same] of byName) {
    let always = 0;
    let changingRows = 0;
    let changesObjects = false;
    for (const node of same) {
      always |= node.always;
      changingRows |= node.changingRows;
      if (node.changesObjects) changesObjects = true;
    }
    changingRows &= ~always;
    if ((always | changingRows) !== 0 || changesObjects)
      hazards.set(name, { always, changingRows, changesObjects });
  }
  return hazards;
}

/** Under which a routine stands among hazards, so that it is no column of that name. @param name with its schema or without */
export function routineKey(name: string): string {
  return `${name.slice(name.indexOf('.') + 1)}()`;
}

class Node {
  readonly key: string;
  always = 0;
  changingRows = 0;
  changesObjects: boolean;
  readonly #kind: StoredKind;
  readonly #own: OwnUse;
  #uses: Node[] = [];

  constructor(object: StoredObject, own: OwnUse) {
    this.#kind = object.kind;
    const name = object.usedAs.toLowerCase();
    this.key = this.isRoutine ? routineKey(name) : name;
    this.#own = own;
    this.changesObjects = own.changesObjects;
    if (object.kind === StoredKind.Trigger) this.changingRows = own.holds;
    else this.always = own.holds;
  }

  get isRoutine(): boolean {
    return this.#kind !== StoredKind.Trigger && this.#kind !== StoredKind.View;
  }

  /** A routine that is not listed is one that the account may not see, or a loadable function. */
  resolve(routines: ReadonlySet<string>): void {
    const known = this.#own.calls.every((call) => routines.has(routineKey(call)));
    if (!known) this.#add(Hold.Unknown, 0);
  }

  link(byName: ReadonlyMap<string, readonly Node[]>): void {
    const keys = [...this.#own.names, ...this.#own.calls.map(routineKey)];
    for (const key of keys) this.#uses.push(...(byName.get(key) ?? []));
    this.#uses = this.#uses.filter((node) => node !== this);
  }

  /** Takes over what is known so far of all that it uses. @returns whether that was new */
  gather(): boolean {
    let changed = false;
    for (const { always, changingRows, changesObjects } of this.#uses) {
      if (changesObjects && !this.changesObjects) this.changesObjects = changed = true;
      // Through a view rows of its tables are changed.
      if (this.#add(always | (this.#own.changesRows ? changingRows : 0), changingRows)) changed = true;
    }
    return changed;
  }

  #add(always: number, changingRows: number): boolean {
    const before = this.always;
    const changingBefore = this.changingRows;
    if (this.#kind === StoredKind.Trigger) {
      this.changingRows |= always;
    } else {
      this.always |= always;
      if (this.#kind === StoredKind.View) this.changingRows |= changingRows;
    }
    return before !== this.always || changingBefore !== this.changingRows;
  }
}
