import { ReportReason, ServerEngine, type ServerReport, ServerRole } from './server-report.js';

/** One source that a server receives from. */
export interface ReplicationChannel {
  /** `Yes`, `No`, or `Connecting`, `Preparing`: it tries to */
  readonly receives: string;
  readonly applies: boolean;
  /** Null unless both threads run. */
  readonly lagSeconds: number | null;
}

/**
 * What a replica says (MariaDB 10.11.19 and MySQL 9.7.4 alike, each state brought about; test/servers/truth/replication):
 *
 * | state | IO | SQL | seconds behind |
 * |---|---|---|---|
 * | follows | Yes | Yes | 0 and more |
 * | delayed by 30 s (SQL_Delay), right after a write | Yes | Yes | counts from the write |
 * | STOP ... SQL_THREAD, or an error (Last_SQL_Errno, 1062) | Yes | No | NULL |
 * | STOP ... IO_THREAD | No | Yes | NULL |
 * | the source is gone | Connecting | Yes | NULL |
 * | STOP, then made the primary by hand | No | No | NULL |
 * | RESET ... ALL | no row | | |
 *
 * SHOW ALL SLAVES STATUS (MariaDB) and SHOW REPLICA STATUS (MySQL) list all sources; the words in the columns' names differ:
 * MariaDB keeps Slave and Master also under SHOW REPLICA STATUS, which lists the nameless source alone.
 */
export interface ReplicationFacts {
  readonly readOnly: boolean;
  readonly offline: boolean;
  /** Null where the account may not see them. */
  readonly channels: readonly ReplicationChannel[] | null;
}

const { Primary, Replica, Unusable } = ServerRole;

function troubles(channels: readonly ReplicationChannel[]): ReportReason[] {
  const reasons: ReportReason[] = [];
  if (channels.some(({ receives }) => receives !== 'Yes')) reasons.push(ReportReason.ReceiverStopped);
  if (channels.some(({ applies }) => !applies)) reasons.push(ReportReason.ApplierStopped);
  return reasons;
}

/** The oldest of all that it has; null where one is not known. */
function lagOf(channels: readonly ReplicationChannel[]): number | null {
  let lag = 0;
  for (const { lagSeconds } of channels) {
    if (lagSeconds === null) return null;
    lag = Math.max(lag, lagSeconds);
  }
  return lag;
}

export function replicationReport({ readOnly, offline, channels }: ReplicationFacts): ServerReport {
  const report = (
    role: ServerRole,
    lagSeconds: number | null,
    reasons: readonly ReportReason[],
  ): ServerReport => ({
    engine: readOnly || (channels?.length ?? 0) > 0 ? ServerEngine.Replication : ServerEngine.Standalone,
    role,
    lagSeconds,
    reasons,
  });
  if (offline) return report(Unusable, null, [ReportReason.OfflineMode]);
  if (channels === null) {
    const reasons = [ReportReason.ReplicationNotShown];
    return readOnly ? report(Replica, null, reasons) : report(Primary, 0, reasons);
  }
  if (readOnly) {
    if (channels.length === 0) return report(Replica, null, [ReportReason.NotReplicating]);
    return report(Replica, lagOf(channels), troubles(channels));
  }
  // Whoever has made it the primary by hand has stopped its threads, and need not have made it forget its source.
  if (channels.every(({ receives, applies }) => receives === 'No' && !applies)) return report(Primary, 0, []);
  return report(Replica, lagOf(channels), [ReportReason.WritableReplica, ...troubles(channels)]);
}
