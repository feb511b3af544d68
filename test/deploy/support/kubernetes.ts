import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Deployment } from 'kubernetes-types/apps/v1.js';
import type { Job } from 'kubernetes-types/batch/v1.js';
import type { ConfigMap, Container, PodSpec, Secret, Service } from 'kubernetes-types/core/v1.js';
import { parseAllDocuments } from 'yaml';
import { projectFolder } from '../../clients/conformance.js';
import { type Ended, run } from './program.js';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
}

/** Where the type of each kind is. A kind that is not among them is a mistake. */
const TYPES: Readonly<Record<string, string>> = {
  'v1 ConfigMap': 'kubernetes-types/core/v1.js',
  'v1 Secret': 'kubernetes-types/core/v1.js',
  'v1 Service': 'kubernetes-types/core/v1.js',
  'v1 ServiceAccount': 'kubernetes-types/core/v1.js',
  'apps/v1 Deployment': 'kubernetes-types/apps/v1.js',
  'batch/v1 Job': 'kubernetes-types/batch/v1.js',
  'policy/v1 PodDisruptionBudget': 'kubernetes-types/policy/v1.js',
};

/** Of the Prometheus operator: no part of the API itself, and so in no package of its types. */
const SERVICE_MONITOR = `interface ServiceMonitor {
  apiVersion: 'monitoring.coreos.com/v1';
  kind: 'ServiceMonitor';
  metadata: { name: string; labels?: Record<string, string> };
  spec: {
    jobLabel?: string;
    selector: { matchLabels: Record<string, string> };
    endpoints: { port: string; path?: string; interval?: string; scrapeTimeout?: string }[];
  };
}`;

/** As Kubernetes reads it: YAML 1.1, in which 0440 is octal. @throws where it is no YAML, or has a key twice */
export function parseManifests(text: string): readonly Manifest[] {
  return parseAllDocuments(text, { version: '1.1' }).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    const value = document.toJS() as Manifest | null;
    return value === null ? [] : [value];
  });
}

/** A module in which each manifest is a constant of its type. */
function moduleOf(manifests: readonly Manifest[]): string {
  const lines = [SERVICE_MONITOR];
  for (const [i, manifest] of manifests.entries()) {
    const { apiVersion, kind } = manifest;
    const from = TYPES[`${apiVersion} ${kind}`];
    const isMonitor = `${apiVersion} ${kind}` === 'monitoring.coreos.com/v1 ServiceMonitor';
    if (from === undefined && !isMonitor) throw new Error(`an unknown kind: ${apiVersion} ${kind}`);
    const type = isMonitor ? kind : `import('${from}').${kind}`;
    lines.push(`export const manifest${i}: ${type} = ${JSON.stringify(manifest, null, 2)};`);
  }
  return lines.join('\n');
}

/**
 * Has the compiler look at manifests: a field that the API does not have, one that is missing, or one of another type is a
 * mistake. @param folder - for the files
 */
export async function checkTypes(folder: string, manifests: readonly Manifest[]): Promise<Ended> {
  await mkdir(folder, { recursive: true });
  await symlink(join(projectFolder(), 'node_modules'), join(folder, 'node_modules')).catch(() => undefined);
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'manifests.ts'), moduleOf(manifests));
  const compilerOptions = {
    strict: true,
    noEmit: true,
    module: 'nodenext',
    target: 'es2023',
    types: [],
    preserveSymlinks: true,
  };
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['manifests.ts'] }),
  );
  const compiler = join(projectFolder(), 'node_modules/typescript/bin/tsc');
  const ended = await run([process.execPath, compiler, '-p', folder], { cwd: folder });
  if (ended === null) throw new Error('there is no node');
  return ended;
}

/** Of the workloads among the manifests. */
export function podSpecs(manifests: readonly Manifest[]): readonly PodSpec[] {
  return manifests.flatMap((manifest) => {
    if (manifest.kind !== 'Deployment' && manifest.kind !== 'Job') return [];
    const spec = (manifest as unknown as Deployment | Job).spec?.template.spec;
    return spec === undefined ? [] : [spec];
  });
}

export function containersOf({ initContainers = [], containers }: PodSpec): readonly Container[] {
  return [...initContainers, ...containers];
}

export function mybouncerOf(spec: PodSpec): Container {
  const found = containersOf(spec).find(({ name }) => name === 'mybouncer');
  if (found === undefined) throw new Error('no container is called mybouncer');
  return found;
}

/** What stands for itself in the environment. */
export function environmentOf({ env = [] }: Container): Readonly<Record<string, string>> {
  return Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])));
}

