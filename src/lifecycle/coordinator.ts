import { BusRouter } from '../workers/bus-router.js';
import { PermitLedger } from '../workers/permit-ledger.js';
import { GONE_SESSIONS } from '../workers/permits.js';
import { LEADER } from './leader.js';
import { reclaim } from './lost-permits.js';
import type { FromWorker } from './messages.js';
import type { Worker } from './worker.js';

/** How long another worker may take to find out what the server has, in ms. */
const LOOK_MS = 1_000;

/** Numbers that clients' ids can tell apart. */
const ID_SPACES = 64;

/** How often it is looked whose turn it is, in ms. */
const TURN_LOOK_MS = 50;

/** A share of the server among proxies counts for no longer than this without a word from the worker that looks after it, in ms. */
const SHARE_STANDS_MS = 1_500;

/** The size of the pool, as the workers of one generation have it. */
interface Claim {
  readonly size: number;
  /** Other proxies on the server have their parts: what an earlier generation has found is a part of its own. */
  readonly shared: boolean;
}

/** Workers that were started together. */
export interface Team {
  readonly workers: readonly Worker[];
}

/** What workers share: the permits of one budget of server sessions, and the questions that they ask each other. */
export class Coordinator {
  readonly #router = new BusRouter();
  readonly #ledger = new PermitLedger<Worker>((worker, change) => worker.permits(change));
  /** Of generations that live, the latest one last. */
  readonly #claims = new Map<Team, Claim>();
  readonly #idSpaces = new Set<number>();
  #lastIdSpace = -1;
  readonly #members = new Map<Worker, Team>();
  /** Sessions that the server has of each: whose each is, by its id there. */
  readonly #sessions = new Map<Worker, Map<string, string>>();
  #turns: NodeJS.Timeout | null = null;

  /** For one worker: no other living one has it, unless there are more than {@link ID_SPACES}. */
  newIdSpace(): number {
    for (let i = 0; i < ID_SPACES; i++) {
      // Whoever has kept the id of a client of a worker that has died is not to find another client by it.
      this.#lastIdSpace = (this.#lastIdSpace + 1) % ID_SPACES;
      if (!this.#idSpaces.has(this.#lastIdSpace)) break;
    }
    this.#idSpaces.add(this.#lastIdSpace);
    return this.#lastIdSpace;
  }

  /** @param sharing whether they share the permits: those of a team of one have their pool for themselves */
  joined(team: Team, workers: readonly Worker[], sharing: boolean): void {
    for (const worker of workers) this.#members.set(worker, team);
    if (sharing) this.#ledger.join(workers);
  }

  /** What a team's budget is, as far as it is known. */
  claim(team: Team, size: number | null, shared = false): void {
    if (size !== null) {
      this.#claims.set(team, { size, shared });
      this.#applyClaims();
    }
  }

  /** It has ended. */
  gone(worker: Worker): void {
    const team = this.#members.get(worker);
    this.#members.delete(worker);
    this.#idSpaces.delete(worker.idSpace);
    this.#router.gone(worker);
    const permits = this.#ledger.left(worker);
    this.#keepTurns();
    const sessions = this.#sessions.get(worker) ?? new Map();
    this.#sessions.delete(worker);
    if (permits > 0) {
      const gone = (user: string, ids: readonly string[]): Promise<readonly string[]> =>
        this.#goneSessions(user, ids);
      reclaim({ permits, sessions }, { gone, found: (count) => this.#found(count) });
    }
    if (team === undefined) return;
    const claim = this.#claims.get(team);
    if (worker.number !== LEADER || claim?.shared !== true) return;
    // With it went the lock that tells others of this proxy.
    setTimeout(() => {
      if (this.#claims.get(team) === claim) this.claim(team, 1, true);
    }, SHARE_STANDS_MS).unref();
  }

  /** All of its workers have ended. */
  over(team: Team): void {
    this.#claims.delete(team);
    this.#applyClaims();
  }

  /** @returns whether it was something that is dealt with here */
  said(worker: Worker, message: FromWorker): boolean {
    switch (message.kind) {
      case 'wish':
        this.#ledger.wishes(worker, message.wish);
        this.#keepTurns();
        return true;
      case 'release':
        this.#ledger.released(worker, message.count);
        this.#keepTurns();
        return true;
      case 'session_opened':
        this.#sessionsOf(worker).set(message.id, message.user);
        return true;
      case 'session_gone':
        this.#sessionsOf(worker).delete(message.id);
        return true;
      case 'total': {
        const team = this.#members.get(worker);
        if (team !== undefined) this.claim(team, message.size, message.shared);
        return true;
      }
      case 'ask': {
        const { id, topic, question, timeoutMs, everyone } = message;
        const team = this.#members.get(worker);
        const others = [...this.#members].filter(
          ([one, its]) => one !== worker && (everyone || its === team) && !one.hasEnded,
        );
        const peers = others.map(([one]) => one);
        this.#router.ask(peers, { topic, question, timeoutMs }, (answer) => worker.answers(id, answer));
        return true;
      }
      case 'answer': {
        const hasAnswer = 'value' in message;
        this.#router.answered(worker, message.id, hasAnswer ? { value: message.value } : null);
        return true;
      }
      default:
        return false;
    }
  }

  #sessionsOf(worker: Worker): Map<string, string> {
    const sessions = this.#sessions.get(worker) ?? new Map<string, string>();
    this.#sessions.set(worker, sessions);
    return sessions;
  }

  /** As one of those that live finds out. */
  #goneSessions(user: string, ids: readonly string[]): Promise<readonly string[]> {
    const living = [...this.#members.keys()].find((one) => one.wasReady && !one.hasEnded);
    const question = { user, ids };
    return new Promise((resolve) => {
      const asked = { topic: GONE_SESSIONS, question, timeoutMs: LOOK_MS };
      this.#router.ask(living === undefined ? [] : [living], asked, ({ answers: [first] }) =>
        resolve(isTexts(first?.answer) ? first.answer : []),
      );
    });
  }

  #found(count: number): void {
    this.#ledger.found(count);
    this.#keepTurns();
  }

  #applyClaims(): void {
    const claims = [...this.#claims.values()];
    const last = claims.at(-1);
    if (last === undefined) return;
    const sum = claims.reduce((total, { size, shared }) => total + (shared ? size : 0), 0);
    this.#ledger.total = last.shared ? sum : last.size;
    this.#keepTurns();
  }

  #keepTurns(): void {
    if (this.#turns !== null || !this.#ledger.isContended) return;
    this.#turns = setInterval(() => {
      this.#ledger.tick();
      if (this.#ledger.isContended || this.#turns === null) return;
      clearInterval(this.#turns);
      this.#turns = null;
    }, TURN_LOOK_MS);
    this.#turns.unref();
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
