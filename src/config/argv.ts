import { Command, CommanderError, Option } from 'commander';
import type { FlagValue } from './given.js';
import { GROUPS, type Group } from './keys/key.js';
import { type Problem, quoteValue } from './problem.js';
import { ENV_PREFIX, envNames, flagName, KEY_NAMES, type KeyName, keyInfo } from './schema.js';
import { suggest } from './suggest.js';

/** The commands shown by `--help`, and those that print what the package ships in `deploy/`. */
const COMMANDS = {
  sandbox: 'start a throwaway database server, with the proxy in front of it',
  check: 'check the configuration, print ok or every mistake, and exit',
  healthcheck: 'ask the proxy that runs with this configuration whether it serves clients: exit code 0 or 1',
  doctor: 'look whether it will work here: the server, its accounts, this machine; and exit',
  advise:
    'ask the running proxy (at its http address) what to do: pool size, holds, idle transactions; and exit',
  hash: 'read a password from standard input and print a hash of it for users: sha256 (default), native or caching_sha2',
} as const;
const PRINTERS = {
  schema: 'print the JSON schema of the configuration file',
  reference: 'print the reference page of the configuration',
  example: 'print a configuration file with every key',
} as const;

export type CommandName = 'serve' | keyof typeof COMMANDS | keyof typeof PRINTERS;

/** What the command hash prints: see `hash` in `users`. */
const HASH_KINDS = ['sha256', 'native', 'caching_sha2'] as const;
export type HashKind = (typeof HASH_KINDS)[number];

export interface Invocation {
  readonly kind: 'run';
  readonly command: CommandName;
  readonly configFile: string | null;
  readonly flags: ReadonlyMap<KeyName, FlagValue>;
  readonly problems: readonly Problem[];
  /** Of the command hash. */
  readonly hashKind: HashKind;
  /** Of the command advise; null where it is not given. */
  readonly target: string | null;
  /** Print JSON. */
  readonly json: boolean;
}

/** `--help` or `--version`: nothing but a text to print. */
export interface Shown {
  readonly kind: 'shown';
  readonly text: string;
}

/** Flags of some commands that are no keys. */
const COMMAND_FLAGS: readonly CommandFlag[] = [
  {
    flag: '--target',
    placeholder: 'DURATION',
    commands: ['advise'],
    description: 'wait for a server session at p99 that the advised pool size keeps within (default: 10ms)',
  },
  {
    flag: '--json',
    placeholder: null,
    commands: ['advise', 'doctor'],
    description: 'print JSON, for programs',
  },
];

interface CommandFlag {
  readonly flag: string;
  /** Null where it takes no value. */
  readonly placeholder: string | null;
  readonly commands: readonly CommandName[];
  readonly description: string;
}

const CONFIG_FLAG = '--config';
const KEY_OF_FLAG = new Map(
  KEY_NAMES.filter((name) => keyInfo(name).fileOnly !== true).map((name) => [flagName(name), name]),
);
const ownFlags = (withValue: boolean): string[] =>
  COMMAND_FLAGS.filter(({ placeholder }) => (placeholder !== null) === withValue).map(({ flag }) => flag);
const VALUE_FLAGS: readonly string[] = [CONFIG_FLAG, ...KEY_OF_FLAG.keys(), ...ownFlags(true)];
/** Those that can be given without a value, which is `on` then. */
const SWITCHES: readonly string[] = KEY_NAMES.filter((name) => keyInfo(name).placeholder === 'on|off').map(
  flagName,
);
/** What can only be the value of one of them. */
const IS_SWITCHED = /^(on|off|true|false|yes|no)$/i;
const PLAIN_FLAGS: readonly string[] = ['-h', '--help', '-V', '--version', ...ownFlags(false)];
const ALL_COMMANDS: readonly string[] = [...Object.keys(COMMANDS), ...Object.keys(PRINTERS), 'help'];

function unknownFlag(name: string): Problem {
  const fileOnly = KEY_NAMES.find((key) => flagName(key) === name);
  if (fileOnly !== undefined) {
    return { source: name, key: fileOnly, message: 'can only be set in the configuration file' };
  }
  const names = VALUE_FLAGS.concat('--help', '--version').map((flag) => flag.slice(2).replaceAll('-', '_'));
  const near = suggest(name.replace(/^-+/, ''), names);
  const hint = near === null ? '' : ` (did you mean ${flagName(near)}?)`;
  return { source: name, key: null, message: `is not a known flag${hint}` };
}

