import t from 'tap';
import {
  type ProbeAnswer,
  type ProbedServer,
  type ProbeRow,
  probeServer,
  probeStatements,
  readAnswers,
} from '../../src/servers/server-probe.js';
import type { ServerReport } from '../../src/servers/server-report.js';

const MARIADB: ProbedServer = { flavor: 'mariadb', versionText: '10.11.19-MariaDB-0+deb12u1' };
const MYSQL: ProbedServer = { flavor: 'mysql', versionText: '9.7.4-2' };

const NOTHING: ProbeAnswer = { rows: [], errno: null };
const rows = (...list: ProbeRow[]): ProbeAnswer => ({ rows: list, errno: null });
const refused = (errno: number): ProbeAnswer => ({ rows: [], errno });
const pairs = (values: Readonly<Record<string, string>>): ProbeAnswer =>
  rows(...Object.entries(values).map(([name, value]) => ({ Variable_name: name, Value: value })));

/** As a MariaDB without Galera and replication says it. */
const PLAIN = pairs({ read_only: 'OFF', wsrep_on: 'OFF', wsrep_desync: 'OFF', innodb_read_only: 'OFF' });

function brief({ engine, role, lagSeconds, reasons }: ServerReport): string {
  return [engine, role, lagSeconds ?? '?', ...reasons].join(' ');
}

t.test('what is asked, by kind and version', async (t) => {
  t.strictSame(probeStatements(MARIADB)[1], 'SHOW ALL SLAVES STATUS');
  for (const [versionText, asked] of [
    ['9.7.4-2', 'SHOW REPLICA STATUS'],
    ['8.4.0', 'SHOW REPLICA STATUS'],
    ['8.0.22', 'SHOW REPLICA STATUS'],
    ['8.0.21-0ubuntu0.20.04.4', 'SHOW SLAVE STATUS'],
    ['8.0.11-TiDB-v7.5.0', 'SHOW SLAVE STATUS'],
    ['5.7.44', 'SHOW SLAVE STATUS'],
  ] as const) {
    t.equal(probeStatements({ flavor: 'mysql', versionText })[1], asked, versionText);
  }
});

t.test('all is asked in one round trip', async (t) => {
  let asked = 0;
  const report = await probeServer(MARIADB, {
    ask: async (statements) => {
      asked++;
      return [PLAIN, ...statements.slice(1).map(() => NOTHING)];
    },
  });
  t.equal(asked, 1);
  t.equal(brief(report), 'standalone primary 0');
});

t.test('MariaDB by itself and as a replica', async (t) => {
  const channel = (io: string, sql: string, lag: string | null): ProbeRow => ({
    Connection_name: '',
    Slave_IO_Running: io,
    Slave_SQL_Running: sql,
    Seconds_Behind_Master: lag,
  });
  const readOnly = pairs({ read_only: 'ON', wsrep_on: 'OFF' });
  const cases: readonly [ProbeAnswer, ProbeAnswer, string][] = [
    [PLAIN, NOTHING, 'standalone primary 0'],
    [PLAIN, refused(1227), 'standalone primary 0 replication_not_shown'],
    [readOnly, refused(1227), 'replication replica ? replication_not_shown'],
    [readOnly, NOTHING, 'replication replica ? not_replicating'],
    [readOnly, rows(channel('Yes', 'Yes', '7')), 'replication replica 7'],
    [readOnly, rows(channel('Yes', 'Yes', '7'), channel('Yes', 'Yes', '9')), 'replication replica 9'],
    [
      readOnly,
      rows(channel('Yes', 'Yes', '7'), channel('Yes', 'No', null)),
      'replication replica ? applier_stopped',
    ],
    [readOnly, rows(channel('Connecting', 'Yes', null)), 'replication replica ? receiver_stopped'],
    [readOnly, rows(channel('No', 'No', null)), 'replication replica ? receiver_stopped applier_stopped'],
    [PLAIN, rows(channel('Yes', 'Yes', '0')), 'replication replica 0 writable_replica'],
    [PLAIN, rows(channel('No', 'No', null)), 'replication primary 0'],
  ];
  for (const [variables, channels, expected] of cases) {
    t.equal(brief(readAnswers(MARIADB, [variables, channels, NOTHING])), expected);
  }
});

t.test('Galera', async (t) => {
  const on = { read_only: 'OFF', wsrep_on: 'ON', wsrep_reject_queries: 'NONE', wsrep_desync: 'OFF' };
  const synced = { wsrep_ready: 'ON', wsrep_local_state: '4', wsrep_cluster_status: 'Primary' };
  const cases: readonly [Readonly<Record<string, string>>, Readonly<Record<string, string>>, string][] = [
    [{}, {}, 'galera primary 0'],
    [{ read_only: 'ON' }, {}, 'galera replica 0'],
    [{ wsrep_reject_queries: 'ALL' }, {}, 'galera unusable ? wsrep_rejects_queries'],
    [{ wsrep_reject_queries: 'ALL_KILL' }, {}, 'galera unusable ? wsrep_rejects_queries'],
    [{}, { wsrep_local_state: '2' }, 'galera primary ? wsrep_desynced'],
    [{ wsrep_desync: 'ON' }, { wsrep_local_state: '2' }, 'galera primary ? wsrep_desynced'],
    [
      { wsrep_sst_donor_rejects_queries: 'ON' },
      { wsrep_local_state: '2' },
      'galera unusable ? wsrep_rejects_queries',
    ],
    [{ wsrep_sst_donor_rejects_queries: 'ON' }, {}, 'galera primary 0'],
    [{}, { wsrep_local_state: '3' }, 'galera unusable ? wsrep_joining'],
    [{}, { wsrep_local_state: '1', wsrep_ready: 'OFF' }, 'galera unusable ? wsrep_joining'],
    [{}, { wsrep_ready: 'OFF' }, 'galera unusable ? wsrep_not_ready'],
    [
      {},
      { wsrep_ready: 'OFF', wsrep_local_state: '0', wsrep_cluster_status: 'non-Primary' },
      'galera unusable ? wsrep_non_primary',
    ],
    [{}, { wsrep_ready: 'OFF', wsrep_cluster_status: 'Disconnected' }, 'galera unusable ? wsrep_non_primary'],
  ];
  for (const [variables, status, expected] of cases) {
    const answers = [pairs({ ...on, ...variables }), refused(1227), pairs({ ...synced, ...status })];
    t.equal(brief(readAnswers(MARIADB, answers)), expected, JSON.stringify([variables, status]));
  }
});

