import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { BouncerError } from '../errors.js';
import { Capability, Collation, ServerError } from '../protocol/constants.js';
import { ClientTrackers } from '../session/client-trackers.js';
import type { Baseline, ProfileRegistry, SessionProfile } from '../session/profile.js';
import type { ServerInfo } from '../session/server-info.js';
import { GTID_TRACKER, isTrackerVariable } from '../session/variables.js';
import {
  type ConnectedServer,
  connectServer,
  noPasswordYet,
  otherKind,
  Refusal,
  ServerConnectError,
} from './connect.js';
import {
  callInternal,
  type InternalCommand,
  InternalCommandError,
  type InternalReply,
  RESET_CONNECTION,
  resultsCollation,
  runInternal,
} from './internal-commands.js';
import type { Prove } from './mysql2-adapter.js';
import { NativeRelay } from './native-relay.js';
import {
  type OnServerLogin,
  type ServerAccount,
  type ServerPassword,
  samePassword,
} from './server-account.js';
import { addressText, type ServerAddress } from './server-channel.js';
import {
  ARM_GTIDS,
  ARM_TRACKERS,
  readVariables,
  ServerFacts,
  TRACKERS_AND_GALERA,
  WSREP_ON,
} from './server-facts.js';
import { ServerSession, type SessionLostError } from './server-session.js';
import type { ServerTls } from './server-tls.js';
import { takesWrites } from './takes-writes.js';

export { ServerAccount } from './server-account.js';

export interface UpstreamOptions {
  readonly address: ServerAddress;
  readonly connectTimeoutMs: number;
  readonly maxPreparedStatements: number;
  /** Connection attributes: `program_name` and the like. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly tls: ServerTls | null;
  /** Sessions tell of what they have written (GTIDs), where the server has them. */
  readonly tracksWrites?: boolean;
  /** Of several servers: whether this one is of the others' kind. Nothing is learned from one that is not. */
  readonly suits?: (info: ServerInfo) => boolean;
}

/** `ER_MUST_CHANGE_PASSWORD` */
const MUST_CHANGE_PASSWORD = 1820;

/** {@link ServerAccount.refusals}: an account that is locked, or may not come from here, is asked about this often. */
const REFUSED_MS = 10_000;

/** Baselines by checksum that are remembered; globals rarely change. */
const MAX_BASELINES = 1000;

/** The MySQL or MariaDB server: opens sessions on it, resets them, and knows what its variables are. */
export class Upstream {
  readonly options: UpstreamOptions;
  readonly registry: ProfileRegistry;
  /** Null until the server was reached for the first time; replaced when it comes back as another version. */
  facts: ServerFacts | null = null;
  /** Whether the server was seen to take writes when it was asked last: when it was reached first, or another version answered. */
  tookWrites = false;
  /** The server's defaults of `session_track_…`: what a client's own are at first. */
  trackers = new ClientTrackers(new Map());
  readonly #clock = { seconds: 0 };
  readonly #baselines = new Map<string, Baseline>();
  /** Accounts of which it is known what a reset leaves to their sessions. */
  readonly met = new WeakSet<ServerAccount>();
  readonly #waiting: ((info: ServerInfo) => void)[] = [];
  readonly #calledOff = new AbortController();

