/** Starts a cluster, freezes a node of it, prints its processes and folders, and waits to be killed. */
import { dirname } from 'node:path';
import { GaleraCluster } from './galera.js';

const cluster = await GaleraCluster.start();
await cluster.node(1).freeze();
const told = cluster.nodes.map(({ pid, logFile }) => ({ pid, folder: dirname(logFile) }));
process.stdout.write(`${JSON.stringify(told)}\n`);
setInterval(() => undefined, 1000);
