import type { Logger } from 'pino';
import { CommandRefused } from '../admin/console/source.js';
import { PoolPauseError } from '../pool/errors.js';
import type { AllPools } from '../relay/all-pools.js';
import type { OwnPauses } from '../views/all-pauses.js';

/** PAUSE and RESUME of the admin console. */
export function pauseCommands(pools: AllPools, log: Logger): OwnPauses {
  return {
    pause: (pool) => {
      const fields = nameOf(pool);
      let isOver = false;
      let over: (error: PoolPauseError | null) => void = () => {};
      const done = new Promise<void>((resolve, reject) => {
        over = (error) => {
          isOver = true;
          log.info(
            fields,
            error === null ? 'paused: no server session is left' : 'pause ended before it was complete',
          );
          if (error === null) resolve();
          else reject(new CommandRefused(error.message, { cause: error }));
        };
      });
      const giveUp = refusing(() => pools.pause(pool, over));
      if (giveUp === null) throw unknownPool(pools, pool);
      if (!isOver) log.info(fields, 'pausing: sessions are closed as they are given back, and requests wait');
      return {
        done,
        giveUp: () => {
          if (isOver) return;
          log.info(fields, 'pause taken back: who asked for it has gone before it was complete');
          giveUp();
        },
      };
    },
    resume: (pool) => {
      if (!refusing(() => pools.resume(pool))) throw unknownPool(pools, pool);
      log.info(nameOf(pool), 'resumed');
    },
    pauseComing: (pool) => pools.pauseComing(pool),
    names: () => pools.snapshot().pools.map(({ key }) => key),
    paused: () => ({
      all: pools.allPaused,
      pools: [
        ...pools.snapshot().pools.flatMap(({ key, paused }) => (paused ? [key] : [])),
        ...pools.pausedComing,
      ],
    }),
  };
}

function nameOf(pool: string | null): { readonly pool: string } {
  return { pool: pool ?? 'all' };
}

function refusing<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof PoolPauseError) throw new CommandRefused(error.message, { cause: error });
    throw error;
  }
}

function unknownPool(pools: AllPools, pool: string | null): CommandRefused {
  const names = pools.snapshot().pools.map(({ key }) => key);
  const there = names.length === 0 ? 'there is none yet' : `there are ${names.join(', ')}`;
  return new CommandRefused(`Unknown pool '${pool}': ${there}`);
}
