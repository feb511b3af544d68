import type { Logger } from 'pino';
import type { AppOptions } from './app/app.js';
import { parseListenAddress } from './config/address.js';
import { type CommandName, type Invocation, parseArgv } from './config/argv.js';
import {
  type Config,
  completeConfig,
  completeConfigWithUrl,
  type Loaded,
  load as loadConfig,
  type Settings,
} from './config/load.js';
import { ConfigError, InvalidValue } from './config/problem.js';
import { exampleText, jsonSchemaText, referenceText } from './config/reference.js';
import { maskUrlPasswords } from './config/secret.js';
import { parseDuration } from './config/units.js';
import { formatUrl } from './config/upstream.js';
import { VERSION } from './config/version.js';
import { healthCheck } from './lifecycle/health-check.js';
import { HTTP_SOCKET, type InheritedSocket, inheritedSockets } from './lifecycle/inherited-sockets.js';
import { lastClientLeft } from './lifecycle/last-client.js';
import { LEADER } from './lifecycle/leader.js';
import { OlderParentError, type Order, PROTOCOL } from './lifecycle/messages.js';
import { keepAlive, type ServiceManager, serviceManager } from './lifecycle/service-manager.js';
import { StopMode, StopSignals } from './lifecycle/stop-signals.js';
import { workerCount } from './lifecycle/worker-count.js';
import { WorkerLink } from './lifecycle/worker-link.js';
import { createLogger } from './observability/logger.js';
import { hasNeedlessRights } from './observability/process-user.js';
import type { Sandbox } from './sandbox/index.js';

const EXIT = { clean: 0, fault: 1, usage: 2 } as const;

type Env = Readonly<Record<string, string | undefined>>;

const print = (text: string): void => void process.stdout.write(text);
const complain = (text: string): void => void process.stderr.write(`${text}\n`);

/** What went wrong, on one line, without the password of a URL that some error text quotes. */
function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return maskUrlPasswords(text.replaceAll(/\s*\n\s*/g, ' ').trim());
}

/** A sandbox where the settings name no server of their own. */
async function findServer(
  settings: Settings,
  logger: Logger,
): Promise<{ config: Config; sandbox: Sandbox | null }> {
  if (settings.upstream !== null)
    return { config: completeConfig(settings, settings.upstream), sandbox: null };
  const { startSandbox } = await import('./sandbox/index.js');
  const sandbox = await startSandbox({ log: (message) => logger.info(message) });
  return { config: completeConfigWithUrl(settings, sandbox.url), sandbox };
}

/** Newer clients insist on TLS unless told otherwise. */
function clientCommand({ flavor }: Sandbox, hasTls: boolean): string {
  if (flavor === 'mariadb') return hasTls ? 'mariadb' : 'mariadb --skip-ssl';
  return hasTls ? 'mysql' : 'mysql --ssl-mode=DISABLED';
}

/** What a person at a terminal wants to know of a sandbox, between the log lines. */
function sandboxNotice(sandbox: Sandbox, { upstream, tlsMode }: Config, listening: string): string {
  const bound = parseListenAddress(listening);
  const everywhere = bound.kind === 'tcp' && ['0.0.0.0', '::'].includes(bound.host);
  const address = everywhere ? { ...bound, host: '127.0.0.1' } : bound;
  const where =
    address.kind === 'tcp' ? `--host=${address.host} --port=${address.port}` : `--socket='${address.path}'`;
  const client = clientCommand(sandbox, tlsMode !== 'disable');
  const login = `--user=${upstream.user} --password=${upstream.password.reveal()} ${upstream.schema ?? ''}`;
  return [
    '',
    `  A sandbox: a private, throwaway server (${sandbox.version}) with MyBouncer in front of it.`,
    '',
    `    ${formatUrl({ ...upstream, address })}`,
    '',
    '  Try:',
    `    ${client} ${where} ${login} -e 'SELECT * FROM greetings'`,
    '',
    '  The JSON lines are the log. Ctrl-C stops both and removes everything.',
    '',
    '',
  ].join('\n');
}

