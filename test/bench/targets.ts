import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, type StartedProcess, type Workspace, waitForAddress } from './children.js';
import type { Address } from './load/plan.js';
import type { Credentials } from './load/wire.js';
import { listenersOn } from './proc.js';
import { type Scenario, usesTls } from './scenarios.js';
import { type BenchServer, MAX_CONNECTIONS } from './server.js';

/** A way to the server, ready for load. */
export interface Target {
  readonly name: string;
  readonly address: Address;
  readonly credentials: Credentials;
  /** The proxy's processes; empty where there is none or where it can't be seen. */
  readonly pids: readonly number[];
  /** Whether {@link COLLECT_SIGNAL} makes it collect its garbage. */
  readonly collects: boolean;
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

/** A kind of target: how to start it for a scenario, and what is missing, if it can't be had here. */
export interface TargetKind {
  readonly name: string;
  /** Whether there is a process between the clients and the server. */
  readonly isProxy: boolean;
  /** Undefined when the target can be had, else what is missing. */
  missing(): string | undefined;
  /** @param files - how many files a process may have open here */
  clientsAtMost(files: number): number;
  start(context: TargetContext): Promise<Target>;
}

const MYBOUNCER_MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const RELAY_MAIN = fileURLToPath(new URL('./relay.js', import.meta.url));
/** How a proxy that collects its garbage on demand is started; see collect-garbage.ts. */
const COLLECTOR = `--import=${new URL('./collect-garbage.js', import.meta.url).href}`;
/** No program of ours has another use for it. */
export const COLLECT_SIGNAL = 'SIGPWR';

/** What any program needs to have open beside its clients and server sessions. */
const OTHER_FILES = 200;
/** Server sessions that are not the clients': those of looking on, and of clients that are about to leave. */
const OTHER_SESSIONS = 200;

/** A proxy that somebody else runs, in front of the bench's server (whose port is then fixed). */
export interface Peer {
  readonly name: string;
  readonly user: string;
  readonly host: string;
  readonly port: number;
}

/** Another build of MyBouncer, or this one with other arguments. */
export interface Build {
  readonly name: string;
  readonly main: string;
  readonly args: readonly string[];
}

const Via = { Tcp: 'tcp', Unix: 'unix' } as const;
type Via = (typeof Via)[keyof typeof Via];

export function targetKinds(options: { peers: readonly Peer[]; builds: readonly Build[] }): TargetKind[] {
  const ours = { main: MYBOUNCER_MAIN, args: [] };
  return [
    direct('direct', Via.Tcp),
    direct('direct-unix', Via.Unix),
    haproxy('haproxy', { threads: 1, via: Via.Tcp }),
    haproxy('haproxy-2t', { threads: 2, via: Via.Tcp }),
    haproxy('haproxy-unix', { threads: 1, via: Via.Unix }),
    relay(),
    mybouncer({ name: 'mybouncer', ...ours }, Via.Tcp),
    mybouncer({ name: 'mybouncer-unix', ...ours }, Via.Unix),
    ...options.builds.map((build) => mybouncer(build, Via.Tcp)),
    ...options.peers.map(peer),
  ];
}

function direct(name: string, via: Via): TargetKind {
  return {
    name,
    isProxy: false,
    missing: () => undefined,
    clientsAtMost: () => MAX_CONNECTIONS - OTHER_SESSIONS,
    start: async (context) => ({
      name,
      address: serverAddress(context.server, via),
      credentials: await account(name, context),
      pids: [],
      collects: false,
      stop: async () => undefined,
    }),
  };
}

/** Targets of several scenarios may be up at once: their sessions, and their files, are told apart by this. */
function label(name: string, { scenario }: TargetContext): string {
  return `${name}-${scenario.name}`;
}

function account(name: string, context: TargetContext): Promise<Credentials> {
  return context.server.account(label(name, context));
}

function serverAddress({ host, port, socketPath }: BenchServer, via: Via): Address {
  return via === Via.Unix ? { path: socketPath } : { host, port };
}

/** Where a proxy shall listen. */
async function listenAddress(name: string, context: TargetContext, via: Via): Promise<Address> {
  return via === Via.Unix
    ? { path: join(context.workspace.folder, `${label(name, context)}.sock`) }
    : { host: '127.0.0.1', port: await freePort() };
}

function written(address: Address): string {
  return 'path' in address ? `unix:${address.path}` : `${address.host}:${address.port}`;
}

export function haproxyVersion(): string | undefined {
  const text = spawnSync('haproxy', ['-v'], { encoding: 'utf8' }).stdout ?? '';
  return /version (\S+)/.exec(text)?.[1];
}

/** One server connection per client: both count. */
function pairsAtMost(files: number): number {
  return Math.min((files - OTHER_FILES) / 2, MAX_CONNECTIONS - OTHER_SESSIONS);
}

/**
 * HAProxy in TCP mode. With one thread it is MyBouncer's equal in means (one event loop); with two, on a machine of
 * two cores, it competes with the server and the load generator for both.
 */
function haproxy(name: string, { threads, via }: { threads: number; via: Via }): TargetKind {
  return {
    name,
    isProxy: true,
    missing: () => (haproxyVersion() === undefined ? 'install Debian package haproxy' : undefined),
    clientsAtMost: pairsAtMost,
    start: async (context) => {
      const address = await listenAddress(name, context, via);
      const file = join(context.workspace.folder, `${label(name, context)}.cfg`);
      const server = serverAddress(context.server, via);
      writeFileSync(file, haproxyConfiguration({ address, server, threads }));
      const started = context.workspace.start(label(name, context), 'haproxy', ['-db', '-q', '-f', file]);
      return await ready(name, address, started, context);
    },
  };
}

function haproxyConfiguration(given: { address: Address; server: Address; threads: number }): string {
  return `global
  nbthread ${given.threads}
  maxconn ${MAX_CONNECTIONS}
  no strict-limits
defaults
  mode tcp
  maxconn ${MAX_CONNECTIONS}
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen mysql
  bind ${written(given.address).replace(/^unix:/, 'unix@')} backlog 4096
  server db ${written(given.server).replace(/^unix:/, 'unix@')}
`;
}

function relay(): TargetKind {
  return {
    name: 'relay',
    isProxy: true,
    missing: () => undefined,
    clientsAtMost: pairsAtMost,
    start: async (context) => {
      const port = await freePort();
      const args = [...nodeFlags('relay', context), RELAY_MAIN, String(port), String(context.server.port)];
      const started = context.workspace.start(label('relay', context), process.execPath, args);
      return await ready('relay', { host: '127.0.0.1', port }, started, context, collects(context));
    },
  };
}

/** This build of the proxy, or another one beside it. */
function mybouncer({ name, main, args }: Build, via: Via): TargetKind {
  return {
    name,
    isProxy: true,
    missing: () => (existsSync(main) ? undefined : `build it first: ${main} does not exist`),
    clientsAtMost: (files) => files - OTHER_FILES,
    start: async (context) => {
      const { scenario, workspace } = context;
      const address = await listenAddress(name, context, via);
      const started = workspace.start(label(name, context), process.execPath, [
        ...nodeFlags(name, context),
        main,
        await upstreamUrl(name, context, via),
        ...['--listen', written(address)],
        ...['--http', `127.0.0.1:${await freePort()}`],
        ...['--pool-size', String(scenario.poolSize)],
        // Room for those of the last run that have not quite left.
        ...['--max-client-conn', String(scenario.clients + OTHER_FILES / 2)],
        ...certificateArguments(context),
        ...args,
      ]);
      return await ready(name, address, started, context, collects(context));
    },
  };
}

async function upstreamUrl(name: string, context: TargetContext, via: Via): Promise<string> {
  const { server } = context;
  const { user, password, database } = await account(name, context);
  return via === Via.Unix
    ? `mysql://${user}:${password}@localhost/${database}?socket=${encodeURIComponent(server.socketPath)}`
    : `mysql://${user}:${password}@${server.host}:${server.port}/${database}`;
}

/** The certificate that the server has, too: what a handshake costs depends on its key. */
function certificateArguments({ scenario, server }: TargetContext): string[] {
  const { certificate } = server;
  return usesTls(scenario) && certificate !== undefined
    ? ['--tls-cert', certificate.certFile, '--tls-key', certificate.keyFile]
    : [];
}

function collects({ scenario }: TargetContext): boolean {
  return scenario.kind === 'idle';
}

function nodeFlags(name: string, context: TargetContext): string[] {
  const flags = collects(context) ? [COLLECTOR] : [];
  if (context.cpuProfile !== undefined) {
    const folder = join(context.cpuProfile, context.scenario.name, name);
    mkdirSync(folder, { recursive: true });
    flags.push('--cpu-prof', `--cpu-prof-dir=${folder}`);
  }
  return flags;
}

async function ready(
  name: string,
  address: Address,
  started: StartedProcess,
  context: TargetContext,
  collects = false,
): Promise<Target> {
  await waitForAddress(address, name, { signal: context.signal, started });
  return {
    name,
    address,
    credentials: await account(name, context),
    pids: [started.pid],
    collects,
    stop: () => started.stop(),
  };
}

/** The size of a peer's pool is what its owner made it. */
function peer({ name, user, host, port }: Peer): TargetKind {
  return {
    name,
    isProxy: true,
    missing: () => undefined,
    clientsAtMost: () => Number.POSITIVE_INFINITY,
    start: async ({ server, signal }) => {
      const credentials = await server.account(user);
      const address = { host, port };
      await waitForAddress(address, `peer ${name}`, { signal });
      const pids = listenersOn(port);
      return { name, address, credentials, pids, collects: false, stop: async () => undefined };
    },
  };
}
