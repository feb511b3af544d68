import {
  AuthPlugin,
  CachingSha2,
  ClearMethod,
  encodeAuthMoreData,
  encodeAuthSignal,
  encodeAuthSwitchRequest,
  encodeClearSwitchRequest,
} from '../protocol/auth-packets.js';
import {
  certificateProof,
  ResponseLength,
  recoverNative,
  verifyCachingSha2,
  xorInto,
} from '../protocol/auth-scramble.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { Credential } from './credentials.js';
import { AUTH_MODE_NOT_SUPPORTED, accessDenied } from './errors.js';
import { RSA_CIPHERTEXT_LENGTH, type RsaKeyPair, type RsaKeys } from './rsa-keys.js';
import type { AuthCandidate, Authenticator, UserEntry } from './users.js';

/** What an exchange has come to. Packets are complete, with header. */
export type AuthStep =
  /** Send this and hand the client's next packet to {@link AuthExchange.receive}. */
  | { readonly kind: 'send'; readonly packet: Buffer }
  /**
   * The user is who it says. `preface`, when not null, goes out before the OK, whose sequence id is then one higher; `info` is
   * the OK's info.
   */
  | {
      readonly kind: 'accepted';
      readonly user: UserEntry;
      readonly preface: Buffer | null;
      readonly info: Buffer;
    }
  /** Send this as ERR, but not before `held`; a login ends with it. `reason` is for us alone. */
  | {
      readonly kind: 'denied';
      readonly err: ErrPacket;
      readonly reason: DenialReason;
      readonly held: Promise<void> | null;
    };

/**
 * `elsewhere`: the user exists, and may not log in from this address.
 * `not_encrypted`: a password was asked for, and what came is neither encrypted with our key nor allowed in clear.
 * `old_method`: the client knows no method that this user can use. `no_tls`: it has to, and did not ask for it.
 * `certificate`: the client has shown none, or one that is not good.
 */
export type DenialReason =
  | 'unknown_user'
  | 'elsewhere'
  | 'wrong_password'
  | 'not_encrypted'
  | 'old_method'
  | 'no_tls'
  | 'certificate';

/** Told of how authentications end. */
export interface AuthObserver {
  /** @returns what the client's answer has to wait for; null: nothing */
  denied(host: string): Promise<void> | null;
  /** By the second of two passwords: see {@link AuthCandidate.former}. */
  formerProven(user: string, host: string): void;
}

export interface AuthContext {
  readonly users: Authenticator;
  readonly keys: RsaKeys;
  /** The 20 bytes of this connection's greeting; they stay the challenge for its whole life. */
  readonly scramble: Buffer;
  /** Method that the greeting named; preferred where a client names none that will do. */
  readonly announced: AuthPlugin;
  /** Nobody else can read what the client sends, so that a password may come in clear. */
  readonly secure: boolean;
  /** The client's host as errors name it: its address, or `localhost` over a unix socket. */
  readonly host: string;
  /** SHA-256 of the certificate that the client was shown; null without TLS. */
  readonly fingerprint: Buffer | null;
  readonly observer?: AuthObserver | undefined;
}

export interface AuthRequest {
  readonly user: string;
  /** Method of `response`; null: an old client without PLUGIN_AUTH, whose only method is mysql_native_password. */
  readonly plugin: string | null;
  readonly response: Buffer;
  /** The client understands AuthSwitchRequest (PLUGIN_AUTH). */
  readonly canSwitch: boolean;
  /**
   * Whether `response` answers our scramble for sure. At a login it does when the method is the announced one. A client
   * whose own default is another method, and both C libraries in COM_CHANGE_USER, send an empty one that means "ask me".
   */
  readonly answersScramble: boolean;
  /** What the client's library calls itself (`_client_name`), where it does. */
  readonly clientName?: string | undefined;
}

type State = 'new' | 'switched' | 'full' | 'key_sent' | 'over';
/** `ask`: for no password, where somebody else has to say whether that is right. */
type Verdict = 'right' | 'wrong' | 'unfit' | 'unknown' | 'ask';

