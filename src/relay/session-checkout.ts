import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount } from '../backend/upstream.js';
import type { AppProcess } from '../pool/app-process.js';
import { CheckoutRequest } from '../pool/checkout-request.js';
import type { PoolError } from '../pool/errors.js';
import type { SessionPool } from '../pool/session-pool.js';
import type { SessionProfile } from '../session/profile.js';
import type { NamedPool } from './named-pool.js';
import type { Server } from './server.js';
import type { RoutedRequest, ServerRouter } from './server-router.js';
import type { Servers } from './servers.js';

/** Who asks for sessions. */
export interface SessionSeeker {
  granted(session: ServerSession): void;
  refused(error: PoolError): void;
}

/** Where clients of one kind find their sessions on one server. */
interface Place {
  readonly server: Server;
  readonly withSchema: SessionPool<ServerSession>;
  readonly withoutSchema: SessionPool<ServerSession>;
}

/** `capabilities`: the flags that make a session fit for these clients and not for others. */
function placeOn(server: Server, account: ServerAccount, capabilities: number): Place {
  // Read from its end it can't be mistaken, whatever a user is called. A user who came with the client has a password of its
  // own, even where the configuration has one for the same account.
  const guest = account.isGuest ? '/passthrough' : '';
  const key = `${account.poolName}/${capabilities.toString(16)}${guest}`;
  return {
    server,
    withSchema: server.pools.pool(`${key}/schema`, { account, capabilities, schemaless: false }),
    withoutSchema: server.pools.pool(key, { account, capabilities, schemaless: true }),
  };
}

/** Who chooses among several servers, and by what for this client. */
export interface Routing {
  readonly router: ServerRouter;
  readonly namedPool: NamedPool<Server>;
  /** Who serves its read-only transactions (`read_only_transactions`); null: the same. */
  readonly readers: NamedPool<Server> | null;
}

/**
 * A client's requests for sessions; one object for all of them. There are two pools for clients of one kind: a session
 * that has a schema can never have none again, so sessions without one are kept apart.
 */
export class SessionCheckout extends CheckoutRequest<ServerSession> {
  readonly #seeker: SessionSeeker;
  /** Null where there is one server alone. */
  readonly #routed: RoutedCheckout | null;
  #place: Place;
  #hasSchema = false;

  constructor(
    servers: Servers,
    account: ServerAccount,
    capabilities: number,
    process: AppProcess,
    seeker: SessionSeeker,
    routing: Routing | null = null,
  ) {
    const place = placeOn(servers.first, account, capabilities);
    super(place.withSchema, process);
    this.#place = place;
    this.#seeker = seeker;
    this.#routed =
      routing === null
        ? null
        : new RoutedCheckout(this, routing, (server) => placeOn(server, account, capabilities));
  }

  /** The one that was asked last: that of the session that is lent, while one is. */
  get server(): Server {
    return this.#place.server;
  }

  /** The session that is asked for next, or is lent, is for one read-only transaction and nothing else. */
  get readsOnly(): boolean {
    return this.#routed?.readsOnly ?? false;
  }

