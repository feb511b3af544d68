import type { Logger } from 'pino';
import { Upstream } from '../backend/upstream.js';
import { formatAddress } from '../config/address.js';
import type { Config } from '../config/load.js';
import { areSeveral, type ServerEntry } from '../config/servers.js';
import { Killer } from '../relay/killer.js';
import type { RelayCounters } from '../relay/relay-counters.js';
import { Server, type ServerParts } from '../relay/server.js';
import type { Servers } from '../relay/servers.js';
import { SessionCleaner } from '../relay/session-cleaner.js';
import type { ServerKind } from '../servers/server-kind.js';
import type { ProfileRegistry } from '../session/profile.js';
import { upstreamOptions } from './options.js';
import { newRecheck } from './recheck.js';
import type { ServerPermits } from './server-permits.js';
import { newServerPools, type PoolUses } from './server-pools.js';

/** What servers share. */
export interface SharedParts
  extends Omit<PoolUses, 'server' | 'cleaner' | 'isLeaving' | 'troubled' | 'permits'> {
  readonly permits: ServerPermits;
  readonly config: Config;
  readonly registry: ProfileRegistry;
  /** Of several servers. */
  readonly kind: ServerKind;
  readonly counters: RelayCounters;
  readonly log: Logger;
}

/** Where an entry of the configuration stands among the others, and its server among all there are. */
export interface ServerPlace extends Pick<ServerParts, 'index' | 'position' | 'startsSlowly'> {
  readonly entry: ServerEntry;
  /** Of a name that stands for several, this one; else the entry's own. */
  readonly at: Pick<ServerEntry, 'name' | 'address'>;
}

/** The servers that the configuration itself tells of, in its order. One alone is not asked what it is. */
export function configuredServers(
  { servers: entries, upstream: { address } }: Config,
  parts: SharedParts,
): readonly Server[] {
  const alone: ServerEntry = {
    name: formatAddress(address),
    address,
    role: 'primary',
    addresses: 'one',
    weight: null,
  };
  return (areSeveral(entries) ? entries : [alone]).flatMap((entry, position) =>
    entry.addresses === 'all'
      ? []
      : [newServer({ entry, at: entry, index: position, position, startsSlowly: false }, parts)],
  );
}

/** As logs and views call them all together: while none is known yet, as the configuration does. */
export function serverNames({ all }: Servers, { servers }: Config): string {
  return (all.length === 0 ? servers : all).map(({ name }) => name).join(', ');
}

export function newServer(place: ServerPlace, parts: SharedParts): Server {
  const { config, registry, kind, counters, log } = parts;
  const { entry, at, index, position, startsSlowly } = place;
  const { name, address } = at;
  const isOneOfSeveral = areSeveral(config.servers);
  const upstream = new Upstream(
    upstreamOptions(config, address, log, isOneOfSeveral ? kind : null),
    registry,
  );
  const pools = newServerPools(config, upstream, log, {
    ...parts,
    server: isOneOfSeveral ? name : '',
    cleaner: () => cleaner,
    isLeaving: () => server.isLeaving,
    troubled: () => server.troubled(),
    permits: () => parts.permits.of(server),
  });
  const killer = new Killer(upstream, counters, () => config.serverLoginRetry, log);
  const cleaner = new SessionCleaner(upstream, pools, killer);
  const server = new Server({
    name,
    index,
    entry: entry.name,
    position,
    startsSlowly,
    use: entry.role,
    weight: entry.weight,
    upstream,
    pools,
    killer,
    cleaner,
  });
  parts.permits.join(server);
  // What is known of several servers is asked for all the time.
  if (!isOneOfSeveral) server.recheck = newRecheck(config, upstream, pools, killer, log);
  return server;
}
