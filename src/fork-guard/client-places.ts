import { TurnoverMap } from '../turnover-map.js';
import type { InspectorClient } from './inspector-client.js';
import type { Located } from './messages.js';
import { programImage } from './program-images.js';
import { isShortage } from './shortage.js';
import type { SocketWatch, WatchedClient } from './socket-watch.js';

/** Why nothing can be seen of a client's processes. */
export type BlindReason =
  /** No socket of this machine, as far as it shows, is the client's end: it is on another one, or behind an address translation. */
  | 'elsewhere'
  /** Its socket is here, but no process that may be looked at has it: another user's, or one of another pid namespace. */
  | 'hidden'
  /** It came over a unix socket, of which only the program `ss` tells the other end. */
  | 'unix';

export type OnBlind = (reason: BlindReason, client: WatchedClient) => void;

/** The shortest pause between two rounds, and how much of the time they may take: it is only for the record. */
const PAUSE_MS = 1_000;
/** Before the first round after a while without any. */
const SOON_MS = 20;
const MAX_SHARE = 0.02;
/** Clients looked for in one round, at most; the others wait for the next one. */
const ROUND = 2_000;
/** How long places are remembered, in ms. */
const MEMORY_MS = 600_000;
const MAX_REMEMBERED = 10_000;

/**
 * Finds out which clients can be looked at. Nothing waits for it: a client is taken for one that can be until it is known to
 * be none. Clients come and go by thousands a second, so what is known of a process or a host holds for its other clients.
 */
export class ClientPlaces {
  /** Clients that cannot be looked at. */
  blind = 0;
  readonly #inspector: InspectorClient;
  readonly #onBlind: OnBlind;
  readonly #told = new Set<BlindReason>();
  readonly #waiting = new TurnoverMap<number, SocketWatch>();
  /** Processes that were right about their ids: the address that they came from, and the image that they ran. */
  readonly #seen = new Map<number, { readonly address: string | null; readonly image: string }>();
  #notBefore = 0;
  #underway = 0;
  readonly #elsewhere = new Set<string>();
  #forgetAt = performance.now() + MEMORY_MS;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(inspector: InspectorClient, onBlind: OnBlind) {
    this.#inspector = inspector;
    this.#onBlind = onBlind;
  }

  place(watch: SocketWatch, unixTold: boolean): void {
    const { claimedPid, address } = watch.client;
    if (address === null && !unixTold) this.#setBlind(watch, 'unix');
    else if (address !== null && this.#elsewhere.has(address)) this.#setBlind(watch, 'elsewhere');
    else {
      // An id may be another process's by now, which runs another program, or the same one once more.
      watch.claimedImage = claimedPid === null ? null : imageIfReadable(claimedPid);
      const seen = claimedPid === null ? undefined : this.#seen.get(claimedPid);
      if (seen !== undefined && seen.address === address && seen.image === watch.claimedImage) {
        watch.images = [seen.image];
        return;
      }
      this.#waiting.set(watch.number, watch);
      this.#next(Math.max(SOON_MS, this.#notBefore - performance.now()));
    }
  }

  /** All clients have a place. */
  get complete(): boolean {
    return this.#waiting.size === 0 && this.#underway === 0;
  }

  forget(watch: SocketWatch): void {
    this.#waiting.delete(watch.number);
    if (watch.blind) this.blind--;
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #next(pauseMs: number): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => this.#round(), pauseMs).unref();
  }

  #round(): void {
    this.#forgetInTime();
    const watches = [...this.#waiting.values()].slice(0, ROUND);
    for (const watch of watches) this.#waiting.delete(watch.number);
    if (watches.length === 0) {
      this.#timer = null;
      return;
    }
    const begun = performance.now();
    this.#underway = watches.length;
    const sought = watches.map(({ client: { endpoint, claimedPid } }) => ({ endpoint, claimedPid }));
    this.#inspector.locate(sought, (located) => {
      watches.forEach((watch, i) => {
        const result = located[i];
        if (result !== undefined) this.#placed(watch, result);
      });
      this.#underway = 0;
      this.#timer = null;
      const pause = Math.max(PAUSE_MS, (performance.now() - begun) / MAX_SHARE);
      this.#notBefore = performance.now() + pause;
      this.#next(pause);
    });
  }

  #placed(watch: SocketWatch, { socketSeen, pids, images }: Located): void {
    const { claimedPid, address } = watch.client;
    const image = watch.claimedImage;
    if (claimedPid !== null && image !== null && pids.includes(claimedPid) && images.includes(image))
      this.#seen.set(claimedPid, { address, image });
    if (watch.isClosed) return;
    if (images.length > 0) watch.images = images;
    if (pids.length > 0) return;
    if (!socketSeen && address !== null && !isLoopback(address)) this.#elsewhere.add(address);
    this.#setBlind(watch, socketSeen ? 'hidden' : 'elsewhere');
  }

  #setBlind(watch: SocketWatch, reason: BlindReason): void {
    if (watch.blind) return;
    watch.blind = true;
    this.blind++;
    if (this.#told.has(reason)) return;
    this.#told.add(reason);
    this.#onBlind(reason, watch.client);
  }

  /** Ids are given again, and addresses as well. */
  #forgetInTime(): void {
    const now = performance.now();
    if (now < this.#forgetAt && this.#seen.size + this.#elsewhere.size < MAX_REMEMBERED) return;
    this.#forgetAt = now + MEMORY_MS;
    this.#seen.clear();
    this.#elsewhere.clear();
  }
}

function imageIfReadable(pid: number): string | null {
  try {
    return programImage(pid);
  } catch (error) {
    if (isShortage(error)) return null;
    throw error;
  }
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');
}
