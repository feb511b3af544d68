import type { ServerAccount } from '../backend/upstream.js';
import type { Server } from './server.js';
import { CloseReason } from './session-cleaner.js';

/** Whoever has something for each server. */
export interface ServersFollower {
  /** One that is there, or comes. */
  came?(server: Server): void;
  /** There are others now that get work, or in another order; {@link came} has been called for all of them. */
  changed?(): void;
  /** Its last session is closed, and it is in no list any more. */
  gone?(server: Server): void;
}

/** What is counted since the start, and must not become less when a server goes. */
interface ServerTotals {
  readonly resets: number;
  readonly fullHandshakes: number;
  readonly resumedHandshakes: number;
}

/** The servers of one proxy, each of which has the same accounts. They may come and go. */
export class Servers {
  #all: readonly Server[] = [];
  readonly #followers = new Set<ServersFollower>();
  #past: ServerTotals = { resets: 0, fullHandshakes: 0, resumedHandshakes: 0 };

  /** In the order of the configuration, and of names where one entry has several; those that are being left included. */
  get all(): readonly Server[] {
    return this.#all;
  }

  /** Those that get work. */
  get inUse(): readonly Server[] {
    return this.#all.filter(({ isLeaving }) => !isLeaving);
  }

  /** @throws TypeError where there is none: before any was known, and so before any client */
  get first(): Server {
    const first = this.#all.find(({ isLeaving }) => !isLeaving);
    if (first === undefined) throw new TypeError('no server is known yet');
    return first;
  }

  /** The server itself, or another one where it has gone. */
  here(server: Server): Server {
    return this.#all.includes(server) ? server : this.first;
  }

  /** A number that no other server has now, and as low as can be: {@link Server.index}. */
  get freeIndex(): number {
    const taken = new Set(this.#all.map(({ index }) => index));
    let index = 0;
    while (taken.has(index)) index++;
    return index;
  }

  follow(follower: ServersFollower): void {
    this.#followers.add(follower);
    for (const server of this.#all) follower.came?.(server);
  }

  /** They get work from now on. */
  add(added: readonly Server[]): void {
    this.#all = [...this.#all, ...added].sort(
      (a, b) => a.position - b.position || (a.name < b.name ? -1 : Number(a.name > b.name)),
    );
    for (const server of added) for (const follower of this.#followers) follower.came?.(server);
    this.#changed();
  }

  /** Nothing new goes there, and whoever waits there goes elsewhere; it is gone once its last session has been given back. */
  leave(server: Server): void {
    if (server.isLeaving) return;
    server.isLeaving = true;
    this.#changed();
    server.pools.retireAll(() => true, CloseReason.AddressGone);
    server.pools.turnAway();
  }

  /** It is to be left no more. */
  keep(server: Server): void {
    if (!server.isLeaving) return;
    server.isLeaving = false;
    this.#changed();
  }

  get #totals(): ServerTotals {
    const sum = (past: number, count: (server: Server) => number): number =>
      this.#all.reduce((total, server) => total + count(server), past);
    const { resets, fullHandshakes, resumedHandshakes } = this.#past;
    const handshakes = ({ upstream }: Server) => upstream.options.tls?.handshakes;
    return {
      resets: sum(resets, ({ cleaner }) => cleaner.resets),
      fullHandshakes: sum(fullHandshakes, (server) => handshakes(server)?.full ?? 0),
      resumedHandshakes: sum(resumedHandshakes, (server) => handshakes(server)?.resumed ?? 0),
    };
  }

  /** Sessions that were reset since the start. */
  get resets(): number {
    return this.#totals.resets;
  }

  /** TLS handshakes since the start, by what they cost. */
  get handshakes(): { readonly full: number; readonly resumed: number } {
    const { fullHandshakes: full, resumedHandshakes: resumed } = this.#totals;
    return { full, resumed };
  }

  /** As {@link Killer.watch}. */
  watch(account: ServerAccount): void {
    // One that is down is asked by somebody else whether it is back.
    for (const { killer, state } of this.#all) if (state === null || state.isUp) killer.watch(account);
  }

  /** As {@link Killer.retry}. */
  retry(account: ServerAccount): void {
    for (const { killer } of this.#all) killer.retry(account);
  }

  /** As {@link Killer.forget}. */
  forget(account: ServerAccount): void {
    for (const { killer } of this.#all) killer.forget(account);
  }

  secondPassed(): void {
    for (const { killer, state } of this.#all) {
      killer.secondPassed();
      state?.timePassed(performance.now());
    }
    for (const server of this.#all.filter(({ isLeaving }) => isLeaving)) this.#see(server);
  }

  /** As {@link Upstream.callOff}. */
  callOff(): void {
    for (const { upstream, recheck } of this.#all) {
      recheck?.stop();
      upstream.callOff();
    }
  }

  /** Of connections of the proxy's own. */
  async close(): Promise<void> {
    for (const { health } of this.#all) health?.stop();
    await Promise.all(this.#all.map(({ killer }) => killer.close()));
  }

  #changed(): void {
    for (const follower of this.#followers) follower.changed?.();
  }

  /** One that is being left: a session may have been under way for somebody who has gone elsewhere. */
  #see(server: Server): void {
    const { pools, upstream, killer, health } = server;
    pools.retireIdle(CloseReason.AddressGone, () => true);
    if (pools.used > 0 || pools.waiting > 0) return;
    const totals = this.#totals;
    this.#all = this.#all.filter((one) => one !== server);
    const { resets, fullHandshakes, resumedHandshakes } = this.#totals;
    // What it has counted is what is missing now.
    this.#past = {
      resets: this.#past.resets + totals.resets - resets,
      fullHandshakes: this.#past.fullHandshakes + totals.fullHandshakes - fullHandshakes,
      resumedHandshakes: this.#past.resumedHandshakes + totals.resumedHandshakes - resumedHandshakes,
    };
    health?.stop();
    upstream.callOff();
    void pools.close();
    void killer.close();
    for (const follower of this.#followers) follower.gone?.(server);
  }
}
