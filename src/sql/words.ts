import { NAME_GROUPS } from './function-names.js';
import { buildNameTrie, type NameTrie } from './name-trie.js';

/** Names that mean something to the statement grammar or have an effect; see statement-grammar.ts and effects.ts. */
const WORD_NAMES = [
  // Statements.
  ...(['alter', 'analyze', 'backup', 'begin', 'binlog', 'cache', 'call', 'case', 'change', 'check'] as const),
  ...([
    'checksum',
    'clone',
    'commit',
    'create',
    'deallocate',
    'declare',
    'delete',
    'desc',
    'describe',
  ] as const),
  ...(['do', 'drop', 'execute', 'explain', 'flush', 'for', 'get', 'grant', 'handler', 'help', 'if'] as const),
  ...([
    'import',
    'insert',
    'install',
    'kill',
    'load',
    'lock',
    'loop',
    'optimize',
    'prepare',
    'purge',
  ] as const),
  ...([
    'release',
    'rename',
    'repair',
    'repeat',
    'replace',
    'reset',
    'resignal',
    'restart',
    'revoke',
  ] as const),
  ...([
    'rollback',
    'savepoint',
    'select',
    'set',
    'show',
    'shutdown',
    'signal',
    'start',
    'stop',
    'table',
  ] as const),
  ...(['truncate', 'uninstall', 'unlock', 'update', 'use', 'values', 'while', 'with', 'xa'] as const),
  // What tells statements apart.
  ...(['aggregate', 'algorithm', 'as', 'char', 'character', 'charset', 'close', 'connection'] as const),
  ...([
    'continue',
    'data',
    'default',
    'definer',
    'diagnostics',
    'each',
    'end',
    'errors',
    'event',
    'exit',
  ] as const),
  ...(['export', 'follows', 'function', 'global', 'group', 'hard', 'id', 'in', 'index', 'into'] as const),
  ...([
    'invoker',
    'isolation',
    'less',
    'local',
    'names',
    'next',
    'no',
    'none',
    'no_write_to_binlog',
    'only',
    'open',
    'or',
  ] as const),
  ...([
    'package',
    'password',
    'persist',
    'persist_only',
    'precedes',
    'previous',
    'procedure',
    'query',
  ] as const),
  ...(['read', 'recover', 'recursive', 'resource', 'role', 'row', 'security', 'session', 'share'] as const),
  ...(['soft', 'sql', 'statement', 'tables', 'temporary', 'to', 'transaction', 'trigger', 'undo'] as const),
  ...(['user', 'value', 'variables', 'view', 'warnings', 'work', 'write', 'xml'] as const),
  // What has an effect, or asks for one.
  ...([
    'benchmark',
    'connection_id',
    'currval',
    'error_count',
    'found_rows',
    'get_lock',
    'identity',
  ] as const),
  ...(['last_insert_id', 'lastval', 'master_gtid_wait', 'master_pos_wait', 'nextval'] as const),
  ...([
    'pseudo_thread_id',
    'release_all_locks',
    'release_lock',
    'row_count',
    'service_get_read_locks',
  ] as const),
  ...(['service_get_write_locks', 'service_release_locks', 'session_variables', 'setval', 'sleep'] as const),
  ...(['source_pos_wait', 'sql_calc_found_rows', 'user_variables', 'user_variables_by_thread'] as const),
  ...(['variables_by_thread', 'version_tokens_lock_exclusive', 'version_tokens_lock_shared'] as const),
  ...(['version_tokens_unlock', 'wait_for_executed_gtid_set', 'warning_count'] as const),
  ...(['wsrep_sync_wait_upto_gtid'] as const),
] as const;
export type WordName = (typeof WORD_NAMES)[number];

/** No word of ours, and ASCII. */
export const PLAIN_WORD = 0;
/** A name with bytes beyond ASCII in it. */
export const FOREIGN_WORD = 1;
const FIRST_WORD = 2;

/** The number under which the lexer reports a word. */
export const Word = Object.fromEntries(WORD_NAMES.map((name, i) => [name, FIRST_WORD + i])) as {
  readonly [name in WordName]: number;
};

/**
 * All names that the lexer tells apart, by their number: {@link Word}s, then those known only for what a parenthesis after
 * them means.
 */
export const NAMES: ReadonlyMap<string, number> = (() => {
  const names = new Map<string, number>(Object.entries(Word));
  let next = FIRST_WORD + WORD_NAMES.length;
  for (const group of NAME_GROUPS) {
    for (const name of group.names.trim().split(/\s+/)) {
      if (!names.has(name)) names.set(name, next++);
    }
  }
  return names;
})();

/** One more than the highest number in {@link NAMES}. */
export const WORD_LIMIT = FIRST_WORD + NAMES.size;

export const NAME_TRIE: NameTrie = buildNameTrie(NAMES);
