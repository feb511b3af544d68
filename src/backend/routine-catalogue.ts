import { type OwnUse, ownUse, StoredKind, type StoredObject } from '../session/routine-hazards.js';
import type { ServerInfo } from '../session/server-info.js';
import {
  callInternal,
  type InternalCommand,
  type InternalReply,
  queryCommand,
  runInternal,
} from './internal-commands.js';
import type { ServerSession } from './server-session.js';

/** Longer definitions, in bytes as information_schema counts them, are not read: what they do is not known. */
const MAX_DEFINITION = 512 * 1024;

/** Each row of a list has names of at most 768 bytes and a sql_mode. */
const PAGE = 1000;

/** Definitions that are asked for in one write, at most this many and, together, about this many bytes. */
const BATCH = 64;
const BATCH_BYTES = 256 * 1024;

/** Server-supplied; their objects are no part of the catalogue: see {@link isServerSchema}. */
const SERVER_SCHEMAS: readonly string[] = ['sys', 'mysql', 'information_schema', 'performance_schema'];

/** Whether a schema comes with the server: its routines do all kinds of things, and few accounts may run them. */
export function isServerSchema(name: string): boolean {
  return SERVER_SCHEMAS.includes(name);
}

/**
 * Definitions in UTF-8, lists that are the server's present state, names that can be read back; whatever the globals are. The
 * session is the proxy's own and stays so.
 */
const PREPARE_SESSION = queryCommand(
  "SET NAMES utf8mb4, SESSION sql_mode='', SESSION autocommit=1, SESSION sql_quote_show_create=1, " +
    'SESSION sql_select_limit=18446744073709551615',
);

/** An object as the lists show it. */
interface Listed {
  readonly kind: StoredKind;
  readonly schema: string;
  readonly name: string;
  readonly usedAs: string;
  readonly sqlMode: string;
  readonly bytes: number | null;
  /** Differs when the definition does. */
  readonly version: string;
}

interface Known {
  readonly version: string;
  /** The account may read its definition. */
  readonly isReadable: boolean;
  readonly object: StoredObject;
  readonly use: OwnUse;
}

/** What one account can see of the server's routines, triggers and views, and what each of them does by itself. */
export class RoutineCatalogue {
  readonly #page: number;
  #known = new Map<string, Known>();

  /** @param page rows of a list that are asked for at once */
  constructor(page = PAGE) {
    this.#page = page;
  }

  /** All objects, those whose definition the account must not read among them. */
  get uses(): IterableIterator<Known> {
    return this.#known.values();
  }

