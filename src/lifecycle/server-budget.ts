import { PermitLedger } from '../workers/permit-ledger.js';
import type { PermitMessage } from '../workers/permits.js';
import { LEADER } from './leader.js';
import { reclaim } from './lost-permits.js';
import type { Worker } from './worker.js';

/** How often it is looked whose turn it is, in ms. */
const TURN_LOOK_MS = 50;

/** A share of the server among proxies counts for no longer than this without a word from the worker that looks after it, in ms. */
const SHARE_STANDS_MS = 1_500;

/** Workers that were started together. */
export interface Team {
  readonly workers: readonly Worker[];
}

/** The size of the pool, as the workers of one generation have it. */
interface Claim {
  readonly size: number;
  /** Other proxies on the server have their parts: what an earlier generation has found is a part of its own. */
  readonly shared: boolean;
}

/** A worker that may have sessions on the server. */
interface Member {
  readonly team: Team;
  /** What it calls its part. */
  readonly join: number;
  /** Sessions that the server has of it: whose each is, by its id there. */
  readonly sessions: Map<string, string>;
}

export interface ServerBudgetParts {
  /** That live, the latest one last. */
  readonly teams: ReadonlySet<Team>;
  /** Which of these sessions of a user the server is rid of, as this worker finds out; none where it does not. */
  readonly gone: (worker: Worker, user: string, ids: readonly string[]) => Promise<readonly string[]>;
  /** No worker has or wants a session there, and none that has died can have one. */
  readonly over: () => void;
}

/** What workers share on one server: the permits for its sessions. It is there from the first worker that has it to the last. */
export class ServerBudget {
  readonly #parts: ServerBudgetParts;
  readonly #ledger: PermitLedger<Worker>;
  readonly #members = new Map<Worker, Member>();
  readonly #claims = new Map<Team, Claim>();
  #turns: NodeJS.Timeout | null = null;
  /** How often it was asked what the server is rid of. */
  #looks = 0;

  constructor(parts: ServerBudgetParts) {
    this.#parts = parts;
    this.#ledger = new PermitLedger<Worker>((worker, change) => {
      const member = this.#members.get(worker);
      if (member !== undefined) worker.permits(member.join, change);
    });
  }

  /**
   * @param join - what the worker calls its part
   * @param size - of the pool, as its configuration says; null where that has to be found out
   */
  join(worker: Worker, team: Team, join: number, size: number | null): void {
    this.#members.set(worker, { team, join, sessions: new Map() });
    // Those that are there may have been told something else since the configuration was read.
    if (size !== null && !this.#claims.has(team)) this.#claims.set(team, { size, shared: false });
    this.#apply();
    this.#ledger.join([worker]);
    this.#keepTurns();
  }

  said(worker: Worker, message: PermitMessage): void {
    const member = this.#members.get(worker);
    if (member === undefined) return;
    switch (message.kind) {
      case 'wish':
        this.#ledger.wishes(worker, message.wish);
        this.#keepTurns();
        break;
      case 'release':
        this.#ledger.released(worker, message.count);
        this.#keepTurns();
        break;
      case 'session_opened':
        member.sessions.set(message.id, message.user);
        break;
      case 'session_gone':
        member.sessions.delete(message.id);
        break;
      case 'total':
        this.#claim(member.team, { size: message.size, shared: message.shared });
        break;
      case 'leave':
        // It has no session there, and what is on its way to it is not taken.
        this.#ledger.found(this.#left(worker, member));
        this.#settled();
        break;
    }
  }

  /** It has ended. */
  gone(worker: Worker): void {
    const member = this.#members.get(worker);
    if (member === undefined) return;
    const { sessions } = member;
    const permits = this.#left(worker, member);
    if (permits > 0) {
      const gone = (user: string, ids: readonly string[]): Promise<readonly string[]> =>
        this.#goneSessions(user, ids);
      const found = (count: number): void => {
        this.#ledger.found(count);
        this.#settled();
      };
      reclaim({ permits, sessions }, { gone, found });
    }
    this.#settled();
  }

  /** @returns permits that it had */
  #left(worker: Worker, { team }: Member): number {
    this.#members.delete(worker);
    const permits = this.#ledger.left(worker);
    if ([...this.#members.values()].every((member) => member.team !== team)) this.#claims.delete(team);
    this.#apply();
    const claim = this.#claims.get(team);
    if (worker.number === LEADER && claim?.shared === true) {
      // With it went the lock that tells others of this proxy.
      setTimeout(() => {
        if (this.#claims.get(team) === claim) this.#claim(team, { size: 1, shared: true });
      }, SHARE_STANDS_MS).unref();
    }
    return permits;
  }

  #settled(): void {
    this.#keepTurns();
    if (this.#members.size === 0 && this.#ledger.out === 0) this.#parts.over();
  }

  #claim(team: Team, claim: Claim): void {
    this.#claims.set(team, claim);
    this.#apply();
    this.#keepTurns();
  }

  #apply(): void {
    const total = this.#size;
    if (total !== this.#ledger.total) this.#ledger.total = total;
  }

  get #size(): number {
    if (this.#members.size === 0) return 0;
    const claims = [...this.#parts.teams].flatMap((team) => this.#claims.get(team) ?? []);
    const last = claims.at(-1);
    // Until it is found out: one session, as a process alone has it.
    if (last === undefined) return Math.max(1, this.#ledger.total);
    return last.shared ? claims.reduce((sum, { size, shared }) => sum + (shared ? size : 0), 0) : last.size;
  }

  /** As those that live find out, in turn: not each of them reaches the server, and has a connection of that user's. */
  #goneSessions(user: string, ids: readonly string[]): Promise<readonly string[]> {
    const living = [...this.#members.keys()].filter((one) => one.wasReady && !one.hasEnded);
    const worker = living[this.#looks++ % living.length];
    return worker === undefined ? Promise.resolve([]) : this.#parts.gone(worker, user, ids);
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
