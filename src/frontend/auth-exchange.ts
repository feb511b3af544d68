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
import type { AuthContext, AuthRequest, AuthStep, DenialReason } from './auth-step.js';
import type { Credential, RelayedProof } from './credentials.js';
import { AUTH_MODE_NOT_SUPPORTED, accessDenied } from './errors.js';
import { RSA_CIPHERTEXT_LENGTH, type RsaKeyPair } from './rsa-keys.js';
import type { AuthCandidate } from './users.js';

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
 *     relayed:       AuthSwitchRequest with the server's scramble -> response, judged by the server -> accepted | denied
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
  /** The client answers the server's scramble in place of ours. */
  #relayed: RelayedProof | null = null;

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
    const byProof = this.#plugin === AuthPlugin.Native && this.#clearMethod === null;
    const waits = this.#state === 'switched' || this.#state === 'full' || this.#state === 'key_sent';
    return asked && waits && !byProof;
  }

  /** The method in use. */
  get plugin(): AuthPlugin {
    return this.#plugin;
  }

  /** @param sequenceId that of the packet to be sent, here and below */
  begin(request: AuthRequest, sequenceId: number): AuthStep | Promise<AuthStep> {
    const { users, host, certificate = null } = this.#context;
    const candidate = users.find(request.user, host, certificate);
    const { credential, former } = candidate;
    this.#candidate = candidate;
    this.#credentials = former ? [credential, former] : [credential];
    this.#user = request.user;
    const clearMethod = this.#clearMethodFor(request);
    if (clearMethod !== null) return this.#switchToClear(clearMethod, sequenceId);
    const wanted = request.plugin ?? AuthPlugin.Native;
    const plugin = this.#plugins.find((name) => name === wanted);
    if (plugin === undefined) {
      if (!request.canSwitch) return this.#tooOld();
      const preferred = this.#preferred();
      return this.#isRelayed(preferred) ? this.#relay(sequenceId) : this.#switch(preferred, sequenceId);
    }
    // Who cannot be sent another scramble proves its password to us alone.
    if (this.#isRelayed(plugin) && !request.canSwitch) return this.#tooOld();
    this.#plugin = plugin;
    this.#usedPassword = !isEmpty(request.response, plugin);
    const verdict = this.#verify(request.response);
    if (this.#isRelayed(plugin) && verdict !== 'right' && !(verdict === 'ask' && request.answersScramble))
      return this.#relay(sequenceId);
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
        if (this.#relayed !== null) return this.#checkRelayed(this.#relayed, payload);
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
  #clearMethodFor({ canSwitch, clientName, plugin }: AuthRequest): ClearMethod | null {
    if (plugin === AuthPlugin.Native && this.#isRelayed(plugin)) return null;
    const asked = this.#credentials.every(({ asksElsewhere }) => asksElsewhere === true);
    if (!asked || !canSwitch || !this.#context.secure || clientName === undefined) return null;
    return CLEAR_METHODS.get(clientName) ?? null;
  }

  #switchToClear(method: ClearMethod, sequenceId: number): AuthStep {
    this.#clearMethod = method;
    this.#state = 'switched';
    return { kind: 'send', packet: encodeClearSwitchRequest(sequenceId, method) };
  }

  /** By this method the server itself judges the client's answer. */
  #isRelayed(plugin: AuthPlugin): boolean {
    const relay = this.#credentials[0]?.relay ?? null;
    return relay !== null && plugin === AuthPlugin.Native;
  }

  async #relay(sequenceId: number): Promise<AuthStep> {
    const relayed = (await this.#credentials[0]?.relay?.()) ?? null;
    if (relayed === null) return this.#switch(AuthPlugin.CachingSha2, sequenceId);
    if (relayed === 'known') return this.#switch(AuthPlugin.Native, sequenceId);
    this.#relayed = relayed;
    this.#plugin = AuthPlugin.Native;
    this.#state = 'switched';
    const packet = encodeAuthSwitchRequest(sequenceId, AuthPlugin.Native, relayed.scramble);
    return { kind: 'send', packet };
  }

  async #checkRelayed(relayed: RelayedProof, response: Buffer): Promise<AuthStep> {
    this.#usedPassword = response.length > 0;
    if (response.length === ResponseLength.Native)
      return (await relayed.prove(response)) ? this.#accept(null) : this.#deny('wrong_password');
    relayed.cancel();
    return this.#usedPassword ? this.#deny('wrong_password') : this.#checkPassword(response);
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
    const { fingerprint, announced } = this.#context;
    const scramble = this.#relayed?.scramble ?? this.#context.scramble;
    const digest = this.#credentials[this.#proven]?.nativeDigest ?? null;
    const asked = this.#plugin === AuthPlugin.Native && announced === AuthPlugin.Native && this.#usedPassword;
    if (!asked || fingerprint === null || digest === null) return EMPTY;
    return certificateProof(digest, scramble, fingerprint);
  }

  #deny(what: DenialReason): AuthStep {
    this.#state = 'over';
    const reason = this.#candidate === null ? what : (reasonOf(this.#candidate) ?? what);
    const { host, observer } = this.#context;
    const held = observer?.denied(host) ?? null;
    return { kind: 'denied', err: accessDenied(this.#user, host, this.#usedPassword), reason, held };
  }

  #tooOld(): AuthStep {
    this.#state = 'over';
    return { kind: 'denied', err: AUTH_MODE_NOT_SUPPORTED, reason: 'old_method', held: null };
  }
}

/** Why nobody is let in by this candidate; null: it is a user's. */
function reasonOf({ elsewhere, lacksCertificate, user }: AuthCandidate): DenialReason | null {
  if (elsewhere === true) return 'elsewhere';
  if (lacksCertificate === true) return 'certificate';
  return user === null ? 'unknown_user' : null;
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
