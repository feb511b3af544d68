import type { StatementTraits } from '../sql/traits.js';
import { ClientTrackers } from './client-trackers.js';
import type { SessionProfile } from './profile.js';

/** What a ledger knows of the server. */
export interface LedgerContext {
  /** MySQL shows with each statement that its trackers are on; MariaDB does not. */
  readonly mysql: boolean;
  /** What clients read of `session_track_…` before they set anything. */
  readonly trackers: ClientTrackers;
  /** Name of the collation with an id of a column definition. */
  readonly collationName: (id: number) => string | undefined;
  /** What a text that a client with this profile prepares does; bytes as latin1. */
  readonly read: (text: string, profile: SessionProfile) => StatementTraits | null;
}

export const NOTHING_KNOWN: LedgerContext = {
  mysql: false,
  trackers: new ClientTrackers(new Map()),
  collationName: () => undefined,
  read: () => null,
};