  set readsOnly(readsOnly: boolean) {
    if (this.#routed !== null) this.#routed.readsOnly = readsOnly;
  }

  /** Its client is to get a server that takes writes. */
  get wantsPrimary(): boolean {
    return this.#routed === null || this.#routed.namedPool.rule.role === 'primary';
  }

  /** `read_your_writes` of the pool that is asked. */
  get readsOwnWrites(): boolean {
    return this.#routed?.readsOwnWrites ?? false;
  }

  /** Whether any of the client's sessions is of a pool with `read_your_writes`. */
  get mayReadOwnWrites(): boolean {
    return this.#routed?.mayReadOwnWrites ?? false;
  }

  /** Whether {@link ask} may be told to ask the primary. */
  get hasPrimary(): boolean {
    return this.#routed?.hasPrimary ?? false;
  }

  /**
   * A session at once, or null: then the seeker hears of it. `getsSchema`: what is to run gives the client one; `onPrimary`:
   * no replica will do.
   */
  ask(profile: SessionProfile | null, getsSchema: boolean, onPrimary = false): ServerSession | null {
    this.#hasSchema = getsSchema || (profile !== null && profile.schema !== null);
    this.fingerprint = profile;
    return this.#routed === null ? this.askAt(this.#place) : this.#routed.ask(onPrimary);
  }

  /** @internal */
  askAt(place: Place): ServerSession | null {
    this.#place = place;
    this.pool = this.#hasSchema ? place.withSchema : place.withoutSchema;
    return place.server.pools.checkout(this);
  }

  cancel(): void {
    if (this.#routed?.cancel() !== true) this.server.pools.cancel(this);
  }

  override turnedAway(): void {
    this.#routed?.askAgain();
  }

  granted(session: ServerSession): void {
    this.#seeker.granted(session);
  }

  refused(error: PoolError): void {
    this.#seeker.refused(error);
  }
}

/** A client's requests where there are several servers. */
class RoutedCheckout implements RoutedRequest {
  readonly #own: NamedPool<Server>;
  readonly #readers: NamedPool<Server> | null;
  #readsOnly = false;
  #onPrimary = false;
  readonly #checkout: SessionCheckout;
  readonly #router: ServerRouter;
  readonly #newPlace: (server: Server) => Place;
  /** By {@link Server.index}. */
  readonly #places: (Place | undefined)[] = [];

  constructor(
    checkout: SessionCheckout,
    { router, namedPool, readers }: Routing,
    newPlace: (server: Server) => Place,
  ) {
    this.#own = namedPool;
    this.#readers = readers;
    this.#checkout = checkout;
    this.#router = router;
    this.#newPlace = newPlace;
  }

  /** {@link RoutedRequest} */
  get namedPool(): NamedPool<Server> {
    const meant = this.#meant;
    return (this.#onPrimary ? meant.primary : null) ?? meant;
  }

  /** The pool whose rules are gone by, also while the primary is asked in its place. */
  get #meant(): NamedPool<Server> {
    return (this.#readsOnly ? this.#readers : null) ?? this.#own;
  }

  get readsOnly(): boolean {
    return this.#readsOnly;
  }

  set readsOnly(readsOnly: boolean) {
    this.#readsOnly = readsOnly && this.#readers !== null;
  }

  get readsOwnWrites(): boolean {
    return this.#meant.rule.readYourWrites;
  }

  get mayReadOwnWrites(): boolean {
    return this.#own.rule.readYourWrites || this.#readers?.rule.readYourWrites === true;
  }

  get hasPrimary(): boolean {
    const { primary, rule } = this.#meant;
    return primary !== null && rule.fallbackToPrimary;
  }

  get server(): Server {
    return this.#checkout.server;
  }

  get enqueuedAt(): number {
    return this.#checkout.enqueuedAt;
  }

  set enqueuedAt(time: number) {
    this.#checkout.enqueuedAt = time;
  }

  set grantedAt(time: number) {
    this.#checkout.grantedAt = time;
  }

  ask(onPrimary: boolean): ServerSession | null {
    this.#onPrimary = onPrimary;
    return this.#router.ask(this);
  }

  askAgain(): void {
    this.#router.askAgain(this);
  }

  cancel(): boolean {
    return this.#router.cancel(this);
  }

  askAt(server: Server): ServerSession | null {
    let place = this.#places[server.index];
    // Another one may have had the number before.
    if (place?.server !== server) {
      place = this.#newPlace(server);
      this.#places[server.index] = place;
    }
    return this.#checkout.askAt(place);
  }

  granted(session: ServerSession): void {
    this.#checkout.granted(session);
  }

  refused(error: PoolError): void {
    this.#checkout.refused(error);
  }
}