/**
 * One authentication, of a login or of COM_CHANGE_USER, as a machine over packets: it reads and writes no socket. Steps come
 * at once, except where a password is decrypted or hashed. Once a step is `accepted` or `denied` the exchange is over.
 *
 *     native:        response -> accepted | denied
 *     caching_sha2:  response -> accepted with 0x03 | 0x04 -> password in clear (secure) or 0x02 -> key -> RSA -> ...
 *     either:        [AuthSwitchRequest ->] response ...
 *     clear:         AuthSwitchRequest -> password in clear (secure) -> accepted | denied
 *
 * Unknown users go through all of it like known ones and are denied in its end.
 */
export class AuthExchange {
  readonly #context: AuthContext;
  #state: State = 'new';
  #candidate: AuthCandidate | null = null;
  #user = '';
  #plugin: AuthPlugin = AuthPlugin.Native;
  /** In place of {@link #plugin}. */
  #clearMethod: ClearMethod | null = null;
  #usedPassword = false;
  /** All that may prove the user; one, or two while a password is replaced. */
  #credentials: readonly Credential[] = [];
  /** Which of them did. */
  #proven = 0;

  constructor(context: AuthContext) {
    this.#context = context;
  }

  /** Whether the client sent any password or proof of one. */
  get usedPassword(): boolean {
    return this.#usedPassword;
  }

  /** A client that leaves now may have left because it does not know how to answer: it was asked for the password itself. */
  get awaitsPassword(): boolean {
    const asked = this.#credentials.some(({ asksElsewhere }) => asksElsewhere === true);
    return asked && (this.#state === 'switched' || this.#state === 'full' || this.#state === 'key_sent');
  }

  /** The method in use. */
  get plugin(): AuthPlugin {
    return this.#plugin;
  }

  /** @param sequenceId that of the packet to be sent, here and below */
  begin(request: AuthRequest, sequenceId: number): AuthStep | Promise<AuthStep> {
    const candidate = this.#context.users.find(request.user, this.#context.host);
    const { credential, former } = candidate;
    this.#candidate = candidate;
    this.#credentials = former ? [credential, former] : [credential];
    this.#user = request.user;
    const clearMethod = this.#clearMethodFor(request);
    if (clearMethod !== null) return this.#switchToClear(clearMethod, sequenceId);
    const wanted = request.plugin ?? AuthPlugin.Native;
    const plugin = this.#plugins.find((name) => name === wanted);
    if (plugin === undefined) {
      return request.canSwitch ? this.#switch(this.#preferred(), sequenceId) : this.#tooOld();
    }
    this.#plugin = plugin;
    this.#usedPassword = !isEmpty(request.response, plugin);
    const verdict = this.#verify(request.response);
    if (request.canSwitch) {
      const doubtful = !request.answersScramble && (verdict !== 'right' || !this.#usedPassword);
      if (doubtful || verdict === 'unfit') return this.#switch(plugin, sequenceId);
    }
    return this.#conclude(verdict, sequenceId);
  }

  /** The client's next packet, after a `send`. Rejects with an error that has `errno` and `sqlState` when it can't be checked. */
  receive(payload: Buffer, sequenceId: number): AuthStep | Promise<AuthStep> {
    switch (this.#state) {
      case 'switched':
        if (this.#clearMethod !== null) {
          this.#usedPassword = payload.length > 1;
          return this.#checkClear(payload.length === 0 ? NO_PASSWORD : payload);
        }
        this.#usedPassword = !isEmpty(payload, this.#plugin);
        return this.#conclude(this.#verify(payload), sequenceId);
      case 'full':
        if (payload.length === 1 && payload[0] === CachingSha2.RequestPublicKey)
          return this.#sendKey(sequenceId);
        // What has the length of ciphertext is tried as that first: a client may have our key from before.
        return this.#context.secure && payload.length !== RSA_CIPHERTEXT_LENGTH
          ? this.#checkClear(payload)
          : this.#checkEncrypted(payload);
      case 'key_sent':
        return this.#checkEncrypted(payload);
      case 'new':
      case 'over':
        throw new Error(`authentication is ${this.#state}: no packet is expected`);
    }
  }

  /** Methods by which every password of the user can be proven: the client may have any of them. */
  get #plugins(): readonly AuthPlugin[] {
    const [first, ...others] = this.#credentials;
    return first?.plugins.filter((name) => others.every(({ plugins }) => plugins.includes(name))) ?? [];
  }

  /** All credentials are looked at, also behind one that is proven: how many there are takes the same time for any response. */
  #verify(response: Buffer): Verdict {
    const verdicts = this.#credentials.map((credential) => this.#verifyOne(credential, response));
    const right = verdicts.indexOf('right');
    if (right >= 0) {
      this.#proven = right;
      return 'right';
    }
    return verdicts.find((verdict) => verdict === 'unknown') ?? verdicts[0] ?? 'wrong';
  }