  /**
   * Reads what has changed since the last time, over a session of the account's that no client uses.
   * @throws InternalCommandError | SessionLostError
   */
  async read(session: ServerSession): Promise<void> {
    const { info } = session;
    await callInternal(session, [PREPARE_SESSION]);
    const listed: Listed[] = [];
    for (const list of LISTS) {
      for (let offset = 0; ; offset += this.#page) {
        const rows = await rowsOf(
          session,
          queryCommand(`${list.query} LIMIT ${this.#page} OFFSET ${offset}`),
        );
        for (const row of rows) listed.push(list.read(row));
        if (rows.length < this.#page) break;
      }
    }
    const known = new Map<string, Known>();
    const changed: Listed[] = [];
    for (const one of listed) {
      const before = this.#known.get(keyOf(one));
      if (before?.version === one.version) known.set(keyOf(one), before);
      else changed.push(one);
    }
    await readDefinitions(session, info, changed, known);
    this.#known = known;
  }
}

interface List {
  readonly query: string;
  read(row: readonly (string | null)[]): Listed;
}

const OWN_SCHEMAS = SERVER_SCHEMAS.map((name) => `'${name}'`).join(',');

/** LAST_ALTERED is in seconds, so the definition's checksum counts as well; a missing one is one that must not be read. */
const LISTS: readonly List[] = [
  {
    query:
      'SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE, ROUTINE_BODY, SQL_MODE, OCTET_LENGTH(ROUTINE_DEFINITION), ' +
      'CRC32(ROUTINE_DEFINITION), LAST_ALTERED FROM information_schema.ROUTINES ' +
      `WHERE ROUTINE_SCHEMA NOT IN (${OWN_SCHEMAS}) ORDER BY 1, 2, 3`,
    read: ([schema, name, type, body, sqlMode, bytes, checksum, altered]) => ({
      kind: body === 'SQL' ? routineKind(type) : StoredKind.Other,
      schema: schema ?? '',
      name: name ?? '',
      usedAs: name ?? '',
      sqlMode: sqlMode ?? '',
      bytes: bytes == null ? null : Number(bytes),
      version: JSON.stringify([type, body, sqlMode, bytes, checksum, altered]),
    }),
  },
  {
    query:
      'SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE, SQL_MODE, OCTET_LENGTH(ACTION_STATEMENT), ' +
      'CRC32(ACTION_STATEMENT), CREATED FROM information_schema.TRIGGERS ' +
      `WHERE TRIGGER_SCHEMA NOT IN (${OWN_SCHEMAS}) ORDER BY 1, 2`,
    read: ([schema, name, table, sqlMode, bytes, checksum, created]) => ({
      kind: StoredKind.Trigger,
      schema: schema ?? '',
      name: name ?? '',
      usedAs: table ?? '',
      sqlMode: sqlMode ?? '',
      bytes: bytes == null ? null : Number(bytes),
      version: JSON.stringify([table, sqlMode, bytes, checksum, created]),
    }),
  },
  {
    query:
      'SELECT TABLE_SCHEMA, TABLE_NAME, OCTET_LENGTH(VIEW_DEFINITION), CRC32(VIEW_DEFINITION) ' +
      `FROM information_schema.VIEWS WHERE TABLE_SCHEMA NOT IN (${OWN_SCHEMAS}) ORDER BY 1, 2`,
    // The server keeps a view's query in a form of its own, whatever sql_mode it was written in.
    read: ([schema, name, bytes, checksum]) => ({
      kind: StoredKind.View,
      schema: schema ?? '',
      name: name ?? '',
      usedAs: name ?? '',
      sqlMode: '',
      bytes: bytes == null || bytes === '0' ? null : Number(bytes),
      version: JSON.stringify([bytes, checksum]),
    }),
  },
];

function routineKind(type: string | null | undefined): StoredKind {
  if (type === 'PROCEDURE') return StoredKind.Procedure;
  return type === 'FUNCTION' ? StoredKind.Function : StoredKind.Other;
}

function keyOf({ kind, schema, name }: Listed): string {
  return JSON.stringify([kind, schema, name]);
}

async function readDefinitions(
  session: ServerSession,
  info: ServerInfo,
  changed: readonly Listed[],
  into: Map<string, Known>,
): Promise<void> {
  const add = (one: Listed, text: string | null): void => {
    const { kind, schema, name, usedAs, sqlMode, version } = one;
    const use = ownUse(kind, text === null ? null : { text, sqlMode }, info);
    into.set(keyOf(one), { version, isReadable: text !== null, object: { kind, schema, name, usedAs }, use });
  };
  const readable: Listed[] = [];
  for (const one of changed) {
    if (one.bytes === null || one.bytes > MAX_DEFINITION || one.kind === StoredKind.Other) add(one, null);
    else readable.push(one);
  }
  for (const batch of batches(readable)) {
    const replies = await run(session, batch.map(definitionOf));
    for (const [i, one] of batch.entries()) {
      // An error: dropped meanwhile, or not to be read after all.
      add(one, replies[i]?.rows[0]?.[COLUMN[one.kind]] ?? null);
    }
  }
}

function* batches(listed: readonly Listed[]): Generator<readonly Listed[]> {
  let batch: Listed[] = [];
  let bytes = 0;
  for (const one of listed) {
    batch.push(one);
    bytes += one.bytes ?? 0;
    if (batch.length < BATCH && bytes < BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

/**
 * SHOW CREATE, since information_schema shows the bodies of routines and triggers with their literals' escapes taken off (MySQL
 * wholly, MariaDB for the backslash), so that what is code in them cannot be told from what is text.
 */
function definitionOf({ kind, schema, name }: Listed): InternalCommand {
  if (kind !== StoredKind.View)
    return queryCommand(`SHOW CREATE ${kind} ${quotedName(schema)}.${quotedName(name)}`);
  return queryCommand(
    'SELECT VIEW_DEFINITION FROM information_schema.VIEWS ' +
      `WHERE TABLE_SCHEMA = ${quotedText(schema)} AND TABLE_NAME = ${quotedText(name)}`,
  );
}

/** Where the definition stands in the row of {@link definitionOf}. */
const COLUMN: Readonly<Record<StoredKind, number>> = {
  PROCEDURE: 2,
  FUNCTION: 2,
  TRIGGER: 2,
  VIEW: 0,
  OTHER: 0,
};

function quotedName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

function quotedText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

async function rowsOf(session: ServerSession, command: InternalCommand): Promise<InternalReply['rows']> {
  const [reply] = await callInternal(session, [command]);
  return reply?.rows ?? [];
}

/** As `runInternal`; the commands' own errors are among the replies. @throws SessionLostError */
function run(
  session: ServerSession,
  commands: readonly InternalCommand[],
): Promise<readonly InternalReply[]> {
  return new Promise((resolve, reject) => {
    runInternal(session, commands, (replies, lost) => {
      if (lost !== null) reject(lost);
      else resolve(replies);
    });
  });
}
