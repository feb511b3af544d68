import type { ForkFinding, SocketWatch as Watch } from '../relay/fork-check.js';
import type { Holder, Suspect, Suspicion } from './messages.js';
import { judge, type Sightings } from './verdict.js';

/** What a watch needs of the guard that made it. */
export interface WatchHost {
  /** Changes whenever a process or thread may have been made since the last call. */
  generation(): number;
  /** All processes made up to this generation have been looked at. */
  readonly cleared: number;
  /** Whether a new process may have this client's socket. */
  isDoubtful(watch: SocketWatch): boolean;
  ask(watch: SocketWatch, generation: number): void;
  forget(watch: SocketWatch): void;
}

/** What is known of a client apart from its socket. */
export interface WatchedClient {
  readonly endpoint: string;
  /** What the client says its process is: to be verified. */
  readonly claimedPid: number | null;
  readonly program: string | null;
  /** The address as its class in logs and caches; null for a unix socket. */
  readonly address: string | null;
}

/**
 * One client's socket. Its holder is its opener until a process is found that was forked later and has it, too (a suspect);
 * what that means is for {@link judge}.
 */
export class SocketWatch implements Watch {
  readonly client: WatchedClient;
  /** No other one of the guard's has it. */
  readonly number: number;
  /** When a question was asked that is not answered yet, as `performance.now()`. */
  askedAt = 0;
  /** The generation to be cleared before the question can be answered. */
  askedGeneration = 0;
  /** The last id given when it logged in, and how many surveys had been asked for by then. */
  readonly loginId: number;
  readonly loginSurvey: number;
  /** Nothing can be seen of its processes. */
  blind = false;
  /** The program images of its processes; null while they are not known. */
  images: readonly string[] | null = null;
  /** That of the process that it says it is. */
  claimedImage: string | null = null;
  readonly #host: WatchHost;
  /** Nothing had been forked since its login, while the generation is this. */
  readonly #loginGeneration: number;
  #suspects: Suspect[] = NOBODY;
  #sightings: Sightings | null = null;
  /** What the last look would mean, if nothing changed. */
  #undecided: ForkFinding | null = null;
  #onResult: ((finding: ForkFinding) => void) | null = null;
  #closed = false;

  constructor(host: WatchHost, client: WatchedClient, number: number, loginId: number, loginSurvey: number) {
    this.client = client;
    this.number = number;
    this.loginId = loginId;
    this.loginSurvey = loginSurvey;
    this.#host = host;
    this.#loginGeneration = host.generation();
  }

  /** {@link Watch} */
  check(onResult: (finding: ForkFinding) => void): boolean {
    if (this.#onResult !== null) throw new TypeError('a socket is looked at already');
    if (this.#suspects === NOBODY) {
      if (this.blind) return true;
      const generation = this.#host.generation();
      if (generation === this.#loginGeneration) return true;
      if (generation === this.#host.cleared && !this.#host.isDoubtful(this)) return true;
      this.#ask(onResult, generation);
      return false;
    }
    this.#ask(onResult, this.#host.generation());
    return false;
  }

  /** {@link Watch} */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onResult = null;
    this.#host.forget(this);
  }

  get isAsked(): boolean {
    return this.#onResult !== null;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get isSuspicious(): boolean {
    return this.#suspects !== NOBODY;
  }

  /** A process has this socket that was forked after the client's login. */
  suspect(suspect: Suspect): void {
    if (this.#suspects === NOBODY) this.#suspects = [suspect];
    else if (!this.#suspects.some(({ pid }) => pid === suspect.pid)) this.#suspects.push(suspect);
  }

  get suspicion(): Suspicion {
    return { suspects: this.#suspects, claimedPid: this.client.claimedPid };
  }

  /** What the holders mean. Null: they must be looked at once more, a little later. */
  judge(holders: readonly Holder[]): ForkFinding | null {
    this.#sightings ??= new Map();
    const verdict = judge(holders, this.#sightings, performance.now());
    if (verdict.kind === 'single') {
      this.#suspects = NOBODY;
      this.#sightings = null;
      this.#undecided = null;
      return SINGLE;
    }
    const { opener, holders: pids } = verdict;
    const program = this.client.program ?? opener.name;
    const finding: ForkFinding = { kind: 'shared', openerPid: opener.pid, program, holders: pids };
    this.#undecided = verdict.kind === 'wait' ? finding : null;
    return verdict.kind === 'wait' ? null : finding;
  }

  /**
   * What there is to say when there is no more time: whoever has had the socket for so long without running another program
   * may well use it. A needless new connection does less harm than a wrong reply.
   */
  get lastWord(): ForkFinding {
    return this.#undecided ?? UNKNOWN;
  }

  /** Answers the question, if there is one. */
  answer(finding: ForkFinding): void {
    const onResult = this.#onResult;
    this.#onResult = null;
    onResult?.(finding);
  }

  #ask(onResult: (finding: ForkFinding) => void, generation: number): void {
    this.#onResult = onResult;
    this.#undecided = null;
    this.askedAt = performance.now();
    this.askedGeneration = generation;
    this.#host.ask(this, generation);
  }
}

export const SINGLE: ForkFinding = { kind: 'single' };
export const UNKNOWN: ForkFinding = { kind: 'unknown' };

/** Compared by identity: most clients have no suspects, and need no list of their own. */
const NOBODY: Suspect[] = [];
