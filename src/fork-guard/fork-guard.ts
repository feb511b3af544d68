import type { ForkCheck, ForkFinding, GuardedSocket } from '../relay/fork-check.js';
import { TurnoverMap } from '../turnover-map.js';
import { ClientPlaces, type OnBlind } from './client-places.js';
import { describeClient } from './describe-client.js';
import { Doubts } from './doubts.js';
import { InspectorClient } from './inspector-client.js';
import type { Holder, IdRange, Inheritance, Survey } from './messages.js';
import { originOf } from './newcomers.js';
import { LastProcessId } from './process-ids.js';
import { isMissing } from './process-stat.js';
import { SINGLE, SocketWatch, UNKNOWN, type WatchHost } from './socket-watch.js';
import { mayHaveInherited, statIfReadable, UnbornIds } from './unborn-ids.js';
import { findSs } from './unix-peers.js';

export interface ForkGuardOptions {
  /** TCP ports that the proxy listens on; asked for when the first client is looked at. */
  readonly ports: () => readonly number[];
  /** A client that cannot be looked at, the first of its kind. */
  readonly onBlind: OnBlind;
  /** The guard sees nothing any more, by a fault of its own. */
  readonly onFailed: (error: Error) => void;
}

/** A reading is good for so long, in ms: from the birth of a process to its first command takes longer. */
const FRESH_MS = 0.05;
/** After so long a time, in ms, the ids may have gone round and be the same again. */
const STALE_MS = 10_000;
/** So many new ids at most are looked at on the spot, some 20 µs each, if it is sure that they are all: no more than this ago, in ms. */
const AT_ONCE = 6;
const AT_ONCE_MS = 100;
/** A client waits for an answer this long at most, in ms. */
const ANSWER_WITHIN_MS = 1_500;
/** Between two looks at a process that is too young to be judged, in ms. */
const AGAIN_MS = 25;
/** Between two surveys that no command has asked for, in ms: so that the next one has few ids to look at. */
const UNASKED_MS = 50;
/** What a client waits for doubts at most that are not of its own program, in ms, once they have cost too much. */
const HURRY_MS = 10;

/**
 * Tells whether the sockets of clients on this machine are held by several processes: forked from one another, they would read
 * each other's replies.
 *
 * The kernel numbers processes one after the other, so one number tells whether any process at all has been made since the
 * last look (see {@link LastProcessId}): that is all an ordinary command costs. Only then is there a survey, in another
 * thread: the processes behind the new numbers, and which sockets of clients they have inherited. As every new process is
 * seen whoever its parent is by now, no way of forking goes unnoticed (grandchildren, daemons that forked twice, parents that
 * have ended). What the commands of a client must wait for is a survey that began after they were read.
 *
 * Where new processes have sockets that nobody knows yet, the kernel's tables tell whose they are, which can take long. Only
 * clients of the same program wait for that as long as for anything else, and those whose program is not known yet, while the new
 * process runs one of which nothing is known either. When doubts have taken long lately, the latter do not wait longer than
 * {@link HURRY_MS} for programs that were doubted for nothing before: a fork may then go unnoticed until the tables are read.
 *
 * It does not see: processes of a pid namespace that is not ours or below ours; descriptors of other users' processes,
 * unless we are root; sockets handed over without a fork (SCM_RIGHTS); a process forked while a command of another thread
 * of its parent is under way, as long as that command lasts.
 */
export class ForkGuard implements ForkCheck, WatchHost {
  cleared = 0;
  /** Since the start: surveys, and looks at the holders of clients' sockets. */
  surveys = 0;
  examinations = 0;
  /** Clients that were served before all doubts were resolved. */
  hurried = 0;
  readonly #ids: LastProcessId;
  readonly #inspector: InspectorClient;
  readonly #places: ClientPlaces;
  readonly #doubts: Doubts;
  readonly #unborn = new UnbornIds();
  readonly #ss = findSs();
  readonly #watches = new TurnoverMap<string, SocketWatch>();
  /** Those with an open question, in the order of asking. */
  readonly #asking = new TurnoverMap<number, SocketWatch>();
  /** Those whose holders are to be looked at next. */
  readonly #suspicious = new Set<SocketWatch>();
  #lastNumber = 0;
  #unixClients = 0;
  #logins = 0;
  #hurry: NodeJS.Timeout | null = null;
  #unasked: NodeJS.Timeout | null = null;
  #generation = 1;
  #lastId: number;
  #readAt: number;
  #surveying: number | null = null;
  #examining = false;
  #deadline: NodeJS.Timeout | null = null;
  #failed = false;

