import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import type { Service } from 'kubernetes-types/core/v1.js';
import t from 'tap';
import { parse } from 'yaml';
import { projectFolder } from '../clients/conformance.js';
import { temporaryFolder } from '../stacks/support/folder.js';
import { CHART, ChartRenderer, defaultValues, merged, type Values } from './support/chart.js';
import { ConfigChecker } from './support/check-config.js';
import { readDeployed, readYaml } from './support/deploy-files.js';
import {
  checkTypes,
  configurationFile,
  danglingReferences,
  type Manifest,
  mybouncerOf,
  parseManifests,
  podSpecs,
  securityProblems,
} from './support/kubernetes.js';
import { seconds } from './support/seconds.js';

/* The Helm chart. Helm is in no package, so a small program renders it as Helm does: see helm-render.go. */

/** What somebody may want, each with the secrets that are there already. */
const WISHES: Readonly<Record<string, { readonly values: Values; readonly secrets: readonly string[] }>> = {
  'the least': { values: { upstream: { password: 'a-password' } }, secrets: [] },
  everything: {
    values: {
      replicaCount: 3,
      image: { tag: `sha256:${'0'.repeat(64)}` },
      imagePullSecrets: [{ name: 'registry' }],
      upstream: { existingSecret: 'shop-database', secretKey: 'db-password' },
      config: {
        server_tls_mode: 'verify_full',
        server_tls_ca: '/run/secrets/server-ca/ca.pem',
        users: [{ name: 'web', password_file: '/run/secrets/users/web-password' }],
        on_unsafe: { user_lock: 'error' },
      },
      tls: { existingSecret: 'mybouncer-tls' },
      extraSecrets: [{ name: 'users' }, { name: 'server-ca' }],
      drain: { delaySeconds: 10, timeoutSeconds: 120 },
      service: { type: 'LoadBalancer', annotations: { 'example.com/internal': 'true' } },
      serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
      podAnnotations: { 'example.com/team': 'shop' },
      podLabels: { team: 'shop' },
      nodeSelector: { 'kubernetes.io/arch': 'amd64' },
      tolerations: [{ key: 'database', operator: 'Exists', effect: 'NoSchedule' }],
      affinity: { podAntiAffinity: {} },
      priorityClassName: 'high',
    },
    secrets: ['shop-database', 'mybouncer-tls', 'users', 'server-ca'],
  },
};

const folder = await temporaryFolder(t);
const renderer = await ChartRenderer.start(folder);
const MISSING = 'install golang-go golang-github-masterminds-sprig-dev golang-gopkg-yaml.v3-dev';
const skip = renderer === null && process.env['CI'] !== 'true' ? MISSING : false;

function rendering(): ChartRenderer {
  if (renderer === null) throw new Error(MISSING);
  return renderer;
}

async function manifestsOf(values: Values): Promise<readonly Manifest[]> {
  const { 'NOTES.txt': _, ...files } = await rendering().render('db', values);
  return Object.values(files).flatMap(parseManifests);
}

t.test('the chart has the version of the program', async (t) => {
  const { version } = JSON.parse(readFileSync(join(projectFolder(), 'package.json'), 'utf8')) as {
    version: string;
  };
  t.match(readYaml(`${CHART}/Chart.yaml`), {
    apiVersion: 'v2',
    name: 'mybouncer',
    version,
    appVersion: version,
  });
});

t.test('values are held against their schema', async (t) => {
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(
    JSON.parse(readDeployed(`${CHART}/values.schema.json`)) as object,
  );
  const errors = (over: Values): unknown => {
    validate(merged(defaultValues(), over));
    return validate.errors ?? [];
  };
  t.same(errors({}), [], 'the defaults');
  for (const [name, { values }] of Object.entries(WISHES)) t.same(errors(values), [], name);
  for (const [key, wrong] of Object.entries({
    replicaCount: { replicaCount: '2' },
    additionalProperties: { replicas: 2 },
    'the password in the URL': { upstream: { url: 'mysql://app:secret@db/shop' } },
    'what the chart sets': { config: { listen: ['0.0.0.0:1'] } },
    root: { runAsUser: 0 },
  })) {
    t.not((errors(wrong) as unknown[]).length, 0, key);
  }
});