  constructor(options: UpstreamOptions, registry: ProfileRegistry) {
    this.options = options;
    this.registry = registry;
    // As many as there are sessions being opened.
    setMaxListeners(0, this.#calledOff.signal);
  }

  /** Calls back once the server has been reached, at once when it has been. */
  whenKnown(callback: (info: ServerInfo) => void): void {
    if (this.facts !== null) callback(this.facts.info);
    else this.#waiting.push(callback);
  }

  /** Whatever is being opened is given up, and whatever is to be opened from now on: the proxy stops. */
  callOff(): void {
    this.#calledOff.abort();
  }

  /** Sessions know by this how long they have been at work. */
  secondPassed(): void {
    this.#clock.seconds++;
  }

  /**
   * Opens a session in a known state: trackers armed, baseline read.
   * @param signal - calls this one off, as {@link callOff} does all
   * @throws ServerConnectError | InternalCommandError | SessionLostError | UnsuitableServerError
   */
  async open(
    account: ServerAccount,
    schema: string | null,
    capabilities: number,
    signal: AbortSignal = this.#calledOff.signal,
  ): Promise<ServerSession> {
    const { channel, info, connectionId } = await this.connect(account, schema, capabilities, signal);
    if (this.options.suits?.(info) === false) {
      channel.destroy();
      throw otherKind(this.options.address, info);
    }
    const blank = this.registry.initial(
      { variables: new Map() },
      schema,
      (capabilities & Capability.MultiStatements) !== 0,
    );
    const { maxPreparedStatements } = this.options;
    const session = new ServerSession(channel, info, connectionId, blank, maxPreparedStatements, this.#clock);
    session.account = account;
    const patience = new Patience(session);
    patience.begin(this.options.connectTimeoutMs);
    const calledOff = (): void => session.fail('its opening was called off');
    signal.addEventListener('abort', calledOff);
    if (signal.aborted) calledOff();
    const wasMet = this.met.has(account);
    try {
      await this.#learn(session, account, patience);
    } catch (error) {
      session.close();
      throw this.#asRefusal(error);
    } finally {
      patience.end();
      signal.removeEventListener('abort', calledOff);
    }
    // What a reset leaves was found out by one.
    if (wasMet || !session.spoiltByReset) return session;
    await session.quit();
    return this.open(account, schema, capabilities, signal);
  }

  /** What the address leads to now, by a connection that is opened for this. @throws as {@link open} does */
  async look(account: ServerAccount): Promise<FreshServer> {
    const session = await this.open(account, null, 0);
    const patience = new Patience(session);
    patience.begin(this.options.connectTimeoutMs);
    try {
      const taken = await takesWrites(session);
      if (taken) this.tookWrites = true;
      return { server: session.server, takesWrites: taken };
    } finally {
      patience.end();
      if (!session.closed) void session.quit();
    }
  }

  /** Logs in, and no more: for questions that a server answers which is of no other use. @throws ServerConnectError */
  async openBare(account: ServerAccount, signal: AbortSignal): Promise<ServerSession> {
    return this.#bare(await this.connect(account, null, 0, signal));
  }

  #bare({ channel, info, connectionId }: ConnectedServer): ServerSession {
    const blank = this.registry.initial({ variables: new Map() }, null, false);
    return new ServerSession(channel, info, connectionId, blank, 0, this.#clock);
  }

  /** MariaDB lets in who has to change the password first, and refuses all else. */
  #asRefusal(error: unknown): unknown {
    if (!(error instanceof InternalCommandError) || error.err.errno !== MUST_CHANGE_PASSWORD) return error;
    return new ServerConnectError(addressText(this.options.address), Refusal.Credentials, error.err);
  }

  /**
   * Whether the server takes this password from this user.
   * @throws ServerConnectError for any other answer than that user or password are wrong, and for none
   */
  async tryLogin(user: string, password: string): Promise<boolean> {
    const isTaken = await this.#isTaken(user, password);
    // Over a socket the server may go by who the proxy is on its system (unix_socket, auth_socket) and not ask for a password
    // at all: then anybody would be that user.
    if (!isTaken || !('socketPath' in this.options.address)) return isTaken;
    return !(await this.#isTaken(user, randomBytes(24).toString('base64')));
  }

  /**
   * Logs a user in by what its client answers to the server's own scramble. Only where accounts may read what they log in with.
   * @throws ServerConnectError
   */
  relay(user: string): Promise<NativeRelay> {
    return NativeRelay.open(
      (prove) => this.#connect(user, { prove }, null, 0, this.#calledOff.signal),
      (connected) => this.#bare(connected),
      {
        address: addressText(this.options.address),
        patienceMs: this.options.connectTimeoutMs / 2,
      },
    );
  }

  async #isTaken(user: string, password: string): Promise<boolean> {
    try {
      const { channel } = await this.#connect(user, { password }, null, 0, this.#calledOff.signal);
      await new Promise<void>((resolve) => channel.quit(resolve));
      return true;
    } catch (error) {
      if (error instanceof ServerConnectError && error.accessDenied) return false;
      throw error;
    }
  }

  /**
   * Logs in, and no more: with the next of the account's passwords where the server refuses one.
   * @throws ServerConnectError
   */
  async connect(
    account: ServerAccount,
    schema: string | null,
    capabilities: number,
    signal: AbortSignal = this.#calledOff.signal,
  ): Promise<ConnectedServer> {
    const passwords = account.attempts(performance.now());
    const [first] = passwords;
    if (first === undefined) throw noPasswordYet(this.options.address, account.user);
    if (account.onLogin !== null)
      return this.#connectGuest(account, account.onLogin, first, schema, capabilities, signal);
    for (const [index, password] of passwords.entries()) {
      try {
        const connected = await this.#connect(account.user, password, schema, capabilities, signal);
        account.letIn(password, first, performance.now());
        return connected;
      } catch (error) {
        const wrong = error instanceof ServerConnectError && error.errno === ServerError.AccessDenied.errno;
        if (!wrong || index === passwords.length - 1) throw error;
      }
    }
    throw new TypeError('a login has neither succeeded nor failed');
  }

  async #connectGuest(
    account: ServerAccount,
    onLogin: OnServerLogin,
    password: ServerPassword,
    schema: string | null,
    capabilities: number,
    signal: AbortSignal,
  ): Promise<ConnectedServer> {
    const { user, refusals } = account;
    const refusal = refusals.get(this);
    if (refusal && samePassword(refusal.password, password) && performance.now() < refusal.until)
      throw refusal.error;
    try {
      const connected = await this.#connect(user, password, schema, capabilities, signal);
      refusals.delete(this);
      onLogin(password, null);
      return connected;
    } catch (error) {
      if (error instanceof ServerConnectError) {
        if (error.refused === Refusal.Credentials) {
          // The same password will not become right; a lock may be lifted.
          const until = error.accessDenied ? Number.POSITIVE_INFINITY : performance.now() + REFUSED_MS;
          refusals.set(this, { password, error, until });
        }
        onLogin(password, error);
      }
      throw error;
    }
  }