/**
 * Takes the mistaken flags out, so that all of them can be told: the command line parser itself stops at the first. The word
 * behind an unknown flag is most likely its value. Values are never shown; they may be passwords.
 */
function sift(argv: readonly string[]): { clean: string[]; problems: Problem[] } {
  const clean: string[] = [];
  const problems: Problem[] = [];
  const isFlag = (word: string | undefined): boolean =>
    word?.startsWith('--') === true || PLAIN_FLAGS.includes(word ?? '');
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    const next = argv[i + 1];
    const equals = word.indexOf('=');
    const name = word.startsWith('--') && equals > 0 ? word.slice(0, equals) : word;
    if (word === '--') return { clean: [...clean, ...argv.slice(i)], problems };
    if (!word.startsWith('-') || PLAIN_FLAGS.includes(word)) {
      clean.push(word);
    } else if (PLAIN_FLAGS.includes(name)) {
      problems.push({ source: name, key: null, message: 'takes no value' });
    } else if (!VALUE_FLAGS.includes(name)) {
      problems.push(unknownFlag(/^-[A-Za-z]/.test(name) ? name.slice(0, 2) : name));
      const isValue = equals < 0 && next !== undefined && !next.startsWith('-');
      if (isValue && !next.includes('://') && !ALL_COMMANDS.includes(next)) i++;
    } else if (equals > 0) {
      clean.push(word);
    } else if (SWITCHES.includes(name) && !IS_SWITCHED.test(next ?? '')) {
      clean.push(`${name}=on`);
    } else if (next === undefined || isFlag(next)) {
      problems.push({ source: name, key: KEY_OF_FLAG.get(name) ?? null, message: 'needs a value' });
    } else {
      clean.push(`${name}=${next}`);
      i++;
    }
  }
  return { clean, problems };
}

function describeOption(name: KeyName): string {
  const { summary, defaultText } = keyInfo(name);
  const facts = defaultText === null ? [] : [`default: ${defaultText}`];
  return `${summary} (${[...facts, `env: ${envNames(name).join(' or ')}`].join(', ')})`;
}

const append = (value: string, previous: readonly string[] | undefined): string[] => [
  ...(previous ?? []),
  value,
];

function addOptions(program: Command): void {
  program.addOption(
    new Option(`${CONFIG_FLAG} <FILE>`, `configuration file, YAML (env: ${ENV_PREFIX}CONFIG)`).argParser(
      append,
    ),
  );
  for (const group of Object.keys(GROUPS) as Group[]) {
    for (const name of KEY_NAMES) {
      const { group: own, placeholder, fileOnly } = keyInfo(name);
      if (own !== group || fileOnly === true) continue;
      program.addOption(
        new Option(`${flagName(name)} <${placeholder}>`, describeOption(name))
          .argParser(append)
          .helpGroup(`${GROUPS[group]}:`),
      );
    }
  }
}

const AFTER_HELP = `
Values have units: 250ms, 5s, 1m30s; 64KiB, 16MiB. A flag beats the environment, which beats the file.
The file also has users:. Without an upstream anywhere, a sandbox is started.

Examples:
  mybouncer mysql://app:secret@db:3306/shop     listen on 127.0.0.1:6033, with the same user and password
  mybouncer --config mybouncer.yaml             everything from a file
  DATABASE_URL=mysql://... mybouncer            beside an app that has the variable already
  mybouncer doctor mysql://app:secret@db/shop   look at everything that matters, and say what to do about it
  mybouncer advise --config mybouncer.yaml      how large the pool should be, what holds sessions, what idles

Exit code: 0 after a clean stop, 1 after a fault (of doctor: something fails; of advise: clients got errors), 2 for bad usage or configuration.
`;

interface OwnOptions {
  readonly target?: string;
  readonly json?: boolean;
}

