import { Flag, StatementKind, type StatementTraits } from '../sql/traits.js';
import type { Work } from './work.js';

/** What a statement makes of FOUND_ROWS(). */
export const Count = {
  /** It stays what it was. */
  Kept: 0,
  /** The number of rows that were sent. */
  Rows: 1,
  One: 2,
  /** Only the session knows; that somebody asks is unlikely. */
  Unlikely: 3,
  /** Only the session knows, and it will be asked. */
  Likely: 4,
} as const;
export type Count = (typeof Count)[keyof typeof Count];

/** After these it is not, or not surely, the number of rows of the SELECT. */
const COUNTS_ELSE = Flag.CountsOtherRows | Flag.MayRunRoutine;

/**
 * Errors of statements that have not begun, unless they run others, of which one may have failed so: ER_PARSE_ERROR,
 * ER_UNKNOWN_STMT_HANDLER, ER_SP_DOES_NOT_EXIST, ER_SP_WRONG_NO_OF_ARGS, ER_PROCACCESS_DENIED_ERROR.
 */
const NOT_BEGUN: ReadonlySet<number> = new Set([1064, 1243, 1305, 1318, 1370]);

/** ER_SUBQUERY_NO_1_ROW: MariaDB has begun to run the statement. */
const SUBQUERY_NO_1_ROW = 1242;

/** Lists that are SELECTs inside the server, and what no SELECT is made of. */
const SHOW_LIST =
  /^\s*SHOW\s+(?:(?:SESSION|GLOBAL|LOCAL|FULL|EXTENDED)\s+)*(?:TABLES|COLUMNS|FIELDS|VARIABLES|STATUS|DATABASES|SCHEMAS|INDEX|INDEXES|KEYS|TABLE\s+STATUS|TRIGGERS|COLLATION|CHARSET|CHARACTER\s+SET|COUNT)\b/i;
