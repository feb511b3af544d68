import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { SessionState } from '../../src/pool/session-slot.js';
import type { Findings } from './findings.js';
import type { Journal } from './journal.js';
import { ACCOUNTS, BALANCE } from './operations.js';
import type { Weather } from './weather.js';
import { WAIT_TIMEOUT_MS, type World } from './world.js';

const EVERY_MS = 1000;
/** One for KILLs and one that reads the catalogue, per account. */
const OWN_CONNECTIONS = 2;
/** The pool looks at deadlines in ticks; and the machine may be busy. */
const WAIT_SLACK_MS = 500;
/** A session whose connection was cut off is gone from the server after this time: it may be in a statement, or a lock wait. */
const ORPHAN_MS = 20_000;
/** Facts so old are finished: all their clients have gone on or given up. */
const SETTLED_MS = 90_000;
const SWEEP_EVERY = 10;

/** Looks every second whether everything is as it must be at any time. */
export class Invariants {
  readonly #world: World;
  readonly #findings: Findings;
  readonly #journal: Journal;
  readonly #weather: Weather;
  readonly #lag: IntervalHistogram = monitorEventLoopDelay({ resolution: 10 });
  /** Sessions on the server without a connection that we know, and since when (ms). */
  readonly #orphans = new Map<number, number>();
  #overInARow = 0;
  #over = false;
  #running: Promise<void> | null = null;
  mostSessions = 0;
  mostWaiting = 0;
  longestWaitMs = 0;
  looks = 0;

  constructor(world: World, findings: Findings, journal: Journal, weather: Weather) {
    this.#world = world;
    this.#findings = findings;
    this.#journal = journal;
    this.#weather = weather;
  }

  start(): void {
    this.#lag.enable();
    this.#running = this.#run();
    this.#running.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#running;
    this.#lag.disable();
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      await sleep(EVERY_MS);
      this.looks++;
      this.#lookAtPools();
      this.#lookAtLinks();
      if (!this.#weather.serverUp) this.#orphans.clear();
      else await this.#unlessServerEnds(() => this.#lookAtServer());
      if (this.looks % SWEEP_EVERY === 0) await this.#unlessServerEnds(() => this.#sweep());
    }
  }

  #lookAtPools(): void {
    const counts = this.#world.app.poolCounts();
    const { limit, idle, active, dialing, retiring, waiting, oldestWaitMs } = counts;
    const total = idle + active + dialing + retiring;
    this.mostSessions = Math.max(this.mostSessions, total);
    this.mostWaiting = Math.max(this.mostWaiting, waiting);
    this.longestWaitMs = Math.max(this.longestWaitMs, oldestWaitMs);
    if (total > limit)
      this.#findings.violated(
        `${total} sessions of ${limit}: ${JSON.stringify({ idle, active, dialing, retiring })}`,
      );
    const states = new Map<string, number>();
    for (const { state } of this.#world.app.serverSessions()) states.set(state, (states.get(state) ?? 0) + 1);
    for (const [state, count] of [
      [SessionState.idle, idle],
      [SessionState.active, active],
      [SessionState.retiring, retiring],
    ] as const) {
      if ((states.get(state) ?? 0) !== count)
        this.#findings.violated(
          `${states.get(state) ?? 0} sessions say that they are ${state}, and ${count} are`,
        );
    }
    const lagMs = this.#lag.max / 1e6;
    this.#lag.reset();
    if (oldestWaitMs > WAIT_TIMEOUT_MS + WAIT_SLACK_MS + lagMs)
      this.#findings.violated(`somebody has waited ${Math.round(oldestWaitMs)} ms for a session`);
  }

  /** What the network sees of the cap, whatever the proxy says. */
  #lookAtLinks(): void {
    const now = Date.now();
    const open = [...this.#world.back.links].filter(
      // The proxy has closed others, perhaps, and nobody could hear it.
      ({ stalledUntil, near, far }) => stalledUntil < now - 100 && !near.destroyed && !far.destroyed,
    ).length;
    this.#overInARow = open > this.#mostConnections ? this.#overInARow + 1 : 0;
    // Once: some of them are just being closed.
    if (this.#overInARow > 1)
      this.#findings.violated(`${open} connections to the server, at most ${this.#mostConnections} are due`);
  }

  get #mostConnections(): number {
    return this.#world.app.poolCounts().limit + OWN_CONNECTIONS * this.#world.users.length;
  }

  async #lookAtServer(): Promise<void> {
    const { server, users, back, schema } = this.#world;
    const ours = new Set(users.map(({ user }) => user));
    const ids = new Set((await server.sessions()).filter(({ user }) => ours.has(user)).map(({ id }) => id));
    const known = new Set([...back.links].map(({ serverId }) => serverId));
    const now = Date.now();
    for (const id of ids) {
      if (known.has(id)) this.#orphans.delete(id);
      else if (!this.#orphans.has(id)) this.#orphans.set(id, now);
    }
    for (const [id, since] of this.#orphans) {
      if (!ids.has(id)) this.#orphans.delete(id);
      else if (now - since > ORPHAN_MS) {
        this.#orphans.delete(id);
        this.#findings.violated(`session ${id} is on the server ${ORPHAN_MS / 1000} s after its connection`);
      }
    }
    const [sum] = await server.query<{ total: unknown }>(
      `SELECT SUM(balance) AS total FROM ${schema}.accounts`,
    );
    if (Number(sum?.total) !== ACCOUNTS * BALANCE)
      this.#findings.violated(`the balances add up to ${String(sum?.total)}: half a transaction`);
  }

  /** Compares what is finished with what the server has, and forgets it in both places. */
  async #sweep(): Promise<void> {
    const { server, schema } = this.#world;
    for (const batch of this.#journal.settled(SETTLED_MS)) {
      const marks = batch.map(() => '?').join();
      const rows = await server.query<{ token: string; n: number }>(
        `SELECT token, COUNT(*) AS n FROM ${schema}.facts WHERE token IN (${marks}) GROUP BY token`,
        batch,
      );
      this.#journal.compare(new Map(rows.map(({ token, n }) => [token, Number(n)])), batch);
      await server.query(`DELETE FROM ${schema}.facts WHERE token IN (${marks})`, batch);
      this.#journal.forget(batch);
    }
  }

  async #unlessServerEnds(look: () => Promise<void>): Promise<void> {
    const { fairSince } = this.#weather;
    try {
      await look();
    } catch (error) {
      const wasUp = this.#weather.serverUp && this.#weather.fairSince === fairSince;
      if (wasUp && this.#world.server.pid !== null)
        this.#findings.violated(`the server could not be looked at: ${String(error)}`);
    }
  }
}