function buildProgram(
  version: string,
  chosen: (name: CommandName, args: readonly string[], own?: OwnOptions) => void,
): Command {
  const program = new Command('mybouncer');
  program
    .description('Many MySQL client connections over a few server sessions')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .argument('[upstream]', 'the same as --upstream')
    .allowExcessArguments(true)
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', AFTER_HELP)
    .action((_upstream, _options, command: Command) => chosen('serve', command.args));
  addOptions(program);
  const add = (name: CommandName, text: string, hidden: boolean): void => {
    const one = program.command(name, { hidden }).description(text);
    for (const { flag, placeholder, commands, description } of COMMAND_FLAGS) {
      if (commands.includes(name))
        one.option(placeholder === null ? flag : `${flag} <${placeholder}>`, description);
    }
    one
      .allowExcessArguments(true)
      .helpOption('-h, --help', 'print this help')
      .action((own: OwnOptions, command: Command) => chosen(name, command.args, own));
  };
  for (const [name, text] of Object.entries(COMMANDS)) add(name as CommandName, text, false);
  for (const [name, text] of Object.entries(PRINTERS)) add(name as CommandName, text, true);
  return program;
}

/** The word is never shown: it is most likely the password. */
function readHashKind(words: readonly string[], problems: Problem[]): HashKind {
  const [word = 'sha256', ...more] = words;
  const kind = HASH_KINDS.find((one) => one === word.replaceAll('-', '_'));
  if (kind !== undefined && more.length === 0) return kind;
  problems.push({
    source: 'argument',
    key: null,
    message: `the command hash takes one of ${HASH_KINDS.join(', ')}; the password is read from standard input, since every user of the machine can see arguments`,
  });
  return 'sha256';
}

/** What the words that are no flags mean: for most commands at most one, the upstream. */
function readArguments(command: CommandName, words: readonly string[], problems: Problem[]): string | null {
  const [word, ...more] = words;
  const complain = (message: string): void => void problems.push({ source: 'argument', key: null, message });
  if (more.length > 0) complain(`only one upstream URL can be given, and here are ${words.length} arguments`);
  if (word === undefined) return null;
  if (command !== 'serve' && command !== 'check' && command !== 'doctor') {
    if (more.length === 0) complain(`the command ${command} takes none`);
    return null;
  }
  if (!/^[a-z]+$/.test(word)) return word;
  const near = suggest(word, ALL_COMMANDS);
  if (near === null) return word;
  complain(`${quoteValue(word)} is not a command (did you mean ${near}?)`);
  return null;
}

function readFlags(program: Command): Map<KeyName, FlagValue> {
  const flags = new Map<KeyName, FlagValue>();
  const options: Readonly<Record<string, unknown>> = program.opts();
  for (const option of program.options) {
    const key = KEY_OF_FLAG.get(option.long ?? '');
    const values = options[option.attributeName()];
    if (key !== undefined && Array.isArray(values))
      flags.set(key, { source: flagName(key), values: values.map(String) });
  }
  return flags;
}

/** @param argv - the words behind the program's own name */
export function parseArgv(argv: readonly string[], version: string): Invocation | Shown {
  const { clean, problems } = sift(argv);
  const chosen: { command: CommandName; words: readonly string[]; own: OwnOptions } = {
    command: 'serve',
    words: [],
    own: {},
  };
  const printed: string[] = [];
  const program = buildProgram(
    version,
    (command, words, own = {}) => void Object.assign(chosen, { command, words, own }),
  );
  for (const one of [program, ...program.commands]) {
    one.exitOverride().configureOutput({ writeOut: (text) => void printed.push(text), writeErr: () => {} });
  }
  try {
    program.parse(clean, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0 && problems.length === 0) return { kind: 'shown', text: printed.join('') };
    if (error.exitCode !== 0) {
      const unknown = error.code === 'commander.help';
      const message = unknown ? 'the word behind help is not a command' : error.message;
      problems.push({ source: 'argument', key: null, message });
    }
  }
  const { command, words, own } = chosen;
  const flags = readFlags(program);
  const hashKind = readHashKind(command === 'hash' ? words : [], problems);
  const upstream = command === 'hash' ? null : readArguments(command, words, problems);
  if (flags.has('upstream') && (upstream !== null || command === 'sandbox')) {
    const other = command === 'sandbox' ? 'the command sandbox' : 'the URL given as an argument';
    problems.push({
      source: '--upstream',
      key: 'upstream',
      message: `cannot be used together with ${other}`,
    });
  }
  if (upstream !== null) flags.set('upstream', { source: 'argument', values: [upstream] });
  const configFile = program.opts<{ config?: readonly string[] }>().config?.at(-1) ?? null;
  const { target = null, json = false } = own;
  return { kind: 'run', command, configFile, flags, problems, hashKind, target, json };
}
