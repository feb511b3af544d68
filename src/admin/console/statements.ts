import { ServerError } from '../../protocol/constants.js';
import { type ClientQuestions, CONSOLE_SCHEMA, type Questioner } from './client-questions.js';
import { ConsoleError, notUnderstood } from './errors.js';
import { type Later, when } from './later.js';
import { CommandRefused, type ConsoleSource, InvalidSetting, type Underway } from './source.js';
import { type Cell, type Table, tableOf, tableWhen } from './table.js';
import { findView, VIEWS } from './views.js';
import { type Word, wordsOf } from './words.js';

/** What a statement comes to: a table, or null for a plain OK; or what will, once it is done, be a plain OK. */
export type Outcome = Table | Underway | null;

/** Sessions have no state here, so whatever drivers set of theirs is as good as set. */
const SETTABLE = new Set(['names', 'character', 'charset', 'session', 'local', 'transaction', 'autocommit']);

/** Drivers open and end transactions wherever they connect. */
const TRANSACTION_WORDS = new Set(['begin', 'start', 'commit', 'rollback']);

/** Tables that tools ask for, all of them empty here: the names of their first columns. */
const EMPTY_LISTS: Readonly<Record<string, readonly string[]>> = {
  charset: ['Charset', 'Description', 'Default collation', 'Maxlen'],
  character: ['Charset', 'Description', 'Default collation', 'Maxlen'],
  collation: ['Collation', 'Charset', 'Id', 'Default', 'Compiled', 'Sortlen'],
  engines: ['Engine', 'Support', 'Comment', 'Transactions', 'XA', 'Savepoints'],
  errors: ['Level', 'Code', 'Message'],
  plugins: ['Name', 'Status', 'Type', 'Library', 'License'],
  status: ['Variable_name', 'Value'],
  warnings: ['Level', 'Code', 'Message'],
};

const COMMANDS: Readonly<Record<string, string>> = {
  'KILL CLIENT id': "closes a client's connection; id as SHOW CLIENTS tells it",
  'PAUSE [pool or server]':
    'nothing is lent; each server session is closed when it is given back, and this waits for the last; requests wait for RESUME',
  'RESUME [pool or server]': 'ends a pause',
  'RECONNECT [server]':
    'server sessions are closed as soon as nobody needs them, and opened anew when they are wanted; of several servers all, or those of the one that is named',
  RELOAD:
    'reads file, environment and flags anew, and tells what has changed and what needs a restart; all or nothing',
  'SET key = value':
    'changes a key of the running proxy until the next RELOAD or restart: those of SHOW CONFIG that are changeable',
  RESTART:
    'a new process takes over, with the program and configuration on disk (master: on), as SIGUSR2 does',
  SHUTDOWN: 'stops at once, as SIGINT does',
  'SHUTDOWN WAIT_FOR_CLIENTS': 'stops when the clients have finished (drain_timeout), as SIGTERM does',
  HELP: 'this list',
};

/**
 * Runs one statement of the console.
 * @throws ConsoleError
 */
export function runStatement(
  sql: string,
  who: Questioner,
  source: ConsoleSource,
  questions: ClientQuestions,
): Later<Outcome> {
  const words = withoutSemicolon(wordsOf(sql));
  const verb = wordAt(words, 0);
  const rest = words.slice(1);
  switch (verb) {
    case 'show':
      return show(rest, source, questions);
    case 'select':
      return questions.select(sql, rest, who);
    case 'set':
      return set(sql, rest, source, questions);
    case 'use':
      return use(rest);
    case 'kill':
      return kill(rest, source);
    case 'pause':
      return refusing(() => source.pause(asWritten(sql, rest)));
    case 'resume':
      return when(
        refusing(() => source.resume(asWritten(sql, rest))),
        () => null,
      );
    case 'reload':
      return reload(rest, source);
    case 'reconnect':
      return when(
        refusing(() => source.reconnect(asWritten(sql, rest))),
        () => null,
      );
    case 'shutdown':
      return shutdown(rest, source);
    case 'restart':
      return restart(rest, source);
    case 'help':
      return help();
    default:
      if (TRANSACTION_WORDS.has(verb)) return null;
      throw notUnderstood(verb === '' ? 'an empty statement' : `'${words[0]?.text}'`);
  }
}

/** Verbs of statements that change something about the proxy or its clients. */
const CHANGES = new Set(['kill', 'pause', 'resume', 'reload', 'reconnect', 'shutdown', 'restart']);

/** Whether it changes something, so that somebody may want to know who it was. */
export function isChange(sql: string, source: ConsoleSource): boolean {
  const words = wordsOf(sql);
  const verb = wordAt(words, 0);
  return CHANGES.has(verb) || (verb === 'set' && source.settings.has(words[1]?.text.toLowerCase() ?? ''));
}

function withoutSemicolon(words: readonly Word[]): readonly Word[] {
  return words.at(-1)?.text === ';' ? words.slice(0, -1) : words;
}

/** In lower case; '' where there is none. */
function wordAt(words: readonly Word[], index: number): string {
  const word = words[index];
  return word?.kind === 'name' ? word.text.toLowerCase() : '';
}

