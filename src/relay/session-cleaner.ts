import { RESET_CONNECTION, runInternal } from '../backend/internal-commands.js';
import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount, Upstream } from '../backend/upstream.js';
import type { SessionPools } from '../pool/session-pools.js';
import type { Killer } from './killer.js';
import { readLeftovers } from './leftovers.js';

/** Why a session was closed instead of given back; log word and metric label. */
export const CloseReason = {
  /** State that survives a reset (`SET ROLE`). */
  StateSurvivesReset: 'state_survives_reset',
  ResetFailed: 'reset_failed',
  /** Galera: {@link ServerSession.spoiltByReset}. */
  SpoiltByReset: 'spoilt_by_reset',
  /** The client left inside a file or a half-sent command. */
  LeftInside: 'client_left_inside_command',
  /** Got a schema in a pool of sessions without. */
  GotSchema: 'got_schema',
  Lost: 'lost',
  /** Idle, and about to be closed by the server. */
  ServerShutdown: 'server_shutdown',
  WaitTimeout: 'wait_timeout',
  /** The user has another password than when it was opened (pass-through). */
  PasswordChanged: 'password_changed',
  /** The user has gone, and its password is not remembered any more (pass-through). */
  UserGone: 'user_gone',
  /** Its server has refused writes, and the address leads to another one by now, which takes them. */
  OtherServer: 'other_server',
  /** Of several servers, this one is down, or has another role. */
  ServerDown: 'server_down',
  RoleChanged: 'role_changed',
  /** Of several servers, this one is at an address that its name has no more. */
  AddressGone: 'address_gone',
  /** An admin has said RECONNECT. */
  Reconnect: 'reconnect',
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
  readonly #killer: Killer;
  /** Resets asked for since the start. */
  resets = 0;

  constructor(upstream: Upstream, pools: ServerPools, killer: Killer) {
    this.#upstream = upstream;
    this.#pools = pools;
    this.#killer = killer;
  }

  /**
   * A client that has gone for good has forgotten what it left, so that it is not read. `over`: nothing is left of it on
   * the server.
   */
  clean(session: ServerSession, account: ServerAccount, over: () => void = NOBODY): void {
    session.borrower = null;
    readLeftovers(session, () => {
      if (session.closed) this.close(session, CloseReason.Lost, over);
      else this.#reset(session, account, over);
    });
  }

  /**
   * What the pool calls to close a session: COM_QUIT where it is idle, after what a client left on it has been read; one
   * with work under way is cut off and killed, which rolls it back. Resolves when the server is rid of it.
   */
  end(session: ServerSession): Promise<void> | undefined {
    if (session.busy) session.close();
    if (session.closed) {
      const { account, cutOff } = session;
      return cutOff && account !== null ? this.#killer.untilGone(session, account) : undefined;
    }
    return new Promise((resolve) => {
      readLeftovers(session, () => resolve(session.quit()));
    });
  }

  /** `over`: the server has freed what it held. */
  close(session: ServerSession, reason: CloseReason, over: () => void = NOBODY): void {
    session.borrower = null;
    if (over === NOBODY || session.closed) {
      this.#pools.retire(session, reason);
      over();
      return;
    }
    // MySQL hangs up before it frees anything, so that the end alone would say nothing.
    readLeftovers(session);
    session.leftovers = null;
    runInternal(session, [RESET_CONNECTION], () => {
      this.#pools.retire(session, reason);
      over();
    });
  }

  /**
   * A session was told so, or a routine of somebody's has said it (SIGNAL): if it is true, whoever got an idle session now
   * would only hear the same.
   */
  serverShutsDown(session: ServerSession): void {
    this.#killer.checkServer(session, (lives) => {
      if (!lives) this.#pools.retireIdle(CloseReason.ServerShutdown, () => true);
    });
  }

  #reset(session: ServerSession, account: ServerAccount, over: () => void): void {
    if (session.spoiltByReset) {
      this.close(session, CloseReason.SpoiltByReset, over);
      return;
    }
    this.resets++;
    this.#upstream.reset(session, account, (error) => {
      if (error !== null) {
        this.close(session, CloseReason.ResetFailed, over);
      } else if (session.misplaced) {
        this.close(session, CloseReason.GotSchema, over);
      } else {
        this.#pools.checkin(session);
        over();
      }
    });
  }
}

const NOBODY = (): void => {};
