import type { PermitChange } from './permit-ledger.js';
import type { PermitMessage } from './permits.js';

/** What a process that serves has from its parent. */
export interface WorkerSeat {
  /** Part of the ids of its clients: no other process has it that serves now. */
  readonly idSpace: number;
  /** Null where the pools are this worker's alone. */
  readonly permits: PermitPort | null;
}

export interface PermitPort {
  /**
   * From here on this worker has a part of what workers share on a server, until it says that it leaves.
   * @param server - its name, the same for all workers
   * @param size - of the pool, as the configuration says; null where that has to be found out
   * @returns what tells the parent
   */
  join(
    server: string,
    size: number | null,
    take: (change: PermitChange) => void,
  ): (message: PermitMessage) => void;
}

/** The seat of a process without a parent. */
export const ALONE_SEAT: WorkerSeat = {
  idSpace: 0,
  permits: null,
};
