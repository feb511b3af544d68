import { NAME_GROUPS } from './function-names.js';
import { buildNameTrie, type NameTrie } from './name-trie.js';

/** Names that mean something to the statement grammar or have an effect; see statement-grammar.ts and effects.ts. */
const WORD_LISTS = [
  // Statements.
  'alter analyze backup begin binlog cache call case change check checksum clone commit create',
  'deallocate declare delete desc describe do drop execute explain flush for get grant handler help if',
  'import insert install kill load lock loop optimize prepare purge release rename repair repeat',
  'replace reset resignal restart revoke rollback savepoint select set show shutdown signal start stop',
  'table truncate uninstall unlock update use values while with xa',
  // What tells statements apart.
  'aggregate algorithm as char character charset close column connection continue database default definer',
  'each end errors event exists exit export false follows from function global hard id ignore immediate in index instance',
  'into',
  'invoker isolation key less library local names next no no_write_to_binlog none not null online only open or package',
  'password',
  'persist persist_only precedes previous procedure query read recover resource role row schema',
  'security sequence session share soft sql stage statement tables temporary to transaction trigger true undo user using value',
  'variables view warnings work write',
  // What has an effect, or asks for one.
  'benchmark connection_id currval error_count found_rows get_lock identity last_insert_id lastval',
  'master_gtid_wait master_pos_wait nextval pseudo_thread_id release_all_locks release_lock row_count',
  'service_get_read_locks service_get_write_locks service_release_locks session_variables setval sleep',
  'source_pos_wait sql_calc_found_rows user_variables user_variables_by_thread variables_by_thread',
  'version_tokens_lock_exclusive version_tokens_lock_shared version_tokens_unlock',
  'wait_for_executed_gtid_set warning_count wsrep_sync_wait_upto_gtid',
  'session_track_gtids session_track_schema session_track_state_change session_track_system_variables',
  'session_track_transaction_info session_track_user_variables system_variables',
  // What tells ids of the server's sessions.
  'innodb_trx is_used_lock metadata_locks processlist session_account_connect_attrs session_connect_attrs threads',
  // What ends or begins a list of items.
  'all distinct distinctrow dual except group having high_priority intersect limit offset order returning sql_big_result',
  'sql_buffer_result sql_cache sql_no_cache sql_small_result straight_join union where',
] as const;

type Split<List extends string> = List extends `${infer First} ${infer Rest}` ? First | Split<Rest> : List;
export type WordName = Split<(typeof WORD_LISTS)[number]>;

/** No word of ours, and ASCII. */
export const PLAIN_WORD = 0;
/** A name with bytes beyond ASCII in it. */
export const FOREIGN_WORD = 1;
const FIRST_WORD = 2;

/** The number under which the lexer reports a word. */
export const Word = Object.fromEntries(
  WORD_LISTS.flatMap((list) => list.split(' ')).map((name, i) => [name, FIRST_WORD + i]),
) as { readonly [name in WordName]: number };

/**
 * All names that the lexer tells apart, by their number: {@link Word}s, then those known only for what a parenthesis after
 * them means.
 */
export const NAMES: ReadonlyMap<string, number> = (() => {
  const names = new Map<string, number>(Object.entries(Word));
  let next = FIRST_WORD + names.size;
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
