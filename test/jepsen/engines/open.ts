import type { Flavor } from '../../support/servers.js';
import type { Engine, EngineName } from './engine.js';
import { GaleraEngine } from './galera.js';
import { GroupEngine } from './group.js';
import { ReplicasEngine } from './replicas.js';
import { SingleEngine } from './single.js';

/** Starts what stands behind the proxy. */
export async function openEngine(name: EngineName, flavor: Flavor): Promise<Engine> {
  switch (name) {
    case 'single':
      return SingleEngine.start(flavor);
    case 'galera':
      return GaleraEngine.start();
    case 'group':
      return GroupEngine.start();
    case 'replicas':
      return ReplicasEngine.start();
  }
}
