import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { withReplicas } from '../support/clusters/for-cluster.js';
import type { ReplicaSet } from '../support/clusters/replica-set.js';
import { type Client, eventually, Proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { RULES_FILE, rules } from './support/alerts.js';
import { filledIn, type Query, queries } from './support/dashboard.js';
import { deployPath } from './support/deploy-files.js';
import { type Exposition, parseExposition } from './support/exposition.js';
import { skipWithout } from './support/program.js';
import { Prometheus, type Sample } from './support/prometheus.js';
import { promqlNames, type Selector } from './support/promql.js';

/* Dashboard and alerts, against a running proxy with a primary and a replica, and a real Prometheus that scrapes it. */

const JOB = 'mybouncer';
const FILLED_IN = { job: JOB, instance: '.*', __rate_interval: '10s', datasource: 'prometheus' };
/** Of every target, set by Prometheus itself; and the process, where a proxy has several. */
const TARGET_LABELS = ['job', 'instance', 'worker'];
const TARGET_METRICS = ['up'];
/** Not on the dashboard: it shows the ratio of the time that one looks at, from the counters, and not that since the start. */
const NOT_SHOWN = ['mybouncer_reuse_ratio'];

const prometheus = await skipWithout(['prometheus', '--version'], 'prometheus');

/** As `eventually`, while there is load. */
type Until = (what: string, condition: () => Promise<boolean>) => Promise<void>;

/** A proxy with all that there are metrics of. */
async function proxied(t: Test, set: ReplicaSet): Promise<Proxied> {
  const [primary, replica] = [set.node(0), set.node(1)];
  const upstream = primary.url('app');
  // Without it, nobody tells the proxy how old the data are.
  await primary.ask(`GRANT SLAVE MONITOR ON *.* TO '${new URL(upstream).username}'@'%'`);
  await primary.ask('CREATE TABLE app.written (id INT PRIMARY KEY AUTO_INCREMENT)');
  await set.untilCaughtUp();
  const file = join(t.testdir({}), 'my.yaml');
  const lines = [
    `servers: [{url: "${upstream}"}, {url: "mysql://${replica.host}:${replica.port}"}]`,
    'pools:',
    '  shop: {read_only_transactions: shop_ro}',
    '  shop_ro: {role: replica, databases: [ro], read_your_writes: true}',
    'pool_size: 2',
    'admin_users: app',
  ];
  await writeFile(file, lines.join('\n'));
  const proxy = await startProxy(t, { upstream, inFile: true, flags: ['--config', file] });
  return new Proxied(t, primary, proxy, 'app');
}

/** Some of everything until the test ends: clients that wait, hold a session, and come and go; sessions that are replaced. */
async function load(t: Test, world: Proxied): Promise<Until> {
  let isOver = false;
  let failure: unknown = null;
  const clients: Client[] = [];
  for (let i = 0; i < 4; i++) clients.push(await world.connect());
  const [holder, ...others] = clients;
  if (holder === undefined) throw new Error('no client');
  const console = await world.connect({ database: 'mybouncer' });
  const process = { connectAttributes: { _pid: '4711' } };
  const [writer, reader] = [
    await world.connect(process),
    await world.connect({ ...process, database: 'ro' }),
  ];
  const work = (async () => {
    while (!isOver) {
      await holder.run('BEGIN');
      await holder.value('SELECT 1');
      const waiting = others.map((client, i) => client.value(`SELECT SLEEP(0.0${i + 1})`));
      await Promise.all(waiting);
      await console.run('RECONNECT');
      await (await world.connect({ ssl: { rejectUnauthorized: false } })).end();
      await holder.run('COMMIT');
      await holder.run("SET @mark = 'x'");
      await writer.run('INSERT INTO written VALUES ()');
      await reader.value('SELECT COUNT(*) FROM written');
      await writer.run('START TRANSACTION READ ONLY');
      await writer.run('COMMIT');
    }
  })().catch((error: unknown) => {
    failure = error;
  });
  t.teardown(async () => {
    isOver = true;
    await work;
  });
  return (what, condition) =>
    eventually(what, () => {
      if (failure !== null) throw failure;
      return condition();
    });
}

/** Asks again where a connection that was kept is closed just then. */
async function answer(url: string): Promise<{ isOk: boolean; text: string }> {
  let found: { isOk: boolean; text: string } | null = null;
  await eventually(`${url} answers`, async () => {
    try {
      const response = await fetch(url);
      found = { isOk: response.status === 200, text: await response.text() };
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    return found !== null;
  });
  return found ?? { isOk: false, text: '' };
}

const isNumber = ({ value: [, text] }: Sample): boolean => text !== 'NaN';

/** A histogram's metrics. */
const histogramParts = (family: string): readonly string[] => [
  `${family}_bucket`,
  `${family}_sum`,
  `${family}_count`,
];

/** What is wrong with the names of a selector; null where nothing is. */
function mistakeIn({ metric, matchers }: Selector, metrics: Exposition): string | null {
  if (TARGET_METRICS.includes(metric)) return null;
  const labels = metrics.get(metric);
  if (labels === undefined) return `there is no metric ${metric}`;
  for (const { label, operator, value } of matchers) {
    if (TARGET_LABELS.includes(label)) continue;
    const values = labels.get(label);
    if (values === undefined) return `${metric} has no label ${label}`;
    for (const word of operator.includes('~') ? value.split('|') : [value]) {
      if (!values.has(word)) return `${metric} has no ${label} ${word}`;
    }
  }
  return null;
}

/** The same for labels that results are grouped by. */
function unknownLabel(expr: string, metrics: Exposition): string | null {
  const { selectors, labels } = promqlNames(expr);
  const known = selectors.flatMap(({ metric }) => [...(metrics.get(metric)?.keys() ?? [])]);
  return labels.find((label) => !TARGET_LABELS.includes(label) && !known.includes(label)) ?? null;
}

async function shown(server: Prometheus, { expr }: Query): Promise<readonly Sample[]> {
  return (await server.query(filledIn(expr, FILLED_IN))).filter(isNumber);
}

await withReplicas(
  t,
  async (t, set) => {
    const world = await proxied(t, set);
    const { proxy } = world;
    const until = await load(t, world);
    await until(
      'a session was closed',
      async () => (await proxy.metric('mybouncer_server_sessions_closed_total')) > 0,
    );
    await until('the lag of the replica is known', async () =>
      (await answer(`${proxy.http}/metrics`)).text.includes('mybouncer_server_lag_seconds{'),
    );
    const metrics = parseExposition((await answer(`${proxy.http}/metrics`)).text);
    const recorded = new Set(rules().flatMap(({ record }) => record ?? []));

    await t.test('every metric and label that is named exists', async (t) => {
      const expressions = [
        ...queries().map(({ expr }) => filledIn(expr, FILLED_IN)),
        ...rules().map(({ expr }) => expr),
      ];
      for (const expr of expressions) {
        const { selectors } = promqlNames(expr);
        t.ok(selectors.length > 0, expr);
        for (const selector of selectors) {
          if (!recorded.has(selector.metric)) t.equal(mistakeIn(selector, metrics), null, expr);
        }
        t.equal(unknownLabel(expr, metrics), null, expr);
      }
    });

    await t.test('every metric that the program has is on the dashboard', async (t) => {
      const drawn = new Set(
        queries().flatMap(({ expr }) =>
          promqlNames(filledIn(expr, FILLED_IN)).selectors.map(({ metric }) => metric),
        ),
      );
      for (const metric of metrics.keys()) {
        if (!metric.startsWith('mybouncer_') || NOT_SHOWN.includes(metric)) continue;
        const family = metric.replace(/_(bucket|sum|count)$/, '');
        t.ok(
          [family, ...histogramParts(family)].some((name) => drawn.has(name)),
          metric,
        );
      }
    });

    await t.test('the paths that the manifests have their probes ask for', async (t) => {
      for (const path of ['/livez', '/readyz', '/startupz'])
        t.ok((await answer(`${proxy.http}${path}`)).isOk, path);
    });

    await t.test('what Prometheus makes of it', { skip: prometheus }, async (t) => {
      const scraping = await Prometheus.start(t, {
        job: JOB,
        targets: [new URL(proxy.http).host],
        ruleFiles: [deployPath(RULES_FILE)],
      });
      await until('it has scraped twice', async () => {
        const [sample] = await scraping.query('count_over_time(up[1m])').catch(() => []);
        return Number(sample?.value[1]) >= 2;
      });
      for (const query of queries()) {
        const { panel, refId, expr, legendFormat } = query;
        let samples: readonly Sample[] = [];
        await until(`${panel} ${refId} shows something: ${expr}`, async () => {
          samples = await shown(scraping, query);
          return samples.length > 0;
        });
        for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          // Only where there are several.
          if (label === 'worker') continue;
          t.ok(
            samples.every(({ metric }) => metric[label] !== undefined),
            `${panel} ${refId}: legend ${label}`,
          );
        }
      }
      await until('all rules were evaluated', async () =>
        (await scraping.rules()).every(({ health }) => health !== 'unknown'),
      );
      for (const { name, health, lastError } of await scraping.rules())
        t.equal(health, 'ok', `${name}: ${lastError}`);
      for (const name of recorded) {
        await until(`${name} has a value`, async () => (await scraping.query(name)).some(isNumber));
      }
    });
  },
  { replicas: 1 },
);
