/** What keeps several servers of one data set alike; `standalone` for a server that tells of nothing. */
export const ServerEngine = {
  Galera: 'galera',
  GroupReplication: 'group_replication',
  /** Asynchronous or semi-synchronous: it receives from another one. */
  Replication: 'replication',
  Standalone: 'standalone',
} as const;
export type ServerEngine = (typeof ServerEngine)[keyof typeof ServerEngine];

export const ServerRole = {
  /** Takes writes. */
  Primary: 'primary',
  /** Answers reads, refuses writes. */
  Replica: 'replica',
  /** Nobody is to be sent there, by its own word. */
  Unusable: 'unusable',
} as const;
export type ServerRole = (typeof ServerRole)[keyof typeof ServerRole];

/** Why a server is unusable, or second choice among those of its role. Stable words: for logs and metric labels. */
export const ReportReason = {
  /** MySQL's offline_mode: accounts without special rights are not let in. */
  OfflineMode: 'offline_mode',
  /** Refuses all statements on tables with 1047; so does each of the reasons that follow, but wsrep_desynced. */
  WsrepNotReady: 'wsrep_not_ready',
  /** It is on the small side of a partition, or most others are gone. */
  WsrepNonPrimary: 'wsrep_non_primary',
  /** Catches up: its data are old. */
  WsrepJoining: 'wsrep_joining',
  /** Sends its data to a node that joins, or was desynced by hand: it works, but may fall behind. */
  WsrepDesynced: 'wsrep_desynced',
  WsrepRejectsQueries: 'wsrep_rejects_queries',
  /** The plugin is configured, and this server is in no group. */
  GroupOffline: 'group_offline',
  /** Catches up: its data are old. */
  GroupRecovering: 'group_recovering',
  /** It was put out of its group, or could not apply what that has done. */
  GroupError: 'group_error',
  /** It reaches no majority: commits wait without end, reads are old. */
  GroupNoMajority: 'group_no_majority',
  /** The group has elected it, and it still applies what came before, or is read-only by hand. */
  GroupPrimaryReadOnly: 'group_primary_read_only',
  /** Read-only, and it receives from nobody. */
  NotReplicating: 'not_replicating',
  /** It has lost its source, or was told not to receive. */
  ReceiverStopped: 'receiver_stopped',
  /** What it receives is not applied: an error, or it was told so. */
  ApplierStopped: 'applier_stopped',
  /** Takes writes, which its source will never see: somebody forgot read_only. */
  WritableReplica: 'writable_replica',
  /** The account may not see the group: its state is not known. */
  GroupNotShown: 'group_not_shown',
  /** The account may not see the replication: lag is not known. */
  ReplicationNotShown: 'replication_not_shown',
} as const;
export type ReportReason = (typeof ReportReason)[keyof typeof ReportReason];

/** What a server says of itself, at one moment. */
export interface ServerReport {
  readonly engine: ServerEngine;
  readonly role: ServerRole;
  /** How old its data are, in s, by the clocks of both servers; null where that is not known, or has no end. 0 for a primary. */
  readonly lagSeconds: number | null;
  readonly reasons: readonly ReportReason[];
}
