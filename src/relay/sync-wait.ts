import type { SessionProfile } from '../session/profile.js';

const SYNC_WAIT = 'wsrep_sync_wait';
/** Of its bits: reads wait. */
const READS = 1;

/**
 * The profile that a client begins with, waiting on Galera for what was written on any node.
 * @param level - `wsrep_sync_wait` of the configuration; null: as the server has it
 * @param waitsForOwn - its pool has `read_your_writes`, and its servers are nodes of Galera
 */
export function syncWaiting(
  profile: SessionProfile,
  level: number | null,
  waitsForOwn: boolean,
): SessionProfile {
  const now = profile.variable(SYNC_WAIT);
  // Also MariaDB without Galera has the variable, to no effect; MySQL has none.
  if (now === undefined || (level === null && !waitsForOwn)) return profile;
  const least = waitsForOwn ? READS : 0;
  return profile.withVariable(SYNC_WAIT, String((level ?? Number(now)) | least));
}
