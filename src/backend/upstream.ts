import { setMaxListeners } from 'node:events';
import type { BouncerError } from '../errors.js';
import { Capability } from '../protocol/constants.js';
import { ClientTrackers } from '../session/client-trackers.js';
import type { Baseline, ProfileRegistry, SessionProfile } from '../session/profile.js';
import type { ServerInfo } from '../session/server-info.js';
import { GTID_TRACKER, isTrackerVariable } from '../session/variables.js';
import { type ConnectedServer, otherKind, Refusal, ServerConnectError } from './connect.js';
import {
  callInternal,
  firstError,
  type InternalCommand,
  InternalCommandError,
  type InternalReply,
  RESET_CONNECTION,
  runInternal,
} from './internal-commands.js';
import { NativeRelay } from './native-relay.js';
import type { ServerAccount } from './server-account.js';
import { changedForGood, ServerBaselines } from './server-baselines.js';
import { addressText } from './server-channel.js';
import {
  ARM_GTIDS,
  ARM_TRACKERS,
  readVariables,
  ServerFacts,
  TRACKERS_AND_GALERA,
  WSREP_ON,
} from './server-facts.js';
import { type LoginOptions, ServerLogin } from './server-login.js';
import { ServerSession } from './server-session.js';
import { takesWrites } from './takes-writes.js';

export { ServerAccount } from './server-account.js';

export interface UpstreamOptions extends LoginOptions {
  readonly maxPreparedStatements: number;
  /** Sessions tell of what they have written (GTIDs), where the server has them. */
  readonly tracksWrites?: boolean;
  /** Of several servers: whether this one is of the others' kind. Nothing is learned from one that is not. */
  readonly suits?: (info: ServerInfo) => boolean;
}

/** `ER_MUST_CHANGE_PASSWORD` */
const MUST_CHANGE_PASSWORD = 1820;

/** The MySQL or MariaDB server: opens sessions on it, resets them, and knows what its variables are. */
export class Upstream {
  readonly options: UpstreamOptions;
  readonly registry: ProfileRegistry;
  /** Null until the server was reached for the first time; replaced when it comes back as another version. */
  facts: ServerFacts | null = null;
  /** Whether the server was seen to take writes when it was asked last: when it was reached first, or another version answered. */
  tookWrites = false;
  /** Whether it was a node of Galera when a session was opened last. */
  isGalera = false;
  /** The server's defaults of `session_track_…`: what a client's own are at first. */
  trackers = new ClientTrackers(new Map());
  readonly #clock = { seconds: 0 };
  readonly #login: ServerLogin;
  readonly #baselines: ServerBaselines;
  /** Accounts of which it is known what a reset leaves to their sessions. */
  readonly met = new WeakSet<ServerAccount>();
  readonly #waiting: ((info: ServerInfo) => void)[] = [];
  readonly #calledOff = new AbortController();

  constructor(options: UpstreamOptions, registry: ProfileRegistry) {
    this.options = options;
    this.registry = registry;
    this.#login = new ServerLogin(options);
    this.#baselines = new ServerBaselines(registry);
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

  /** {@link callOff} */
  get isOver(): boolean {
    return this.#calledOff.signal.aborted;
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
    const { session, wasReset } = await this.#open(account, schema, capabilities, signal, true);
    if (!wasReset || !session.spoiltByReset) return session;
    await session.quit();
    return (await this.#open(account, schema, capabilities, signal, false)).session;
  }

  /** `wasReset`: to find out what a reset leaves. `looks`: whether that is done where it may have changed. */
  async #open(
    account: ServerAccount,
    schema: string | null,
    capabilities: number,
    signal: AbortSignal,
    looks: boolean,
  ): Promise<{ readonly session: ServerSession; readonly wasReset: boolean }> {
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
    try {
      return { session, wasReset: await this.#learn(session, account, patience, looks) };
    } catch (error) {
      session.close();
      throw this.#asRefusal(error);
    } finally {
      patience.end();
      signal.removeEventListener('abort', calledOff);
    }
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

  /** {@link ServerLogin.try} */
  tryLogin(user: string, password: string): Promise<boolean> {
    return this.#login.try(user, password, this.#calledOff.signal);
  }

  /**
   * Logs a user in by what its client answers to the server's own scramble. Only where accounts may read what they log in with.
   * @throws ServerConnectError
   */
  relay(user: string): Promise<NativeRelay> {
    return NativeRelay.open(
      (prove) => this.#login.prove(user, prove, this.#calledOff.signal),
      (connected) => this.#bare(connected),
      {
        address: addressText(this.options.address),
        patienceMs: this.options.connectTimeoutMs / 2,
      },
    );
  }

  /** Logs in, and no more: {@link ServerLogin.connect}. @throws ServerConnectError */
  connect(
    account: ServerAccount,
    schema: string | null,
    capabilities: number,
    signal: AbortSignal = this.#calledOff.signal,
  ): Promise<ConnectedServer> {
    return this.#login.connect(account, schema, capabilities, signal);
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
      const failure = lost ?? firstError(replies) ?? changedForGood(session, state);
      if (failure !== null) {
        done(failure);
        return;
      }
      this.#baselines.of(session, facts, state, (baseline, error) => {
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

  /**
   * First state of a new session; the first session of an account also finds out what a reset leaves. @returns whether it was reset
   * for that
   */
  async #learn(
    session: ServerSession,
    account: ServerAccount,
    patience: Patience,
    looks: boolean,
  ): Promise<boolean> {
    const [trackers] = await callInternal(session, [
      readVariables(session.info, TRACKERS_AND_GALERA),
      ARM_TRACKERS,
    ]);
    this.#learnTrackers(trackers?.rows ?? []);
    session.spoiltByReset = (trackers?.rows ?? []).some(
      ([name, value]) => name === WSREP_ON && value === 'ON',
    );
    this.isGalera = session.spoiltByReset;
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
    const login = await this.#baselines.read(session, facts);
    let baseline = login;
    // The one that they are of may have been left since.
    if (account.baselinesOf?.isOver === true) account.baselinesOf = this;
    const isReset = !this.met.has(account) || (looks && this.#mayBeOutdated(session, account, login));
    if (isReset) {
      await callInternal(session, [RESET_CONNECTION, ...this.#arming]);
      baseline = await this.#baselines.read(session, facts);
      this.met.add(account);
      account.baselinesOf ??= this;
      if (account.baselinesOf === this) account.resetBaseline = baseline;
    }
    if (account.baselinesOf === this) account.loginBaseline = login;
    session.profile = this.#atBaseline(session.profile, baseline);
    for (const callback of this.#waiting.splice(0)) callback(facts.info);
    return isReset;
  }

  /** {@link ServerAccount.resetBaseline}, where no session is reset that would tell. */
  #mayBeOutdated({ spoiltByReset }: ServerSession, account: ServerAccount, login: Baseline): boolean {
    return spoiltByReset && account.baselinesOf === this && account.loginBaseline !== login;
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
