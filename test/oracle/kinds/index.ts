import type { Flavor } from '../../support/servers.js';
import type { Kind } from '../model.js';
import { COMMAND_KINDS } from './commands.js';
import { PREPARED_KINDS } from './prepared.js';
import { ROUTINE_KINDS } from './routines.js';
import { SHARED_STATEMENT_KINDS } from './shared-statements.js';
import { STATEMENT_KINDS } from './statements.js';
import { TABLE_KINDS } from './tables.js';
import { TRANSACTION_KINDS } from './transactions.js';
import { VARIABLE_KINDS } from './variables.js';

export { PROBE_KINDS } from './probes.js';

/** Everything that a client may do of its own accord. */
export const KINDS: readonly Kind[] = [
  ...VARIABLE_KINDS,
  ...TRANSACTION_KINDS,
  ...TABLE_KINDS,
  ...STATEMENT_KINDS,
  ...ROUTINE_KINDS,
  ...PREPARED_KINDS,
  ...SHARED_STATEMENT_KINDS,
  ...COMMAND_KINDS,
];

interface ByDesign {
  /** On both servers unless given. */
  readonly only?: Flavor;
  readonly why: string;
}

const FIRST_TYPES =
  "a parameter whose type nothing else tells keeps that of a session's first execute, which cannot be had again on another session";

/** Kinds that are not run, with the difference that is there by design; the README's "What differs" says the same. */
const BY_DESIGN: Readonly<Record<string, ByDesign>> = {
  'call.dynamic-no-sql': {
    only: 'mariadb',
    why: 'an error 1064 from inside a routine looks like that of a text which has run nothing: the session is reset rather than held',
  },
  'connection-id.variable': { why: "@@pseudo_thread_id is the server session's own" },
  'diag.found-rows-inside': {
    why: 'a count in an expression without an alias names a column, so it is not replaced: refused where only another session knows it',
  },
  'kill.nobody': { why: "SHOW WARNINGS after an error that is the proxy's own lists nothing" },
  'mariadb.set-statement-mode': {
    why: 'the EOF before the rows has the status of before the statement, whose own sql_mode shows in it',
  },
  'mysql.get-diagnostics': {
    why: 'what GET DIAGNOSTICS takes from another session is set as a literal: utf8mb4, where MySQL makes it utf8mb3',
  },
  'mysql.hint-mode': {
    why: 'the EOF before the rows has the status of before the statement, whose own sql_mode shows in it',
  },
  'mysql.insert-half-way-myisam': {
    why: 'MySQL adds the warning about the unsafe statement that failed to the next INSERT on its session, whose ever it is',
  },
  'mysql.insert-myisam': {
    why: 'MySQL adds a warning about mixed engines to the next change of an InnoDB table on its session, whose ever it is',
  },
  'ps.again': { only: 'mysql', why: FIRST_TYPES },
  'ps.charset-of-parameter': { only: 'mysql', why: FIRST_TYPES },
  'ps.shared-types-change': { only: 'mysql', why: FIRST_TYPES },
  'ps.types-change': { only: 'mysql', why: FIRST_TYPES },
  'schema.alter': {
    why: "@@character_set_database is the server session's, which has learnt the schema's before another client alters it",
  },
};

export function kindsFor(flavor: Flavor, kinds: readonly Kind[] = KINDS): Kind[] {
  const isByDesign = (name: string): boolean => {
    const difference = BY_DESIGN[name];
    return difference !== undefined && (difference.only === undefined || difference.only === flavor);
  };
  return kinds.filter(({ only, name }) => (only === null || only === flavor) && !isByDesign(name));
}