  #verifyOne(credential: Credential, response: Buffer): Verdict {
    if (isEmpty(response, this.#plugin)) {
      if (credential.acceptsEmpty) return 'right';
      return credential.asksElsewhere ? 'ask' : 'wrong';
    }
    switch (this.#plugin) {
      case AuthPlugin.Native: {
        if (response.length !== ResponseLength.Native) return 'unfit';
        if (credential.nativeDigest === null) return 'wrong';
        const passwordSha1 = recoverNative(response, this.#context.scramble, credential.nativeDigest);
        if (passwordSha1 === null) return 'wrong';
        credential.nativeProven?.(passwordSha1);
        return 'right';
      }
      case AuthPlugin.CachingSha2: {
        if (response.length !== ResponseLength.CachingSha2) return 'unfit';
        const digest = credential.sha2Digest;
        if (digest !== null && verifyCachingSha2(response, this.#context.scramble, digest)) return 'right';
        return credential.checkPassword === null ? 'wrong' : 'unknown';
      }
    }
  }

  #conclude(verdict: Verdict, sequenceId: number): AuthStep | Promise<AuthStep> {
    switch (verdict) {
      case 'right':
        return this.#accept(
          // The empty password needs no proof and gets no word about it.
          this.#plugin === AuthPlugin.CachingSha2 && this.#usedPassword
            ? encodeAuthSignal(sequenceId, CachingSha2.FastAuthOk)
            : null,
        );
      case 'unknown':
        this.#state = 'full';
        return { kind: 'send', packet: encodeAuthSignal(sequenceId, CachingSha2.FullAuthNeeded) };
      case 'ask':
        return this.#checkPassword(Buffer.alloc(0));
      case 'wrong':
      case 'unfit':
        return this.#deny('wrong_password');
    }
  }

  /** For a client whose own way of caching_sha2_password would need what it may not have. */
  #clearMethodFor({ canSwitch, clientName }: AuthRequest): ClearMethod | null {
    const asked = this.#credentials.every(({ asksElsewhere }) => asksElsewhere === true);
    if (!asked || !canSwitch || !this.#context.secure || clientName === undefined) return null;
    return CLEAR_METHODS.get(clientName) ?? null;
  }

  #switchToClear(method: ClearMethod, sequenceId: number): AuthStep {
    this.#clearMethod = method;
    this.#state = 'switched';
    return { kind: 'send', packet: encodeClearSwitchRequest(sequenceId, method) };
  }

  #switch(plugin: AuthPlugin, sequenceId: number): AuthStep {
    this.#plugin = plugin;
    this.#state = 'switched';
    return { kind: 'send', packet: encodeAuthSwitchRequest(sequenceId, plugin, this.#context.scramble) };
  }

  /** For a client whose own method will not do: the announced one, which it is likely to know, else what there is. */
  #preferred(): AuthPlugin {
    const plugins = this.#plugins;
    return plugins.find((name) => name === this.#context.announced) ?? plugins[0] ?? AuthPlugin.CachingSha2;
  }

  async #sendKey(sequenceId: number): Promise<AuthStep> {
    const { publicPem } = await this.#context.keys.get();
    this.#state = 'key_sent';
    return { kind: 'send', packet: encodeAuthMoreData(sequenceId, publicPem) };
  }

