import { ServerError } from '../../protocol/constants.js';
import { type ClientQuestions, CONSOLE_SCHEMA, type Questioner } from './client-questions.js';
import { ConsoleError, notUnderstood } from './errors.js';
import { type ConsoleSource, InvalidSetting } from './source.js';
import { type Cell, type Table, tableOf } from './table.js';
import { VIEWS } from './views.js';
import { type Word, wordsOf } from './words.js';

/** What a statement comes to: a table, or null for a plain OK. */
export type Outcome = Table | null;

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
  RECONNECT: 'server sessions are closed as soon as nobody needs them, and opened anew when they are wanted',
  'SET key = value': 'changes a key of the running proxy: those of SHOW CONFIG that are changeable',
  SHUTDOWN: 'stops at once',
  'SHUTDOWN WAIT_FOR_CLIENTS':
    'takes no new clients and stops when the present ones have finished (shutdown_timeout)',
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
): Outcome {
  const words = withoutSemicolon(wordsOf(sql));
  const verb = wordAt(words, 0);
  const rest = words.slice(1);
  switch (verb) {
    case 'show':
      return show(rest, source, questions);
    case 'select':
      return questions.select(sql, rest, who);
    case 'set':
      return set(rest, source, questions);
    case 'use':
      return use(rest);
    case 'kill':
      return kill(rest, source);
    case 'reconnect':
      return reconnect(rest, source);
    case 'shutdown':
      return shutdown(rest, source);
    case 'help':
      return help();
    default:
      if (TRANSACTION_WORDS.has(verb)) return null;
      throw notUnderstood(verb === '' ? 'an empty statement' : `'${words[0]?.text}'`);
  }
}

function withoutSemicolon(words: readonly Word[]): readonly Word[] {
  return words.at(-1)?.text === ';' ? words.slice(0, -1) : words;
}

/** In lower case; '' where there is none. */
function wordAt(words: readonly Word[], index: number): string {
  const word = words[index];
  return word?.kind === 'name' ? word.text.toLowerCase() : '';
}

function show(words: readonly Word[], source: ConsoleSource, questions: ClientQuestions): Table {
  const skipped = ['session', 'global', 'full'].includes(wordAt(words, 0)) ? 1 : 0;
  const name = wordAt(words, skipped);
  const view = VIEWS.get(name);
  if (view !== undefined && skipped === 0 && words.length === 1) return view.read(source);
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

function set(words: readonly Word[], source: ConsoleSource, questions: ClientQuestions): null {
  const [first, equals, value] = words;
  const name = first?.text.toLowerCase() ?? '';
  const isPlain = first?.kind === 'name' || first?.kind === 'quoted_name';
  const change = isPlain ? source.settings.get(name) : undefined;
  if (change !== undefined) {
    if (equals?.text !== '=' || value === undefined || words.length > 3)
      throw notUnderstood(`SET ${name} takes = and one value`);
    return changeSetting(change, value.text);
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

function changeSetting(change: (text: string) => void, text: string): null {
  try {
    change(text);
  } catch (error) {
    if (error instanceof InvalidSetting)
      throw new ConsoleError(ServerError.WrongValueForVariable, error.message);
    throw error;
  }
  return null;
}

function reconnect(words: readonly Word[], source: ConsoleSource): null {
  if (words.length > 0) throw notUnderstood('RECONNECT takes no words');
  source.reconnect();
  return null;
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

function kill(words: readonly Word[], source: ConsoleSource): null {
  const id = words[1];
  if (wordAt(words, 0) !== 'client' || id?.kind !== 'number' || words.length > 2)
    throw notUnderstood('KILL takes CLIENT and an id, as SHOW CLIENTS tells it');
  if (!source.killClient(Number(id.text)))
    throw new ConsoleError(ServerError.NoSuchThread, `Unknown thread id: ${id.text}`);
  return null;
}

function shutdown(words: readonly Word[], source: ConsoleSource): null {
  const waits = wordAt(words, 0) === 'wait_for_clients' && words.length === 1;
  if (!waits && words.length > 0) throw notUnderstood('SHUTDOWN takes WAIT_FOR_CLIENTS or nothing');
  source.shutdown(waits);
  return null;
}

function help(): Table {
  const rows = [
    ...[...VIEWS].map(([name, { shows }]) => ({ command: `SHOW ${name.toUpperCase()}`, meaning: shows })),
    ...Object.entries(COMMANDS).map(([command, meaning]) => ({ command, meaning })),
  ];
  return tableOf({ command: 'text', meaning: 'text' }, rows);
}