t.test('every value of the chart is in its schema and the other way round', async (t) => {
  const { properties } = JSON.parse(readDeployed(`${CHART}/values.schema.json`)) as { properties: Values };
  const named = Object.keys(properties).filter((name) => name !== 'global');
  t.same(Object.keys(defaultValues()).sort(), named.sort());
});

for (const [name, { values, secrets }] of Object.entries(WISHES)) {
  t.test(name, { skip }, async (t) => {
    const manifests = await manifestsOf(values);
    t.same(await checkTypes(join(folder, name), manifests), { code: 0, output: '' });
    t.same(danglingReferences(manifests, secrets), []);
    const [spec] = podSpecs(manifests);
    if (spec === undefined) throw new Error('there is no pod');
    t.same(securityProblems(spec), []);
    const text = configurationFile(manifests) ?? '';
    const checker = await ConfigChecker.start(t);
    t.same(await checker.check(text), { code: 0, output: 'ok\n' }, 'the program takes its configuration');
    const { drain_delay, drain_timeout } = parse(text) as Record<string, string>;
    const draining = seconds(drain_delay ?? '') + seconds(drain_timeout ?? '');
    t.equal(spec.terminationGracePeriodSeconds, draining + 15, 'there is time to drain');
    // Each path of the configuration is within what is mounted.
    const mounts = mybouncerOf(spec).volumeMounts?.map(({ mountPath }) => `${mountPath}/`) ?? [];
    for (const [path] of text.matchAll(/\/(?:run\/secrets|etc)\/\S+/g))
      t.ok(
        mounts.some((mount) => path.startsWith(mount)),
        `${path} is mounted`,
      );
  });
}

t.test('what is switched on is there, and what is not is not', { skip }, async (t) => {
  const kinds = async (values: Values): Promise<string[]> =>
    (await manifestsOf(merged({ upstream: { password: 'x' } }, values))).map(({ kind }) => kind).sort();
  const least = ['ConfigMap', 'Deployment', 'PodDisruptionBudget', 'Secret', 'Service', 'Service'];
  t.same(await kinds({}), least);
  t.same(await kinds({ serviceMonitor: { enabled: true } }), [...least, 'ServiceMonitor'].sort());
  t.notOk((await kinds({ podDisruptionBudget: { enabled: false } })).includes('PodDisruptionBudget'));
  t.notOk((await kinds({ upstream: { existingSecret: 'mine' } })).includes('Secret'));
});

t.test('the monitor finds the service, and its port', { skip }, async (t) => {
  const manifests = await manifestsOf(WISHES['everything']?.values ?? {});
  const monitor = manifests.find(({ kind }) => kind === 'ServiceMonitor') as unknown as {
    spec: { selector: { matchLabels: Record<string, string> }; endpoints: { port: string }[] };
  };
  const found = manifests.filter(
    ({ kind, metadata }) =>
      kind === 'Service' &&
      Object.entries(monitor.spec.selector.matchLabels).every(
        ([key, value]) => metadata.labels?.[key] === value,
      ),
  ) as unknown as Service[];
  t.equal(found.length, 1);
  t.same(
    found[0]?.spec?.ports?.map(({ name }) => name),
    monitor.spec.endpoints.map(({ port }) => port),
  );
});

t.test('another configuration is rolled out', { skip }, async (t) => {
  const annotations = async (values: Values): Promise<unknown> => {
    const manifests = await manifestsOf(merged({ upstream: { password: 'x' } }, values));
    const { spec } = manifests.find(({ kind }) => kind === 'Deployment') as unknown as {
      spec: { template: { metadata: { annotations: unknown } } };
    };
    return spec.template.metadata.annotations;
  };
  const before = await annotations({});
  t.same(await annotations({ replicaCount: 5 }), before);
  t.notSame(await annotations({ config: { reserve: 30 } }), before);
});

t.test('the notes say where it serves; without a password nothing is rendered', { skip }, async (t) => {
  const { 'NOTES.txt': notes } = await rendering().render('db', { upstream: { password: 'hunter2' } });
  t.match(notes, /serves at db-mybouncer\.shop\.svc:3306/);
  t.match(notes, /The 2 proxies divide/);
  t.notMatch(notes, /hunter2/);
  await t.rejects(rendering().render('db', {}), /give upstream\.existingSecret, or upstream\.password/);
});
