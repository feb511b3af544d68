import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { temporaryFolder } from '../stacks/support/folder.js';
import { ALERT_CASES, type AlertCase, type Series } from './support/alert-cases.js';
import { type AlertingRule, alerts, RULES_FILE } from './support/alerts.js';
import { deployPath } from './support/deploy-files.js';
import { run, skipWithout } from './support/program.js';

/* The alerts of deploy/prometheus: well-formed, and each fires when it should and keeps quiet when it should not. */

const JOB = 'mybouncer';
const TROUBLED = '10.0.0.7:6034';
const HEALTHY = '10.0.0.8:6034';
const EVALUATED_AT = '50m';

const promtool = await skipWithout(['promtool', '--version'], 'prometheus');

function inputSeries(instance: string, [name, values]: Series): { series: string; values: string } {
  const [, metric = '', labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(name) ?? [];
  const all = [`job="${JOB}"`, `instance="${instance}"`, ...(labels === '' ? [] : [labels])];
  return { series: `${metric}{${all.join(',')}}`, values };
}

/** A text of an alert as its receivers read it. */
function rendered(text: string, labels: Readonly<Record<string, string>>, value: string | undefined): string {
  return text.replaceAll(/\{\{ \$(labels\.)?(\w+).*? \}\}/g, (template, ofLabels, name: string) => {
    const found = ofLabels === undefined ? value : labels[name];
    if (found === undefined) throw new Error(`nothing is known for ${template}`);
    return found;
  });
}

/** A test of promtool's: of two proxies, only the troubled one has the alert. */
function unitTest(rule: AlertingRule, { firing, quiet, value, labels = {} }: AlertCase): unknown {
  const all = { job: JOB, instance: TROUBLED, ...labels, ...rule.labels };
  const texts = Object.entries(rule.annotations).map(([name, text]) => [name, rendered(text, all, value)]);
  const expected = { exp_labels: all, exp_annotations: Object.fromEntries(texts) };
  return {
    interval: '1m',
    input_series: [
      ...firing.map((series) => inputSeries(TROUBLED, series)),
      ...quiet.map((series) => inputSeries(HEALTHY, series)),
    ],
    alert_rule_test: [{ eval_time: EVALUATED_AT, alertname: rule.alert, exp_alerts: [expected] }],
  };
}

t.test('each alert says what it is about and what to do', async (t) => {
  const names = alerts().map(({ alert }) => alert);
  t.equal(new Set(names).size, names.length, 'no name twice');
  for (const { alert, labels, annotations } of alerts()) {
    t.match(alert, /^MyBouncer[A-Z]\w+$/);
    t.ok(
      ['critical', 'warning', 'info'].includes(labels['severity'] ?? ''),
      `${alert}: ${labels['severity']}`,
    );
    t.same(Object.keys(annotations), ['summary', 'description', 'runbook'], alert);
    t.match(annotations['summary'], /\{\{ \$labels\.instance \}\}/, `${alert} says of which proxy`);
    for (const text of Object.values(annotations)) t.ok(text.length > 20, `${alert}: ${text}`);
  }
});

t.test('each has a case in which it fires and one in which it does not', async (t) => {
  t.same(
    Object.keys(ALERT_CASES).sort(),
    alerts()
      .map(({ alert }) => alert)
      .sort(),
  );
});

t.test('promtool check rules', { skip: promtool }, async (t) => {
  t.match(await run(['promtool', 'check', 'rules', deployPath(RULES_FILE)]), { code: 0, output: /SUCCESS/ });
});

t.test('promtool test rules', { skip: promtool }, async (t) => {
  const folder = await temporaryFolder(t);
  const tests = alerts().flatMap((rule) => {
    const found = ALERT_CASES[rule.alert];
    return found === undefined ? [] : [unitTest(rule, found)];
  });
  const file = join(folder, 'tests.yaml');
  const check = async (tests: readonly unknown[]) => {
    await writeFile(
      file,
      stringify({ rule_files: [deployPath(RULES_FILE)], evaluation_interval: '1m', tests }),
    );
    return run(['promtool', 'test', 'rules', file]);
  };
  t.match(await check(tests), { code: 0, output: /SUCCESS/ });

  // What is said where one does not fire, or another one does.
  const [rule] = alerts();
  const found = ALERT_CASES[rule?.alert ?? ''];
  if (rule === undefined || found === undefined) throw new Error('there is no alert');
  const silent = unitTest(rule, { ...found, firing: found.quiet });
  const loud = unitTest(rule, { ...found, quiet: found.firing });
  for (const one of [silent, loud]) t.match(await check([one]), { code: 1, output: /FAILED/ });
});
