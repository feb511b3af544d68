import { BouncerError } from '../errors.js';
import { Capability, ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { ServerInfo } from '../session/server-info.js';
import { type LoginFailure, login, type Prove } from './mysql2-adapter.js';
import { addressText, type ServerAddress, ServerChannel } from './server-channel.js';
import type { ServerGreeting } from './server-greeting.js';
import type { ServerTls } from './server-tls.js';
import { tlsFailureText } from './tls-failure.js';

/** MariaDB's for an account that takes no password. */
const ACCESS_DENIED_NO_PASSWORD = 1698;

/** What kept a session from being opened; decides who is told and whether trying again makes sense. */
export const Refusal = {
  /** User, password, authentication plugin or host: the same answer every time. */
  Credentials: 'credentials',
  /** The schema does not exist or is not for this user. */
  Schema: 'schema',
  /** The server (or the account) has no connection left. */
  Capacity: 'capacity',
  /** Nothing listens at the address, or what does hangs up: a server that starts or stops, a balancer without servers. */
  Nobody: 'nobody',
  /** No route, no such host. */
  Network: 'network',
  /** No TLS to be had, or nothing right with it (a certificate, ours or the server's): the same answer every time. */
  Tls: 'tls',
  /** Not done within the time given. */
  Timeout: 'timeout',
  Other: 'other',
} as const;
export type Refusal = (typeof Refusal)[keyof typeof Refusal];

/** Those that trying again does not change. */
const STANDING: ReadonlySet<Refusal> = new Set([Refusal.Credentials, Refusal.Schema, Refusal.Tls]);

/** A server session could not be opened. */
export class ServerConnectError extends BouncerError {
  readonly code = 'SERVER_CONNECT_FAILED';
  /** The server's own error number and SQLSTATE, or those a client library would give (2003, 2012, 2026, 2059). */
  readonly errno: number;
  readonly sqlState: string;
  /** `host:port` or path; never user or password. */
  readonly address: string;
  readonly refused: Refusal;
  /** The server refused a login without TLS, and offers TLS. */
  readonly tlsLeftOut: boolean;

  constructor(
    address: string,
    refused: Refusal,
    err: ErrPacket,
    options: { readonly cause?: unknown; readonly tlsLeftOut?: boolean } = {},
  ) {
    super(err.message, 'cause' in options ? { cause: options.cause } : {});
    this.tlsLeftOut = options.tlsLeftOut ?? false;
    this.errno = err.errno;
    this.sqlState = err.sqlState;
    this.address = address;
    this.refused = refused;
  }

  /** True: trying again gives the same answer, so those who wait need not. */
  get fatalToWaiters(): boolean {
    return STANDING.has(this.refused);
  }

  /** True: user or password are wrong (or there is no such user). */
  get accessDenied(): boolean {
    return this.errno === ServerError.AccessDenied.errno || this.errno === ACCESS_DENIED_NO_PASSWORD;
  }

  /** True: the server has no connection left, for nobody. */
  get serverFull(): boolean {
    return this.errno === ServerError.ConCount.errno;
  }

  /** True: this account has no connection left, whatever others have. */
  get accountFull(): boolean {
    const { TooManyUserConnections, UserLimitReached } = ServerError;
    return this.errno === TooManyUserConnections.errno || this.errno === UserLimitReached.errno;
  }

  /** True: no server had work with it, so that it may be tried again soon. */
  get nobodyThere(): boolean {
    return this.refused === Refusal.Nobody;
  }
}

export interface ServerConnectOptions {
  readonly address: ServerAddress;
  readonly user: string;
  /** This, {@link passwordSha1} or {@link prove}. */
  readonly password?: string;
  /** SHA1(password), for an account with mysql_native_password. */
  readonly passwordSha1?: Buffer;
  /** Asked once, so that TLS is used wherever it is offered: a login that was refused without could not be repeated. */
  readonly prove?: Prove;
  readonly schema: string | null;
  /** Semantic capability flags (FoundRows, IgnoreSpace, MultiStatements, ...), added to {@link BASE_CAPABILITIES}. */
  readonly capabilities: number;
  /** Collation id, 1 to 255. */
  readonly collation: number;
  /** From the first look-up of the host name to the end of the login, in ms. */
  readonly connectTimeoutMs: number;
  /** Connection attributes, such as `program_name`. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Null, or not given: without TLS. */
  readonly tls?: ServerTls | null;
  readonly signal?: AbortSignal;
}

/** A session that has logged in. Its channel has no handler yet: set one before the next turn of the event loop. */
export interface ConnectedServer {
  readonly channel: ServerChannel;
  readonly info: ServerInfo;
  /** The server's id of this connection (KILL). */
  readonly connectionId: number;
}

/** What every server session negotiates. CONNECT_WITH_DB is added with a schema. */
const BASE_CAPABILITIES =
  Capability.LongPassword |
  Capability.LongFlag |
  Capability.Protocol41 |
  Capability.Transactions |
  Capability.SecureConnection |
  Capability.PluginAuth |
  Capability.PluginAuthLenencClientData |
  Capability.ConnectAttrs |
  Capability.SessionTrack |
  Capability.DeprecateEof;

/** Capabilities a caller may ask for: they change what statements mean or may do, not how packets look. */
const SEMANTIC_CAPABILITIES =
  Capability.FoundRows |
  Capability.NoSchema |
  Capability.Odbc |
  Capability.LocalFiles |
  Capability.IgnoreSpace |
  Capability.Interactive |
  Capability.MultiStatements |
  Capability.MultiResults |
  Capability.PsMultiResults |
  Capability.CanHandleExpiredPasswords;

/** Without these, replies cannot be followed at all. */
const REQUIRED_CAPABILITIES = Capability.Protocol41 | Capability.SessionTrack | Capability.DeprecateEof;

/**
 * Opens a server session: connects, logs in, and hands over the raw channel at the start of the command phase.
 * @throws ServerConnectError for everything that can go wrong on the way; nothing is left open then.
 * @throws RangeError for capabilities or a collation that cannot be asked for.
 */
export async function connectServer(options: ServerConnectOptions): Promise<ConnectedServer> {
  checkOptions(options);
  const began = performance.now();
  try {
    return await connectOnce(options);
  } catch (error) {
    const { tls, user } = options;
    const mayNeedTls = error instanceof ServerConnectError && error.tlsLeftOut && NEEDS_TLS.has(error.errno);
    if (!mayNeedTls || tls?.refusedInClear(user) !== true) throw error;
    const connectTimeoutMs = Math.max(1, options.connectTimeoutMs - (performance.now() - began));
    try {
      return await connectOnce({ ...options, connectTimeoutMs });
    } catch (again) {
      tls.refusedAllTheSame(user);
      throw again;
    }
  }
}

/** What servers say of a login that would have to be encrypted. MariaDB has no number of its own for it. */
const NEEDS_TLS: ReadonlySet<number> = new Set([1045, 3159]);

function connectOnce(options: ServerConnectOptions): Promise<ConnectedServer> {
  return new Promise((resolve, reject) => {
    const address = addressText(options.address);
    if (options.signal?.aborted) {
      reject(aborted(address, options.signal));
      return;
    }
    const channel = new ServerChannel(options.address);
    const settle = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error: ServerConnectError): void => {
      settle();
      channel.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(aborted(address, options.signal));
    const timer = setTimeout(
      () => fail(timedOut(address, options.connectTimeoutMs)),
      options.connectTimeoutMs,
    );
    options.signal?.addEventListener('abort', onAbort);
    login(channel, loginOptions(options), {
      onFailed: (failure) => fail(describeFailure(address, failure, options.tls ?? null)),
      onLoggedIn: (greeting) => {
        const missing = REQUIRED_CAPABILITIES & ~greeting.capabilities;
        if (missing !== 0) {
          fail(tooOld(address, greeting));
          return;
        }
        settle();
        resolve({ channel, info: describeServer(greeting), connectionId: greeting.connectionId });
      },
    });
  });
}

function checkOptions(options: ServerConnectOptions): void {
  const stray =
    options.capabilities & ~(SEMANTIC_CAPABILITIES | BASE_CAPABILITIES | Capability.ConnectWithDb);
  if (stray !== 0) throw new RangeError(`capabilities 0x${(stray >>> 0).toString(16)} cannot be asked for`);
  if (!Number.isInteger(options.collation) || options.collation < 1 || options.collation > 255)
    throw new RangeError(`collation ${options.collation} does not fit the handshake`);
}

function loginOptions(options: ServerConnectOptions): Parameters<typeof login>[1] {
  const { user, password = '', passwordSha1 = null, prove = null, schema, collation, attributes } = options;
  const withDb = schema === null ? 0 : Capability.ConnectWithDb;
  return {
    user,
    password,
    passwordSha1,
    prove,
    schema,
    capabilities: BASE_CAPABILITIES | (options.capabilities & SEMANTIC_CAPABILITIES) | withDb,
    collation,
    attributes,
    secureTransport: 'socketPath' in options.address,
    tls: options.tls ?? null,
  };
}

/** Errors of the server's by what they mean for those who wait. Any other is {@link Refusal.Other}. */
const REFUSAL_BY_ERRNO: ReadonlyMap<number, Refusal> = new Map([
  [1040, Refusal.Capacity], // too many connections
  [1135, Refusal.Capacity], // cannot create a thread
  [1203, Refusal.Capacity], // max_user_connections
  [1226, Refusal.Capacity], // the account's resource limit
  [1044, Refusal.Schema], // access to the schema denied
  [1049, Refusal.Schema], // unknown schema
  [1045, Refusal.Credentials], // access denied
  [1130, Refusal.Credentials], // host not allowed
  [1251, Refusal.Credentials], // authentication protocol not supported
  [1275, Refusal.Credentials], // only the old password format
  [1524, Refusal.Credentials], // plugin not loaded
  [1698, Refusal.Credentials], // access denied, no password used
  [1862, Refusal.Credentials], // password expired
  [3118, Refusal.Credentials], // account locked (MySQL)
  [3159, Refusal.Credentials], // account requires a secure transport
  [4151, Refusal.Credentials], // account locked (MariaDB)
  [1053, Refusal.Nobody], // shutdown in progress
]);

/** Numbers a client library gives to its own failures. */
const CannotLoadPlugin = { errno: 2059, sqlState: 'HY000' } as const;
const ServerHandshake = { errno: 2012, sqlState: 'HY000' } as const;
const SslConnection = { errno: 2026, sqlState: 'HY000' } as const;

function sslErrorText(address: string, why: string): string {
  return `SSL connection error to server on '${address}': ${why}`;
}

/** A server that is ended, or one that says in this way what it does not like: not to be tried as often as nobody is. */
function lostInTlsHandshake(address: string, lost: Error | null): ServerConnectError {
  const text = sslErrorText(address, 'the connection was lost in the midst of the TLS handshake');
  return failed(address, Refusal.Network, SslConnection, text, lost);
}

function describeFailure(address: string, failure: LoginFailure, tls: ServerTls | null): ServerConnectError {
  if ('err' in failure) {
    const { err, tlsLeftOut } = failure;
    return new ServerConnectError(address, REFUSAL_BY_ERRNO.get(err.errno) ?? Refusal.Other, err, {
      tlsLeftOut,
    });
  }
  if ('lost' in failure) {
    if (failure.inTlsHandshake) return lostInTlsHandshake(address, failure.lost);
    const text = `Can't connect to server on '${address}' (${lossText(failure.lost)})`;
    const refused = isNobodyThere(failure.lost) ? Refusal.Nobody : Refusal.Network;
    return failed(address, refused, ServerError.CannotConnect, text, failure.lost);
  }
  if ('tls' in failure) {
    const why = tls === null ? failure.tls.message : tlsFailureText(failure.tls, tls.settings);
    return failed(address, Refusal.Tls, SslConnection, sslErrorText(address, why), failure.tls);
  }
  const { cause } = failure;
  switch ('code' in cause ? cause.code : null) {
    case 'AUTH_SWITCH_PLUGIN_ERROR':
    case 'MYSQL_CLEAR_PASSWORD_NOT_ENABLED':
      return failed(address, Refusal.Credentials, CannotLoadPlugin, cause.message, cause);
    default: {
      const text = `Server on '${address}' does not answer as a MySQL server does: ${cause.message}`;
      return failed(address, Refusal.Other, ServerHandshake, text, cause);
    }
  }
}

/** Ends that come at once: a port or a socket's file that nobody listens at, a connection that is closed in the handshake. */
const NOBODY_THERE: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE']);

function isNobodyThere(lost: Error | null): boolean {
  if (lost === null) return true;
  if (lost instanceof AggregateError) return lost.errors.every((error) => isNobodyThere(error));
  return 'code' in lost && NOBODY_THERE.has(lost.code);
}

function lossText(lost: Error | null): string {
  if (lost === null) return 'it closed the connection during the handshake';
  // A host name with several addresses fails with an error that holds one for each and whose own message is empty.
  if (lost instanceof AggregateError) return lost.errors.map((error) => lossText(error)).join('; ');
  return lost.message;
}

function failed(
  address: string,
  refused: Refusal,
  kind: { readonly errno: number; readonly sqlState: string },
  message: string,
  cause: unknown = null,
): ServerConnectError {
  const err = { errno: kind.errno, sqlState: kind.sqlState, message };
  return new ServerConnectError(address, refused, err, cause === null ? {} : { cause });
}

/** Of the password only a hash is known, and no client has proven it since the start. */
export function noPasswordYet(address: ServerAddress, user: string): ServerConnectError {
  const text = `of the password of '${user}' only a hash is known here, and no client has logged in with it yet`;
  return failed(addressText(address), Refusal.Credentials, ServerError.AccessDenied, text);
}

/** MySQL beside MariaDB, or the other way round: no client of the others' can be served there. */
export function otherKind(address: ServerAddress, { versionText }: ServerInfo): ServerConnectError {
  const text = `server ${versionText} on '${addressText(address)}' is not of the kind of the others`;
  return failed(addressText(address), Refusal.Other, ServerHandshake, text);
}

function timedOut(address: string, ms: number): ServerConnectError {
  const text = `Can't connect to server on '${address}' (no answer within ${ms} ms)`;
  return failed(address, Refusal.Timeout, ServerError.CannotConnect, text);
}

function aborted(address: string, signal: AbortSignal | undefined): ServerConnectError {
  const text = `connecting to server on '${address}' was called off`;
  return failed(address, Refusal.Other, ServerError.CannotConnect, text, signal?.reason);
}

function tooOld(address: string, greeting: ServerGreeting): ServerConnectError {
  const text = `server ${greeting.versionText} on '${address}' lacks CLIENT_SESSION_TRACK or CLIENT_DEPRECATE_EOF`;
  return failed(address, Refusal.Other, ServerHandshake, text);
}

function describeServer(greeting: ServerGreeting): ServerInfo {
  const { versionText, collation, capabilities } = greeting;
  // MariaDB puts 5.5.5- in front of versions 10 and 11.0 so that old replicas accept them.
  const version = /^(?:5\.5\.5-)?(\d+)\.(\d+)(?:\.(\d+))?/.exec(versionText);
  const [major, minor, patch] = [1, 2, 3].map((part) => Number(version?.[part] ?? 0)) as [
    number,
    number,
    number,
  ];
  const versionNumber = major * 10_000 + minor * 100 + patch;
  const flavor = /mariadb/i.test(versionText) ? 'mariadb' : 'mysql';
  return { flavor, versionText, versionNumber, collation, capabilities };
}
