import type { ServerAccount } from '../backend/upstream.js';
import type { Server } from './server.js';

/** The servers of one proxy, each of which has the same accounts. */
export class Servers {
  readonly all: readonly Server[];
  readonly first: Server;

  /** @param all - in the order of the configuration, one at least */
  constructor(all: readonly Server[]) {
    const [first] = all;
    if (first === undefined) throw new TypeError('a proxy has a server');
    this.all = all;
    this.first = first;
  }

  /** Sessions that were reset since the start. */
  get resets(): number {
    return this.all.reduce((sum, { cleaner }) => sum + cleaner.resets, 0);
  }

  /** As {@link Killer.watch}. */
  watch(account: ServerAccount): void {
    // One that is down is asked by somebody else whether it is back.
    for (const { killer, state } of this.all) if (state === null || state.isUp) killer.watch(account);
  }

  /** As {@link Killer.retry}. */
  retry(account: ServerAccount): void {
    for (const { killer } of this.all) killer.retry(account);
  }

  /** As {@link Killer.forget}. */
  forget(account: ServerAccount): void {
    for (const { killer } of this.all) killer.forget(account);
  }

  secondPassed(): void {
    for (const { killer, state } of this.all) {
      killer.secondPassed();
      state?.timePassed(performance.now());
    }
  }

  /** As {@link Upstream.callOff}. */
  callOff(): void {
    for (const { upstream, recheck } of this.all) {
      recheck?.stop();
      upstream.callOff();
    }
  }

  /** Of connections of the proxy's own. */
  async close(): Promise<void> {
    for (const { health } of this.all) health?.stop();
    await Promise.all(this.all.map(({ killer }) => killer.close()));
  }
}
