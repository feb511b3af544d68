/**
 * A user variable whose value can be set again elsewhere. The value keeps the character set of the moment it was set, and a
 * NULL the type of the value before it (both servers), so both are part of it.
 */
export interface UserVariable {
  /** The literal as the client wrote it: bytes as latin1. */
  readonly literal: string;
  /** Literal that NULL was assigned over; null where there was none, or {@link literal} is not NULL. */
  readonly over: string | null;
  /** Values of {@link PARSE_VARIABLES} under which a text literal was read; null for one that reads the same under all. */
  readonly environment: readonly string[] | null;
}

/** What decides how the server reads a text literal, in the order of {@link UserVariable.environment}. */
export const PARSE_VARIABLES = ['sql_mode', 'character_set_client', 'collation_connection'] as const;

/** Most that is carried for one client; beyond it the session is held. */
export const MAX_USER_VARIABLES = 64;
export const MAX_USER_VARIABLE_BYTES = 16 * 1024;

/** Names without regard to case; others may be the same as one of these to the server (accents, padding). */
const PLAIN_NAME = /^[a-z0-9_$.]{1,64}$/;

/** Whether a variable of that name (lower case) can be told from all others. */
function isPlainName(name: string): boolean {
  return PLAIN_NAME.test(name);
}

const QUOTED = /['"]/;
const NUMBER_ONLY = /^[\x20-\x7e]*$/;

/** Whether a literal means the same whatever the session's character sets and sql_mode are. */
export function needsEnvironment(literal: string): boolean {
  // x'41' and b'01' are bytes, whatever is set.
  if (/^[xb]'[0-9a-f]*'$/i.test(literal)) return false;
  return QUOTED.test(literal) || !NUMBER_ONLY.test(literal);
}

export function isNullLiteral(literal: string): boolean {
  return /^\s*(null|\\N)\s*$/i.test(literal);
}

/** Bytes that a variable takes in a SET. */
export function sizeOf(name: string, { literal, over }: UserVariable): number {
  return name.length + literal.length + (over?.length ?? 0);
}

/** A text that tells equal values, set in the same way, from all others. */
export function fingerprintOf({ literal, over, environment }: UserVariable): string {
  return JSON.stringify([literal, over, environment]);
}

/**
 * The variable after `SET @name = literal`; null where it can't be carried.
 * @param before - what is carried already
 */
export function carriedUserVariable(
  before: ReadonlyMap<string, UserVariable>,
  name: string,
  literal: string,
  environment: readonly string[],
): UserVariable | null {
  if (!isPlainName(name)) return null;
  const old = before.get(name);
  let variable: UserVariable = {
    literal,
    over: null,
    environment: needsEnvironment(literal) ? environment : null,
  };
  if (isNullLiteral(literal) && old !== undefined) {
    variable = {
      literal,
      over: isNullLiteral(old.literal) ? old.over : old.literal,
      environment: old.environment,
    };
  }
  let bytes = sizeOf(name, variable);
  for (const [other, value] of before) if (other !== name) bytes += sizeOf(other, value);
  const count = before.size + (old === undefined ? 1 : 0);
  return bytes <= MAX_USER_VARIABLE_BYTES && count <= MAX_USER_VARIABLES ? variable : null;
}

/** SETs (bytes as latin1) of variables of which each was read in the same environment. */
export interface UserVariableStatements {
  readonly environment: readonly string[] | null;
  readonly assignments: readonly string[];
}

/** What sets these variables, on a session that has none of these names or any value of them. */
export function userVariableStatements(
  variables: ReadonlyMap<string, UserVariable>,
): readonly UserVariableStatements[] {
  const groups = new Map<
    string,
    { environment: readonly string[] | null; first: string[]; after: string[] }
  >();
  for (const [name, { literal, over, environment }] of variables) {
    const key = JSON.stringify(environment);
    let group = groups.get(key);
    if (group === undefined) {
      group = { environment, first: [], after: [] };
      groups.set(key, group);
    }
    group.first.push(`@\`${name}\`=${over ?? literal}`);
    if (over !== null) group.after.push(`@\`${name}\`=${literal}`);
  }
  return [...groups.values()].map(({ environment, first, after }) => ({
    environment,
    assignments: [first, after].filter((list) => list.length > 0).map((list) => `SET ${list.join(', ')}`),
  }));
}
