import { ServerError } from '../../protocol/constants.js';
import { ConsoleError, notUnderstood } from './errors.js';
import type { Cell, Column, Table } from './table.js';
import type { Word } from './words.js';

/** The console's only schema. */
export const CONSOLE_SCHEMA = 'mybouncer';

/** Who asks. */
export interface Questioner {
  readonly connectionId: number;
  /** `user@host`. */
  readonly account: string;
}

/** What drivers and tools want to know of a server before they do anything else. It decides on nothing here. */
const VARIABLES: Readonly<Record<string, Cell>> = {
  auto_increment_increment: 1,
  auto_increment_offset: 1,
  autocommit: 1,
  character_set_client: 'utf8mb4',
  character_set_connection: 'utf8mb4',
  character_set_database: 'utf8mb4',
  character_set_results: 'utf8mb4',
  character_set_server: 'utf8mb4',
  collation_connection: 'utf8mb4_general_ci',
  collation_database: 'utf8mb4_general_ci',
  collation_server: 'utf8mb4_general_ci',
  init_connect: '',
  interactive_timeout: 28_800,
  license: 'MIT',
  lower_case_table_names: 0,
  max_allowed_packet: 1_048_576,
  net_buffer_length: 16_384,
  net_read_timeout: 30,
  net_write_timeout: 60,
  performance_schema: 0,
  port: 0,
  query_cache_size: 0,
  query_cache_type: 'OFF',
  read_only: 0,
  sql_auto_is_null: 0,
  sql_mode: '',
  sql_safe_updates: 0,
  system_time_zone: 'UTC',
  time_zone: 'SYSTEM',
  transaction_isolation: 'REPEATABLE-READ',
  transaction_read_only: 0,
  tx_isolation: 'REPEATABLE-READ',
  tx_read_only: 0,
  version_comment: 'MyBouncer admin console',
  version_compile_machine: '',
  version_compile_os: '',
  wait_timeout: 28_800,
};

/** Answers the questions that are none about the proxy. */
export class ClientQuestions {
  readonly #variables: ReadonlyMap<string, Cell>;

  /** @param version what the greeting said */
  constructor(version: string) {
    this.#variables = new Map([...Object.entries(VARIABLES), ['version', version]]);
  }

  isVariable(name: string): boolean {
    return this.#variables.has(name.toLowerCase());
  }

  /** SHOW VARIABLES. @param words what follows that: nothing, or LIKE, or a WHERE, which shows all */
  variables(words: readonly Word[]): Table {
    const [like, pattern] = words;
    const matches =
      like?.text.toLowerCase() === 'like' && pattern?.kind === 'string' ? likePattern(pattern.text) : /(?:)/;
    const rows = [...this.#variables]
      .filter(([name]) => matches.test(name))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      columns: [
        { name: 'Variable_name', type: 'text' },
        { name: 'Value', type: 'text' },
      ],
      rows,
    };
  }

  /**
   * A SELECT of values: variables, what a client may ask about itself, literals.
   * @param words what follows SELECT
   * @throws ConsoleError
   */
  select(sql: string, words: readonly Word[], who: Questioner): Table {
    const columns: Column[] = [];
    const row: Cell[] = [];
    for (let at = 0; ; ) {
      const value = this.#value(words, at, who);
      const last = words[value.next - 1] as Word;
      let name = sql.slice((words[at] as Word).start, last.end);
      at = value.next;
      const as = words[at]?.kind === 'name' && words[at]?.text.toLowerCase() === 'as' ? 1 : 0;
      const alias = words[at + as];
      if (alias !== undefined && isAlias(alias, as === 1)) {
        name = alias.text;
        at += as + 1;
      }
      columns.push({ name, type: typeof value.cell === 'number' ? 'integer' : 'text' });
      row.push(value.cell);
      if (words[at]?.text === ',') {
        at++;
        continue;
      }
      if (words[at] !== undefined && words[at]?.text.toLowerCase() !== 'limit')
        throw notUnderstood(`a SELECT of more than values, near '${words[at]?.text}'`);
      return { columns, rows: [row] };
    }
  }

  #value(
    words: readonly Word[],
    at: number,
    who: Questioner,
  ): { readonly cell: Cell; readonly next: number } {
    const word = words[at];
    switch (word?.kind) {
      case 'variable': {
        const cell = this.#variables.get(word.text.toLowerCase());
        if (cell === undefined)
          throw new ConsoleError(ServerError.UnknownSystemVariable, `Unknown system variable '${word.text}'`);
        return { cell, next: at + 1 };
      }
      case 'number':
        return { cell: Number(word.text), next: at + 1 };
      case 'string':
        return { cell: word.text, next: at + 1 };
      case 'user_variable':
        return { cell: null, next: at + 1 };
      case 'name': {
        const call = words[at + 1]?.text === '(' && words[at + 2]?.text === ')';
        const cell = this.#ofItself(word.text.toLowerCase(), who);
        if (cell !== undefined) return { cell, next: at + (call ? 3 : 1) };
        throw notUnderstood(`'${word.text}' in a SELECT`);
      }
      case 'quoted_name':
      case 'symbol':
        throw notUnderstood(`'${word.text}' in a SELECT`);
      case undefined:
        throw notUnderstood('an empty SELECT');
    }
  }

  #ofItself(name: string, { connectionId, account }: Questioner): Cell | undefined {
    switch (name) {
      case 'null':
        return null;
      case 'true':
        return 1;
      case 'false':
        return 0;
      case 'database':
      case 'schema':
        return CONSOLE_SCHEMA;
      case 'user':
      case 'current_user':
      case 'session_user':
      case 'system_user':
        return account;
      case 'connection_id':
        return connectionId;
      case 'version':
        return this.#variables.get('version') ?? null;
      case 'now':
      case 'current_timestamp':
        return new Date().toISOString().slice(0, 19).replace('T', ' ');
      default:
        return undefined;
    }
  }
}

function isAlias({ kind, text }: Word, afterAs: boolean): boolean {
  if (kind === 'quoted_name' || kind === 'string') return true;
  return kind === 'name' && (afterAs || !['limit', 'from'].includes(text.toLowerCase()));
}

/** `%` and `_`, as in SQL; letters of either case are the same. */
export function likePattern(pattern: string): RegExp {
  const source = pattern.replaceAll(/\\?[\s\S]/g, (piece) => {
    if (piece === '%') return '[\\s\\S]*';
    if (piece === '_') return '[\\s\\S]';
    return piece.replace(/^\\(?=[%_])/, '').replaceAll(/[^\w]/g, '\\$&');
  });
  return new RegExp(`^${source}$`, 'i');
}
