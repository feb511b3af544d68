import type { Logger } from 'pino';
import { Upstream } from '../backend/upstream.js';
import { formatAddress } from '../config/address.js';
import type { Config } from '../config/load.js';
import type { ServerEntry } from '../config/servers.js';
import { Killer } from '../relay/killer.js';
import type { RelayCounters } from '../relay/relay-counters.js';
import { Server } from '../relay/server.js';
import { SessionCleaner } from '../relay/session-cleaner.js';
import type { ServerKind } from '../servers/server-kind.js';
import type { ProfileRegistry } from '../session/profile.js';
import { upstreamOptions } from './options.js';
import { newRecheck } from './recheck.js';
import { newServerPools, type PoolUses } from './server-pools.js';

/** What servers share. */
export interface SharedParts extends Omit<PoolUses, 'server' | 'cleaner' | 'troubled'> {
  readonly config: Config;
  readonly registry: ProfileRegistry;
  /** Of several servers. */
  readonly kind: ServerKind;
  readonly counters: RelayCounters;
  readonly log: Logger;
}

/** The servers of a configuration: what they are, in its order. One alone is not asked what it is. */
export function serverEntries({ servers, upstream: { address } }: Config): readonly ServerEntry[] {
  if (servers.length > 1) return servers;
  return [{ name: formatAddress(address), address, role: 'primary', weight: null }];
}

export function newServer(
  { name, address, role, weight }: ServerEntry,
  index: number,
  parts: SharedParts,
): Server {
  const { config, registry, kind, counters, log } = parts;
  const isOfSeveral = config.servers.length > 1;
  const upstream = new Upstream(upstreamOptions(config, address, log, isOfSeveral ? kind : null), registry);
  const pools = newServerPools(config, upstream, log, {
    ...parts,
    server: isOfSeveral ? name : '',
    cleaner: () => cleaner,
    troubled: () => server.troubled(),
  });
  const killer = new Killer(upstream, counters, () => config.serverLoginRetry, log);
  const cleaner = new SessionCleaner(upstream, pools, killer);
  const server = new Server({ name, index, use: role, weight, upstream, pools, killer, cleaner });
  // What is known of several servers is asked for all the time.
  if (!isOfSeveral) server.recheck = newRecheck(config, upstream, pools, killer, log);
  return server;
}
