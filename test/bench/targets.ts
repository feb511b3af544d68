import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, type StartedProcess, type Workspace, waitForPort } from './children.js';
import type { Credentials } from './load/wire.js';
import { listenersOn } from './proc.js';
import type { Scenario } from './scenarios.js';
import type { BenchServer } from './server.js';

/** A way to the server, ready for load. */
export interface Target {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly credentials: Credentials;
  /** The proxy's processes; empty where there is none or where it can't be seen. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

export interface TargetContext {
  readonly workspace: Workspace;
  readonly server: BenchServer;
  readonly scenario: Scenario;
  /** Where the Node proxies write CPU profiles, if they shall. */
  readonly cpuProfile: string | undefined;
  readonly signal: AbortSignal;
}

/** A kind of target: how to start it for a scenario, and what its version is, if it can be had here. */
export interface TargetKind {
  readonly name: string;
  /** Undefined when the target can be had, else what is missing. */
  missing(): string | undefined;
  start(context: TargetContext): Promise<Target>;
}

const MYBOUNCER_MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const RELAY_MAIN = fileURLToPath(new URL('./relay.js', import.meta.url));

/** A proxy that somebody else runs, in front of the bench's server (whose port is then fixed). */
export interface Peer {
  readonly name: string;
  readonly user: string;
  readonly host: string;
  readonly port: number;
}

/** Another build of MyBouncer. */
export interface Build {
  readonly name: string;
  readonly main: string;
}

export function targetKinds(options: { peers: readonly Peer[]; builds: readonly Build[] }): TargetKind[] {
  return [
    direct(),
    haproxy('haproxy', 1),
    haproxy('haproxy-2t', 2),
    relay(),
    mybouncer('mybouncer', MYBOUNCER_MAIN),
    ...options.builds.map((build) => mybouncer(build.name, build.main)),
    ...options.peers.map(peer),
  ];
}

function direct(): TargetKind {
  return {
    name: 'direct',
    missing: () => undefined,
    start: async ({ server }) => ({
      name: 'direct',
      host: server.host,
      port: server.port,
      credentials: await server.account('direct'),
      pids: [],
      stop: async () => undefined,
    }),
  };
}

export function haproxyVersion(): string | undefined {
  const text = spawnSync('haproxy', ['-v'], { encoding: 'utf8' }).stdout ?? '';
  return /version (\S+)/.exec(text)?.[1];
}

/**
 * HAProxy in TCP mode. With one thread it is MyBouncer's equal in means (one event loop); with two, on a machine of
 * two cores, it competes with the server and the load generator for both.
 */
function haproxy(name: string, threads: number): TargetKind {
  return {
    name,
    missing: () => (haproxyVersion() === undefined ? 'install Debian package haproxy' : undefined),
    start: async (context) => {
      const port = await freePort();
      const configuration = join(context.workspace.folder, `${name}.cfg`);
      writeFileSync(configuration, haproxyConfiguration(port, context.server.port, threads));
      const started = context.workspace.start(name, 'haproxy', ['-db', '-q', '-f', configuration]);
      return await ready(name, port, started, context);
    },
  };
}

function haproxyConfiguration(port: number, serverPort: number, threads: number): string {
  return `global
  nbthread ${threads}
  maxconn 6000
  no strict-limits
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen mysql
  bind 127.0.0.1:${port} backlog 4096
  server db 127.0.0.1:${serverPort}
`;
}

function relay(): TargetKind {
  return {
    name: 'relay',
    missing: () => undefined,
    start: async (context) => {
      const port = await freePort();
      const args = [...profiling('relay', context), RELAY_MAIN, String(port), String(context.server.port)];
      const started = context.workspace.start('relay', process.execPath, args);
      return await ready('relay', port, started, context);
    },
  };
}

/** This build of the proxy, or another one beside it. */
function mybouncer(name: string, main: string): TargetKind {
  return {
    name,
    missing: () => (existsSync(main) ? undefined : `build it first: ${main} does not exist`),
    start: async (context) => {
      const { server, scenario, workspace } = context;
      const { user, password, database } = await server.account(name);
      const port = await freePort();
      const upstream = `mysql://${user}:${password}@${server.host}:${server.port}/${database}`;
      const started = workspace.start(name, process.execPath, [
        ...profiling(name, context),
        main,
        upstream,
        '--listen',
        `127.0.0.1:${port}`,
        '--http',
        `127.0.0.1:${await freePort()}`,
        '--pool-size',
        String(scenario.poolSize),
      ]);
      return await ready(name, port, started, context);
    },
  };
}

function profiling(name: string, { cpuProfile, scenario }: TargetContext): string[] {
  if (cpuProfile === undefined) {
    return [];
  }
  const folder = join(cpuProfile, scenario.name, name);
  mkdirSync(folder, { recursive: true });
  return ['--cpu-prof', `--cpu-prof-dir=${folder}`];
}

async function ready(
  name: string,
  port: number,
  started: StartedProcess,
  { server, signal }: TargetContext,
): Promise<Target> {
  await waitForPort('127.0.0.1', port, name, { signal, started });
  return {
    name,
    host: '127.0.0.1',
    port,
    credentials: await server.account(name),
    pids: [started.pid],
    stop: () => started.stop(),
  };
}

/** The size of a peer's pool is what its owner made it. */
function peer({ name, user, host, port }: Peer): TargetKind {
  return {
    name,
    missing: () => undefined,
    start: async ({ server, signal }) => {
      const credentials = await server.account(user);
      await waitForPort(host, port, `peer ${name}`, { signal });
      return { name, host, port, credentials, pids: listenersOn(port), stop: async () => undefined };
    },
  };
}
