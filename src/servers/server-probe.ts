import { type GaleraFacts, galeraReport, isGalera } from './galera-report.js';
import { type GroupMember, groupReport } from './group-report.js';
import { type ReplicationChannel, replicationReport } from './replication-report.js';
import type { ServerReport } from './server-report.js';

/** A row by the names of its columns, as the server spells them; null is SQL NULL. */
export type ProbeRow = Readonly<Record<string, string | null>>;

/** What a server says to one statement: rows, or the number of the error that it refuses it with. */
export type ProbeAnswer =
  | { readonly rows: readonly ProbeRow[]; readonly errno: null }
  | { readonly rows: readonly []; readonly errno: number };

/** Whom the statements are sent by. */
export interface ServerQuestions {
  /**
   * Sends all the statements at once and waits for all answers, one round trip: one that is refused does not keep the others
   * from being carried out. @throws where there is no connection, or it is lost
   */
  ask(statements: readonly string[]): Promise<readonly ProbeAnswer[]>;
}

/** Of the server's greeting: what decides how it is asked. */
export interface ProbedServer {
  readonly flavor: 'mariadb' | 'mysql';
  /** As in `SELECT VERSION()`. */
  readonly versionText: string;
}

const VARIABLES = [
  'read_only',
  'super_read_only',
  'offline_mode',
  'innodb_read_only',
  'wsrep_on',
  'wsrep_desync',
  'wsrep_reject_queries',
  'wsrep_sst_donor_rejects_queries',
  'group_replication_group_name',
];
const STATUS = ['wsrep_ready', 'wsrep_connected', 'wsrep_local_state', 'wsrep_cluster_status'];

const named = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ');

// Names that a server does not know are left out, where SELECT @@name is refused. Both need no rights, and are answered by a
// Galera node that refuses all else.
const SHOW_VARIABLES = `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${named(VARIABLES)})`;
const SHOW_WSREP = `SHOW GLOBAL STATUS WHERE Variable_name IN (${named(STATUS)})`;

/** Needs SELECT on these two tables: unlike others of performance_schema, they are not everybody's. */
const GROUP_MEMBERS = `SELECT member_id = @@server_uuid AS own, member_state AS state, member_role AS role
  FROM performance_schema.replication_group_members`;
/** The oldest transaction of the group that this member is at work on. No row has one while it has applied all. */
const GROUP_LAG = `SELECT MAX(TIMESTAMPDIFF(SECOND, applying_transaction_original_commit_timestamp, NOW(6))) AS behind
  FROM performance_schema.replication_applier_status_by_worker
  WHERE channel_name = 'group_replication_applier' AND applying_transaction <> ''`;

/** MySQL from 8.0.22 on has the new words, and from 8.4 on nothing else. What is not MySQL's has the old or neither. */
function mysqlReplication(versionText: string): string {
  const [major = 0, minor = 0, patch = 0] = versionText.split(/[.-]/).map(Number);
  const isNew = major > 8 || (major === 8 && (minor > 0 || patch >= 22));
  return isNew ? 'SHOW REPLICA STATUS' : 'SHOW SLAVE STATUS';
}

/**
 * The rights without which an answer is a refusal, and the report says so; none of them changes anything. MariaDB before 10.5
 * wants REPLICATION CLIENT in place of SLAVE MONITOR.
 */
export const PROBE_PRIVILEGES = {
  mariadb: ['GRANT SLAVE MONITOR ON *.*'],
  mysql: [
    'GRANT REPLICATION CLIENT ON *.*',
    'GRANT SELECT ON performance_schema.replication_group_members',
    'GRANT SELECT ON performance_schema.replication_applier_status_by_worker',
  ],
} as const;

/** The statements for a server, in the order in which {@link readAnswers} takes their answers. */
export function probeStatements({ flavor, versionText }: ProbedServer): readonly string[] {
  return flavor === 'mariadb'
    ? [SHOW_VARIABLES, 'SHOW ALL SLAVES STATUS', SHOW_WSREP]
    : [SHOW_VARIABLES, mysqlReplication(versionText), GROUP_MEMBERS, GROUP_LAG];
}

