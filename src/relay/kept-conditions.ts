import { Hold, StatementKind } from '../sql/traits.js';
import type { Work } from './work.js';

/** Statements that use no table, unless they have a query inside. */
const TABLELESS: ReadonlySet<StatementKind> = new Set([
  StatementKind.Empty,
  StatementKind.Set,
  StatementKind.SetTransaction,
  StatementKind.SetRole,
  StatementKind.SetRoleNone,
  StatementKind.SetRoleDefault,
  StatementKind.SetPassword,
  StatementKind.Do,
  StatementKind.Use,
  StatementKind.Begin,
  StatementKind.Commit,
  StatementKind.Rollback,
  StatementKind.RollbackTo,
  StatementKind.Savepoint,
  StatementKind.ReleaseSavepoint,
  StatementKind.XaRecover,
  StatementKind.UnlockTables,
  StatementKind.Flush,
  StatementKind.Deallocate,
  StatementKind.Help,
  StatementKind.Kill,
]);

/** Statements that use one in any case. */
const WITH_TABLE: ReadonlySet<StatementKind> = new Set([
  StatementKind.Insert,
  StatementKind.Replace,
  StatementKind.Update,
  StatementKind.Delete,
  StatementKind.Load,
  StatementKind.CreateTemporary,
  StatementKind.DropTemporary,
  StatementKind.HandlerOpen,
  StatementKind.HandlerRead,
  StatementKind.HandlerClose,
]);

const FROM = /\bFROM\s+(?!DUAL\b)/i;
const PREPARED = /\bFROM\s+(['"])(\s*SELECT\b.*)\1\s*;?\s*$/is;
const DEFINES_ON_TABLE =
  /^\s*(?:(?!DROP\s+(?:TRIGGER|EVENT))\w+\s.*?\b(?:TABLE|VIEW|INDEX|SEQUENCE|TRIGGER|EVENT)|TRUNCATE)\b/is;
const DEFINES_ELSE =
  /^\s*(?:(?:CREATE|ALTER|DROP)\s+(?:OR\s+REPLACE\s+)?(?:PROCEDURE|FUNCTION|USER|ROLE|DATABASE|SCHEMA)|DROP\s+(?:TRIGGER|EVENT)|GRANT|REVOKE)\b/i;
const SHOW_TABLELESS = /^\s*SHOW\s+(?:FULL\s+)?(?:PROCESSLIST|GRANTS|MASTER\s+STATUS|PRIVILEGES|PROFILES)\b/i;

/**
 * Whether MariaDB clears the warnings of the statement before, when this one has none of its own: it does as soon as a table is
 * named. Null where the text does not tell. Measured by test/backend/truth/kept-conditions.test.ts. (MySQL always does.)
 */
export function clearsConditions({ traits, sql }: Pick<Work, 'traits' | 'sql'>): boolean | null {
  if (traits === null) return null;
  const { first, holds, statements, each } = traits;
  if (statements === 1 && WITH_TABLE.has(first)) return true;
  if ((holds & Hold.Sequence) !== 0) return true;
  // Only a client that has warnings comes here: a long text may take its time.
  const text = sql?.toString('latin1');
  if (text === undefined) return null;
  if (statements !== 1) {
    const isTableless =
      each.length > 0 && each.every((one) => one.first === StatementKind.Select || TABLELESS.has(one.first));
    return isTableless && !FROM.test(text) ? false : null;
  }
  if (TABLELESS.has(first)) return FROM.test(text);
  switch (first) {
    case StatementKind.Select:
      return FROM.test(text);
    case StatementKind.Ddl:
      if (DEFINES_ELSE.test(text)) return false;
      return DEFINES_ON_TABLE.test(text) ? true : null;
    case StatementKind.Show:
      return !SHOW_TABLELESS.test(text);
    case StatementKind.Prepare: {
      const [, , prepared] = PREPARED.exec(text) ?? [];
      return prepared === undefined ? null : FROM.test(prepared);
    }
    case StatementKind.Explain:
      return FROM.test(text) || !/\bSELECT\b/i.test(text);
    default:
      return null;
  }
}
