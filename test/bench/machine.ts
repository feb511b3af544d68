import { cpus, release, totalmem } from 'node:os';
import { haproxyVersion } from './targets.js';

/** What a number depends on. */
export interface Circumstances {
  readonly machine: string;
  readonly versions: readonly string[];
  readonly command: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly date: string;
}

export function describeMachine(): string {
  const cores = cpus();
  const model = cores[0]?.model.trim() ?? 'unknown CPU';
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cores.length} x ${model}, ${memory} GiB, Linux ${release()}`;
}

export function describeVersions(servers: readonly string[], sysbench: string | undefined): string[] {
  const haproxy = haproxyVersion();
  return [
    `Node ${process.version}`,
    ...servers,
    ...(haproxy === undefined ? [] : [`HAProxy ${haproxy}`]),
    ...(sysbench === undefined ? [] : [sysbench]),
  ];
}
