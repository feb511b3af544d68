import { readFileSync } from 'node:fs';
import { deployPath } from '../../deploy/support/deploy-files.js';
import type { Cluster } from '../../support/clusters/cluster-node.js';

/** The first example of deploy/guide/clusters.md, with the nodes of a cluster in it: what the page shows is what is tried. */
export function guideExample(cluster: Cluster): string {
  const page = readFileSync(deployPath('guide/clusters.md'), 'utf8');
  let text = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  for (const [index, node] of cluster.nodes.entries()) {
    const name = `db${index + 1}:3306`;
    if (text.split(name).length !== 2) throw new Error(`the page has ${name} once: ${text}`);
    text = text.replace(name, `${node.host}:${node.port}`);
  }
  return text.replace('/shop', '/app');
}