/** Asks a server what it is now. @throws what {@link ServerQuestions.ask} does */
export async function probeServer(server: ProbedServer, questions: ServerQuestions): Promise<ServerReport> {
  return readAnswers(server, await questions.ask(probeStatements(server)));
}

/** What the answers to {@link probeStatements} mean. */
export function readAnswers({ flavor }: ProbedServer, answers: readonly ProbeAnswer[]): ServerReport {
  const variables = pairsOf(answers[0]);
  const isOn = (name: string): boolean => variables.get(name) === 'ON';
  const facts = {
    // Aurora's readers have the last of them alone.
    readOnly: isOn('read_only') || isOn('super_read_only') || isOn('innodb_read_only'),
    offline: isOn('offline_mode'),
    channels: channelsOf(answers[1]),
  };
  if (flavor === 'mariadb') {
    const galera = galeraFacts(variables, pairsOf(answers[2]), facts.readOnly);
    return isGalera(galera) ? galeraReport(galera) : replicationReport(facts);
  }
  const configured = (variables.get('group_replication_group_name') ?? '') !== '';
  if (!configured) return replicationReport(facts);
  return groupReport({ ...facts, members: membersOf(answers[2]), lagSeconds: groupLag(answers[3]) });
}

/** Of SHOW VARIABLES and the like. */
function pairsOf(answer: ProbeAnswer | undefined): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  for (const row of answer?.rows ?? []) {
    const name = row['Variable_name'];
    if (name) pairs.set(name.toLowerCase(), row['Value'] ?? '');
  }
  return pairs;
}

function galeraFacts(
  variables: ReadonlyMap<string, string>,
  status: ReadonlyMap<string, string>,
  readOnly: boolean,
): GaleraFacts {
  return {
    on: variables.get('wsrep_on') === 'ON',
    ready: status.get('wsrep_ready') === 'ON',
    clusterStatus: status.get('wsrep_cluster_status') ?? '',
    localState: Number(status.get('wsrep_local_state') ?? 0),
    desynced: variables.get('wsrep_desync') === 'ON',
    rejects: (variables.get('wsrep_reject_queries') ?? 'NONE') !== 'NONE',
    donorRejects: variables.get('wsrep_sst_donor_rejects_queries') === 'ON',
    readOnly,
  };
}

const ACCESS_DENIED = new Set([1142, 1227]);

/** One for each source; null where the account may not see them. A server that knows no such statement has none. */
function channelsOf(answer: ProbeAnswer | undefined): readonly ReplicationChannel[] | null {
  if (answer === undefined) return [];
  if (answer.errno !== null) return ACCESS_DENIED.has(answer.errno) ? null : [];
  return (
    answer.rows
      // MySQL lists those of Group Replication as well once they have been at work.
      .filter((row) => !(row['Channel_Name'] ?? '').startsWith('group_replication_'))
      .map((row) => {
        const of = (old: string, now: string): string | null => row[now] ?? row[old] ?? null;
        const lag = of('Seconds_Behind_Master', 'Seconds_Behind_Source');
        return {
          receives: of('Slave_IO_Running', 'Replica_IO_Running') ?? 'No',
          applies: of('Slave_SQL_Running', 'Replica_SQL_Running') === 'Yes',
          lagSeconds: lag === null ? null : Number(lag),
        };
      })
  );
}

function membersOf(answer: ProbeAnswer | undefined): readonly GroupMember[] | null {
  if (answer === undefined || answer.errno !== null) return null;
  return answer.rows.map((row) => ({
    isOwn: row['own'] === '1',
    state: row['state'] ?? '',
    role: row['role'] ?? '',
  }));
}

/** Null where it is not shown. */
function groupLag(answer: ProbeAnswer | undefined): number | null {
  if (answer === undefined || answer.errno !== null) return null;
  return Math.max(0, Number(answer.rows[0]?.['behind'] ?? 0));
}
