import type { ServerAccount } from '../backend/upstream.js';
import { Capability } from '../protocol/constants.js';
import { initialProfile, type LoginState, resetProfile } from '../session/initial-profile.js';
import type { SessionProfile } from '../session/profile.js';
import { type GuardRails, guardedProfile } from './guard-rails.js';
import type { ServerKnowledge } from './relay-services.js';
import type { Routing } from './session-checkout.js';
import type { TimeLimits } from './time-limits.js';

/**
 * Flags that make a session fit for one client and not for another: part of the pool key. CLIENT_NO_SCHEMA is none of them: with it the
 * server refuses all names of tables with a schema, those in which it keeps the variables as well, so no session could be followed.
 */
const POOL_CAPABILITIES =
  Capability.FoundRows | Capability.LocalFiles | Capability.MultiResults | Capability.PsMultiResults;

type Knowledge = Pick<ServerKnowledge, 'facts' | 'registry'>;

/** How a user is served. */
export interface UserTerms {
  readonly account: ServerAccount;
  readonly timeLimits: TimeLimits;
  /** Its client connections at most; null for any number. */
  readonly maxClients: number | null;
  /** Null for a user who has none, so that its statements are not looked at for them. */
  readonly rails?: GuardRails | null;
}

/** Who a client is and what it said at its login, or at its last COM_CHANGE_USER; clients that say the same share it. */
export class ClientIdentity implements LoginState {
  readonly userName: string;
  /** On whose sessions it runs. */
  readonly account: ServerAccount;
  readonly schema: string | null;
  readonly capabilities: number;
  readonly collation: number;
  readonly timeLimits: TimeLimits;
  readonly maxClients: number | null;
  readonly rails: GuardRails | null;
  /** Of several servers, which ones it uses; null for one alone. */
  readonly routing: Routing | null;
  readonly #upstream: Knowledge;
  #initial: SessionProfile | null = null;
  /** What {@link #initial} was made of. */
  #initialOf: readonly unknown[] = [];

  constructor(
    upstream: Knowledge,
    userName: string,
    { account, timeLimits, maxClients, rails = null }: UserTerms,
    login: LoginState,
    routing: Routing | null = null,
  ) {
    this.routing = routing;
    this.#upstream = upstream;
    this.userName = userName;
    this.account = account;
    this.timeLimits = timeLimits;
    this.maxClients = maxClients;
    this.rails = rails;
    this.schema = login.schema;
    this.capabilities = login.capabilities;
    this.collation = login.collation;
  }

  get poolCapabilities(): number {
    return this.capabilities & POOL_CAPABILITIES;
  }

  /** The profile after the login; null until a session of the account has been seen. */
  initialProfile(): SessionProfile | null {
    const { facts, registry } = this.#upstream;
    const { loginBaseline, resetBaseline } = this.account;
    if (facts === null || loginBaseline === null || resetBaseline === null) return null;
    const [login, reset, of] = this.#initialOf;
    if (this.#initial !== null && login === loginBaseline && reset === resetBaseline && of === facts)
      return this.#initial;
    const profile = initialProfile(registry, loginBaseline, resetBaseline, facts.collations, this);
    this.#initial = guardedProfile(this.rails, profile);
    this.#initialOf = [loginBaseline, resetBaseline, facts];
    return this.#initial;
  }

  /** Whether it is that of who says this. */
  isOf({ schema, capabilities, collation }: LoginState, routing: Routing | null): boolean {
    if (this.capabilities !== capabilities || this.collation !== collation) return false;
    return this.schema === schema && this.routing === routing;
  }

  /** The profile after COM_RESET_CONNECTION on a session of profile `current`. */
  resetProfile(current: SessionProfile): SessionProfile {
    const { facts, registry } = this.#upstream;
    const globals = this.account.resetBaseline;
    if (globals === null || facts === null) {
      throw new TypeError('a client is served before the server is known');
    }
    const keepsCharset = facts.info.flavor === 'mariadb';
    const profile = resetProfile(registry, globals, facts.collations, keepsCharset, this, current);
    return guardedProfile(this.rails, profile);
  }
}

/** Identities that are remembered of a user: an app has one or two kinds of clients. */
const REMEMBERED = 8;

/** The identities of those who have come lately: to make one, and its profile, is a twentieth of what a login costs here. */
export class ClientIdentities {
  readonly #upstream: Knowledge;
  /** By what their users are served with, which is another object after each change of it. */
  readonly #known = new WeakMap<UserTerms, ClientIdentity[]>();

  constructor(upstream: Knowledge) {
    this.#upstream = upstream;
  }

  get(userName: string, terms: UserTerms, login: LoginState, routing: Routing | null = null): ClientIdentity {
    let known = this.#known.get(terms);
    if (known === undefined) {
      known = [];
      this.#known.set(terms, known);
    }
    for (const identity of known)
      if (identity.isOf(login, routing) && identity.userName === userName) return identity;
    const identity = new ClientIdentity(this.#upstream, userName, terms, login, routing);
    if (known.length === REMEMBERED) known.shift();
    known.push(identity);
    return identity;
  }
}