function show(words: readonly Word[], source: ConsoleSource, questions: ClientQuestions): Later<Table> {
  const found = findView(
    words.map(({ kind, text }) => (kind === 'name' || kind === 'number' ? text.toLowerCase() : '')),
  );
  if (found !== null) return found.view.read(source, found.number);
  const skipped = ['session', 'global', 'full'].includes(wordAt(words, 0)) ? 1 : 0;
  const name = wordAt(words, skipped);
  switch (name) {
    case 'help':
      return help();
    case 'variables':
      return questions.variables(words.slice(skipped + 1));
    case 'databases':
    case 'schemas':
      return list('Database', [CONSOLE_SCHEMA]);
    case 'tables':
      return list(`Tables_in_${CONSOLE_SCHEMA}`, []);
    default: {
      const columns = EMPTY_LISTS[name];
      if (columns === undefined) throw notUnderstood(`SHOW ${words.map(({ text }) => text).join(' ')}`);
      return { columns: columns.map((column) => ({ name: column, type: 'text' })), rows: [] };
    }
  }
}

function list(column: string, values: readonly Cell[]): Table {
  return { columns: [{ name: column, type: 'text' }], rows: values.map((value) => [value]) };
}

function set(
  sql: string,
  words: readonly Word[],
  source: ConsoleSource,
  questions: ClientQuestions,
): Later<null> {
  const [first, equals, ...value] = words;
  const name = first?.text.toLowerCase() ?? '';
  const isPlain = first?.kind === 'name' || first?.kind === 'quoted_name';
  const change = isPlain ? source.settings.get(name) : undefined;
  if (change !== undefined) {
    const text = asWritten(sql, value);
    if (equals?.text !== '=' || text === null) throw notUnderstood(`SET ${name} takes = and a value`);
    return changeSetting(change, text);
  }
  if (isPlain && source.config().some(({ key }) => key === name)) {
    const message = `${name} cannot be changed while the proxy runs: change the configuration and start it anew`;
    throw new ConsoleError(ServerError.IncorrectGlobalLocalVar, message);
  }
  if (isPlain && (SETTABLE.has(name) || questions.isVariable(name))) return null;
  if (first?.kind === 'variable' && questions.isVariable(name)) return null;
  if (first?.kind === 'user_variable') return null;
  throw new ConsoleError(ServerError.UnknownSystemVariable, `Unknown system variable '${first?.text ?? ''}'`);
}

function changeSetting(change: (text: string) => Later<void>, text: string): Later<null> {
  return when(
    refusing(() => change(text)),
    () => null,
  );
}

function reload(words: readonly Word[], source: ConsoleSource): Later<Table> {
  if (words.length > 0) throw notUnderstood('RELOAD takes no words');
  return tableWhen(
    { key: 'text', old: 'text', new: 'text', effect: 'text' },
    refusing(() => source.reload()),
  );
}

/** What stands there, in quotes or not: a pool's name has a slash, a share a %. Null where nothing does. */
function asWritten(sql: string, words: readonly Word[]): string | null {
  const [first] = words;
  const last = words.at(-1);
  if (first === undefined || last === undefined) return null;
  return first === last ? first.text : sql.slice(first.start, last.end);
}

/** @throws ConsoleError, also later */
function refusing<T>(act: () => Later<T>): Later<T> {
  try {
    const done = act();
    return done instanceof Promise ? done.catch(refuse) : done;
  } catch (error) {
    return refuse(error);
  }
}

function refuse(error: unknown): never {
  throw refused(error);
}

/** What is meant for who asked as what the client gets; anything else as it is. */
export function refused(error: unknown): unknown {
  if (error instanceof CommandRefused) return new ConsoleError(ServerError.UnknownError, error.message);
  if (error instanceof InvalidSetting)
    return new ConsoleError(ServerError.WrongValueForVariable, error.message);
  return error;
}

function use(words: readonly Word[]): null {
  const name = words[0]?.text ?? '';
  if (name !== CONSOLE_SCHEMA || words.length > 1)
    throw new ConsoleError(
      ServerError.BadDb,
      `Unknown database '${name}': the console has only ${CONSOLE_SCHEMA}`,
    );
  return null;
}

function kill(words: readonly Word[], source: ConsoleSource): Later<null> {
  const id = words[1];
  if (wordAt(words, 0) !== 'client' || id?.kind !== 'number' || words.length > 2)
    throw notUnderstood('KILL takes CLIENT and an id, as SHOW CLIENTS tells it');
  return when(source.killClient(Number(id.text)), (isFound) => {
    if (!isFound) throw new ConsoleError(ServerError.NoSuchThread, `Unknown thread id: ${id.text}`);
    return null;
  });
}

function shutdown(words: readonly Word[], source: ConsoleSource): null {
  const waits = wordAt(words, 0) === 'wait_for_clients' && words.length === 1;
  if (!waits && words.length > 0) throw notUnderstood('SHUTDOWN takes WAIT_FOR_CLIENTS or nothing');
  source.shutdown(waits);
  return null;
}

function restart(words: readonly Word[], source: ConsoleSource): null {
  if (words.length > 0) throw notUnderstood('RESTART takes no words');
  if (source.restart === null) {
    const message = 'RESTART needs master: on, or somebody else who starts a new process';
    throw new ConsoleError(ServerError.NotSupportedYet, message);
  }
  source.restart();
  return null;
}

function help(): Table {
  const rows = [
    ...[...VIEWS].map(([name, { shows, number }]) => ({
      command: `SHOW ${name.toUpperCase()}${number === undefined ? '' : ` [${number.name}]`}`,
      meaning: shows,
    })),
    ...Object.entries(COMMANDS).map(([command, meaning]) => ({ command, meaning })),
  ];
  return tableOf({ command: 'text', meaning: 'text' }, rows);
}