/** What the pod security standard "restricted" forbids, and what we ask for besides. */
export function securityProblems(spec: PodSpec): readonly string[] {
  const pod = spec.securityContext;
  const problems: string[] = [];
  if (pod?.runAsNonRoot !== true) problems.push('may run as root');
  if ((pod?.runAsUser ?? 0) === 0) problems.push('has no user of its own');
  if (pod?.seccompProfile?.type !== 'RuntimeDefault') problems.push('has no seccomp profile');
  if (spec.hostNetwork === true || spec.hostPID === true || spec.hostIPC === true)
    problems.push('shares a namespace of the host');
  if (spec.automountServiceAccountToken !== false) problems.push('has a token of the API');
  for (const { name, securityContext: own, resources } of containersOf(spec)) {
    if (own?.allowPrivilegeEscalation !== false) problems.push(`${name} may escalate`);
    if (own?.readOnlyRootFilesystem !== true) problems.push(`${name} may write to its root`);
    if (JSON.stringify(own?.capabilities) !== '{"drop":["ALL"]}') problems.push(`${name} has capabilities`);
    if (own?.privileged === true || own?.runAsUser === 0) problems.push(`${name} has privileges`);
    if (resources?.requests?.['memory'] === undefined) problems.push(`${name} asks for no memory`);
    if (resources?.limits?.['memory'] === undefined) problems.push(`${name} has no limit on memory`);
  }
  return problems;
}

/** References to what is not there. */
export function danglingReferences(
  manifests: readonly Manifest[],
  external: readonly string[] = [],
): readonly string[] {
  const problems: string[] = [];
  const named = (kind: string, name: string | undefined): Manifest | undefined =>
    manifests.find((one) => one.kind === kind && one.metadata.name === name);
  for (const spec of podSpecs(manifests)) {
    const volumes = new Set(spec.volumes?.map(({ name }) => name));
    for (const { name, volumeMounts = [], ports = [], ...container } of containersOf(spec)) {
      for (const mount of volumeMounts)
        if (!volumes.has(mount.name)) problems.push(`${name} mounts ${mount.name}, which is no volume`);
      const { startupProbe, readinessProbe, livenessProbe } = container;
      for (const probe of [startupProbe, readinessProbe, livenessProbe]) {
        const port = probe?.httpGet?.port;
        if (port !== undefined && !ports.some((one) => one.name === port))
          problems.push(`${name} is probed at ${port}, which is no port of it`);
      }
    }
    for (const { secret, configMap } of spec.volumes ?? []) {
      const name = secret?.secretName ?? configMap?.name;
      const kind = secret === undefined ? 'ConfigMap' : 'Secret';
      if (name !== undefined && named(kind, name) === undefined && !external.includes(name))
        problems.push(`there is no ${kind} ${name}`);
    }
  }
  return [...problems, ...unmatched(manifests)];
}

/** Selectors that no pod's labels match, and ports of services that no container has. */
function unmatched(manifests: readonly Manifest[]): readonly string[] {
  const problems: string[] = [];
  const workloads = manifests.filter(({ kind }) => kind === 'Deployment') as unknown as Deployment[];
  const matches = (labels: Readonly<Record<string, string>>): Deployment | undefined =>
    workloads.find(({ spec }) =>
      Object.entries(labels).every(([key, value]) => spec?.template.metadata?.labels?.[key] === value),
    );
  for (const manifest of manifests) {
    const { kind, metadata } = manifest;
    if (kind === 'Deployment' || kind === 'PodDisruptionBudget') {
      const { spec } = manifest as unknown as Deployment;
      if (matches(spec?.selector.matchLabels ?? {}) === undefined)
        problems.push(`${kind} ${metadata.name} selects no pod`);
    }
    if (kind !== 'Service') continue;
    const { spec } = manifest as unknown as Service;
    const workload = matches(spec?.selector ?? {});
    if (workload === undefined) problems.push(`Service ${metadata.name} selects no pod`);
    const names = workload?.spec?.template.spec?.containers.flatMap(({ ports = [] }) =>
      ports.map(({ name }) => name),
    );
    for (const { targetPort } of spec?.ports ?? [])
      if (names?.includes(String(targetPort)) !== true)
        problems.push(`Service ${metadata.name} leads to ${targetPort}, which is no port`);
  }
  return problems;
}

/** The proxy's configuration file, where there is one. */
export function configurationFile(manifests: readonly Manifest[]): string | null {
  for (const manifest of manifests) {
    if (manifest.kind !== 'ConfigMap') continue;
    const text = (manifest as unknown as ConfigMap).data?.['mybouncer.yaml'];
    if (text !== undefined) return text;
  }
  return null;
}

/** Keys of the secret that a manifest brings along. */
export function secretKeys(manifests: readonly Manifest[], name: string): readonly string[] {
  const found = manifests.find((one) => one.kind === 'Secret' && one.metadata.name === name);
  return Object.keys((found as unknown as Secret | undefined)?.stringData ?? {});
}
