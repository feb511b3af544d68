import { BouncerError } from '../errors.js';
import type { AppProcess } from './app-process.js';
import type { DialTrouble } from './dial-backoff.js';

/** What a pool looked like at the moment a request was refused: the figures an operator asks for first. */
export interface PoolFigures {
  /** Label of the pool the request asked. */
  readonly key: string;
  /** Hard cap on server sessions over all pools of this server. */
  readonly limit: number;
  /** What that is this worker process's part of. */
  readonly whole?: number;
  /** Sessions lent out by all pools of this server, and by this pool alone. */
  readonly active: number;
  readonly poolActive: number;
  /** Lent sessions that their borrower cannot give back yet, and the most frequent reason. */
  readonly held: number;
  readonly heldReason: string | null;
  readonly idle: number;
  /** Sessions being opened, and being closed, by all pools of this server. */
  readonly dialing: number;
  readonly retiring: number;
  /** Requests waiting in this pool, the refused one included. */
  readonly waiting: number;
  /** Lends nothing until it is resumed. */
  readonly paused: boolean;
}

/** Why a checkout got no session. Delivered through `CheckoutRequest.refused`, never thrown. */
export abstract class PoolError extends BouncerError {}

/** No session came free within the wait timeout. `cause` is the last dial error, when dialling has been failing. */
export class PoolTimeoutError extends PoolError {
  readonly code = 'POOL_TIMEOUT';
  readonly figures: PoolFigures;
  readonly waitedMs: number;

  /** `process`: whose client waited. */
  constructor(figures: PoolFigures, waitedMs: number, trouble: DialTrouble | null, process: AppProcess) {
    const why = (trouble === null ? '' : `; ${describeTrouble(trouble)}`) + describeOwn(process);
    super(
      `no free server session in pool ${figures.key} after ${Math.round(waitedMs)} ms: ${describe(figures)}${why}`,
      trouble === null ? undefined : { cause: trouble.error },
    );
    this.figures = figures;
    this.waitedMs = waitedMs;
  }
}

/** As many requests wait already as may: one more would only time out later. */
export class PoolOverloadedError extends PoolError {
  readonly code = 'POOL_OVERLOADED';
  readonly figures: PoolFigures;

  constructor(figures: PoolFigures, waiting: number, process: AppProcess) {
    super(
      `pool ${figures.key} is overloaded: ${waiting} requests wait for a server session already, which is max_waiting; ` +
        `waited 0 ms: ${describe(figures)}${describeOwn(process)}`,
    );
    this.figures = figures;
  }
}

/** The server refused a session in a way that waiting cannot mend (access denied, unknown schema): see `cause`. */
export class PoolDialError extends PoolError {
  readonly code = 'POOL_DIAL_REFUSED';
  readonly key: string;

  constructor(key: string, cause: unknown) {
    super(`the server refused a session for pool ${key}: ${messageOf(cause)}`, { cause });
    this.key = key;
  }
}

/** The pools are closing down. */
export class PoolClosedError extends PoolError {
  readonly code = 'POOL_CLOSED';
  readonly key: string;

  constructor(key: string) {
    super(`pool ${key} is closing and lends no more sessions`);
    this.key = key;
  }
}

/** A pool cannot be paused or resumed as it was asked for, or a pause has been taken back. Thrown or called back. */
export class PoolPauseError extends BouncerError {
  readonly code = 'POOL_PAUSE';
}

/** A freshly opened session died before it could be lent. */
export class PoolStillbornSessionError extends BouncerError {
  readonly code = 'POOL_STILLBORN_SESSION';
}

/** A session was not closed within the retire timeout; its place has been given away regardless. */
export class PoolRetireTimeoutError extends BouncerError {
  readonly code = 'POOL_RETIRE_TIMEOUT';
}

/** A caller broke the pool's rules (checked a session in twice, queued a request twice): a bug, so it is thrown. */
export class PoolMisuseError extends BouncerError {
  readonly code = 'POOL_MISUSE';
}

/** The pool library did not do what its contract test says it does: a bug, so it is thrown. */
export class PoolContractError extends BouncerError {
  readonly code = 'POOL_CONTRACT';
}

function describe(figures: PoolFigures): string {
  const held = figures.heldReason === null ? '' : `, mostly ${figures.heldReason}`;
  const paused = figures.paused ? 'the pool is paused, ' : '';
  const part = figures.whole === undefined ? '' : `, which is this worker's part of ${figures.whole},`;
  return (
    `${paused}${figures.active} of ${figures.limit} sessions${part} in use ` +
    `(${figures.poolActive} by this pool, ${figures.held} held${held}), ` +
    `${figures.idle} idle, ${figures.dialing} opening, ${figures.retiring} closing, ${figures.waiting} waiting`
  );
}

/** A worker that needs a second session while it holds one can have filled the pool with its own first ones. */
function describeOwn({ label, held }: AppProcess): string {
  if (held === 0) return '';
  const name = label === '' ? '' : ` (${label})`;
  return `; ${held} of those held are held by this client's own process${name}, which waits for one more`;
}

function describeTrouble({ attempts, lastedMs }: DialTrouble): string {
  const times = attempts === 1 ? '1 attempt' : `${attempts} attempts`;
  return `none could be opened for ${(lastedMs / 1000).toFixed(1)} s (${times})`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
