import t from 'tap';
import { dashboard, type Panel, queries } from './support/dashboard.js';
import { promqlNames } from './support/promql.js';

/* What can be said of the dashboard without a proxy; dashboard-data.test.ts asks a real Prometheus. */

/** As Grafana fills it in. */
const VARIABLE = '$' + '{datasource}';
/** Of Grafana's grid. */
const COLUMNS = 24;

t.test('has the rows and variables that it should', async (t) => {
  const { panels, templating, uid, title } = dashboard();
  t.same([uid, title], ['mybouncer', 'MyBouncer']);
  t.same(
    templating.list.map(({ name, type }) => [name, type]),
    [
      ['datasource', 'datasource'],
      ['job', 'query'],
      ['instance', 'query'],
    ],
  );
  const rows = panels.filter(({ type }) => type === 'row').map(({ title }) => title.replace(/[:,].*/, ''));
  t.same(rows, [
    'At a glance',
    'Traffic',
    'Waiting',
    'Pools',
    'Holds',
    'Clients',
    'Errors and limits',
    'Dials',
    'Fleet',
    'Servers',
    'Process',
  ]);
});

function overlap(a: Panel['gridPos'], b: Panel['gridPos']): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

t.test('its panels fit beside each other, and each says what it shows', async (t) => {
  const { panels } = dashboard();
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  t.equal(new Set(panels.map(({ title }) => title)).size, panels.length);
  for (const [i, { title, type, description, gridPos, targets }] of panels.entries()) {
    t.ok(gridPos.x + gridPos.w <= COLUMNS, `${title} is within the grid`);
    t.notOk(
      panels.slice(0, i).some((other) => overlap(other.gridPos, gridPos)),
      `${title} covers no other`,
    );
    if (type === 'row') continue;
    t.ok((description?.length ?? 0) > 20, `${title}: ${description}`);
    t.ok((targets?.length ?? 0) > 0, `${title} asks for something`);
  }
});

t.test('every query is of the chosen data source, job and instance', async (t) => {
  for (const { panel, expr, datasource } of queries()) {
    t.same(datasource, { type: 'prometheus', uid: VARIABLE }, panel);
    for (const { metric, matchers } of promqlNames(expr.replaceAll('$__rate_interval', '1m')).selectors) {
      for (const label of ['job', 'instance']) {
        const chosen = matchers.find((one) => one.label === label);
        t.match(chosen, { operator: '=~', value: `$${label}` }, `${panel}: ${metric} by ${label}`);
      }
    }
  }
});
