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
export const BY_DESIGN: Readonly<Record<string, string>> = {};

export function kindsFor(flavor: Flavor, kinds: readonly Kind[] = KINDS): Kind[] {
  return kinds.filter(
    ({ only, name }) => (only === null || only === flavor) && BY_DESIGN[name] === undefined,
  );
}
