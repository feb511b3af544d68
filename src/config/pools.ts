import * as z from 'zod';
import { type Address, formatAddress } from './address.js';
import { InvalidValue } from './problem.js';
import { areSeveral, type ServerEntry } from './servers.js';
import { duration, flag, listenAddresses, listOf, notEmpty, oneOf, parsed } from './value-schemas.js';

/** Which servers clients use that are told apart by where or as whom they log in. */
export interface PoolEntry {
  readonly name: string;
  readonly role: 'primary' | 'replica';
  /** Names; null for all. */
  readonly servers: readonly string[] | null;
  readonly users: readonly string[];
  /** Names of databases that clients log in with, each of which stands for a schema; null for that of the first server's URL. */
  readonly databases: readonly { readonly alias: string; readonly schema: string | null }[];
  readonly listen: readonly Address[];
  /** Ms; null for any. */
  readonly maxLag: number | null;
  readonly readYourWrites: boolean;
  readonly fallbackToPrimary: boolean;
  /** The pool of replicas that these may be served by; null for none. */
  readonly readOnlyTransactions: string | null;
}

function alias(text: string): PoolEntry['databases'][number] {
  const [name = '', schema, ...more] = text.split('=');
  if (name === '' || schema === '' || more.length > 0)
    throw new InvalidValue('is not an alias, or ALIAS=SCHEMA');
  return { alias: notEmpty(name), schema: schema ?? null };
}

const entrySchema = z.strictObject(
  {
    role: oneOf(['primary', 'replica'])
      .prefault('primary')
      .describe(
        '`primary`: for writes (and reads). `replica`: for reads, on servers that do not get the writes.',
      ),
    servers: listOf(notEmpty)
      .optional()
      .describe(
        'Names of `servers`: all of them unless given. That of an entry with `addresses: all` stands for each of its addresses.',
      ),
    users: listOf(notEmpty).optional().describe('Users whose clients get this pool.'),
    databases: listOf(alias)
      .optional()
      .describe(
        'Names of databases: clients that log in with one of them get this pool. `ALIAS=SCHEMA` stands for that schema on the server, `ALIAS` alone for that of the first URL of `servers`.',
      ),
    listen: listenAddresses()
      .optional()
      .describe('Addresses of `listen`: clients that connect there get this pool.'),
    max_lag: duration(0)
      .optional()
      .describe(
        'How far a replica may be behind. One that is further behind, or does not say how far, gets nothing; the account of the first URL needs the right to see it (`GRANT SLAVE MONITOR` on MariaDB, `REPLICATION CLIENT` on MySQL). Without it all will do.',
      ),
    read_your_writes: flag()
      .prefault('off')
      .describe(
        'Whether a read waits until the replica has what its client, or another one of the same process, has written before (see `read_your_writes_timeout`). It needs GTIDs: `gtid_mode` on MySQL, the binary log on MariaDB; nodes of Galera wait by `wsrep_sync_wait`.',
      ),
    fallback_to_primary: flag()
      .prefault('on')
      .describe(
        'Whether the clients of replicas go to the primary while no replica will do; else they wait.',
      ),
    read_only_transactions: parsed(notEmpty)
      .optional()
      .describe(
        'For role `primary`: the name of a pool of role `replica`, which serves the transactions that clients begin with `START TRANSACTION READ ONLY`, by its own `servers`, `max_lag`, `read_your_writes` and `fallback_to_primary`. The guide to clusters says which these are, and what cannot be done in them. Without it the primary serves them, as all else.',
      ),
  },
  { error: (issue) => (issue.code === 'invalid_type' ? 'must be a map of keys, such as role' : undefined) },
);

export const POOL_ENTRY_KEYS = Object.keys(entrySchema.shape);
export const poolEntrySchema = entrySchema;

