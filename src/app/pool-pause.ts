import type { Logger } from 'pino';
import { CommandRefused } from '../admin/console/source.js';
import { PoolPauseError } from '../pool/errors.js';
import type { AllPools } from '../relay/all-pools.js';
import type { Server } from '../relay/server.js';
import type { OwnPauses } from '../views/all-pauses.js';

/** One of several servers. */
type PausableServer = Pick<Server, 'name' | 'isPaused'>;

/** PAUSE and RESUME of the admin console. @param servers - each of which can be paused; none where there is one alone */
export function pauseCommands(
  pools: AllPools,
  servers: () => readonly PausableServer[],
  log: Logger,
): OwnPauses {
  const names = (): readonly string[] => [
    ...servers().map(({ name }) => name),
    ...pools.snapshot().pools.map(({ key }) => key),
  ];
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
      if (giveUp === null) throw unknownPool(names(), pool);
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
      if (!refusing(() => pools.resume(pool))) throw unknownPool(names(), pool);
      log.info(nameOf(pool), 'resumed');
    },
    pauseComing: (pool) => pools.pauseComing(pool),
    names,
    paused: () => {
      // Of a server that is paused all are, also those to come.
      const whole = servers().flatMap(({ name, isPaused }) => (isPaused ? [name] : []));
      const isOfWhole = (key: string): boolean => whole.some((name) => key.endsWith(`@${name}`));
      const keys = pools.snapshot().pools.flatMap(({ key, paused }) => (paused ? [key] : []));
      return {
        all: pools.allPaused,
        pools: [...whole, ...[...keys, ...pools.pausedComing].filter((key) => !isOfWhole(key))],
      };
    },
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

function unknownPool(names: readonly string[], pool: string | null): CommandRefused {
  const there = names.length === 0 ? 'there is none yet' : `there are ${names.join(', ')}`;
  return new CommandRefused(`Unknown pool '${pool}': ${there}`);
}