/** What a process that serves is part of. */
interface Surroundings {
  /** Where the configuration has been read, and how to read it again. */
  readonly reading: { readonly sources: Loaded['sources']; readonly load: () => Loaded };
  readonly logger: Logger;
  readonly signals: StopSignals;
  /** Null without a parent process (`master: on`, `workers`). */
  readonly link: WorkerLink | null;
  readonly order: ServeOrder | null;
  readonly sockets: readonly InheritedSocket[];
  readonly manager: ServiceManager;
}

type ServeOrder = Extract<Order, { kind: 'serve' }>;

/** What a worker has from its parent. */
function seatOf(
  link: WorkerLink,
  { worker, count, idSpace }: ServeOrder,
): Required<Pick<AppOptions, 'bus' | 'seat'>> {
  return { bus: link.bus(worker, count), seat: { idSpace, permits: count === 1 ? null : link.permits } };
}

/** What is to take over serves nobody until it has reached the server, which may take for ever: it has nothing to finish. */
async function calledOff(signals: StopSignals, link: WorkerLink | null): Promise<null> {
  await Promise.race(link === null ? [signals.first] : [signals.first, link.handedOver]);
  return null;
}

/** Serves until told to stop. Resolves to whether it ended cleanly. */
async function serveWith(config: Config, sandbox: Sandbox | null, around: Surroundings): Promise<boolean> {
  const { logger, signals, link, order, sockets, manager, reading } = around;
  const { startApp } = await import('./app/app.js');
  const http = sockets.find(({ name }) => name === HTTP_SOCKET)?.fd ?? null;
  const listen = sockets.filter(({ name }) => name !== HTTP_SOCKET).map(({ fd }) => fd);
  const seat = link === null || order === null ? {} : seatOf(link, order);
  const takesOver = order?.takesOver ?? false;
  const many = order !== null && order.count > 1 ? link : null;
  const requestStop = (drains: boolean, why: object): void => {
    // A parent has other processes to stop as well.
    if (link === null) signals.request(drains ? StopMode.Drain : StopMode.Now, why);
    else link.stop(drains, why);
  };
  const starting = startApp(config, {
    logger,
    ...reading,
    inherited: { listen, http },
    takesOver,
    onReady: (facts) => {
      // Of several, the parent says when all of them are.
      if (many === null)
        manager.notify(['READY=1', `MAINPID=${link === null ? process.pid : process.ppid}`, 'STATUS=Ready']);
      link?.ready(facts);
    },
    requestStop: (drains, asked) => requestStop(drains, { asked }),
    ...(link === null ? {} : { requestRestart: () => link.restart() }),
    ...seat,
  });
  const app = await (takesOver ? Promise.race([starting, calledOff(signals, link)]) : starting);
  if (app === null) return true;
  keepAlive(manager);
  // A sandbox installs and starts a server, which is the root's business.
  if (sandbox === null && hasNeedlessRights()) {
    logger.warn(
      'running as root: an ordinary user is enough, unless fork_guard is to see the processes of other users',
    );
  }
  signals.onHurry = () => app.kill();
  // Whoever closes the terminal of a sandbox is done with it.
  signals.onHangUp =
    sandbox === null
      ? () => {
          manager.notify(['RELOADING=1']);
          app.reload();
          manager.notify(['READY=1']);
        }
      : () => process.kill(process.pid, 'SIGTERM');
  let isLatest = true;
  const handOver = (): void => {
    isLatest = false;
    void app.stop(true);
  };
  link?.follow({
    handOver,
    orphaned: () => {
      logger.warn(
        'the parent process has gone: what it would start in its place listens on the same addresses',
      );
      handOver();
    },
  });
  const [listening] = app.addresses.listen;
  if (sandbox !== null && listening !== undefined) print(sandboxNotice(sandbox, config, listening));
  if (config.exitAfterLastClient && (order === null || order.worker === LEADER)) {
    // Of processes that have been taken over from, clients leave in any case.
    void lastClientLeft(() => app.allClientCounts()).then(() => {
      if (isLatest) requestStop(true, { exit_after_last_client: 'on' });
    });
  }
  const stopped = signals.first.then((mode) => {
    manager.notify(['STOPPING=1', `STATUS=${mode === StopMode.Now ? 'Stopping' : 'Draining'}`]);
    if (mode === StopMode.Now) app.kill();
    return app.stop();
  });
  const fault = await Promise.race([app.closed, stopped.then(() => app.closed)]);
  if (fault === null) return true;
  reportFault(fault, logger);
  return false;
}

