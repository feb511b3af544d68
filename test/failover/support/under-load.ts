import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { allowProbes, type Cluster, type ClusterNode, until } from '../../support/clusters/cluster-node.js';
import { ProxyProcess } from '../../support/proxy.js';
import { show } from '../../support/show.js';
import { guideExample } from './guide-example.js';
import { countFailures, LOAD_TABLE, Load, type LoadResult } from './load.js';

const APPLIED_WITHIN_MS = 20_000;
/** Clients that are in a transaction at any time; each is told once. */
const IN_TRANSACTIONS = 3;

export interface UnderLoadResult extends LoadResult {
  /** How often one that takes writes ceased to serve, as the proxy saw it: on a busy machine more than were taken from it. */
  readonly ceased: number;
}

export interface UnderLoad {
  readonly proxy: ProxyProcess;
  readonly load: Load;
}

/** Clients at work through a proxy in front of all nodes, and what they say when all is over. */
export async function underLoad(
  t: Test,
  cluster: Cluster,
  writer: ClusterNode,
  run: (world: UnderLoad) => Promise<void>,
): Promise<UnderLoadResult> {
  // Of a load before.
  await writer.ask('DROP TABLE IF EXISTS app.done');
  await writer.ask(LOAD_TABLE);
  await allowProbes(writer);
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-failover-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, 'mybouncer.yaml');
  await writeFile(file, guideExample(cluster));
  const proxy = new ProxyProcess({
    upstream: cluster.node(0).url(),
    inFile: true,
    flags: ['--config', file, '--pool-size', '8', '--server-check-interval', '500ms'],
  });
  t.teardown(() => proxy.stop());
  await proxy.logged('ready');
  const load = new Load({ url: proxy.url, alone: 5, inTransactions: IN_TRANSACTIONS });
  await load.start();
  try {
    await load.untilServed();
    await run({ proxy, load });
    await load.untilServed();
  } finally {
    await load.stop();
  }
  const result = await load.stop();
  tell(t, result);
  return { ...result, ceased: countCeased(proxy.lines) };
}

function countCeased(lines: ProxyProcess['lines']): number {
  const primaries = new Set<unknown>();
  let count = 0;
  for (const { msg, server, role } of lines) {
    if (msg === 'server is up' && role === 'primary') primaries.add(server);
    else if (/^server is (up|suspected|down)$/.test(msg) && primaries.delete(server)) count++;
  }
  return count;
}

function tell(t: Test, result: LoadResult): void {
  const { statements, transactions, failedStatements, failedTransactions, longestMs } = result;
  show(
    t,
    `${statements} statements, ${transactions} transactions; the longest took ${longestMs.toFixed(0)} ms`,
  );
  show(t, `failed alone: ${countFailures(failedStatements)}`);
  show(t, `failed in transactions: ${countFailures(failedTransactions)}`);
}

/**
 * What a client was told to be done is there, once; of what it was told to have failed, nothing is. Another node than the one that took
 * the writes may have the last of them a moment later.
 */
export async function rowsAreThere(t: Test, node: ClusterNode, { rows }: LoadResult): Promise<void> {
  const counts = new Map<number, number>();
  const hasAll = async (): Promise<boolean> => {
    const found = await node.ask<{ client: number; count: number }>(
      'SELECT client, COUNT(*) AS count FROM app.done GROUP BY client',
    );
    for (const { client, count } of found) counts.set(client, count);
    return rows.every(({ client, told }) => (counts.get(client) ?? 0) >= told);
  };
  await until('all is there', hasAll, APPLIED_WITHIN_MS).catch(() => undefined);
  for (const { client, told, unknown } of rows) {
    const count = counts.get(client) ?? 0;
    t.ok(
      count >= told && count <= told + unknown,
      `client ${client}: ${told} of ${count} rows, ${unknown} unknown`,
    );
  }
}

/**
 * No connection of a client's was lost, and those in a transaction were told nothing worse than that it is over; `times` a server
 * was lost to them.
 */
export function onlyInFlight(
  t: Test,
  { failedTransactions: failures, ceased }: UnderLoadResult,
  times: number,
): void {
  const most = Math.max(times, ceased) * IN_TRANSACTIONS;
  t.ok(failures.length <= most, `${failures.length} transactions failed, of at most ${most} in flight`);
  t.equal(countFailures(failures.filter(({ isLost }) => isLost)), 'none', 'clients stay connected');
}
