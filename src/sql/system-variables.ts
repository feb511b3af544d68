import type { Effect } from './effects.js';
import { AssignmentScope, Flag, Hold } from './traits.js';

/** Must not be set again on another session: the next statement consumes them, or they freeze it. */
const ONE_SHOT = new Set(
  (
    'immediate_server_version insert_id original_commit_timestamp original_server_version pseudo_thread_id rand_seed1 ' +
    'rand_seed2 timestamp'
  ).split(' '),
);

/** `SET @@name = ...` is for the next transaction only. */
const NEXT_TRANSACTION = new Set([
  'transaction_isolation',
  'transaction_read_only',
  'tx_isolation',
  'tx_read_only',
]);

/** Follow from the default schema until they are set by hand, and again after the next USE. */
const OF_SCHEMA = new Set(['character_set_database', 'collation_database']);

const SAFE: Effect = { holds: 0, flags: 0 };
const UNTOLD: Effect = {
  holds: Hold.Unknown | Hold.OneShot | Hold.SessionTrack,
  flags: Flag.SetsCharset | Flag.WritesLastInsertId | Flag.EndsTransaction | Flag.ContainsCommit,
};

function sessionEffect(name: string, scope: AssignmentScope): Effect {
  if (name.startsWith('session_track_')) return { holds: Hold.SessionTrack, flags: 0 };
  if (ONE_SHOT.has(name) || name.startsWith('gtid_')) return { holds: Hold.OneShot, flags: 0 };
  if (scope === AssignmentScope.AtNone && NEXT_TRANSACTION.has(name))
    return { holds: Hold.OneShot, flags: 0 };
  if (OF_SCHEMA.has(name)) return { holds: Hold.OneShot, flags: Flag.SetsCharset };
  if (name.startsWith('character_set_') || name.startsWith('collation_')) {
    return { holds: 0, flags: Flag.SetsCharset };
  }
  switch (name) {
    case 'last_insert_id':
    case 'identity':
      return { holds: 0, flags: Flag.WritesLastInsertId };
    case 'autocommit':
      // Turning it on commits.
      return { holds: 0, flags: Flag.EndsTransaction | Flag.ContainsCommit };
    case 'profiling':
      // SHOW PROFILES: the session remembers its statements.
      return { holds: Hold.Unknown, flags: 0 };
    default:
      return SAFE;
  }
}

/** What follows from assigning a system variable. @param name in lower case; null when it cannot be told */
export function assignmentEffect(name: string | null, scope: AssignmentScope, mariadb: boolean): Effect {
  if (scope === AssignmentScope.Global) return SAFE;
  const effect = name === null ? UNTOLD : sessionEffect(name, scope);
  const unscoped = mariadb && scope === AssignmentScope.AtNone ? Hold.UnscopedSystemVariable : 0;
  return { holds: effect.holds | unscoped, flags: effect.flags };
}

/** Whether assigning it changes how the statements after it are read. */
export function changesQuoting(name: string | null, scope: AssignmentScope): boolean {
  return scope !== AssignmentScope.Global && (name === null || name === 'sql_mode');
}
