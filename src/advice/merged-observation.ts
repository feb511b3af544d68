import { joinedWindows } from './joined-windows.js';
import type { Observation, Sampled, StatementObservation } from './observation.js';

/**
 * What the workers of one proxy have seen, as one. Counts and means are sums; so are peaks and the p99 of the demand, which are therefore
 * upper bounds: those of the workers need not have been at the same moment. In what clients differ is as the worker says that
 * has most of it.
 */
export function mergedObservation(own: Observation, others: readonly Observation[]): Observation {
  const all = [own, ...others];
  const sum = (read: (one: Observation) => number): number =>
    all.reduce((total, one) => total + read(one), 0);
  const most = (read: (one: Observation) => number): number => Math.max(...all.map(read));
  const counts = (read: (one: Observation) => ReadonlyMap<string, number>): ReadonlyMap<string, number> =>
    summed(all.map(read));
  return {
    seconds: most(({ seconds }) => seconds),
    mode: own.mode,
    commands: sum(({ commands }) => commands),
    pool: {
      size: sum(({ pool }) => pool.size),
      configured: own.pool.configured,
      pools: most(({ pool }) => pool.pools),
      loans: sum(({ pool }) => pool.loans),
      peak: sum(({ pool }) => pool.peak),
      windows: joinedWindows(all.map(({ pool }) => pool.windows)),
    },
    demand: {
      moments: most(({ demand }) => demand.moments),
      mean: sum(({ demand }) => demand.mean),
      p99: sum(({ demand }) => demand.p99),
    },
    holds: {
      lasting: sampled(all.map(({ holds }) => holds.lasting)),
      reasons: grouped(
        all.flatMap(({ holds }) => holds.reasons),
        ({ reason }) => reason,
      ).map((same) => ({
        reason: same[0]?.reason ?? '',
        begun: same.reduce((total, { begun }) => total + begun, 0),
        ...sampled(same),
      })),
      statements: statements(all.flatMap(({ holds }) => holds.statements)),
    },
    gaps: statements(all.flatMap(({ gaps }) => gaps.map((gap) => ({ reason: '', ...gap })))),
    timeLimits: counts(({ timeLimits }) => timeLimits),
    refusals: counts(({ refusals }) => refusals),
    sharedSockets: counts(({ sharedSockets }) => sharedSockets),
    checkouts: counts(({ checkouts }) => checkouts),
    differences: grouped(
      all.flatMap(({ differences }) => differences),
      ({ name }) => name,
    )
      .map((same) => ({ name: same[0]?.name ?? '', values: Math.max(...same.map(({ values }) => values)) }))
      .sort((a, b) => b.values - a.values),
    profiles: most(({ profiles }) => profiles),
    dryRun:
      own.dryRun === null
        ? null
        : {
            shared: sum(({ dryRun }) => dryRun?.shared ?? 0),
            refused: statements(all.flatMap(({ dryRun }) => dryRun?.refused ?? [])),
            sessions: sum(({ dryRun }) => dryRun?.sessions ?? 0),
          },
  };
}

function summed(all: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const [name, value] of all.flatMap((counts) => [...counts]))
    sums.set(name, (sums.get(name) ?? 0) + value);
  return sums;
}

function sampled(all: readonly Sampled[]): Sampled {
  return {
    mean: all.reduce((sum, { mean }) => sum + mean, 0),
    peak: all.reduce((sum, { peak }) => sum + peak, 0),
  };
}

function statements(all: readonly StatementObservation[]): readonly StatementObservation[] {
  return grouped(all, ({ reason, statement }) => JSON.stringify([reason, statement])).map((same) => ({
    reason: same[0]?.reason ?? '',
    statement: same[0]?.statement ?? null,
    count: same.reduce((sum, { count }) => sum + count, 0),
    seconds: same.reduce((sum, { seconds }) => sum + seconds, 0),
  }));
}

function grouped<T>(all: readonly T[], keyOf: (one: T) => string): readonly (readonly T[])[] {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const key = keyOf(one);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return [...groups.values()];
}
