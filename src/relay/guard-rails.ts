import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { SessionProfile } from '../session/profile.js';
import { Flag, StatementKind, type StatementTraits } from '../sql/traits.js';
import { clientError } from './client-errors.js';

/** What a user of the configuration may not do, as far as that shows in what its clients send. */
export interface GuardRails {
  /** Schemas that may be chosen; null for any. */
  readonly schemas: ReadonlySet<string> | null;
  readonly readOnly: boolean;
}

/** Names of one variable: MySQL's, and MariaDB's before 11.1. */
const READ_ONLY_VARIABLES = ['transaction_read_only', 'tx_read_only'] as const;

const READ_WRITE = /\bread\s+write\b/i;
const SWITCHED_ON = /\b(?:transaction|tx)_read_only\s*:?=\s*(?:1|on|true|'on')(?![\w.])/gi;
const SWITCHED = /\b(?:transaction|tx)_read_only\b/i;

/** The state that the sessions of a user begin in: where it may only read, the server itself sees to that. */
export function guardedProfile(rails: GuardRails | null, profile: SessionProfile): SessionProfile {
  if (rails?.readOnly !== true) return profile;
  const name = READ_ONLY_VARIABLES.find((variable) => profile.variable(variable) !== undefined);
  return name === undefined ? profile : profile.withVariable(name, 'ON');
}

/** Why a user may not choose a schema, in MySQL's words; null where it may. `schema`: null where it cannot be told. */
export function schemaRefused(
  rails: GuardRails | null,
  user: string,
  schema: string | null,
): ErrPacket | null {
  if (rails === null || rails.schemas === null) return null;
  if (schema !== null && rails.schemas.has(schema)) return null;
  const message = `Access denied for user '${user}'@'%' to database '${schema ?? ''}'`;
  return { ...ServerError.DbAccessDenied, message };
}

/**
 * Why a user may not run a text, or null. Only what says so in plain words is seen: what a routine does or a schema in front of
 * a table's name is not.
 */
export function textRefused(
  rails: GuardRails,
  user: string,
  traits: StatementTraits,
  text: () => string,
): ErrPacket | null {
  const statements = traits.each.length > 0 ? traits.each : [traits];
  if (rails.schemas !== null) {
    for (const { first, use } of statements) {
      const refused = first === StatementKind.Use ? schemaRefused(rails, user, use) : null;
      if (refused !== null) return refused;
    }
  }
  if (!rails.readOnly || !statements.some((statement) => endsReadOnly(statement, text))) return null;
  return clientError(
    ServerError.OptionPreventsStatement,
    `user '${user}' is running with the read_only option so it cannot execute this statement`,
  );
}

function endsReadOnly({ first, flags, assignments }: StatementTraits, text: () => string): boolean {
  if (first === StatementKind.Begin || first === StatementKind.SetTransaction) return READ_WRITE.test(text());
  const assigned = assignments.some(({ name }) => READ_ONLY_VARIABLES.some((one) => one === name));
  if (!assigned && (flags & Flag.SetStatement) === 0) return false;
  return SWITCHED.test(text().replaceAll(SWITCHED_ON, ''));
}