  #connect(
    user: string,
    password: ServerPassword | { readonly prove: Prove },
    schema: string | null,
    capabilities: number,
    signal: AbortSignal,
  ): Promise<ConnectedServer> {
    return connectServer({
      address: this.options.address,
      user,
      ...password,
      schema,
      capabilities,
      // The widest character set that both servers know under one number; each client's own is set before it is served.
      collation: Collation.Utf8mb4GeneralCi,
      connectTimeoutMs: this.options.connectTimeoutMs,
      attributes: this.options.attributes,
      tls: this.options.tls,
      signal,
    });
  }

  /**
   * COM_RESET_CONNECTION, trackers armed anew, state read again; not for a session that is {@link ServerSession.spoiltByReset}. Prepared statements are gone afterwards; the schema
   * and COM_SET_OPTION stay (both servers). `done` gets the error when the session cannot be used any more.
   */
  reset(session: ServerSession, account: ServerAccount, done: (error: BouncerError | null) => void): void {
    const facts = this.facts;
    if (facts === null) throw new TypeError('a session exists before the server is known');
    session.statements.clear();
    session.leftovers = null;
    runInternal(session, [RESET_CONNECTION, ...this.#arming, facts.checksum], (replies, lost) => {
      // Only now: what was read just before the reset has come meanwhile.
      session.lastInsertId = 0n;
      const state = replies.at(-1);
      const failure = lost ?? firstError(replies) ?? strayRole(session, state) ?? otherLimit(session, state);
      if (failure !== null) {
        done(failure);
        return;
      }
      this.#baselineOf(session, facts, state, (baseline, error) => {
        if (baseline === null) {
          done(error);
          return;
        }
        if (account.baselinesOf === this) account.resetBaseline = baseline;
        session.trackersArmed = true;
        session.gtidsArmed = true;
        session.profile = this.#atBaseline(session.profile, baseline);
        done(null);
      });
    });
  }

  /** First state of a new session; the first session of an account also finds out what a reset leaves. */
  async #learn(session: ServerSession, account: ServerAccount, patience: Patience): Promise<void> {
    const [trackers] = await callInternal(session, [
      readVariables(session.info, TRACKERS_AND_GALERA),
      ARM_TRACKERS,
    ]);
    this.#learnTrackers(trackers?.rows ?? []);
    session.spoiltByReset = (trackers?.rows ?? []).some(
      ([name, value]) => name === WSREP_ON && value === 'ON',
    );
    if (this.#armsGtids) await callInternal(session, [ARM_GTIDS]);
    const known = this.facts;
    if (known === null || known.info.versionText !== session.info.versionText) {
      this.#baselines.clear();
      patience.begin(Math.max(this.options.connectTimeoutMs, DISCOVERY_MS));
      this.facts = await ServerFacts.discover(session);
      this.tookWrites = await takesWrites(session);
      patience.begin(this.options.connectTimeoutMs);
    }
    const facts = this.facts as ServerFacts;
    const login = await this.#readBaseline(session, facts);
    let baseline = login;
    if (!this.met.has(account)) {
      await callInternal(session, [RESET_CONNECTION, ...this.#arming]);
      baseline = await this.#readBaseline(session, facts);
      this.met.add(account);
      account.baselinesOf ??= this;
      if (account.baselinesOf === this) account.resetBaseline = baseline;
    }
    if (account.baselinesOf === this) account.loginBaseline = login;
    session.profile = this.#atBaseline(session.profile, baseline);
    for (const callback of this.#waiting.splice(0)) callback(facts.info);
  }

  #learnTrackers(rows: InternalReply['rows']): void {
    const values = new Map<string, string>();
    for (const [name, value] of rows) {
      const isOurs =
        name && (isTrackerVariable(name) || (this.options.tracksWrites && name === GTID_TRACKER));
      if (isOurs) values.set(name, value ?? '');
    }
    this.trackers = this.trackers.with(values);
  }

  /** MariaDB tells of GTIDs as of any variable (`last_gtid`). */
  get #armsGtids(): boolean {
    return this.trackers.setGtids !== null;
  }

  get #arming(): InternalCommand[] {
    return this.#armsGtids ? [ARM_TRACKERS, ARM_GTIDS] : [ARM_TRACKERS];
  }

  #atBaseline(profile: SessionProfile, baseline: Baseline): SessionProfile {
    return this.registry.initial(baseline, profile.schema, profile.multiStatements);
  }

  async #readBaseline(session: ServerSession, facts: ServerFacts): Promise<Baseline> {
    const [reply] = await callInternal(session, [facts.checksum]);
    session.role = reply?.rows[0]?.[1] ?? null;
    session.server = reply?.rows[0]?.[2] ?? null;
    session.maxPayload = limitIn(reply) ?? session.maxPayload;
    return new Promise((resolve, reject) => {
      this.#baselineOf(session, facts, reply, (baseline, error) => {
        if (baseline !== null) resolve(baseline);
        else reject(error);
      });
    });
  }

  /** The baseline with this checksum; the variables are only read where the checksum is new. */
  #baselineOf(
    session: ServerSession,
    facts: ServerFacts,
    reply: InternalReply | undefined,
    done: (baseline: Baseline | null, error: BouncerError | null) => void,
  ): void {
    // No variable shows the collation of results.
    const shownIn = reply === undefined ? 0 : resultsCollation(reply);
    const checksum = `${reply?.rows[0]?.[0] ?? ''} ${shownIn}`;
    const known = this.#baselines.get(checksum);
    if (known !== undefined) {
      done(known, null);
      return;
    }
    runInternal(session, [readVariables(session.info)], (replies, lost) => {
      const failure = lost ?? firstError(replies);
      if (failure !== null) {
        done(null, failure);
        return;
      }
      const baseline = this.registry.baseline(
        facts.carriedOf(replies[0] ?? { rows: [], packets: Buffer.alloc(0) }),
      );
      if (this.#baselines.size >= MAX_BASELINES) this.#baselines.clear();
      this.#baselines.set(checksum, baseline);
      done(baseline, null);
    });
  }
}

