import { InternalCommandError } from '../backend/internal-commands.js';
import {
  ALONE,
  poolSizeFor,
  type RoomRules,
  reserveOf,
  roomOf,
  roomQueries,
  type ServerRoom,
} from '../backend/server-room.js';
import type { ServerInfo } from '../session/server-info.js';
import { type Ask, Fleet, type FleetView, lockName } from './fleet.js';
import { GROWS_AFTER_MS, SteadyShare } from './steady-share.js';

/** {@link PoolSizerOptions.roomMs} */
const ROOM_MS = 60_000;

/** How often proxies look for each other, in ms. */
const LOOK_MS = 500;

/**
 * Errors that say nothing of what was asked: the server ends (1053), the statement was killed (1317), took too long (1205, MariaDB
 * 1969, MySQL 3024), or there was no memory for it (1037, 1038, 1041).
 */
const SAYS_NOTHING: ReadonlySet<number> = new Set([1037, 1038, 1041, 1053, 1205, 1317, 1969, 3024]);

export interface PoolSizerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface PoolSizerOptions {
  /** Over a connection that is kept as long as the proxy runs. */
  readonly ask: Ask;
  /** The server at this moment: it may come back as another one. */
  readonly server: () => Pick<ServerInfo, 'flavor'>;
  /** `pool_size` */
  readonly size: number | 'auto';
  readonly rules: RoomRules;
  /** Whether other proxies on the server are looked for. */
  readonly fleet: boolean;
  readonly apply: (size: number) => void;
  /** How often the server is asked for its limits, in ms: a minute by default. */
  readonly roomMs?: number;
  readonly log: PoolSizerLog;
}

/** Keeps the size of the pool at what the server has for it, and what other proxies leave. */
export class PoolSizer {
  readonly #options: PoolSizerOptions;
  readonly #fleet: Fleet | null;
  readonly #share: SteadyShare;
  readonly #roomMs: number;
  #room: ServerRoom | null = null;
  #roomAt = Number.NEGATIVE_INFINITY;
  #view: FleetView | null = null;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;
  #stopped = false;
  /** What was told last, so that it is told once. */
  #told = '';
  #trouble = '';
  #isLost = false;

  constructor(options: PoolSizerOptions) {
    this.#options = options;
    this.#fleet = options.fleet ? new Fleet(options.ask) : null;
    this.#share = new SteadyShare(options.fleet);
    this.#roomMs = options.roomMs ?? ROOM_MS;
  }

  /** Sessions that the pool may have now. */
  get share(): number {
    return this.#share.size;
  }

  /** Proxies on the server, this one included; 0 while it is not known, or not asked for. */
  get members(): number {
    return this.#view?.members ?? 0;
  }

  /** `max_connections` of the server; 0 before it is known. */
  get maxConnections(): number {
    return this.#room?.maxConnections ?? 0;
  }

  /** Resolves when the server has been asked for the first time. */
  start(): Promise<void> {
    if (this.#timer !== null || this.#stopped) return Promise.resolve();
    this.#timer = setInterval(() => this.#tick(), LOOK_MS);
    this.#timer.unref();
    return this.#lookOnce();
  }

  /** Size or rules are other ones: they are read when they are needed. */
  changed(): void {
    if (this.#timer !== null) void this.#lookOnce();
  }

  /** As {@link stop}, but the connection stays: others are to have this one's place. Never rejects. */
  async leave(): Promise<void> {
    this.stop();
    await this.#looking;
    const number = this.#view?.number ?? null;
    if (number !== null) await this.#options.ask(`SELECT RELEASE_LOCK(${lockName(number)})`).catch(() => {});
  }

  /** The lock goes with its connection. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    if (this.#share.expire(now)) {
      this.#view = null;
      this.#isLost = true;
      this.#told = '';
      this.#options.log.warn(
        { poolSize: this.#share.size },
        'no word from the server about other proxies: the pool keeps one session, and those that clients hold',
      );
      this.#options.apply(this.#share.size);
    }
    if (this.#fleet === null && now - this.#roomAt < this.#roomMs) return;
    void this.#lookOnce();
  }

  /** One at a time: two that find no number of their own might take two. */
  #lookOnce(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    try {
      const view = await this.#whoIsThere();
      const room = await this.#currentRoom();
      const nobodyGrew = this.#isLost && (await this.#isServerNew());
      this.#isLost = false;
      this.#trouble = '';
      this.#settle(room, view, nobodyGrew);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (this.#stopped || text === this.#trouble) return;
      this.#trouble = text;
      this.#options.log.warn({ error: text }, 'the server does not tell how many sessions the pool may have');
    }
  }

  async #whoIsThere(): Promise<FleetView | null> {
    try {
      return (await this.#fleet?.look()) ?? null;
    } catch (error) {
      if (!(error instanceof InternalCommandError) || SAYS_NOTHING.has(error.err.errno)) throw error;
      if (this.#trouble !== error.message) {
        this.#trouble = error.message;
        this.#options.log.warn(
          { error: error.message },
          'the server refuses user locks: other proxies on it cannot be found, and the pool takes what there is for one',
        );
      }
      return { ...ALONE, number: null, at: performance.now() };
    }
  }

  /** Nobody can have been on it for long enough to take a larger share. */
  async #isServerNew(): Promise<boolean> {
    const [row] = await this.#options.ask("SHOW GLOBAL STATUS LIKE 'Uptime'");
    return (Number(row?.[1] ?? Number.NaN) + 1) * 1_000 < GROWS_AFTER_MS;
  }

  /** A minute old at most. */
  async #currentRoom(): Promise<ServerRoom> {
    const now = performance.now();
    if (this.#room !== null && now - this.#roomAt < this.#roomMs) return this.#room;
    const server = this.#options.server();
    const replies = await Promise.all(roomQueries(server).map((statement) => this.#options.ask(statement)));
    this.#roomAt = now;
    this.#room = roomOf(server, replies);
    return this.#room;
  }

  #settle(room: ServerRoom, view: FleetView | null, nobodyGrew: boolean): void {
    if (this.#stopped) return;
    const { size, rules, apply } = this.#options;
    const most = size === 'auto' ? Number.POSITIVE_INFINITY : size;
    const part = Math.min(most, poolSizeFor(room, rules, view ?? ALONE));
    const now = performance.now();
    this.#view = view;
    this.#share.seen(part, view?.at ?? now, now, (view?.members ?? 1) === 1, nobodyGrew);
    apply(this.#share.size);
    this.#tell(room, view);
  }

  #tell(room: ServerRoom, view: FleetView | null): void {
    const { maxConnections, accountLimit } = room;
    const fields = {
      poolSize: this.#share.size,
      maxConnections,
      reserve: reserveOf(room, this.#options.rules),
      ...(accountLimit === null ? {} : { accountLimit }),
      ...(view === null ? {} : { proxies: view.members, place: view.number }),
    };
    const text = JSON.stringify(fields);
    if (text === this.#told) return;
    this.#told = text;
    this.#options.log.info(fields, 'pool size');
  }
}