t.test('Group Replication', async (t) => {
  const group = {
    group_replication_group_name: '6d792062-6f75-11ee-8e63-65722f746573',
    super_read_only: 'OFF',
    read_only: 'OFF',
  };
  const readOnly = { super_read_only: 'ON', read_only: 'ON' };
  const member = (own: string, state: string, role: string): ProbeRow => ({ own, state, role });
  const secondary = member('0', 'ONLINE', 'SECONDARY');
  const lost = member('0', 'UNREACHABLE', 'SECONDARY');
  const cases: readonly [Readonly<Record<string, string>>, ProbeAnswer, string][] = [
    [{}, rows(member('1', 'ONLINE', 'PRIMARY'), secondary, secondary), 'primary 0'],
    [
      readOnly,
      rows(member('0', 'ONLINE', 'PRIMARY'), member('1', 'ONLINE', 'SECONDARY'), secondary),
      'replica 3',
    ],
    [readOnly, rows(member('1', 'ONLINE', 'PRIMARY'), secondary), 'replica 3 group_primary_read_only'],
    [{}, rows(member('1', 'ONLINE', 'PRIMARY'), secondary, lost), 'primary 0'],
    [{}, rows(member('1', 'ONLINE', 'PRIMARY'), lost, lost), 'unusable ? group_no_majority'],
    [{}, rows(member('1', 'ONLINE', 'PRIMARY'), lost), 'unusable ? group_no_majority'],
    [{}, rows(member('1', 'ONLINE', 'PRIMARY')), 'primary 0'],
    [readOnly, rows(member('1', 'RECOVERING', 'SECONDARY'), secondary), 'unusable ? group_recovering'],
    [readOnly, rows(member('1', 'ERROR', '')), 'unusable ? group_error'],
    [readOnly, rows(member('1', 'OFFLINE', '')), 'unusable ? group_offline'],
    [readOnly, rows(member('0', 'OFFLINE', '')), 'unusable ? group_offline'],
    [readOnly, refused(1142), 'replica ? group_not_shown'],
    [{}, refused(1142), 'primary 0 group_not_shown'],
    [{ offline_mode: 'ON' }, rows(member('1', 'ONLINE', 'PRIMARY')), 'unusable ? offline_mode'],
  ];
  for (const [variables, members, expected] of cases) {
    const answers = [pairs({ ...group, ...variables }), NOTHING, members, rows({ behind: '3' })];
    t.equal(brief(readAnswers(MYSQL, answers)), `group_replication ${expected}`);
  }
  const online = rows(member('0', 'ONLINE', 'PRIMARY'), member('1', 'ONLINE', 'SECONDARY'));
  t.equal(
    brief(readAnswers(MYSQL, [pairs({ ...group, ...readOnly }), NOTHING, online, rows({ behind: null })])),
    'group_replication replica 0',
    'nothing is being applied',
  );
  t.equal(
    brief(readAnswers(MYSQL, [pairs({ ...group, ...readOnly }), NOTHING, online, refused(1142)])),
    'group_replication replica ? replication_not_shown',
  );
  t.equal(
    brief(readAnswers(MYSQL, [pairs(group), NOTHING, rows(member('1', 'OFFLINE', '')), NOTHING])),
    'standalone primary 0',
    'taken out and made writable by hand',
  );
});

t.test('MySQL as a replica, and what only looks like MySQL', async (t) => {
  const channel = {
    Replica_IO_Running: 'Yes',
    Replica_SQL_Running: 'Yes',
    Seconds_Behind_Source: '4',
    Channel_Name: '',
  };
  const readOnly = pairs({ read_only: 'ON', super_read_only: 'OFF' });
  t.equal(brief(readAnswers(MYSQL, [readOnly, rows(channel), NOTHING, NOTHING])), 'replication replica 4');
  const own = { ...channel, Channel_Name: 'group_replication_applier' };
  t.equal(
    brief(readAnswers(MYSQL, [pairs({ read_only: 'OFF' }), rows(own), NOTHING, NOTHING])),
    'standalone primary 0',
  );
  t.equal(
    brief(readAnswers(MYSQL, [pairs({ read_only: 'OFF' }), refused(1064), refused(1146), refused(1146)])),
    'standalone primary 0',
    'no such statement, no such table',
  );
  t.equal(
    brief(
      readAnswers(MYSQL, [
        pairs({ read_only: 'OFF', innodb_read_only: 'ON' }),
        NOTHING,
        refused(1146),
        refused(1146),
      ]),
    ),
    'replication replica ? not_replicating',
    'a reader of Aurora shares the storage of its writer',
  );
  t.equal(
    brief(readAnswers(MYSQL, [pairs({ read_only: 'OFF', offline_mode: 'ON' }), NOTHING, NOTHING, NOTHING])),
    'standalone unusable ? offline_mode',
  );
});