/** `pools:`, by name. */
export function pools() {
  return z
    .record(z.string(), entrySchema, { error: () => 'must be a map of names, each with keys such as role' })
    .nullable()
    .transform((given): readonly PoolEntry[] => {
      const entries: PoolEntry[] = [];
      for (const [name, entry] of Object.entries(given ?? {})) {
        entries.push({
          name,
          role: entry.role,
          servers: entry.servers ?? null,
          users: entry.users ?? [],
          databases: entry.databases ?? [],
          listen: entry.listen ?? [],
          maxLag: entry.max_lag ?? null,
          readYourWrites: entry.read_your_writes,
          fallbackToPrimary: entry.fallback_to_primary,
          readOnlyTransactions: entry.read_only_transactions ?? null,
        });
      }
      return entries;
    })
    .prefault({});
}

/** The pool of clients that no other one claims; null where it is none of these, but one of all servers. */
export function defaultPool(pools: readonly PoolEntry[]): PoolEntry | null {
  return pools.find(({ role }) => role === 'primary') ?? null;
}

/** What pools demand of other keys, and of each other; to be told at the path behind the key `pools`. */
export function* poolsMistakes(values: {
  readonly pools: readonly PoolEntry[];
  readonly servers: readonly ServerEntry[];
  readonly schema: string | null;
  readonly listen: readonly Address[];
  readonly workers: number | 'auto';
}): Generator<{ readonly path: readonly string[]; readonly message: string }> {
  const { pools, servers, schema, listen } = values;
  if (pools.length === 0) return;
  if (!areSeveral(servers)) {
    yield { path: [], message: 'are for several servers; set servers' };
    return;
  }
  const claimed = new Map<string, string>();
  const addresses = new Set(listen.map(formatAddress));
  for (const pool of pools) {
    const { name } = pool;
    for (const server of pool.servers ?? [])
      if (!servers.some((one) => one.name === server))
        yield {
          path: [name, 'servers'],
          message: `names ${JSON.stringify(server)}, which is none of servers`,
        };
    for (const address of pool.listen)
      if (!addresses.has(formatAddress(address)))
        yield { path: [name, 'listen'], message: `has ${formatAddress(address)}, which is none of listen` };
    for (const { alias, schema: own } of pool.databases)
      if (own === null && schema === null)
        yield {
          path: [name, 'databases'],
          message: `has ${alias}, and the first URL of servers names no schema that it could stand for; write ${alias}=SCHEMA`,
        };
    const claims = [
      ...pool.users.map((user) => ({ key: 'users', claim: user })),
      ...pool.databases.map((database) => ({ key: 'databases', claim: database.alias })),
      ...pool.listen.map((address) => ({ key: 'listen', claim: formatAddress(address) })),
    ];
    const serves = pools.some(({ readOnlyTransactions }) => readOnlyTransactions === name);
    if (claims.length === 0 && !serves && pool !== defaultPool(pools))
      yield { path: [name], message: "is nobody's: give it listen, databases or users" };
    for (const { key, claim } of claims) {
      const other = claimed.get(`${key} ${claim}`);
      if (other !== undefined)
        yield { path: [name, key], message: `has ${claim}, and so has the pool ${other}` };
      else claimed.set(`${key} ${claim}`, name);
    }
    if (pool.role === 'replica' && pool.readYourWrites && values.workers !== 1)
      yield {
        path: [name, 'read_your_writes'],
        message: 'needs workers: 1, since each worker knows only of what its own clients have written',
      };
    if (pool.readOnlyTransactions !== null) {
      const meant = pools.find((one) => one.name === pool.readOnlyTransactions);
      const path = [name, 'read_only_transactions'];
      if (pool.role === 'replica') yield { path, message: 'is for pools of role primary' };
      else if (meant?.role !== 'replica')
        yield {
          path,
          message: `names ${JSON.stringify(pool.readOnlyTransactions)}, which is no pool of role replica`,
        };
    }
    if (pool.role === 'primary') {
      if (pool.maxLag !== null) yield { path: [name, 'max_lag'], message: 'is for pools of role replica' };
      if (pool.readYourWrites)
        yield {
          path: [name, 'read_your_writes'],
          message: 'is for pools of role replica: a primary has all writes',
        };
    }
  }
}
