import type { ConsoleRows } from '../admin/console/source.js';
import type { Cell } from '../admin/console/table.js';
import type { Part } from './topic.js';

type Row = Readonly<Record<string, Cell>>;
type Merge = (parts: readonly Part<readonly Row[]>[]) => readonly Row[];

/** What becomes of the workers' rows: one row for each thing that there is. */
export const MERGED: Readonly<Record<keyof ConsoleRows, Merge>> = {
  pools: (parts) =>
    merged(
      parts,
      ['pool'],
      ['cl_waiting', 'sv_active', 'sv_held', 'sv_idle', 'sv_login', 'sv_closing'],
      (all) => ({ ...longest(all), paused: most(all, 'paused') }),
    ),
  // A client, a session, a hold is one worker's.
  clients: listed,
  servers: listed,
  // Each worker asks them by itself.
  upstreams: (parts) => merged(parts, ['server'], ['sv_lent', 'cl_waiting', 'pool_size']),
  holds: (parts) => [...listed(parts)].sort((a, b) => Number(b['seconds']) - Number(a['seconds'])),
  stats: (parts) => merged(parts, ['name', 'kind'], ['value']),
  users: (parts) => merged(parts, ['name'], ['clients']),
  profiles: (parts) => merged(parts, ['profile', 'schema', 'variables'], ['sessions', 'clients']),
  // Only one of the workers counts proxies; the sessions that it may have are each worker's own.
  fleet: (parts) =>
    merged(parts, [], ['share', 'pool_size'], (all) => ({
      members: most(all, 'members'),
      max_connections: most(all, 'max_connections'),
    })),
};

function listed(parts: readonly Part<readonly Row[]>[]): readonly Row[] {
  return parts.flatMap(({ worker, value }) => value.map((row) => ({ ...row, worker })));
}

/** A row for each combination of `keys`, with sums of `sums`, what `others` says of the rows, and the rest as the first one has it. */
function merged(
  parts: readonly Part<readonly Row[]>[],
  keys: readonly string[],
  sums: readonly string[],
  others: (rows: readonly Row[]) => Row = () => ({}),
): readonly Row[] {
  const groups = new Map<string, Row[]>();
  for (const row of parts.flatMap(({ value }) => value)) {
    const key = JSON.stringify(keys.map((name) => row[name]));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return [...groups.values()].map((rows) => ({
    ...rows[0],
    ...Object.fromEntries(sums.map((name) => [name, rows.reduce((sum, row) => sum + Number(row[name]), 0)])),
    ...others(rows),
  }));
}

function most(rows: readonly Row[], name: string): number {
  return Math.max(...rows.map((row) => Number(row[name])));
}

function longest(rows: readonly Row[]): Row {
  const us = Math.max(...rows.map((row) => Number(row['maxwait']) * 1e6 + Number(row['maxwait_us'])));
  return { maxwait: Math.floor(us / 1e6), maxwait_us: us % 1e6 };
}