  private constructor(ids: LastProcessId, options: ForkGuardOptions) {
    this.#ids = ids;
    // The thread starts later, and must not take what is forked until then for old.
    const origin = originOf(ids);
    this.#lastId = origin.id;
    this.#readAt = performance.now();
    this.#inspector = new InspectorClient(() => ({ ports: options.ports(), ss: this.#ss, origin }), {
      late: (inherited, doubts) => {
        this.#inherited(inherited, null);
        this.#doubts.add(doubts, this.surveys);
      },
      failed: (error) => {
        this.#fail();
        options.onFailed(error);
      },
    });
    this.#places = new ClientPlaces(this.#inspector, options.onBlind);
    this.#doubts = new Doubts(this.#inspector, (inherited) => {
      this.#inherited(inherited, null);
      this.#answerAsking();
    });
  }

  /** Null where the system does not show what is needed: any but Linux with /proc. */
  static open(options: ForkGuardOptions): ForkGuard | null {
    const ids = process.platform === 'linux' ? LastProcessId.open() : null;
    return ids === null ? null : new ForkGuard(ids, options);
  }

  /** Clients of which nothing can be seen; null when that is all of them, after a fault. */
  get blindClients(): number | null {
    return this.#failed ? null : this.#places.blind;
  }

  /** {@link ForkCheck} */
  watch(socket: GuardedSocket, attributes: ReadonlyMap<string, string>): SocketWatch | null {
    if (this.#failed) return null;
    this.#inspector.start();
    const client = describeClient(socket, attributes);
    if (client === null) return null;
    // The reading first: what is forked from here on is newer than the login.
    this.generation();
    const watch = new SocketWatch(this, client, ++this.#lastNumber, this.#lastId, this.surveys);
    this.#watches.set(client.endpoint, watch);
    this.#logins++;
    if (client.address === null) this.#unixClients++;
    this.#places.place(watch, this.#ss !== null);
    this.#unasked ??= setInterval(() => this.#surveyUnasked(), UNASKED_MS).unref();
    return watch;
  }

  close(): void {
    this.#failed = true;
    this.#inspector.close();
    this.#places.close();
    this.#doubts.close();
    this.#stopUnasked();
    if (this.#hurry !== null) clearTimeout(this.#hurry);
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#ids.close();
  }

  /** {@link WatchHost} */
  generation(): number {
    const now = performance.now();
    const age = now - this.#readAt;
    if (age < FRESH_MS || this.#failed) return this.#generation;
    const id = this.#ids.read();
    const born = this.#unborn.size > 0 && this.#unborn.areBorn(now);
    if (id !== this.#lastId || age > STALE_MS || born) {
      const looks = !born && this.cleared === this.#generation && age < AT_ONCE_MS;
      const harmless = looks && this.#areHarmless(this.#lastId, id, now);
      this.#lastId = id;
      this.#generation++;
      if (harmless) this.cleared = this.#generation;
    }
    this.#readAt = now;
    return this.#generation;
  }

  /**
   * Whether a few new ids are threads, or processes that run a program of their own by now: most are, and to see that takes
   * less time than to ask the other thread. (What has ended may only just be being made: see {@link UnbornIds}.)
   */
  #areHarmless(from: number, upTo: number, now: number): boolean {
    if (upTo < from || upTo - from > AT_ONCE) return false;
    const missing: number[] = [];
    for (let id = from + 1; id <= upTo; id++) {
      const stat = statIfReadable(id);
      if (stat === null && !isMissing(id)) return false;
      if (stat === null) missing.push(id);
      else if (mayHaveInherited(stat)) return false;
    }
    if (missing.length > 0) {
      this.#unborn.add(missing, now);
      this.#inspector.missing(missing);
    }
    return true;
  }

  /** {@link WatchHost} */
  ask(watch: SocketWatch, generation: number): void {
    if (this.#failed) {
      setImmediate(() => watch.answer(UNKNOWN));
      return;
    }
    this.#asking.set(watch.number, watch);
    this.#deadline ??= setTimeout(() => this.#overdue(), ANSWER_WITHIN_MS);
    if (generation === this.cleared) {
      if (watch.isSuspicious) this.#examineSoon(watch);
      else this.#awaitDoubts(watch);
    } else if (this.#surveying === null) this.#survey();
  }

  #isCleared(watch: SocketWatch): boolean {
    return watch.askedGeneration <= this.cleared;
  }

  /** {@link WatchHost} */
  forget(watch: SocketWatch): void {
    const { client } = watch;
    if (this.#watches.get(client.endpoint) === watch) this.#watches.delete(client.endpoint);
    if (client.address === null) this.#unixClients--;
    this.#asking.delete(watch.number);
    this.#suspicious.delete(watch);
    this.#places.forget(watch);
    if (this.#watches.size === 0) this.#stopUnasked();
  }

  #survey(): void {
    this.surveys++;
    this.#surveying = this.#generation;
    const places = this.#places;
    const clients = {
      unix: this.#unixClients > 0,
      logins: this.#logins,
      placed: places.complete,
    };
    this.#inspector.survey(clients, (survey) => this.#surveyed(survey));
  }

  #surveyed({ range, inherited, late, doubts, unborn }: Survey): void {
    const asked = this.#surveying ?? 0;
    this.#surveying = null;
    this.#inherited(inherited, range);
    this.#inherited(late, null);
    this.#unborn.surveyed(unborn, performance.now());
    this.#doubts.add(doubts, this.surveys);
    const id = this.#ids.read();
    if (id === range.upTo) {
      // It has seen more than was asked for.
      this.#lastId = id;
      this.#readAt = performance.now();
      this.cleared = this.#generation;
    } else {
      this.cleared = asked;
    }
    this.#answerAsking();
  }

  #answerAsking(): void {
    for (const watch of [...this.#asking.values()]) {
      if (!watch.isAsked) continue;
      if (watch.askedGeneration > this.cleared) {
        if (this.#surveying === null) this.#survey();
      } else if (watch.isSuspicious) this.#examineSoon(watch);
      else if (this.isDoubtful(watch)) this.#awaitDoubts(watch);
      else this.#answer(watch, SINGLE);
    }
  }

  #surveyUnasked(): void {
    if (this.#failed || this.#surveying !== null) return;
    if (this.generation() !== this.cleared) this.#survey();
  }

  #stopUnasked(): void {
    if (this.#unasked !== null) clearInterval(this.#unasked);
    this.#unasked = null;
  }

  /** {@link WatchHost} */
  isDoubtful(watch: SocketWatch): boolean {
    return this.#doubts.concern(watch);
  }

  #awaitDoubts(watch: SocketWatch): void {
    if (this.#doubts.suspect(watch)) this.#doubts.urge();
    this.#hurrySoon();
  }

  #hurrySoon(): void {
    this.#hurry ??= setTimeout(() => this.#hurryUp(), HURRY_MS);
  }

  /** Serves those that have waited for what is hardly theirs. */
  #hurryUp(): void {
    this.#hurry = null;
    const isSlow = this.#doubts.areSlow;
    const now = performance.now();
    for (const watch of [...this.#asking.values()]) {
      if (!watch.isAsked || !this.#isCleared(watch) || watch.isSuspicious) continue;
      if (!this.isDoubtful(watch)) this.#answer(watch, SINGLE);
      else if (this.#doubts.suspect(watch)) continue;
      else if (!isSlow || now - watch.askedAt < HURRY_MS) {
        if (!isSlow) this.#doubts.urge();
        this.#hurrySoon();
      } else {
        this.hurried++;
        this.#answer(watch, this.#doubts.includeUnread ? UNKNOWN : SINGLE);
      }
    }
  }

  /** @param range null: nothing is known of when these were forked. */
  #inherited(inherited: readonly Inheritance[], range: IdRange | null): void {
    for (const { pid, endpoint, inode, fd } of inherited) {
      const watch = this.#watches.get(endpoint);
      if (watch !== undefined && !this.#existedAtLogin(pid, watch, range)) watch.suspect({ pid, inode, fd });
    }
  }

  /** A process that is older than a client's login has made the connection itself, rather than having inherited it. */
  #existedAtLogin(pid: number, { loginId, loginSurvey }: SocketWatch, range: IdRange | null): boolean {
    // Whoever logged in before the last survey but this one is older than all that is new in this one.
    if (range === null || !range.ordered || loginSurvey < this.surveys - 1) return false;
    const { from, upTo, limit } = range;
    const distance = (id: number): number => (id >= from ? id - from : id - from + limit);
    const login = distance(loginId);
    return login <= distance(upTo) && distance(pid) <= login;
  }

  #examineSoon(watch: SocketWatch): void {
    this.#suspicious.add(watch);
    if (!this.#examining) this.#examine();
  }

  #examine(): void {
    const watches = [...this.#suspicious];
    this.#suspicious.clear();
    this.#examining = true;
    this.examinations++;
    const suspicions = watches.map((watch) => watch.suspicion);
    this.#inspector.examine(suspicions, (holders) => {
      this.#examining = false;
      const young = watches.filter((watch, i) => {
        const result = holders[i];
        return result !== undefined && watch.isAsked && !this.#judge(watch, result);
      });
      if (young.length > 0) setTimeout(() => this.#examineAgain(young), AGAIN_MS);
      if (this.#suspicious.size > 0 && !this.#examining) this.#examine();
    });
  }

  #examineAgain(watches: readonly SocketWatch[]): void {
    if (this.#failed) return;
    for (const watch of watches) if (watch.isAsked) this.#suspicious.add(watch);
    if (this.#suspicious.size > 0 && !this.#examining) this.#examine();
  }

  /** Whether it could be told. */
  #judge(watch: SocketWatch, holders: readonly Holder[]): boolean {
    const finding = watch.judge(holders);
    if (finding === null) return false;
    this.#answer(watch, finding);
    return true;
  }

  #answer(watch: SocketWatch, finding: ForkFinding): void {
    this.#asking.delete(watch.number);
    watch.answer(finding);
  }

  #overdue(): void {
    this.#deadline = null;
    const now = performance.now();
    for (const watch of this.#asking.values()) {
      const left = watch.askedAt + ANSWER_WITHIN_MS - now;
      if (left > 0) {
        this.#deadline ??= setTimeout(() => this.#overdue(), left);
        return;
      }
      this.#suspicious.delete(watch);
      this.#answer(watch, watch.lastWord);
    }
  }

  #fail(): void {
    this.#failed = true;
    for (const watch of [...this.#asking.values()]) this.#answer(watch, UNKNOWN);
  }
}
