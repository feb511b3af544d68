import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount } from '../backend/upstream.js';
import type { AppProcess } from '../pool/app-process.js';
import { CheckoutRequest } from '../pool/checkout-request.js';
import type { PoolError } from '../pool/errors.js';
import type { SessionPool } from '../pool/session-pool.js';
import type { SessionProfile } from '../session/profile.js';
import type { ServerPools } from './session-cleaner.js';

/** Who asks for sessions. */
export interface SessionSeeker {
  granted(session: ServerSession): void;
  refused(error: PoolError): void;
}

/**
 * A client's requests for sessions; one object for all of them. There are two pools for clients of one kind: a session
 * that has a schema can never have none again, so sessions without one are kept apart.
 */
export class SessionCheckout extends CheckoutRequest<ServerSession> {
  readonly #pools: ServerPools;
  readonly #seeker: SessionSeeker;
  readonly #withSchema: SessionPool<ServerSession>;
  readonly #withoutSchema: SessionPool<ServerSession>;

  /** `capabilities`: the flags that make a session fit for this client and not for another. */
  constructor(
    pools: ServerPools,
    account: ServerAccount,
    capabilities: number,
    process: AppProcess,
    seeker: SessionSeeker,
  ) {
    // Read from its end it can't be mistaken, whatever a user is called. A user who came with the client has a password of its
    // own, even where the configuration has one for the same account.
    const guest = account.isGuest ? '/passthrough' : '';
    const key = `${account.poolName}/${capabilities.toString(16)}${guest}`;
    const withSchema = pools.pool(`${key}/schema`, { account, capabilities, schemaless: false });
    super(withSchema, process);
    this.#pools = pools;
    this.#seeker = seeker;
    this.#withSchema = withSchema;
    this.#withoutSchema = pools.pool(key, { account, capabilities, schemaless: true });
  }

  /** A session at once, or null: then the seeker hears of it. `getsSchema`: what is to run gives the client one. */
  ask(profile: SessionProfile | null, getsSchema: boolean): ServerSession | null {
    const hasSchema = getsSchema || (profile !== null && profile.schema !== null);
    this.pool = hasSchema ? this.#withSchema : this.#withoutSchema;
    this.fingerprint = profile;
    return this.#pools.checkout(this);
  }

  cancel(): void {
    this.#pools.cancel(this);
  }

  granted(session: ServerSession): void {
    this.#seeker.granted(session);
  }

  refused(error: PoolError): void {
    this.#seeker.refused(error);
  }
}
