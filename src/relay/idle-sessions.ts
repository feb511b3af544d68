import type { SessionProfile } from '../session/profile.js';
import type { AllPools } from './all-pools.js';
import { CloseReason } from './session-cleaner.js';

/** How often idle sessions are looked at, in ms. */
const LOOK_MS = 250;

/** How long before the server would end an idle session it is given up, in ms; half of its timeout where that is shorter. */
const MARGIN_MS = 2_000;

/**
 * Whether the server is about to end a session of this profile that has been idle for so long. A statement that is sent at
 * that very moment is lost, and nobody knows whether it was executed.
 */
export function isAboutToTimeOut(profile: SessionProfile, idleMs: number): boolean {
  const timeoutMs = Number(profile.variable('wait_timeout') ?? Number.POSITIVE_INFINITY) * 1_000;
  return idleMs >= timeoutMs - Math.min(MARGIN_MS, timeoutMs / 2);
}

/** Gives sessions up that are too old, or idle for too long: before the server's `wait_timeout` strikes. */
export class IdleSessions {
  readonly #timer: NodeJS.Timeout;

  constructor(pools: AllPools) {
    this.#timer = setInterval(() => {
      pools.retireAged();
      pools.retireIdle(CloseReason.WaitTimeout, ({ profile }, idleMs) => isAboutToTimeOut(profile, idleMs));
    }, LOOK_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
