import type { PermitChange } from './permit-ledger.js';
import type { PermitMessage } from './permits.js';

/** What a process that serves has from its parent. */
export interface WorkerSeat {
  /** Part of the ids of its clients: no other process has it that serves now. */
  readonly idSpace: number;
  /** Null where the pool is this worker's alone. */
  readonly permits: PermitPort | null;
}

export interface PermitPort {
  send(message: PermitMessage): void;
  /** To be called once: also with what has come before. */
  listen(take: (change: PermitChange) => void): void;
}

/** The seat of a process without a parent. */
export const ALONE_SEAT: WorkerSeat = {
  idSpace: 0,
  permits: null,
};
