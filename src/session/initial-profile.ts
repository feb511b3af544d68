import { Capability } from '../protocol/constants.js';
import type { Baseline, ProfileRegistry, SessionProfile } from './profile.js';
import { NOT_FOR_CLIENTS, RESULTS_COLLATION } from './variables.js';

/** What a login says about the state its session begins in. */
export interface LoginState {
  readonly schema: string | null;
  readonly capabilities: number;
  /** Collation id of the handshake. */
  readonly collation: number;
}

export interface CollationNames {
  readonly charset: string;
  readonly collation: string;
}

/** Collations by the id of a handshake. */
export interface CollationTable {
  get(id: number): CollationNames | undefined;
}

/** Collation of the proxy's own logins: where a new session has another, the server ignores what logins say. */
const LOGIN_COLLATION = 'utf8mb4_general_ci';

/**
 * The profile of a client right after its login: what the server would have made of the same handshake.
 *
 * @param login - variables right after a login of the proxy's
 * @param globals - variables after a reset, for what the handshake leaves open
 */
export function initialProfile(
  registry: ProfileRegistry,
  login: Baseline,
  globals: Baseline,
  collations: CollationTable,
  state: LoginState,
): SessionProfile {
  let profile = registry.initial(
    login,
    state.schema,
    (state.capabilities & Capability.MultiStatements) !== 0,
  );
  if (login.variables.get('collation_connection') === LOGIN_COLLATION) {
    profile = withCharset(profile, collations.get(state.collation), globals);
  }
  return withCapabilities(profile, state.capabilities);
}

/**
 * The profile after COM_RESET_CONNECTION: the globals. Of the login MariaDB keeps the character set, and MySQL what its
 * capabilities say. Schema and option stay.
 */
export function resetProfile(
  registry: ProfileRegistry,
  globals: Baseline,
  collations: CollationTable,
  keepsCharset: boolean,
  state: LoginState,
  current: SessionProfile,
): SessionProfile {
  const profile = registry.initial(globals, current.schema, current.multiStatements);
  if (keepsCharset) return withCharset(profile, collations.get(state.collation), globals);
  return withCapabilities(profile, state.capabilities);
}

/** Capabilities that set variables. */
function withCapabilities(profile: SessionProfile, capabilities: number): SessionProfile {
  let result = profile;
  if ((capabilities & Capability.IgnoreSpace) !== 0) {
    result = result.withVariable('sql_mode', withIgnoreSpace(profile.variable('sql_mode') ?? ''));
  }
  const interactive = profile.variable('interactive_timeout');
  if ((capabilities & Capability.Interactive) !== 0 && interactive !== undefined) {
    result = result.withVariable('wait_timeout', interactive);
  }
  return result;
}

function withCharset(
  profile: SessionProfile,
  names: CollationNames | undefined,
  globals: Baseline,
): SessionProfile {
  const usable = names !== undefined && !NOT_FOR_CLIENTS.has(names.charset);
  const value = (variable: string, named: string | undefined): string | undefined =>
    usable ? named : globals.variables.get(variable);
  let result = profile;
  for (const [variable, text] of [
    ['character_set_client', value('character_set_client', names?.charset)],
    ['character_set_results', value('character_set_results', names?.charset)],
    ['collation_connection', value('collation_connection', names?.collation)],
    [RESULTS_COLLATION, value(RESULTS_COLLATION, names?.collation)],
  ] as const) {
    if (text !== undefined && globals.variables.has(variable)) result = result.withVariable(variable, text);
  }
  return result;
}

/** Both servers print modes in a fixed order, in which these come before it. */
const BEFORE_IGNORE_SPACE = new Set(['REAL_AS_FLOAT', 'PIPES_AS_CONCAT', 'ANSI_QUOTES']);

function withIgnoreSpace(sqlMode: string): string {
  const modes = sqlMode === '' ? [] : sqlMode.split(',');
  if (modes.includes('IGNORE_SPACE')) return sqlMode;
  let at = 0;
  while (BEFORE_IGNORE_SPACE.has(modes[at] ?? '')) at++;
  modes.splice(at, 0, 'IGNORE_SPACE');
  return modes.join(',');
}
