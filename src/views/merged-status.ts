import { type OwnStatus, STATUS_ROWS } from '../admin/status-document.js';

type Counts = Readonly<Record<string, number>>;

/** One status of all workers. What is said of the proxy as a whole (addresses, versions) is as the worker says that was asked. */
export function mergedStatus(own: OwnStatus, others: readonly OwnStatus[]): OwnStatus {
  if (others.length === 0) return own;
  const all = [own, ...others];
  const oldest = all.reduce((a, b) => (b.startedAt < a.startedAt ? b : a));
  const sum = (read: (status: OwnStatus) => number): number =>
    all.reduce((total, one) => total + read(one), 0);
  const most = (read: (status: OwnStatus) => number): number => Math.max(...all.map(read));
  const pools = mergedPools(all);
  const sessions = summed(all.map((one) => one.sessions));
  return {
    ...own,
    startedAt: oldest.startedAt,
    uptimeSeconds: most(({ uptimeSeconds }) => uptimeSeconds),
    trouble: own.trouble ?? others.find(({ trouble }) => trouble !== null)?.trouble ?? null,
    servers: mergedServers(own, others),
    clients: summed(all.map(({ clients }) => clients)),
    sessions,
    waiting: sum(({ waiting }) => waiting),
    longestWaitMs: most(({ longestWaitMs }) => longestWaitMs),
    totals: mergedTotals(all),
    pools: pools.slice(0, STATUS_ROWS.pools),
    // Each worker lists as many as are listed here: of more, it is not known which ones are the same.
    poolsTotal: Math.max(
      pools.length,
      most(({ poolsTotal }) => poolsTotal),
    ),
    waiters: all
      .flatMap(({ waiters }) => waiters)
      .sort((a, b) => b.waitedMs - a.waitedMs)
      .slice(0, STATUS_ROWS.waiters),
    holdsByReason: Object.entries(
      summed(
        all.map(({ holdsByReason }) =>
          Object.fromEntries(holdsByReason.map(({ reason, clients }) => [reason, clients])),
        ),
      ),
    )
      .map(([reason, clients]) => ({ reason, clients }))
      .sort((a, b) => b.clients - a.clients || (a.reason < b.reason ? -1 : 1)),
    holds: all
      .flatMap(({ holds }) => holds)
      .sort((a, b) => (a.since < b.since ? -1 : a.since > b.since ? 1 : 0))
      .slice(0, STATUS_ROWS.holds),
    holdsTotal: sum(({ holdsTotal }) => holdsTotal),
    fleet: mergedFleet(all, sessions),
    workers: all.flatMap(({ workers }) => workers).sort((a, b) => a.worker - b.worker),
  };
}

/** Each worker asks the servers by itself. */
function mergedServers({ servers }: OwnStatus, others: readonly OwnStatus[]): OwnStatus['servers'] {
  if (servers === null) return null;
  const theirs = others.flatMap((other) => other.servers ?? []);
  // Where a name stands for servers, another one may know of an address sooner, or have sessions there for longer.
  const more = new Map(theirs.map((server) => [server.name, server]));
  for (const { name } of servers) more.delete(name);
  return [...servers, ...more.values()].map((server) => {
    const same = theirs.filter((one) => one !== server && one.name === server.name);
    return {
      ...server,
      lent: same.reduce((sum, { lent }) => sum + lent, server.lent),
      waiting: same.reduce((sum, { waiting }) => sum + waiting, server.waiting),
    };
  });
}

/** Sums by name; a name that only some have counts as 0 elsewhere. */
function summed<T extends Counts>(all: readonly T[]): T {
  const sums: Record<string, number> = {};
  for (const counts of all)
    for (const [name, value] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + value;
  return sums as T;
}

function mergedTotals(all: readonly OwnStatus[]): OwnStatus['totals'] {
  const totals = all.map((one) => one.totals);
  const checkouts = summed(totals.map((one) => one.checkouts));
  const lent = Object.values(checkouts).reduce((sum, value) => sum + value, 0);
  const reused = (checkouts['own'] ?? 0) + (checkouts['equal'] ?? 0);
  return {
    queries: totals.reduce((sum, { queries }) => sum + queries, 0),
    checkouts,
    reuseRatio: lent === 0 ? 0 : reused / lent,
    restores: totals.reduce((sum, { restores }) => sum + restores, 0),
    resets: totals.reduce((sum, { resets }) => sum + resets, 0),
    kills: summed(totals.map(({ kills }) => kills)),
    holds: summed(totals.map(({ holds }) => holds)),
    logins: summed(totals.map(({ logins }) => logins)),
    timeLimits: summed(totals.map(({ timeLimits }) => timeLimits)),
    sharedSockets: summed(totals.map(({ sharedSockets }) => sharedSockets)),
  };
}

type Pool = OwnStatus['pools'][number];

function mergedPools(all: readonly OwnStatus[]): Pool[] {
  const byName = new Map<string, Pool>();
  for (const { name, user, paused, longestWaitMs, ...counts } of all.flatMap(({ pools }) => pools)) {
    const before = byName.get(name);
    if (before === undefined) {
      byName.set(name, { name, user, paused, longestWaitMs, ...counts });
      continue;
    }
    const { waiting, lent, held, idle, opening, closing } = before;
    byName.set(name, {
      name,
      user,
      paused: paused || before.paused,
      longestWaitMs: Math.max(longestWaitMs, before.longestWaitMs),
      ...summed([counts, { waiting, lent, held, idle, opening, closing }]),
    });
  }
  const open = ({ lent, held, idle, opening }: Pool): number => lent + held + idle + opening;
  return [...byName.values()].sort(
    (a, b) => b.waiting - a.waiting || open(b) - open(a) || (a.name < b.name ? -1 : 1),
  );
}

/** Only one of the workers counts proxies; the sessions that it may have are each worker's own. */
function mergedFleet(all: readonly OwnStatus[], sessions: OwnStatus['sessions']): OwnStatus['fleet'] {
  const fleets = all.flatMap(({ fleet }) => (fleet === null ? [] : [fleet]));
  if (fleets.length === 0) return null;
  return {
    members: Math.max(...fleets.map(({ members }) => members)),
    share: sessions.share,
    limit: sessions.limit,
    maxConnections: Math.max(...fleets.map(({ maxConnections }) => maxConnections)),
  };
}