function reportFault(error: unknown, logger: Logger): void {
  logger.fatal({ err: error }, oneLine(error));
  complain(`mybouncer: ${oneLine(error)}`);
}

async function serve(
  { settings, sources }: Loaded,
  load: () => Loaded,
  words: readonly string[],
  link: WorkerLink | null,
): Promise<number> {
  const order = link === null ? null : await link.order;
  const serving = order?.kind === 'serve' ? order : null;
  const isOneOfMany = serving !== null && serving.count > 1;
  const root = createLogger(settings.logLevel);
  const logger = isOneOfMany ? root.child({ worker: serving.worker }) : root;
  process.on('uncaughtExceptionMonitor', (error) => logger.fatal({ err: error }, oneLine(error)));
  const sockets = inheritedSockets(process.env, link === null ? [process.pid] : [process.ppid]);
  const manager: ServiceManager =
    link === null
      ? serviceManager(process.env, logger)
      : { notify: (state) => link.notify(state), watchdogMs: serving?.watchdogMs ?? null };
  const hasParent = settings.master || workerCount(settings.workers) > 1;
  if (hasParent && settings.upstream !== null && link === null)
    return lead(settings, words, sockets, manager, logger);
  const signals = new StopSignals(logger, () => process.exit(EXIT.fault));
  link?.hearsSignals();
  const around = { reading: { sources, load }, logger, signals, link, order: serving, sockets, manager };
  let sandbox: Sandbox | null = null;
  let clean = true;
  try {
    if (isOneOfMany && serving.protocol !== PROTOCOL) throw new OlderParentError();
    const server = await findServer(settings, logger);
    sandbox = server.sandbox;
    if (!signals.requested) clean = await serveWith(server.config, sandbox, around);
  } catch (error) {
    reportFault(error, logger);
    clean = false;
  }
  try {
    await sandbox?.stop();
  } catch (error) {
    reportFault(error, logger);
    clean = false;
  }
  return clean ? EXIT.clean : EXIT.fault;
}

/** `master: on`, `workers`: the parent of the processes that serve. */
async function lead(
  settings: Settings,
  words: readonly string[],
  inherited: readonly InheritedSocket[],
  manager: ServiceManager,
  log: Logger,
): Promise<number> {
  const { Master, planOf } = await import('./lifecycle/master.js');
  const [, main = ''] = process.argv;
  const program = { execPath: process.execPath, execArgv: process.execArgv, main, words, env: process.env };
  try {
    return await new Master({ program, plan: planOf(settings), inherited, manager, log }).run();
  } catch (error) {
    reportFault(error, log);
    return EXIT.fault;
  }
}

function load(invocation: Invocation, env: Env): Loaded {
  const { configFile, flags, problems, command } = invocation;
  return loadConfig({ configFile, flags, problems, env, ignoreUpstream: command === 'sandbox' });
}

function printer(command: CommandName): (() => string) | null {
  switch (command) {
    case 'schema':
      return jsonSchemaText;
    case 'reference':
      return referenceText;
    case 'example':
      return exampleText;
    case 'serve':
    case 'sandbox':
    case 'check':
    case 'healthcheck':
    case 'doctor':
    case 'advise':
    case 'hash':
      return null;
  }
}

/** Why a text is no duration; null where it is one. */
function durationMistake(text: string): string | null {
  try {
    parseDuration(text);
    return null;
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error;
    return error.message;
  }
}

