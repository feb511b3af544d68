import { TlsVersion } from '../backend/server-tls.js';
import type { ForkGuard } from '../fork-guard/fork-guard.js';
import type { FrontendCounts } from '../frontend/frontend.js';
import type { TlsAcceptor } from '../frontend/tls-acceptor.js';
import type { MetricsSource } from '../observability/metrics.js';
import type { PoolSizer } from '../relay/pool-sizer.js';
import type { RelayServices } from '../relay/relay-services.js';
import { HOLD_WORDS, holdWords } from '../session/hold-reason.js';

/** Where the metrics' values stand. */
export function metricsSource(
  { pools, clients, holds, counters, cleaner, upstream }: RelayServices,
  forks: ForkGuard | null,
  sizer: PoolSizer | null,
  tls: TlsAcceptor | null,
  logins: () => FrontendCounts,
): MetricsSource {
  return {
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
    resets: () => cleaner.resets,
    forkLooks: () =>
      new Map([
        ['survey', forks?.surveys ?? 0],
        ['holders', forks?.examinations ?? 0],
        ['hurried', forks?.hurried ?? 0],
      ]),
    unguardedClients: () => forks?.blindClients ?? clients.size,
    sharedSockets: () => counters.sharedSockets,
    timeLimits: () => counters.timeLimits,
    kills: () =>
      new Map([
        ['query', counters.killsSent - counters.killsRepeated],
        ['repeated', counters.killsRepeated],
        ['connection', counters.connectionsKilled],
        ['not_sent', counters.killsNotSent],
      ]),
    sessions: () => {
      const { idle, active, dialing, held } = pools.snapshot();
      return { idle, active, dialing, held };
    },
    waiting: () => pools.snapshot().waiting,
    limit: () => pools.limit,
    fleetMembers: () => sizer?.members ?? 0,
    fleetShare: () => pools.size,
    serverMaxConnections: () => sizer?.maxConnections ?? 0,
    clients: () => clients.size,
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
    tlsHandshakes: () => {
      const { full, resumed } = upstream.options.tls?.handshakes ?? { full: 0, resumed: 0 };
      return new Map([
        ['full', full],
        ['resumed', resumed],
      ]);
    },
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