  async #checkEncrypted(payload: Buffer): Promise<AuthStep> {
    if (payload.length !== RSA_CIPHERTEXT_LENGTH) return this.#deny('not_encrypted');
    const pair: RsaKeyPair = await this.#context.keys.get();
    const password = await pair.decrypt(payload);
    if (password === null)
      return this.#context.secure ? this.#checkClear(payload) : this.#deny('not_encrypted');
    xorInto(password, this.#context.scramble);
    return this.#checkClear(password);
  }

  /** A password with the NUL that has to end it. */
  #checkClear(bytes: Buffer): AuthStep | Promise<AuthStep> {
    return bytes.at(-1) === 0 ? this.#checkPassword(bytes.subarray(0, -1)) : this.#deny('wrong_password');
  }

  async #checkPassword(password: Buffer): Promise<AuthStep> {
    if (password.length > MAX_PASSWORD_LENGTH) return this.#deny('wrong_password');
    let right = -1;
    for (const [index, { checkPassword }] of this.#credentials.entries()) {
      // A copy: the packet's bytes need not outlive this call.
      const isIt = checkPassword !== null && (await checkPassword(Buffer.from(password)));
      if (isIt && right < 0) right = index;
    }
    if (right < 0) return this.#deny('wrong_password');
    this.#proven = right;
    return this.#accept(null);
  }

  #accept(preface: Buffer | null): AuthStep {
    const user = (this.#candidate as AuthCandidate).user;
    if (user === null) return this.#deny('unknown_user');
    this.#state = 'over';
    if (this.#proven > 0) this.#context.observer?.formerProven(user.name, this.#context.host);
    return { kind: 'accepted', user, preface, info: this.#certificateProof() };
  }

  /** Where the client can check by its password whose certificate it was shown: else no client reads it. */
  #certificateProof(): Buffer {
    const { fingerprint, scramble, announced } = this.#context;
    const digest = this.#credentials[this.#proven]?.nativeDigest ?? null;
    const asked = this.#plugin === AuthPlugin.Native && announced === AuthPlugin.Native && this.#usedPassword;
    if (!asked || fingerprint === null || digest === null) return EMPTY;
    return certificateProof(digest, scramble, fingerprint);
  }

  #deny(what: DenialReason): AuthStep {
    this.#state = 'over';
    const candidate = this.#candidate;
    const reason =
      candidate?.elsewhere === true ? 'elsewhere' : candidate?.user === null ? 'unknown_user' : what;
    const { host, observer } = this.#context;
    const held = observer?.denied(host) ?? null;
    return { kind: 'denied', err: accessDenied(this.#user, host, this.#usedPassword), reason, held };
  }

  #tooOld(): AuthStep {
    this.#state = 'over';
    return { kind: 'denied', err: AUTH_MODE_NOT_SUPPORTED, reason: 'old_method', held: null };
  }
}

const EMPTY = Buffer.alloc(0);
const NO_PASSWORD = Buffer.alloc(1);

/**
 * Libraries that send a password in clear when asked to, but not within caching_sha2_password: PyMySQL takes its own word for
 * what is secure, so that over loopback it needs a package for RSA; MariaDB's for Java has to be told that it may ask for a key.
 * Asked only where nobody else can read the connection.
 */
const CLEAR_METHODS: ReadonlyMap<string, ClearMethod> = new Map([
  ['pymysql', ClearMethod.Clear],
  ['MariaDB Connector/J', ClearMethod.Dialog],
]);

/** Longest password that caching_sha2_password takes, in bytes (`MAX_PLAINTEXT_LENGTH`): hashing time grows with its square. */
const MAX_PASSWORD_LENGTH = 256;

/** No password: nothing at all, or for caching_sha2_password a single NUL. */
function isEmpty(response: Buffer, plugin: AuthPlugin): boolean {
  if (response.length === 0) return true;
  return plugin === AuthPlugin.CachingSha2 && response.length === 1 && response[0] === 0;
}
