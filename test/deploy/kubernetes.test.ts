import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Container, PodSpec } from 'kubernetes-types/core/v1.js';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { projectFolder } from '../clients/conformance.js';
import { temporaryFolder } from '../stacks/support/folder.js';
import { ConfigChecker } from './support/check-config.js';
import { readDeployed } from './support/deploy-files.js';
import {
  checkTypes,
  configurationFile,
  containersOf,
  danglingReferences,
  environmentOf,
  type Manifest,
  mybouncerOf,
  parseManifests,
  podSpecs,
  secretKeys,
  securityProblems,
} from './support/kubernetes.js';
import { seconds } from './support/seconds.js';

/* The manifests of deploy/kubernetes: no cluster is here, so they are held against the API's types and against each other. */

const { version } = JSON.parse(readFileSync(join(projectFolder(), 'package.json'), 'utf8')) as {
  version: string;
};
/** What the process needs to come to an end when its clients have, in seconds. */
const TO_END = 10;

const NAMES = ['sidecar', 'job', 'standalone'] as const;
const manifests = new Map(
  NAMES.map((name) => [name, parseManifests(readDeployed(`kubernetes/${name}.yaml`))]),
);
const of = (name: (typeof NAMES)[number]): readonly Manifest[] => manifests.get(name) ?? [];
const folder = await temporaryFolder(t);

function onlyPod(name: (typeof NAMES)[number]): PodSpec {
  const [spec] = podSpecs(of(name));
  if (spec === undefined) throw new Error(`${name} has no pod`);
  return spec;
}

t.test('every field is one of the API, of its type', async (t) => {
  const all = NAMES.flatMap((name) => of(name));
  t.same(await checkTypes(join(folder, 'all'), all), { code: 0, output: '' });
});

t.test('a field that does not exist would be seen', async (t) => {
  const wrong = readDeployed('kubernetes/sidecar.yaml')
    .replace('livenessProbe:', 'livelinessProbe:')
    .replace('containerPort: 8000', 'containerPort: "8000"');
  const { code, output } = await checkTypes(join(folder, 'wrong'), parseManifests(wrong));
  t.not(code, 0);
  t.match(output, /livelinessProbe/);
  t.match(output, /not assignable to type 'number'/);
});

function checkProbes(t: Test, { startupProbe, readinessProbe, livenessProbe, image }: Container): void {
  t.equal(startupProbe?.httpGet?.path, '/startupz');
  t.equal(livenessProbe?.httpGet?.path, '/livez');
  if (readinessProbe !== undefined) t.equal(readinessProbe.httpGet?.path, '/readyz');
  t.equal(image, `registry.example/mybouncer:${version}`, 'the version of this package');
}

for (const name of NAMES) {
  t.test(name, async (t) => {
    const spec = onlyPod(name);
    t.same(securityProblems(spec), []);
    t.same(danglingReferences(of(name), name === 'job' ? ['shop-database'] : []), []);
    checkProbes(t, mybouncerOf(spec));
    for (const { secret, configMap } of spec.volumes ?? []) {
      const { defaultMode } = secret ?? configMap ?? {};
      if (defaultMode !== undefined) t.equal(defaultMode, 0o440, 'readable by the group, which is fsGroup');
    }
    for (const { lifecycle } of containersOf(spec))
      t.equal(lifecycle, undefined, 'no preStop: SIGTERM drains');
  });
}

t.test('what they configure is what the program takes', async (t) => {
  const checker = await ConfigChecker.start(t);
  for (const name of ['sidecar', 'job'] as const) {
    const environment = environmentOf(mybouncerOf(onlyPod(name)));
    t.same(await checker.checkEnvironment(environment), { code: 0, output: 'ok\n' }, name);
  }
  const text = configurationFile(of('standalone')) ?? '';
  t.same(await checker.check(text), { code: 0, output: 'ok\n' }, 'standalone');
});

t.test('Kubernetes gives them the time that draining may take', async (t) => {
  for (const name of ['sidecar', 'job'] as const) {
    const spec = onlyPod(name);
    const { MYBOUNCER_DRAIN_TIMEOUT = '' } = environmentOf(mybouncerOf(spec));
    t.ok(seconds(MYBOUNCER_DRAIN_TIMEOUT) > 0, MYBOUNCER_DRAIN_TIMEOUT);
    t.ok((spec.terminationGracePeriodSeconds ?? 0) >= seconds(MYBOUNCER_DRAIN_TIMEOUT) + TO_END, name);
  }
  const { drain_delay, drain_timeout } = parse(configurationFile(of('standalone')) ?? '') as Record<
    string,
    string
  >;
  const draining = seconds(drain_delay ?? '') + seconds(drain_timeout ?? '');
  t.ok(draining > 0);
  t.ok((onlyPod('standalone').terminationGracePeriodSeconds ?? 0) >= draining + TO_END);
});

t.test('the sidecar is one', async (t) => {
  const { initContainers, containers, shareProcessNamespace } = onlyPod('sidecar');
  t.match(initContainers, [{ name: 'mybouncer', restartPolicy: 'Always' }]);
  t.same(
    containers.map(({ name }) => name),
    ['app'],
  );
  t.equal(shareProcessNamespace, true, 'the fork guard sees the app');
  t.same(secretKeys(of('sidecar'), 'shop-database'), ['password']);
});

t.test('the password is in no manifest but the secret', async (t) => {
  for (const spec of NAMES.map(onlyPod)) {
    for (const container of containersOf(spec)) {
      for (const value of Object.values(environmentOf(container))) {
        t.notMatch(value, /:\/\/\w+:(?!\$\()[^@/]+@/, value);
      }
    }
  }
});
