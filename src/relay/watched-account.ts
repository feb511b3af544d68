import { RoutineCatalogue } from '../backend/routine-catalogue.js';
import type { ServerAccount } from '../backend/upstream.js';

/** One account's view of the server. */
export class Watched {
  readonly account: ServerAccount;
  readonly catalogue = new RoutineCatalogue();
  reading = false;
  /** Something may have changed since the reading under way began. */
  again = false;
  /** The watch's last moment at which something is known to have changed: it counts them. */
  changedAt = 0;
  /** What was read last is all that there was at this moment. */
  knownAt = 0;
  /** Nobody waits any longer for what had changed by then. */
  givenUpAt = 0;
  /** Something may have changed of which nothing is known, since this was last known. */
  mayHaveChanged = false;
  /** How long the last reading took. */
  tookMs = 0;
  retry: NodeJS.Timeout | null = null;
  error: string | null = null;

  constructor(account: ServerAccount) {
    this.account = account;
  }

  /** What was read last is all that there was when something changed last. */
  get trusted(): boolean {
    return this.knownAt >= this.changedAt;
  }

  /** Whether what had changed by then is known, or given up. */
  isOver(moment: number): boolean {
    return Math.max(this.knownAt, this.givenUpAt) >= Math.min(moment, this.changedAt);
  }
}
