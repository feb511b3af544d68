import type { ServerPools } from './session-cleaner.js';

/** What is asked of the pools of all servers together: counts, listings, and what is to happen to every one of them. */
export type AllPools = Pick<
  ServerPools,
  | 'allPaused'
  | 'checkouts'
  | 'close'
  | 'dismiss'
  | 'lent'
  | 'limit'
  | 'loans'
  | 'pause'
  | 'pauseComing'
  | 'pausedComing'
  | 'resume'
  | 'retire'
  | 'retireAged'
  | 'retireAll'
  | 'retireIdle'
  | 'retryDials'
  | 'sessions'
  | 'size'
  | 'snapshot'
  | 'target'
  | 'waiting'
>;
