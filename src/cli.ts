import type { Logger } from 'pino';
import type { App } from './app/app.js';
import { parseListenAddress } from './config/address.js';
import { type CommandName, type Invocation, parseArgv } from './config/argv.js';
import {
  type Config,
  completeConfig,
  completeConfigWithUrl,
  loadSettings,
  type Settings,
} from './config/load.js';
import { ConfigError } from './config/problem.js';
import { exampleText, jsonSchemaText, referenceText } from './config/reference.js';
import { maskUrlPasswords } from './config/secret.js';
import { formatUrl } from './config/upstream.js';
import { VERSION } from './config/version.js';
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

/** Counts the signals that ask for an end: the first is a request, the second an order. */
class StopSignals {
  readonly first: Promise<void>;
  /** Called for the second signal, before the process exits. */
  onSecond: () => void = () => {};
  #count = 0;

  constructor(logger: Logger) {
    let resolveFirst: () => void = () => {};
    this.first = new Promise((resolve) => {
      resolveFirst = resolve;
    });
    const onSignal = (signal: string): void => {
      this.#count++;
      if (this.#count === 1) {
        logger.info({ signal }, 'stopping; a second signal stops at once');
        resolveFirst();
        return;
      }
      logger.warn({ signal }, 'stopped at once');
      this.onSecond();
      process.exit(EXIT.fault);
    };
    // The runtime would open its debugger, to whoever is on this machine: everything in memory could be read there.
    process.on('SIGUSR1', () => logger.warn({ signal: 'SIGUSR1' }, 'a signal that means nothing here'));
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  }

  get requested(): boolean {
    return this.#count > 0;
  }
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

/** Serves until told to stop. Resolves to whether it ended cleanly. */
async function serveWith(
  config: Config,
  sandbox: Sandbox | null,
  signals: StopSignals,
  logger: Logger,
): Promise<boolean> {
  const { startApp } = await import('./app/app.js');
  const app: App = await startApp(config, { logger });
  // A sandbox installs and starts a server, which is the root's business.
  if (sandbox === null && hasNeedlessRights()) {
    logger.warn(
      'running as root: an ordinary user is enough, unless fork_guard is to see the processes of other users',
    );
  }
  signals.onSecond = () => app.kill();
  const [listening] = app.addresses.listen;
  if (sandbox !== null && listening !== undefined) print(sandboxNotice(sandbox, config, listening));
  const stopped = signals.first.then(() => app.stop());
  const fault = await Promise.race([app.closed, stopped.then(() => app.closed)]);
  if (fault === null) return true;
  reportFault(fault, logger);
  return false;
}

function reportFault(error: unknown, logger: Logger): void {
  logger.fatal({ err: error }, oneLine(error));
  complain(`mybouncer: ${oneLine(error)}`);
}

async function serve(settings: Settings): Promise<number> {
  const logger = createLogger(settings.logLevel);
  process.on('uncaughtExceptionMonitor', (error) => logger.fatal({ err: error }, oneLine(error)));
  const signals = new StopSignals(logger);
  let sandbox: Sandbox | null = null;
  let clean = true;
  try {
    const server = await findServer(settings, logger);
    sandbox = server.sandbox;
    if (!signals.requested) clean = await serveWith(server.config, sandbox, signals, logger);
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

function load(invocation: Invocation, env: Env): Settings {
  const { configFile, flags, problems, command } = invocation;
  return loadSettings({ configFile, flags, problems, env, ignoreUpstream: command === 'sandbox' });
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
    case 'doctor':
    case 'hash':
      return null;
  }
}

async function diagnose(settings: Settings): Promise<number> {
  const { examine } = await import('./doctor/doctor.js');
  const { findingLines, Level } = await import('./doctor/finding.js');
  const findings = await examine(settings);
  print(findingLines(findings));
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

async function dispatch(invocation: Invocation, env: Env): Promise<number> {
  const { command, problems } = invocation;
  const text = printer(command);
  if (text !== null) {
    if (problems.length > 0) throw new ConfigError(problems);
    print(text());
    return EXIT.clean;
  }
  if (command === 'hash') return printHash(invocation);
  const settings = load(invocation, env);
  if (command === 'doctor') return diagnose(settings);
  if (command !== 'check') return serve(settings);
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
    const invocation = parseArgv(argv, VERSION);
    if (invocation.kind === 'run') return await dispatch(invocation, env);
    print(invocation.text);
    return EXIT.clean;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    complain(error.message);
    return EXIT.usage;
  }
}
