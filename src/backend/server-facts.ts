import type { CollationNames, CollationTable } from '../session/initial-profile.js';
import type { ServerInfo } from '../session/server-info.js';
import {
  GTID_TRACKER,
  isTrackerVariable,
  OWN_GTIDS,
  RESULTS_COLLATION,
  resultsCollationOf,
  treatmentOf,
  VariableTreatment,
} from '../session/variables.js';
import {
  callInternal,
  type InternalCommand,
  type InternalReply,
  queryCommand,
  resultsCollation,
} from './internal-commands.js';
import type { ServerSession } from './server-session.js';

/** Switches the session trackers on; they fall back to the server's defaults at each reset. */
export const ARM_TRACKERS: InternalCommand = queryCommand(
  "SET SESSION session_track_system_variables='*', SESSION session_track_schema=ON, " +
    "SESSION session_track_state_change=ON, SESSION session_track_transaction_info='CHARACTERISTICS'",
);

/** Has MySQL tell of what a session writes. By itself: in a transaction the server takes it not (1766), and the others. */
export const ARM_GTIDS: InternalCommand = queryCommand(`SET SESSION ${GTID_TRACKER}=${OWN_GTIDS}`);

/**
 * Makes MariaDB tell what a statement that failed had changed before: it does so only with the OK of a statement that
 * itself changes something. (MySQL tells with any OK, that of a PING too.)
 */
export const FLUSH_TRACKERS: InternalCommand = queryCommand('SET SESSION session_track_schema=ON');

/** More than any list has that is read here: it takes the place of the session's sql_select_limit. */
const NO_LIMIT = 'LIMIT 100000';

/**
 * What SHOW SESSION VARIABLES shows, of which sql_select_limit would cut off the rest
 * (test/backend/truth/select-limit.test.ts). @param where a condition on VARIABLE_NAME
 */
export function variablesQuery({ flavor }: Pick<ServerInfo, 'flavor'>, where?: string): string {
  const condition = where === undefined ? '' : `WHERE ${where} `;
  return flavor === 'mysql'
    ? `SELECT VARIABLE_NAME,VARIABLE_VALUE FROM performance_schema.session_variables ${condition}${NO_LIMIT}`
    : `SELECT LOWER(VARIABLE_NAME),VARIABLE_VALUE FROM information_schema.SESSION_VARIABLES ${condition}${NO_LIMIT}`;
}

export function readVariables(info: Pick<ServerInfo, 'flavor'>, where?: string): InternalCommand {
  return queryCommand(variablesQuery(info, where));
}

/** On: it is a node of Galera. Not every server has it. */
export const WSREP_ON = 'wsrep_on';

/** What clients read of the trackers before they set any, and {@link WSREP_ON}. */
export const TRACKERS_AND_GALERA = `VARIABLE_NAME LIKE 'session_track%' OR VARIABLE_NAME = '${WSREP_ON}'`;

/**
 * What is true of a server for every session and user, asked once per server version: which variables a session has of
 * its own, and what collation ids mean.
 */
export class ServerFacts {
  readonly info: ServerInfo;
  /** Session-scoped variables that the profile may carry. */
  readonly variableNames: ReadonlySet<string>;
  readonly collations: CollationTable;
  /**
   * One statement whose first value changes when any carried variable has another value; the second is the role, the
   * third which server it is ({@link ServerSession.server}), the fourth how long a command may be
   * ({@link ServerSession.maxPayload}).
   */
  readonly checksum: InternalCommand;

  constructor(info: ServerInfo, variableNames: ReadonlySet<string>, collations: CollationTable) {
    this.info = info;
    this.variableNames = variableNames;
    this.collations = collations;
    const values = [...variableNames].map((name) => `IFNULL(@@session.${name},'<null>')`);
    // MySQL 9 has no MD5() any more.
    this.checksum = queryCommand(
      `SELECT SHA2(CONCAT_WS('\\n',${values.join(',')}),256), CURRENT_ROLE(), ${IDENTITY[info.flavor]}, GREATEST(@@max_allowed_packet,@@net_buffer_length) LIMIT 1`,
    );
  }

  static async discover(session: ServerSession): Promise<ServerFacts> {
    const [shown, collations, global] = await callInternal(session, [
      readVariables(session.info),
      queryCommand(
        `${session.info.flavor === 'mariadb' ? MARIADB_COLLATIONS : MYSQL_COLLATIONS} ${NO_LIMIT}`,
      ),
      queryCommand('SELECT @@global.character_set_client, @@global.collation_connection LIMIT 1'),
    ]);
    const names = (shown?.rows ?? []).map(([name]) => name ?? '').filter(isCarried);
    const byId = new Map<number, CollationNames>();
    for (const [id, collation, charset] of collations?.rows ?? []) {
      if (id && collation && charset) byId.set(Number(id), { charset, collation });
    }
    const [charset, collation] = global?.rows[0] ?? [];
    const fallback = charset && collation ? { charset, collation } : undefined;
    // A client that names a collation the server does not know gets the server's own.
    const table = { get: (id: number): CollationNames | undefined => byId.get(id) ?? fallback };
    return new ServerFacts(session.info, await sessionScoped(session, names), table);
  }

  /** Those of {@link variablesQuery} that a session has for itself, and what only its column definitions tell. */
  carriedOf(reply: Pick<InternalReply, 'rows' | 'packets'>): Map<string, string> {
    const variables = new Map<string, string>();
    for (const [name, value] of reply.rows) {
      if (name && this.variableNames.has(name)) variables.set(name, value ?? '');
    }
    const collation = resultsCollationOf(variables, this.collations.get(resultsCollation(reply))?.collation);
    if (collation !== null) variables.set(RESULTS_COLLATION, collation);
    return variables;
  }
}

/** Copies of one data directory have the same UUID, containers of one machine the same name or the same port. */
const IDENTITY = {
  mysql: "CONCAT_WS(' ',@@hostname,@@port,@@server_id,@@datadir,@@server_uuid)",
  mariadb: "CONCAT_WS(' ',@@hostname,@@port,@@server_id,@@datadir)",
} as const;

const MARIADB_COLLATIONS =
  'SELECT ID, FULL_COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY';
const MYSQL_COLLATIONS = 'SELECT ID, COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATIONS';

function isCarried(name: string): boolean {
  return treatmentOf(name) === VariableTreatment.Carry && !isTrackerVariable(name);
}

/**
 * Neither server lists scopes in the same place or in every version, but each refuses to show a global variable as a
 * session's (1238). Asked in one pipelined write.
 */
async function sessionScoped(session: ServerSession, names: readonly string[]): Promise<Set<string>> {
  const scoped = new Set<string>();
  for (let first = 0; first < names.length; first += PROBES_AT_ONCE) {
    const batch = names.slice(first, first + PROBES_AT_ONCE);
    const answers = await Promise.all(
      batch.map((name) =>
        callInternal(session, [queryCommand(`SELECT @@session.${name}`)]).then(
          () => true,
          (error: unknown) => {
            if (session.closed) throw error;
            return false;
          },
        ),
      ),
    );
    for (const [i, name] of batch.entries()) if (answers[i]) scoped.add(name);
  }
  return scoped;
}

/** Replies of this many probes fit into the socket buffers, so neither side waits for the other to read. */
const PROBES_AT_ONCE = 64;
