import { BusRouter } from '../workers/bus-router.js';
import { GONE_SESSIONS } from '../workers/permits.js';
import type { FromWorker } from './messages.js';
import { ServerBudget, type Team } from './server-budget.js';
import type { Worker } from './worker.js';

/** How long another worker may take to find out what the server has, in ms. */
const LOOK_MS = 1_000;

/** Numbers that clients' ids can tell apart. */
const ID_SPACES = 64;

/** What workers share: a budget of sessions on each server, and the questions that they ask each other. */
export class Coordinator {
  readonly #router = new BusRouter();
  /** By the server's name. */
  readonly #budgets = new Map<string, ServerBudget>();
  /** Those that a worker has a part of, by what it calls that. */
  readonly #parts = new Map<Worker, Map<number, ServerBudget>>();
  /** Generations that live, the latest one last. */
  readonly #teams = new Set<Team>();
  readonly #idSpaces = new Set<number>();
  #lastIdSpace = -1;
  readonly #members = new Map<Worker, Team>();

  /** Names of the servers that workers have, or had until they died. */
  get servers(): readonly string[] {
    return [...this.#budgets.keys()];
  }

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

  joined(team: Team, workers: readonly Worker[]): void {
    this.#teams.add(team);
    for (const worker of workers) this.#members.set(worker, team);
  }

  /** It has ended. */
  gone(worker: Worker): void {
    this.#members.delete(worker);
    this.#idSpaces.delete(worker.idSpace);
    this.#router.gone(worker);
    const parts = this.#parts.get(worker);
    this.#parts.delete(worker);
    for (const budget of parts?.values() ?? []) budget.gone(worker);
  }

  /** All of its workers have ended. */
  over(team: Team): void {
    this.#teams.delete(team);
  }

  /** @returns whether it was something that is dealt with here */
  said(worker: Worker, message: FromWorker): boolean {
    switch (message.kind) {
      case 'join':
        this.#join(worker, message);
        return true;
      case 'wish':
      case 'release':
      case 'session_opened':
      case 'session_gone':
      case 'total':
        this.#parts.get(worker)?.get(message.join)?.said(worker, message);
        return true;
      case 'leave': {
        const budget = this.#parts.get(worker)?.get(message.join);
        this.#parts.get(worker)?.delete(message.join);
        budget?.said(worker, message);
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

  #join(worker: Worker, { join, server, size }: Extract<FromWorker, { kind: 'join' }>): void {
    const team = this.#members.get(worker);
    // What one has said that has died may come after the news of its death.
    if (team === undefined) return;
    const budget = this.#budgets.get(server) ?? this.#newBudget(server);
    const parts = this.#parts.get(worker) ?? new Map<number, ServerBudget>();
    this.#parts.set(worker, parts.set(join, budget));
    budget.join(worker, team, join, size);
  }

  #newBudget(server: string): ServerBudget {
    const budget = new ServerBudget({
      teams: this.#teams,
      gone: (worker, user, ids) => this.#goneSessions(worker, { server, user, ids }),
      over: () => this.#budgets.delete(server),
    });
    this.#budgets.set(server, budget);
    return budget;
  }

  #goneSessions(worker: Worker, question: object): Promise<readonly string[]> {
    return new Promise((resolve) => {
      const asked = { topic: GONE_SESSIONS, question, timeoutMs: LOOK_MS };
      this.#router.ask([worker], asked, ({ answers: [first] }) =>
        resolve(isTexts(first?.answer) ? first.answer : []),
      );
    });
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
