import { BouncerError } from '../errors.js';
import type { BusMessage, BusReply } from '../workers/parent-bus.js';
import type { PermitChange } from '../workers/permit-ledger.js';
import type { PermitMessage } from '../workers/permits.js';

/* What a parent process (`master: on`, `workers`) and its workers say to each other, over Node's channel between processes. */

/**
 * Another number each time that what several workers and their parent say to each other means something else. A parent goes on through
 * restarts, as the program that it was started from: workers of a program with another number would have no sessions.
 */
export const PROTOCOL = 2;

/** A worker's parent speaks another {@link PROTOCOL}: better not to take over than to serve without a session. */
export class OlderParentError extends BouncerError {
  readonly code = 'OLDER_PARENT';

  constructor() {
    super('the parent process was started from an older program: stop the proxy, and start it');
  }
}

/** What a worker is started with: the words behind the program's name come this way, since everybody can see arguments. */
export type Order =
  | {
      readonly kind: 'serve';
      /** {@link PROTOCOL}; a parent that was started from an older program does not say it. */
      readonly protocol?: number;
      readonly words: readonly string[];
      /** Another worker serves until this one does. */
      readonly takesOver: boolean;
      /** {@link ServiceManager.watchdogMs} */
      readonly watchdogMs: number | null;
      /** From 1. */
      readonly worker: number;
      /** Of workers that share the sockets. */
      readonly count: number;
      /** Part of the ids of its clients: no other process has it that serves now. */
      readonly idSpace: number;
    }
  /** Tell {@link Plan} and end. */
  | { readonly kind: 'plan'; readonly words: readonly string[] };

export type ToWorker =
  | Order
  | { readonly kind: 'hand_over' }
  | ({ readonly kind: 'permits'; readonly join: number } & PermitChange)
  | BusReply;

export type FromWorker =
  | { readonly kind: 'plan'; readonly plan: Plan }
  /** A SIGHUP does not end it any more. */
  | { readonly kind: 'hears_signals' }
  /** `facts`: what the log says of it. */
  | { readonly kind: 'ready'; readonly facts: object }
  /** An admin has said RESTART. */
  | { readonly kind: 'restart' }
  /** An admin has said SHUTDOWN, say: it is for all workers. */
  | { readonly kind: 'stop'; readonly drains: boolean; readonly why: object }
  /** For the service manager, which only the parent talks to. */
  | { readonly kind: 'notify'; readonly state: readonly string[] }
  /**
   * It is to have a part of what workers share on a server, by the server's name. What else is said about that part has the number
   * of this: of a server that it has left, and joined anew, what was on its way is not taken for the new part.
   */
  | {
      readonly kind: 'join';
      readonly join: number;
      readonly server: string;
      /** Of the pool there, as its configuration says; null where that has to be found out. */
      readonly size: number | null;
    }
  | (PermitMessage & { readonly join: number })
  | BusMessage;

/** What a parent has to know of the configuration. */
export interface Plan {
  /** {@link PROTOCOL}; an older program does not say it. */
  readonly protocol?: number;
  /** Addresses as they are configured. */
  readonly listen: readonly string[];
  readonly http: string | null;
  readonly unixSocketMode: number;
  readonly unixSocketOwner: number | null;
  readonly unixSocketGroup: number | null;
  /** Processes that serve. */
  readonly workers: number;
}

export function isMessage(value: unknown): value is { readonly kind: string } {
  return typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string';
}
