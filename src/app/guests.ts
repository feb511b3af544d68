import { Refusal, ServerConnectError } from '../backend/connect.js';
import { ServerAccount, type Upstream } from '../backend/upstream.js';
import type { Config } from '../config/load.js';
import { Secret } from '../config/secret.js';
import { NO_GUARDS } from '../config/users.js';
import {
  type OpenRelay,
  PassThroughUsers,
  type ServerRelay,
  type ServerUser,
} from '../frontend/pass-through.js';
import { ServerTries } from '../frontend/server-tries.js';
import type { LocalUsers } from '../frontend/users.js';
import { numberOf } from '../relay/client-errors.js';
import type { UserTerms } from '../relay/client-identity.js';
import type { RelayServices } from '../relay/relay-services.js';
import { ServerUnknownError } from '../relay/server-contact.js';
import { CloseReason, type PoolTarget } from '../relay/session-cleaner.js';
import { dialAgain } from './dial-again.js';
import { LiveTimeLimits, termsOf } from './options.js';
import { Places } from './places.js';

/** Passwords that are tried on the server at the same time. Each is a connection besides the pool's, for some milliseconds. */
const MAX_TRIES = 2;

/** Logins at the same time that wait for their client's answer. Each is such a connection as well. */
const MAX_RELAYS = 4;

/** Connections besides the pool's that users of the server's may take: tries, readings of the catalogue, KILLs. */
export const OWN_FOR_GUESTS = MAX_TRIES + MAX_RELAYS + 6;

/** A user who came with its first client. */
interface Guest {
  user: ServerUser;
  readonly terms: UserTerms;
}

/** Users of `auth: passthrough`: they are known from their first login on, until their clients and their password have gone. */
export class Guests {
  readonly users: PassThroughUsers;
  readonly #config: Config;
  readonly #services: () => RelayServices;
  readonly #byName = new Map<string, Guest>();

  /**
   * @param services - asked for once clients come
   * @param now - in ms, monotonic
   */
  constructor(
    config: Config,
    local: LocalUsers,
    upstream: Pick<Upstream, 'tryLogin' | 'relay' | 'facts'>,
    services: () => RelayServices,
    now: () => number = () => performance.now(),
  ) {
    this.#config = config;
    this.#services = services;
    const places = new Places(MAX_RELAYS, config.clientLoginTimeout / 2);
    const relays: OpenRelay = (user, isWanted) => relayed(places, upstream, user, isWanted);
    this.users = new PassThroughUsers({
      local,
      tries: new ServerTries({
        tryLogin: (user, password) => upstream.tryLogin(user, password).catch(asClientError),
        maxAtOnce: MAX_TRIES,
        get patienceMs() {
          return config.clientLoginTimeout;
        },
      }),
      relays: () => (upstream.facts?.info.flavor === 'mariadb' ? relays : null),
      expiryMs: config.passthroughExpiry,
      seal: (password) => new Secret(password),
      proven: (user, isNew) => this.#proven(user, isNew),
      now,
    });
  }

  termsOf(name: string): UserTerms | null {
    return this.#byName.get(name)?.terms ?? null;
  }

  /** To be called every second. */
  sweep(): void {
    if (this.#byName.size === 0) return;
    const { clients, pools } = this.#services();
    const inUse = new Set<ServerAccount>();
    for (const { account } of clients) inUse.add(account);
    const gone = new Map<ServerAccount, Guest>();
    for (const guest of this.#byName.values()) {
      const { account } = guest.terms;
      if (!inUse.has(account) && !this.users.isKnown(guest.user)) gone.set(account, guest);
    }
    for (const [account, guest] of gone)
      if (pools.dismiss(isOf(account), CloseReason.UserGone)) this.#forget(account, guest);
  }

  #forget(account: ServerAccount, { user }: Guest): void {
    const { servers, routines, knownSchemas } = this.#services();
    servers.forget(account);
    routines.forget(account);
    knownSchemas.forgetAccount(account);
    this.users.forget(user);
    this.#byName.delete(user.name);
  }

  #proven(user: ServerUser, isNew: boolean): void {
    const guest = this.#byName.get(user.name);
    if (guest === undefined) {
      this.#add(user);
      return;
    }
    const { account } = guest.terms;
    guest.user = user;
    account.refusals.clear();
    const services = this.#services();
    // Perhaps the account was dropped and is somebody else's now.
    if (isNew) services.pools.retireAll(isOf(account), CloseReason.PasswordChanged);
    dialAgain(services, account);
  }

  #add(user: ServerUser): void {
    const account = new ServerAccount(user.name, () => [guest.user.secret], {
      onLogin: (password, error) => {
        if (error === null) this.users.confirmed(guest.user, password);
        else if (error.refused === Refusal.Credentials) guest.user.refused(password);
      },
    });
    const limits = new LiveTimeLimits(this.#config, {});
    const guest: Guest = { user, terms: termsOf({ limits: {}, guards: NO_GUARDS }, account, limits) };
    this.#byName.set(user.name, guest);
  }
}

function isOf(account: ServerAccount): (target: PoolTarget) => boolean {
  return (target) => target.account === account;
}

/** @returns null when no place has become free in time */
async function relayed(
  places: Places,
  upstream: Pick<Upstream, 'relay'>,
  user: string,
  isWanted: () => boolean,
): Promise<ServerRelay | null> {
  const leave = await places.enter();
  if (leave === null) return null;
  if (!isWanted()) {
    leave();
    return null;
  }
  try {
    const relay = await upstream.relay(user).catch(asClientError);
    void relay.over().then(leave);
    return {
      scramble: relay.scramble,
      cancel: () => relay.cancel(),
      prove: (response) => relay.prove(response).catch(asClientError),
    };
  } catch (error) {
    leave();
    throw error;
  }
}

/** The server's own words stay what they are; what the proxy says of it is marked. */
function asClientError(error: unknown): never {
  if (!(error instanceof ServerConnectError)) throw error;
  const { errno, sqlState } = numberOf(error);
  if (errno === error.errno) throw error;
  throw new ServerUnknownError(`mybouncer: ${error.message}`, errno, sqlState, error);
}
