import { type ReplicationFacts, replicationReport } from './replication-report.js';
import { ReportReason, ServerEngine, type ServerReport, ServerRole } from './server-report.js';

/** Of performance_schema.replication_group_members, as the server that is asked sees them. */
export interface GroupMember {
  readonly isOwn: boolean;
  /** ONLINE, RECOVERING, UNREACHABLE, ERROR, OFFLINE; others' ERROR is not seen */
  readonly state: string;
  /** PRIMARY, SECONDARY; empty for one that is not in the group */
  readonly role: string;
}

/**
 * What a member of a group says (MySQL 9.7.4, each state but the last brought about; test/servers/truth/group-replication has most):
 *
 * | state | own row | read_only, super_read_only | writes |
 * |---|---|---|---|
 * | primary | ONLINE PRIMARY | OFF OFF | done |
 * | secondary | ONLINE SECONDARY | ON ON | 1290, also SELECT ... FOR UPDATE and START TRANSACTION READ WRITE |
 * | the primary was killed or stands still, others for 5 to 6 s | ONLINE SECONDARY, the primary ONLINE | ON ON | 1290 |
 * | then until it is expelled (expel_timeout + 1 s) | the primary UNREACHABLE | ON ON | 1290 |
 * | primary, the others stand still | ONLINE PRIMARY, all others UNREACHABLE | OFF OFF | wait without end; reads are answered |
 * | primary right after it stood still | ONLINE PRIMARY | OFF OFF | 3100 after some seconds |
 * | expelled | a single row, ERROR, no role | ON ON | 1290, 3100 for what was being committed |
 * | joins again by itself (autorejoin_tries 3) | RECOVERING SECONDARY | ON ON | 1290 |
 * | STOP GROUP_REPLICATION | a single row, OFFLINE | ON ON | 1290 |
 * | plugin not configured | no table row, or a single one without an id | OFF OFF | done |
 *
 * From SIGKILL or SIGSTOP of the primary to the new one's first write, on a busy machine: 6 to 7 s with
 * group_replication_member_expel_timeout=0, 22 s with MySQL's default of 5; with that one a primary that stood still for 14 s
 * goes on, and so do its transactions. A planned move waits for the transactions that are open, and takes 10 to 50 ms besides.
 * exit_state_action is OFFLINE_MODE by default in 9.7, and only comes after the attempts to join again have failed.
 */
export interface GroupFacts extends ReplicationFacts {
  /** Null where the account may not see them. */
  readonly members: readonly GroupMember[] | null;
  /** Null where it is not shown. */
  readonly lagSeconds: number | null;
}

const { Primary, Replica, Unusable } = ServerRole;

function report(role: ServerRole, lagSeconds: number | null, reasons: readonly ReportReason[]): ServerReport {
  return { engine: ServerEngine.GroupReplication, role, lagSeconds, reasons };
}

export function groupReport(facts: GroupFacts): ServerReport {
  const { members, readOnly, lagSeconds } = facts;
  if (facts.offline) return report(Unusable, null, [ReportReason.OfflineMode]);
  // Outside of a group all are read-only but a primary; so is what it was before it joined one, which is not known here.
  if (members === null)
    return report(readOnly ? Replica : Primary, readOnly ? null : 0, [ReportReason.GroupNotShown]);
  const own = members.find(({ isOwn }) => isOwn);
  switch (own?.state) {
    case 'ONLINE':
      break;
    case 'RECOVERING':
      return report(Unusable, null, [ReportReason.GroupRecovering]);
    case undefined:
    case 'OFFLINE':
      // Whoever took it out of the group on purpose and lets it be written to, has it as a server of its own.
      return readOnly ? report(Unusable, null, [ReportReason.GroupOffline]) : replicationReport(facts);
    default:
      return report(Unusable, null, [ReportReason.GroupError]);
  }
  const reached = members.filter(({ state }) => state !== 'UNREACHABLE').length;
  if (reached * 2 <= members.length) return report(Unusable, null, [ReportReason.GroupNoMajority]);
  if (own.role !== 'PRIMARY') {
    const hidden = lagSeconds === null ? [ReportReason.ReplicationNotShown] : [];
    return report(Replica, lagSeconds, hidden);
  }
  return readOnly ? report(Replica, lagSeconds, [ReportReason.GroupPrimaryReadOnly]) : report(Primary, 0, []);
}
