/**
 * Test files that take half a minute and more of a lane, the slowest first: they are begun first, so that none of them is still
 * at work when all else is done. (Seconds: in a whole run on two cores. What is left out costs time and nothing else.)
 */
const SLOW: readonly string[] = [
  'relay/fleet', // 120
  'relay/timeouts', // 100
  'relay/server-faults', // 91
  'stacks/recipes', // 88
  'relay/prepared-statements', // 86
  'stacks/fork-order', // 76
  'main', // 68
  'relay/server-full', // 67
  'clients/script-clients', // 65
  'relay/limits', // 64
  'stacks/shared-sockets', // 60
  'clients/compiled-clients', // 61
  'relay/large-data', // 61
  'relay/pool-size', // 60
  'bench/main', // 59
  'relay/server-restart', // 54
  'relay/diagnostics', // 51
  'relay/stalled-clients', // 51
  'lifecycle/drain', // 50
  'relay/raw-commands', // 49
  'clients/command-lines', // 45
  'relay/fair-queue', // 40
  'failover/rolling-restart', // 40
  'jepsen/clusters', // 40
  'stacks/recipes-variants', // 39
  'lifecycle/restart', // 39
  'clients/sysbench', // 39
  'clients/node-clients', // 38
  'relay/shared-sockets-forked', // 38
  'stacks/gone-away', // 38
  'stacks/too-many-connections', // 34
  'relay/wait-timeout', // 33
];

const PLACES = new Map(SLOW.map((name, place) => [`test/${name}.test.ts`, place]));

/** The slowest first; the others as they are. */
export function slowestFirst<T extends { readonly name: string }>(files: readonly T[]): T[] {
  const placeOf = ({ name }: T): number => PLACES.get(name) ?? PLACES.size;
  return [...files].sort((a, b) => placeOf(a) - placeOf(b));
}

export const SLOW_FILES: readonly string[] = [...PLACES.keys()];
