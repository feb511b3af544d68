import type { ServerSession } from '../backend/server-session.js';
import type { SessionProfile } from '../session/profile.js';
import { Flag, Hold, SessionValue, StatementKind, type StatementTraits } from '../sql/traits.js';
import { Conditions, type RowsWanted } from './conditions.js';
import type { Diagnostics } from './diagnostics.js';
import { assignmentsFor } from './get-diagnostics.js';
import { withValues } from './session-values.js';

/** What a statement asks of those before it: bits. */
export const Asks = { Nothing: 0, Conditions: 1, FoundRows: 2, RowCount: 4 } as const;

const ASKING = Flag.ReadsDiagnostics | Flag.ReadsFoundRows | Flag.ReadsRowCount;

/** Of several statements only the first asks what was before them. */
export function asksOf(traits: StatementTraits): number {
  if ((traits.flags & ASKING) === 0) return Asks.Nothing;
  const { flags, holds } = traits.each[0] ?? traits;
  // A text that can't be told may do anything: that is no reason to refuse it.
  if ((holds & Hold.Unknown) !== 0) return Asks.Nothing;
  let asks: number = Asks.Nothing;
  if ((flags & Flag.ReadsDiagnostics) !== 0) asks |= Asks.Conditions;
  if ((flags & Flag.ReadsFoundRows) !== 0) asks |= Asks.FoundRows;
  if ((flags & Flag.ReadsRowCount) !== 0) asks |= Asks.RowCount;
  return asks;
}

/**
 * Whether a session by itself gives the right answer. `untouched`: nothing was run on it since the client's last statement there;
 * what the client left may be on its way to us, unread as yet, and be gone from the session.
 */
export function knows(session: ServerSession, asks: number, left: Diagnostics, untouched: boolean): boolean {
  if (!untouched) return false;
  if ((asks & Asks.RowCount) !== 0 && left.rowCountOn !== session) return false;
  if ((asks & Asks.FoundRows) !== 0 && left.foundRowsOn !== session) return false;
  return (asks & Asks.Conditions) === 0 || left.conditionsOn === session;
}

/** The session where something that is asked for lies unread; null when there is none. */
export function whereUnread(asks: number, left: Diagnostics): ServerSession | null {
  return (
    ((asks & Asks.Conditions) !== 0 ? left.conditionsUnreadOn : null) ??
    ((asks & Asks.FoundRows) !== 0 ? left.foundRowsUnreadOn : null)
  );
}

/** How a question is answered on a session that does not know. */
export type Elsewhere =
  /** It is run after the session's own warnings are cleared: the client has none. */
  | { readonly kind: 'clear' }
  /** Another text is run, in which the answers stand. */
  | { readonly kind: 'text'; readonly text: Buffer }
  /** It is not run: the rows are here. */
  | { readonly kind: 'conditions'; readonly conditions: Conditions; readonly wanted: RowsWanted }
  | { readonly kind: 'unknown' };

const UNKNOWN: Elsewhere = { kind: 'unknown' };

export function elsewhere(
  asks: number,
  traits: StatementTraits,
  text: Buffer,
  left: Diagnostics,
  mysql: boolean,
  profile: SessionProfile,
): Elsewhere {
  if (traits.first === StatementKind.GetDiagnostics) {
    const set = traits.statements === 1 ? assignedBy(text, left, mysql, profile) : null;
    return set === null ? UNKNOWN : { kind: 'text', text: Buffer.from(set, 'latin1') };
  }
  if ((asks & (Asks.FoundRows | Asks.RowCount)) === 0) {
    if (left.conditions === Conditions.NONE) return { kind: 'clear' };
    const shown = shownConditions(traits, text, left);
    if (shown !== null) return shown;
  }
  const uses = traits.sessionValues.filter(({ value }) => value !== SessionValue.ConnectionId);
  const put = withValues(text, uses, (value) => knownValue(value, left));
  if (put === null || (asks & ~asksIn(uses.map(({ value }) => value))) !== 0) return UNKNOWN;
  return { kind: 'text', text: put };
}

function assignedBy(text: Buffer, left: Diagnostics, mysql: boolean, profile: SessionProfile): string | null {
  const charset = profile.variable('character_set_results') ?? '';
  return assignmentsFor(text.toString('latin1'), left, charset, mysql);
}

function knownValue(value: SessionValue, left: Diagnostics): bigint | null {
  const { conditions } = left;
  switch (value) {
    case SessionValue.FoundRows:
      return left.foundRows;
    case SessionValue.RowCount:
      return left.rowCount;
    case SessionValue.WarningCount:
      return conditions === null ? null : BigInt(conditions.warnings);
    case SessionValue.ErrorCount:
      return conditions === null ? null : BigInt(conditions.errors);
    case SessionValue.ConnectionId:
      return null;
  }
}

function asksIn(values: readonly SessionValue[]): number {
  let asks: number = Asks.Nothing;
  for (const value of values) {
    if (value === SessionValue.FoundRows) asks |= Asks.FoundRows;
    else if (value === SessionValue.RowCount) asks |= Asks.RowCount;
    else asks |= Asks.Conditions;
  }
  return asks;
}

const SHOW =
  /^\s*SHOW\s+(COUNT\s*\(\s*\*\s*\)\s*)?(WARNINGS|ERRORS)(?:\s+LIMIT\s+(\d+)(?:\s*(,|OFFSET)\s*(\d+))?)?\s*;?\s*$/i;

/** SHOW WARNINGS, SHOW ERRORS, and their number. */
function shownConditions(traits: StatementTraits, text: Buffer, left: Diagnostics): Elsewhere | null {
  const { first, statements } = traits;
  if (first !== StatementKind.ShowWarnings && first !== StatementKind.ShowErrors) return null;
  const { conditions } = left;
  const match = statements === 1 ? SHOW.exec(text.toString('latin1')) : null;
  if (match === null || conditions === null) return UNKNOWN;
  const [, counts, , first_, separator, second] = match;
  const errorsOnly = first === StatementKind.ShowErrors;
  if (counts !== undefined) {
    const name = errorsOnly ? '@@session.error_count' : '@@session.warning_count';
    const number = errorsOnly ? conditions.errors : conditions.warnings;
    return {
      kind: 'text',
      text: Buffer.from(`SELECT IF(1,CAST(${number} AS UNSIGNED),${name}) AS \`${name}\``),
    };
  }
  const [offset, count] = separator === ',' ? [first_, second] : [second, first_];
  return {
    kind: 'conditions',
    conditions,
    wanted: {
      errorsOnly,
      offset: Number(offset ?? 0),
      count: count === undefined ? Number.POSITIVE_INFINITY : Number(count),
    },
  };
}
