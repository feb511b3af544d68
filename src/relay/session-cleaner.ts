import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount, Upstream } from '../backend/upstream.js';
import type { SessionPools } from '../pool/session-pools.js';
import { readLeftovers } from './leftovers.js';

/** Why a session was closed instead of given back; log word and metric label. */
export const CloseReason = {
  /** State that survives a reset (`SET ROLE`). */
  StateSurvivesReset: 'state_survives_reset',
  ResetFailed: 'reset_failed',
  /** The client left inside a file or a half-sent command. */
  LeftInside: 'client_left_inside_command',
  /** Got a schema in a pool of sessions without. */
  GotSchema: 'got_schema',
  Lost: 'lost',
} as const;
export type CloseReason = (typeof CloseReason)[keyof typeof CloseReason];

/** What a pool of server sessions needs to know to open one. */
export interface PoolTarget {
  readonly account: ServerAccount;
  /** Semantic capability flags. */
  readonly capabilities: number;
  /** For clients without a schema. */
  readonly schemaless: boolean;
}

export type ServerPools = SessionPools<ServerSession, PoolTarget>;

/**
 * Makes a session that its client has left as good as new and gives it back: reads what another client left on it,
 * rolls back and resets, and closes it where that is not enough. Nobody waits for it but the pool's waiters.
 */
export class SessionCleaner {
  readonly #upstream: Upstream;
  readonly #pools: ServerPools;
  /** Resets asked for since the start. */
  resets = 0;

  constructor(upstream: Upstream, pools: ServerPools) {
    this.#upstream = upstream;
    this.#pools = pools;
  }

  /** A client that has gone for good has forgotten what it left, so that it is not read. */
  clean(session: ServerSession, account: ServerAccount): void {
    session.borrower = null;
    readLeftovers(session, () => {
      if (session.closed) this.close(session, CloseReason.Lost);
      else this.#reset(session, account);
    });
  }

  /**
   * What the pool calls to close a session: COM_QUIT where it is idle, after what a client left on it has been read; one
   * with work under way is cut off, which rolls it back. Resolves when the server is rid of it.
   */
  static end(session: ServerSession): Promise<void> | undefined {
    if (session.busy || session.closed) {
      session.close();
      return undefined;
    }
    return new Promise((resolve) => {
      readLeftovers(session, () => resolve(session.quit()));
    });
  }

  close(session: ServerSession, reason: CloseReason): void {
    session.borrower = null;
    this.#pools.retire(session, reason);
  }

  #reset(session: ServerSession, account: ServerAccount): void {
    this.resets++;
    this.#upstream.reset(session, account, (error) => {
      if (error !== null) this.close(session, CloseReason.ResetFailed);
      else if (session.misplaced) this.close(session, CloseReason.GotSchema);
      else this.#pools.checkin(session);
    });
  }
}
