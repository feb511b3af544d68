import { TlsVersion } from '../backend/server-tls.js';
import type { ForkGuard } from '../fork-guard/fork-guard.js';
import type { FrontendCounts } from '../frontend/frontend.js';
import type { TlsAcceptor } from '../frontend/tls-acceptor.js';
import type { MetricsSource } from '../observability/metrics.js';
import type { ServerReading } from '../observability/server-metrics.js';
import type { RelayServices } from '../relay/relay-services.js';
import type { Server } from '../relay/server.js';
import { HOLD_WORDS, holdWords } from '../session/hold-reason.js';
import { clientStates } from './client-states.js';
import type { PoolSizing } from './pool-sizing.js';
import type { QueryTimes } from './query-times.js';

/** Where the metrics' values stand. */
export function metricsSource(
  { servers, routes, pools, clients, holds, counters, dryRun, ownWrites }: RelayServices,
  forks: ForkGuard | null,
  sizer: Pick<PoolSizing, 'members' | 'maxConnections'>,
  tls: TlsAcceptor | null,
  logins: () => FrontendCounts,
  draining: () => boolean,
  { times, slow }: QueryTimes,
): MetricsSource {
  return {
    times,
    slowQueries: () => slow.count,
    draining: () => (draining() ? 1 : 0),
    commands: () => counters.commands,
    holdsBegun: () => holds.begun(),
    longestHoldSeconds: () => {
      const longest = holds.longestLasting();
      return longest === null ? 0 : (Date.now() - longest.since) / 1_000;
    },
    checkouts: () => pools.checkouts.byKind(),
    reuseRatio: () => pools.checkouts.reuseRatio,
    restores: () => counters.restores,
    learnedAnswers: () => counters.learnedAnswers,
    resets: () => servers.resets,
    forkLooks: () =>
      new Map([
        ['survey', forks?.surveys ?? 0],
        ['holders', forks?.examinations ?? 0],
        ['hurried', forks?.hurried ?? 0],
      ]),
    unguardedClients: () => forks?.blindClients ?? clients.size,
    sharedSockets: () => counters.sharedSockets,
    timeLimits: () => counters.timeLimits,
    errors: () => new Map(Object.entries(counters.errors)),
    serverHints: () => counters.serverHints,
    runAgain: () => counters.runAgain,
    kills: () =>
      new Map([
        ['query', counters.killsSent - counters.killsRepeated],
        ['repeated', counters.killsRepeated],
        ['connection', counters.connectionsKilled],
        ['not_sent', counters.killsNotSent],
      ]),
    ownWrites:
      ownWrites === null
        ? null
        : {
            outcomes: ownWrites.outcomes,
            waited: times.ownWrites,
            get processes() {
              return ownWrites.processes;
            },
          },
    servers: routes === null ? null : () => servers.all.map(readingOf),
    dryRun:
      dryRun === null
        ? null
        : () => ({
            needed: dryRun.loans.lent,
            peak: dryRun.loans.peak,
            shared: dryRun.shared,
            refused: dryRun.refusals.reduce((sum, { count }) => sum + count, 0),
          }),
    sessions: () => {
      const { idle, active, dialing, held } = pools.snapshot();
      return { idle, active, dialing, held };
    },
    pausedPools: () => {
      const paused = pools.snapshot().pools.filter((pool) => pool.paused).length;
      return pools.allPaused ? Math.max(1, paused) : paused;
    },
    waiting: () => pools.snapshot().waiting,
    longestWaitSeconds: () => pools.snapshot().oldestWaitMs / 1_000,
    pools: () => pools.snapshot().pools.length,
    limit: () => pools.limit,
    fleetMembers: () => sizer.members,
    fleetShare: () => pools.size,
    serverMaxConnections: () => sizer.maxConnections,
    clients: () => clients.size,
    clientsByState: () => clientStates(clients, logins().loggingIn),
    logins: () => {
      const counts = logins();
      return new Map([...Object.entries(counts.logins), ['turned_away', counts.turnedAway]]);
    },
    tlsConnections: () => tls?.counts.connections ?? new Map(),
    tlsFailures: () => tls?.counts.failures ?? 0,
    encryption: () => {
      const counts = new Map(['none', ...Object.values(TlsVersion)].map((word) => [word, 0]));
      for (const { session } of pools.sessions()) {
        const version = session.channel.tlsVersion ?? 'none';
        counts.set(version, (counts.get(version) ?? 0) + 1);
      }
      return counts;
    },
    tlsHandshakes: () => new Map(Object.entries(servers.handshakes)),
    holds: () => {
      const counts = new Map(HOLD_WORDS.map((word) => [word, 0]));
      for (const { session } of pools.sessions()) {
        for (const word of holdWords(session.borrower?.holds ?? 0))
          counts.set(word, (counts.get(word) ?? 0) + 1);
      }
      return counts;
    },
  };
}

function readingOf({ name, state, isLeaving, changes, readOnlyTransactions }: Server): ServerReading {
  return {
    name,
    isUp: state?.isUp === true && !isLeaving,
    role: state?.role ?? null,
    lagSeconds: state?.lagSeconds ?? null,
    readOnlyTransactions,
    changes,
  };
}
