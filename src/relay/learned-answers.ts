import type { ServerAccount } from '../backend/upstream.js';
import type { Baseline, SessionProfile } from '../session/profile.js';
import type { Conditions } from './conditions.js';

/** What the answer to a text depends on beside the text. Of a client that holds nothing and is in no transaction. */
export interface AnswerGround {
  readonly account: ServerAccount;
  readonly profile: SessionProfile;
  /** The flags that make a session fit for one client and not for another. */
  readonly capabilities: number;
}

/** What a server did with a text that only sets variables. */
export interface LearnedAnswer {
  /** The profile afterwards. */
  readonly profile: SessionProfile;
  /** Status flags of the last OK. */
  readonly status: number;
  /** The reply: the OK packet of each statement, as the server sent it to a session of the proxy's, header included. */
  readonly packets: readonly Buffer[];
  /** What the client may ask of it: its warnings. */
  readonly conditions: Conditions;
}

interface Entry {
  readonly key: string;
  readonly ground: AnswerGround;
  /** What a session of the account begins with, and what a reset leaves: another value, and the entry is void. */
  readonly loginBaseline: Baseline | null;
  readonly resetBaseline: Baseline | null;
  readonly answer: LearnedAnswer;
  readonly size: number;
  /** In ms of {@link LearnedAnswersOptions.now}. */
  readonly until: number;
}

export interface LearnedAnswersOptions {
  readonly maxEntries: number;
  /** Of texts and packets together. */
  readonly maxBytes: number;
  readonly ttlMs: number;
  /** A clock that never goes back, in ms. */
  readonly now: () => number;
}

const DEFAULTS: LearnedAnswersOptions = {
  maxEntries: 1024,
  maxBytes: 1 << 20,
  ttlMs: 10 * 60_000,
  now: () => performance.now(),
};

/** Texts longer than this, in bytes, are no preambles. */
const MAX_TEXT = 2048;
/** Texts of which it is known that they came before. */
const MAX_SEEN = 1024;
/** Failed lessons that are remembered. */
const MAX_FAILED = 1024;
/** What an entry takes beside its text and packets, in bytes. */
const OVERHEAD = 256;

/**
 * The server's answers to what drivers and frameworks send when they connect, by everything that they depend on. The one who
 * learns vouches that an answer is whole: that it is nothing but its packets and the change of the profile. Bounded in number,
 * bytes and time; the one that was not used for longest goes first.
 */
export class LearnedAnswers {
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();
  readonly #options: LearnedAnswersOptions;
  /**
   * Hashes of texts, each with its profile, that came and were not found; the one that came last is last. No table of slots:
   * of two texts of one preamble that share a slot, each would make the other forgotten, for as long as the process lives.
   */
  readonly #seen = new Set<number>();
  /** Until when a text with that hash gets no other lesson, in ms of {@link LearnedAnswersOptions.now}. Oldest first. */
  readonly #failed = new Map<number, number>();
  /** Numbers for what counts by identity. */
  readonly #ids = new WeakMap<object, number>();
  #lastId = 0;
  #bytes = 0;
  readonly #servers = new Map<string, { readonly connectionId: number; readonly version: string }>();

  constructor(options: Partial<LearnedAnswersOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Answers that are known. */
  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The answer to the text `buf[start]` up to, not including, `buf[end]`; null when it is not known. */
  find(ground: AnswerGround, buf: Buffer, start: number, end: number): LearnedAnswer | null {
    if (this.#entries.size === 0 || end - start > MAX_TEXT) return null;
    const key = this.#keyOf(ground, buf, start, end);
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    if (!this.#isValid(entry)) {
      this.#remove(entry);
      return null;
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.answer;
  }

  /**
   * Whether a text that was not found is worth a lesson: it came before from a client with the same profile, and no lesson of
   * it has failed. Texts or profiles with values that never come again cost the server nothing and drive nothing out.
   */
  deservesLesson({ profile }: AnswerGround, buf: Buffer, start: number, end: number): boolean {
    if (end - start > MAX_TEXT) return false;
    const hash = hashOf(profile, buf, start, end);
    const came = this.#seen.delete(hash);
    this.#seen.add(hash);
    if (!came) {
      for (const oldest of this.#seen) {
        if (this.#seen.size <= MAX_SEEN) break;
        this.#seen.delete(oldest);
      }
      return false;
    }
    const until = this.#failed.get(hash);
    if (until === undefined) return true;
    if (until > this.#options.now()) return false;
    this.#failed.delete(hash);
    return true;
  }

  /** A lesson showed that the answer to `text` can't be repeated: it will be so again, so none is given for a time. */
  failed({ profile }: AnswerGround, text: Buffer): void {
    const hash = hashOf(profile, text, 0, text.length);
    this.#failed.delete(hash);
    for (const oldest of this.#failed.keys()) {
      if (this.#failed.size < MAX_FAILED) break;
      this.#failed.delete(oldest);
    }
    this.#failed.set(hash, this.#options.now() + this.#options.ttlMs);
  }

  learn(ground: AnswerGround, text: Buffer, answer: LearnedAnswer): void {
    const { maxEntries, maxBytes, ttlMs, now } = this.#options;
    const size = answer.packets.reduce((sum, packet) => sum + packet.length, text.length + OVERHEAD);
    if (text.length > MAX_TEXT || size > maxBytes) return;
    const key = this.#keyOf(ground, text, 0, text.length);
    const { loginBaseline, resetBaseline } = ground.account;
    const entry = { key, ground, loginBaseline, resetBaseline, answer, size, until: now() + ttlMs };
    const before = this.#entries.get(key);
    if (before !== undefined) this.#remove(before);
    for (const oldest of this.#entries.values()) {
      if (this.#entries.size < maxEntries && this.#bytes + size <= maxBytes) break;
      this.#remove(oldest);
    }
    this.#entries.set(key, entry);
    this.#bytes += size;
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries.clear();
    this.#failed.clear();
    this.#bytes = 0;
  }

  /**
   * A session was opened. `server`: of several, which. Servers number their sessions upwards, from the beginning after a restart: a lower number than
   * the one before means another server process, of which nothing has been learned. (As does a session that the server has
   * ended: then whoever opens sessions calls {@link clear}.)
   */
  sessionOpened(connectionId: number, version: string, server = ''): void {
    const before = this.#servers.get(server) ?? { connectionId: 0, version: '' };
    if (version !== before.version || connectionId < before.connectionId) this.clear();
    this.#servers.set(server, { connectionId, version });
  }

  #keyOf({ account, profile, capabilities }: AnswerGround, buf: Buffer, start: number, end: number): string {
    return `${this.#idOf(account)} ${this.#idOf(profile)} ${capabilities} ${buf.toString('latin1', start, end)}`;
  }

  #idOf(thing: object): number {
    let id = this.#ids.get(thing);
    if (id === undefined) {
      id = ++this.#lastId;
      this.#ids.set(thing, id);
    }
    return id;
  }

  #isValid({ ground, loginBaseline, resetBaseline, until }: Entry): boolean {
    const { account } = ground;
    return (
      account.loginBaseline === loginBaseline &&
      account.resetBaseline === resetBaseline &&
      until > this.#options.now()
    );
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.key);
    this.#bytes -= entry.size;
  }
}

/** FNV-1a of the text, begun with the profile. That two have the same one means a lesson too many, or one too few. */
function hashOf({ hash: seed }: SessionProfile, buf: Buffer, start: number, end: number): number {
  let hash = seed;
  for (let pos = start; pos < end; pos++) hash = Math.imul(hash ^ (buf[pos] as number), 0x01000193);
  return hash | 0;
}
