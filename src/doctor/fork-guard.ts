import type { Settings } from '../config/load.js';
import { describeForkGuard, type ForkGuardCapabilities } from '../fork-guard/capabilities.js';
import { type Finding, fail, ok, someOf, warn } from './finding.js';

const ABOUT = 'fork guard';

const AFTERWARDS =
  "two processes on one connection are only noticed afterwards, when they get in each other's way: a row may have gone to the wrong one by then";

const CAREFUL =
  'See to it that app servers that fork close their connections before (README, "With your app server")';

/** What of the clients the guard could look at, run by this user on this machine. */
export function checkForkGuard(
  { forkGuard: mode }: Pick<Settings, 'forkGuard'>,
  { unable, limits }: ForkGuardCapabilities = describeForkGuard(),
): Finding {
  if (mode === false) {
    const advice = unable === null ? 'Set fork_guard to auto, unless no app server forks' : CAREFUL;
    return warn(ABOUT, `fork_guard is off: ${AFTERWARDS}`, advice);
  }
  if (unable !== null) {
    if (mode === true)
      return fail(
        ABOUT,
        `fork_guard is on, but it cannot look here (${unable}): the proxy would not start`,
        'Set it to auto, or run the proxy on Linux beside the app',
      );
    return warn(ABOUT, `it cannot look here (${unable}): ${AFTERWARDS}`, CAREFUL);
  }
  const elsewhere = `of clients on other hosts or in other containers, ${AFTERWARDS}`;
  if (limits.length === 0)
    return ok(ABOUT, `run by this user, it can look at processes on this host; ${elsewhere}`);
  return warn(
    ABOUT,
    `run by this user, it can look at processes on this host, but ${someOf(limits)}; of the others, and ${elsewhere}`,
    'Run the proxy as the user of the app, or as root, and in its process namespace',
  );
}
