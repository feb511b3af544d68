import { ReportReason, ServerEngine, type ServerReport, ServerRole } from './server-report.js';

/**
 * What a node of a Galera cluster says (MariaDB 10.11.19 with Galera 26.4.23, each state brought about; test/servers/truth/galera has most):
 *
 * | state | ready | cluster_status | local_state | statements on tables, BEGIN, COMMIT, DO | SELECT 1, SET, SHOW, USE, ping |
 * |---|---|---|---|---|---|
 * | in the cluster | ON | Primary | 4 Synced | done | done |
 * | sends data to a node, or wsrep_desync=ON | ON | Primary | 2 Donor/Desynced | done | done |
 * | cut off, or two of three killed | OFF | non-Primary | 0 Initialized | 1047 | done |
 * | wsrep_reject_queries=ALL | ON | Primary | 4 Synced | 1047 | done |
 * | read_only=ON | ON | Primary | 4 Synced | writes 1290 | done |
 * | joins by rsync | does not listen yet | | | | |
 *
 * So a ping or SELECT 1 finds out nothing. New logins succeed in all of them but the last.
 *
 * While one node stands still or is gone without a word, commits on the others wait until it is given up (evs.suspect_timeout, 5 s
 * by default) and then succeed; nobody there sees anything but time. A node that is shut down tells commits under way 1180, what comes
 * after 1047, and closes the connections some 50 ms later.
 */
export interface GaleraFacts {
  readonly on: boolean;
  readonly ready: boolean;
  /** `Primary`, `non-Primary`, `Disconnected` */
  readonly clusterStatus: string;
  /** 1 joining, 2 donor or desynced, 3 joined, 4 synced */
  readonly localState: number;
  readonly desynced: boolean;
  /** wsrep_reject_queries is not NONE. */
  readonly rejects: boolean;
  /** wsrep_sst_donor_rejects_queries */
  readonly donorRejects: boolean;
  readonly readOnly: boolean;
}

const SYNCED = 4;
const DONOR = 2;

/** MariaDB has the variables in any case; without a provider wsrep_on is OFF, as it is by default. */
export function isGalera(facts: GaleraFacts): boolean {
  return facts.on;
}

function unusable(reason: ReportReason): ServerReport {
  return { engine: ServerEngine.Galera, role: ServerRole.Unusable, lagSeconds: null, reasons: [reason] };
}

export function galeraReport(facts: GaleraFacts): ServerReport {
  // First: it is why such a node is not ready.
  if (facts.clusterStatus.toLowerCase() !== 'primary') return unusable(ReportReason.WsrepNonPrimary);
  if (facts.localState !== SYNCED && facts.localState !== DONOR) return unusable(ReportReason.WsrepJoining);
  if (!facts.ready) return unusable(ReportReason.WsrepNotReady);
  const isDonor = facts.localState === DONOR;
  if (facts.rejects || (isDonor && facts.donorRejects)) return unusable(ReportReason.WsrepRejectsQueries);
  const role = facts.readOnly ? ServerRole.Replica : ServerRole.Primary;
  // Nobody waits for it any more: how far it has fallen behind, it does not say in seconds.
  const behind = isDonor || facts.desynced;
  return {
    engine: ServerEngine.Galera,
    role,
    lagSeconds: behind ? null : 0,
    reasons: behind ? [ReportReason.WsrepDesynced] : [],
  };
}
