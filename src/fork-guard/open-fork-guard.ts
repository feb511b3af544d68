import { describeForkGuard } from './capabilities.js';
import type { BlindReason } from './client-places.js';
import { ForkGuardError } from './errors.js';
import { ForkGuard } from './fork-guard.js';

/** What the guard needs of a logger; pino's has it. */
export interface ForkGuardLog {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface OpenForkGuardOptions {
  /** `auto`: look where it is possible. `true`: fail where nothing can be looked at. */
  readonly mode: boolean | 'auto';
  /** TCP ports that the proxy listens on; asked for when the first client is looked at. */
  readonly ports: () => readonly number[];
  readonly log: ForkGuardLog;
}

/** Null when it is off, or where nothing can be looked at; the latter is logged. @throws ForkGuardError */
export function openForkGuard({ mode, ports, log }: OpenForkGuardOptions): ForkGuard | null {
  if (mode === false) return null;
  const { unable, limits } = describeForkGuard();
  const guard = unable === null ? open(ports, log) : null;
  if (guard === null) {
    const reason = unable ?? 'the last process id can no longer be read';
    if (mode === true) throw new ForkGuardError(`fork_guard is on, but it cannot look: ${reason}`);
    log.info({ reason }, `fork guard cannot look: ${AFTERWARDS}`);
    return null;
  }
  if (limits.length > 0) log.info({ limits }, 'fork guard does not see everything');
  return guard;
}

function open(ports: () => readonly number[], log: ForkGuardLog): ForkGuard | null {
  return ForkGuard.open({
    ports,
    onBlind: (reason, { address, program, claimedPid }) => {
      const client = { reason, address: address ?? 'unix', program, pid: claimedPid };
      log.info(client, `fork guard cannot look at some clients: ${REASONS[reason]}; ${AFTERWARDS}`);
    },
    onFailed: (err) => log.error({ err }, `fork guard has failed: ${AFTERWARDS}`),
  });
}

const AFTERWARDS = "two processes on one connection are only noticed when they get in each other's way";

const REASONS: Readonly<Record<BlindReason, string>> = {
  elsewhere: 'they are on other hosts, or behind an address translation',
  hidden: 'their processes run as another user, or in a container with a process namespace of its own',
  unix: 'they use a unix socket, and `ss` (iproute2) is not installed',
};