/** What a new connection leads to. */
export interface FreshServer {
  /** {@link ServerSession.server} */
  readonly server: string | null;
  readonly takesWrites: boolean;
}

/** A server that nobody has asked yet is asked some hundred things, which takes longer than any login: at least this, in ms. */
const DISCOVERY_MS = 10_000;

/** A server that stands still while a session is opened must not keep the pool from trying another one behind the same name. */
class Patience {
  readonly #session: ServerSession;
  #timer: NodeJS.Timeout | undefined;

  constructor(session: ServerSession) {
    this.#session = session;
  }

  /** From now on, in place of what was left. */
  begin(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#session.fail(`the server did not tell its state within ${ms} ms`),
      ms,
    );
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** A role that something on the session has set, unseen. */
class StrayRoleError extends BouncerError {
  readonly code = 'STRAY_ROLE';
}

/** A role survives the reset, so that a session which has another than at first is closed. */
function strayRole(session: ServerSession, reply: InternalReply | undefined): StrayRoleError | null {
  const role = reply?.rows[0]?.[1] ?? null;
  return role === session.role ? null : new StrayRoleError(`the session kept the role ${role}`);
}

/** The server's max_allowed_packet is not what it was when the session was opened. */
class OtherPacketLimitError extends BouncerError {
  readonly code = 'OTHER_PACKET_LIMIT';
}

/** After a reset the variable says what holds for new sessions: one that would go by the old limit is closed. */
function otherLimit(session: ServerSession, reply: InternalReply | undefined): OtherPacketLimitError | null {
  const limit = limitIn(reply);
  if (limit === null || limit === session.maxPayload) return null;
  return new OtherPacketLimitError(`max_allowed_packet is ${limit}, the session's own ${session.maxPayload}`);
}

/** Of an answer to {@link ServerFacts.checksum}. */
function limitIn(reply: InternalReply | undefined): number | null {
  const value = reply?.rows[0]?.[3] ?? null;
  return value === null ? null : Number(value);
}

function firstError(replies: readonly InternalReply[]): InternalCommandError | SessionLostError | null {
  const err = replies.find((reply) => reply.err !== null)?.err;
  return err ? new InternalCommandError(err) : null;
}
