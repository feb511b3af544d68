import type { Flavor } from '../../support/servers.js';
import type { Kind } from '../model.js';
import { COMMAND_KINDS } from './commands.js';
import { PREPARED_KINDS } from './prepared.js';
import { ROUTINE_KINDS } from './routines.js';
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
  ...COMMAND_KINDS,
];

/** Kinds that are not run, with the difference that is there by design; the README's "What differs" says the same. */
export const BY_DESIGN: Readonly<Record<string, string>> = {
  'diag.found-rows-inside':
    'a count in an expression without an alias names a column, so it is not replaced: refused where only another session knows it',
  'kill.nobody': "SHOW WARNINGS after an error that is the proxy's own lists nothing",
  'mariadb.set-statement-mode':
    'the EOF before the rows has the status of before the statement, whose own sql_mode shows in it',
  'mysql.get-diagnostics':
    'what GET DIAGNOSTICS takes from another session is set as a literal: utf8mb4, where MySQL makes it utf8mb3',
  'mysql.insert-half-way-myisam':
    'MySQL adds the warning about the unsafe statement that failed to the next INSERT on its session, whose ever it is',
  'schema.alter':
    "@@character_set_database is the server session's, which has learnt the schema's before another client alters it",
};

export function kindsFor(flavor: Flavor, kinds: readonly Kind[] = KINDS): Kind[] {
  return kinds.filter(
    ({ only, name }) => (only === null || only === flavor) && BY_DESIGN[name] === undefined,
  );
}