const SHOW_ELSE = /^\s*SHOW\s+(?:FULL\s+)?(?:CREATE|GRANTS|PROCESSLIST|WARNINGS|ERRORS)\b/i;
const DESCRIBED =
  /^\s*(?:EXPLAIN|DESCRIBE|DESC)\s*(?:\(|(?:SELECT|UPDATE|DELETE|INSERT|REPLACE|WITH|FORMAT|EXTENDED|PARTITIONS|FOR|TABLE|VALUES)\b)/i;
const ANALYZED = /\bANALYZE\b/i;
const FROM = /\bFROM\b/i;
const VALUES = /^\s*VALUES\b/i;
const ONE_TABLE_DELETED = /^\s*DELETE\s+(?:(?:LOW_PRIORITY|QUICK|IGNORE)\s+)*FROM\b/i;
const USING = /\bUSING\b/i;
const ONE_TABLE_UPDATED = /^\s*UPDATE\b(?:(?!JOIN\b)[^,])*?\bSET\b/i;
const QUERY = /\bSELECT\b/i;

/** Longer texts are not looked through. */
const MAX_LOOKED_THROUGH = 1024;

/** Of a text that is too long nothing is known. */
function says(sql: Buffer | null, pattern: RegExp): boolean | null {
  return sql === null || sql.length > MAX_LOOKED_THROUGH ? null : pattern.test(sql.toString('latin1'));
}

/**
 * What the statement of `work` has made of FOUND_ROWS(), as far as its text tells; measured by
 * test/backend/truth/found-rows.test.ts. What it may have done is taken for done: the session is asked.
 * @param rows of its last result set, null where it had none
 */
export function countAfter(work: Pick<Work, 'traits' | 'sql'>, rows: number | null, mysql: boolean): Count {
  const { traits } = work;
  if (traits === null) return Count.Kept;
  const { first, flags } = traits;
  // Before the text is asked for: to have it costs more than all the rest.
  const isPlain = first === StatementKind.Select && (flags & (COUNTS_ELSE | Flag.UsesCalcFoundRows)) === 0;
  if (isPlain && rows !== null && traits.statements === 1) return Count.Rows;
  const { sql } = work;
  if (traits.statements !== 1) return countAfterAll(traits, sql, rows, mysql);
  switch (first) {
    case StatementKind.Select:
      if ((flags & Flag.UsesCalcFoundRows) !== 0) return Count.Likely;
      return !mysql && says(sql, VALUES) === true ? Count.Kept : Count.Unlikely;
    case StatementKind.Show:
      if (says(sql, SHOW_LIST) === true) return Count.Rows;
      return says(sql, SHOW_ELSE) === true ? Count.Kept : Count.Unlikely;
    case StatementKind.ShowWarnings:
    case StatementKind.ShowErrors:
      return says(sql, SHOW_LIST) === true ? Count.Rows : Count.Kept;
    case StatementKind.Explain:
      return says(sql, DESCRIBED) === true &&
        says(sql, ANALYZED) === false &&
        (mysql || says(sql, FROM) === true)
        ? Count.Kept
        : Count.Unlikely;
    case StatementKind.Call:
    case StatementKind.Execute:
    case StatementKind.Block:
    case StatementKind.Other:
      return Count.Unlikely;
    case StatementKind.Do:
      return mysql ? Count.One : Count.Kept;
    case StatementKind.Update:
      // MySQL counts the rows that matched.
      return !mysql && says(sql, ONE_TABLE_UPDATED) === true ? Count.Kept : Count.Unlikely;
    case StatementKind.Delete:
      return says(sql, ONE_TABLE_DELETED) === true && says(sql, USING) === false
        ? Count.Kept
        : Count.Unlikely;
    case StatementKind.Insert:
    case StatementKind.Replace:
      return says(sql, QUERY) === false ? Count.Kept : Count.Unlikely;
    case StatementKind.Set:
    case StatementKind.Ddl:
    case StatementKind.CreateTemporary:
      return mysql || says(sql, QUERY) === false ? Count.Kept : Count.Unlikely;
    default:
      return Count.Kept;
  }
}

/** The statements of which {@link countAfter} has more to say than that it stays; a SET may have a query in it. */
const MAY_COUNT: ReadonlySet<StatementKind> = new Set([
  StatementKind.Select,
  StatementKind.Show,
  StatementKind.ShowWarnings,
  StatementKind.ShowErrors,
  StatementKind.Explain,
  StatementKind.Call,
  StatementKind.Execute,
  StatementKind.Block,
  StatementKind.Other,
  StatementKind.Do,
  StatementKind.Update,
  StatementKind.Delete,
  StatementKind.Insert,
  StatementKind.Replace,
  StatementKind.Ddl,
  StatementKind.CreateTemporary,
]);

/** Several statements: the last that counts. */
function countAfterAll(
  { each }: StatementTraits,
  sql: Buffer | null,
  rows: number | null,
  mysql: boolean,
): Count {
  const last = each.at(-1);
  if (last === undefined) return Count.Unlikely;
  const isPlain =
    last.first === StatementKind.Select && (last.flags & (COUNTS_ELSE | Flag.UsesCalcFoundRows)) === 0;
  if (isPlain && rows !== null) return Count.Rows;
  if (each.some((one) => MAY_COUNT.has(one.first))) return Count.Unlikely;
  const sets = each.some((one) => one.first === StatementKind.Set);
  return !sets || mysql || says(sql, QUERY) === false ? Count.Kept : Count.Unlikely;
}

/** As {@link countAfter}, of a statement that failed. @param late rows may have been counted: something of its reply was sent before, and with several statements a result */
export function countAfterError(
  { traits }: Pick<Work, 'traits'>,
  errno: number,
  late: boolean,
  mysql: boolean,
): Count {
  if (traits === null) return Count.Kept;
  if (traits.statements !== 1) return late ? Count.Unlikely : Count.Kept;
  switch (traits.first) {
    case StatementKind.Call:
    case StatementKind.Execute:
    case StatementKind.Block:
    case StatementKind.Other:
      // Some of it may have run.
      return Count.Unlikely;
    default:
      if (NOT_BEGUN.has(errno)) return Count.Kept;
      // MySQL counts at the end only.
      return !mysql && (late || errno === SUBQUERY_NO_1_ROW) ? Count.Unlikely : Count.Kept;
  }
}