/** Asks the proxy that runs with these settings. */
async function giveAdvice({ http }: Settings, { target, json }: Invocation): Promise<number> {
  if (http === null || http.port === 0) {
    complain(
      `mybouncer: the running proxy is asked over HTTP, and http is ${http === null ? 'off' : 'any free port'} here: set http (its default is 127.0.0.1:6034), or connect to the admin console (admin_users) and use SHOW ADVICE`,
    );
    return EXIT.usage;
  }
  const mistake = target === null ? null : durationMistake(target);
  if (mistake !== null) {
    complain(`--target: ${mistake}`);
    return EXIT.usage;
  }
  const { askAdvice, NoAdviceError } = await import('./app/ask-advice.js');
  const { adviceLines, hasFailures } = await import('./advice/lines.js');
  try {
    const advice = await askAdvice(http, target);
    print(json ? `${JSON.stringify(advice, null, 2)}\n` : adviceLines(advice));
    return hasFailures(advice) ? EXIT.fault : EXIT.clean;
  } catch (error) {
    if (!(error instanceof NoAdviceError)) throw error;
    complain(`mybouncer: ${oneLine(error)}`);
    return EXIT.fault;
  }
}

async function diagnose(settings: Settings, json: boolean): Promise<number> {
  const { examine } = await import('./doctor/doctor.js');
  const { findingLines, Level } = await import('./doctor/finding.js');
  const findings = await examine(settings);
  print(json ? `${JSON.stringify({ findings }, null, 2)}\n` : findingLines(findings));
  return findings.some(({ level }) => level === Level.Fail) ? EXIT.fault : EXIT.clean;
}

async function printHash({ hashKind, problems }: Invocation): Promise<number> {
  if (problems.length > 0) throw new ConfigError(problems);
  const { readPassword } = await import('./app/read-password.js');
  const { makeHash } = await import('./app/make-hash.js');
  const password = await readPassword(process.stdin, (text) => void process.stderr.write(text));
  if ('failure' in password) {
    complain(`mybouncer: ${password.failure}`);
    return EXIT.usage;
  }
  print(`${makeHash(hashKind, password)}\n`);
  return EXIT.clean;
}

async function dispatch(
  invocation: Invocation,
  env: Env,
  words: readonly string[],
  link: WorkerLink | null,
): Promise<number> {
  const { command, problems } = invocation;
  const text = printer(command);
  if (text !== null) {
    if (problems.length > 0) throw new ConfigError(problems);
    print(text());
    return EXIT.clean;
  }
  if (command === 'hash') return printHash(invocation);
  const loaded = load(invocation, env);
  const { settings } = loaded;
  if (command === 'advise') return giveAdvice(settings, invocation);
  if (command === 'doctor') return diagnose(settings, invocation.json);
  if (command === 'healthcheck') {
    const failure = await healthCheck(settings.http);
    if (failure !== null) complain(`mybouncer: ${failure}`);
    return failure === null ? EXIT.clean : EXIT.fault;
  }
  // There is no parent without a server: its address has gone since, and a sandbox in its place would get a part of the clients.
  if (link !== null && settings.upstream === null) {
    const message = 'is not set any more: a process of a proxy that serves needs it';
    throw new ConfigError([{ source: 'configuration', key: 'upstream', message }]);
  }
  if (link !== null && (await link.order).kind === 'plan') {
    const { planOf } = await import('./lifecycle/master.js');
    await link.tell(planOf(settings));
    return EXIT.clean;
  }
  if (command !== 'check') return serve(loaded, () => load(invocation, env), words, link);
  print(settings.upstream === null ? 'ok: no upstream is set, so a sandbox would be started\n' : 'ok\n');
  return EXIT.clean;
}

/**
 * The program. @param argv - the words behind the program's own name
 * @returns the exit code: 0 clean, 1 fault, 2 bad usage or configuration
 */
export async function run(argv: readonly string[], env: Env): Promise<number> {
  // `mybouncer --help | head`: a reader that has seen enough is no fault.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    const link = WorkerLink.of(argv);
    const words = link === null ? argv : (await link.order).words;
    const invocation = parseArgv(words, VERSION);
    if (invocation.kind === 'run') return await dispatch(invocation, env, words, link);
    print(invocation.text);
    return EXIT.clean;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    complain(error.message);
    return EXIT.usage;
  }
}
