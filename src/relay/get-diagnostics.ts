import type { Diagnostics } from './diagnostics.js';

/** What is answered here: into user variables, of the statement or of one condition. */
const STATEMENT =
  /^\s*GET\s+(?:CURRENT\s+)?DIAGNOSTICS\s+(?:CONDITION\s+(\d{1,9})\s+)?((?:@(?:\w|\$|\.)+|@`[^`]+`)\s*=\s*\w+(?:\s*,\s*(?:@(?:\w|\$|\.)+|@`[^`]+`)\s*=\s*\w+)*)\s*;?\s*$/i;

const ITEM = /(@(?:\w|\$|\.)+|@`[^`]+`)\s*=\s*(\w+)/g;

/**
 * SET with what GET DIAGNOSTICS would assign, or null where that is not known here. `charset`: of the messages as the server
 * sent them.
 */
export function assignmentsFor(
  text: string,
  left: Diagnostics,
  charset: string,
  mysql: boolean,
): string | null {
  const match = STATEMENT.exec(text);
  const { conditions } = left;
  if (match === null || conditions === null) return null;
  const [, number, items = ''] = match;
  const index = number === undefined ? null : Number(number) - 1;
  // A condition that does not exist is one more condition, afterwards.
  if (index !== null && (index < 0 || index >= conditions.list.length)) return null;
  const assignments: string[] = [];
  for (const [, target = '', item = ''] of items.matchAll(ITEM)) {
    const value =
      index === null
        ? ofStatement(item, left)
        : ofCondition(item, index, left, (value) => inServersCharset(value, mysql), charset);
    if (value === null) return null;
    assignments.push(`${target}=${value}`);
  }
  return `SET ${assignments.join(',')}`;
}

function ofStatement(item: string, { conditions, rowCount }: Diagnostics): string | null {
  switch (item.toUpperCase()) {
    case 'NUMBER':
      return conditions === null ? null : `CAST(${conditions.list.length} AS UNSIGNED)`;
    case 'ROW_COUNT':
      return `CAST(${rowCount} AS SIGNED)`;
    default:
      return null;
  }
}

function ofCondition(
  item: string,
  index: number,
  left: Diagnostics,
  convert: (text: string) => string,
  charset: string,
): string | null {
  const condition = left.conditions?.list[index];
  if (condition === undefined) return null;
  switch (item.toUpperCase()) {
    case 'MYSQL_ERRNO':
      return `CAST(${condition.errno} AS UNSIGNED)`;
    case 'MESSAGE_TEXT': {
      const message = condition.message.length === 0 ? "''" : `0x${condition.message.toString('hex')}`;
      return convert(`_${charset} ${message}`);
    }
    case 'RETURNED_SQLSTATE': {
      const state =
        left.error?.errno === condition.errno ? left.error.sqlState : SQL_STATES.get(condition.errno);
      return state === undefined ? null : convert(`'${state}'`);
    }
    default:
      return null;
  }
}

/** It would be utf8mb3 on both, but MySQL warns of whoever says so. */
function inServersCharset(text: string, mysql: boolean): string {
  return mysql ? `CONVERT(${text} USING utf8mb4)` : `CONVERT(${text} USING utf8mb3)`;
}

const BY_STATE: Readonly<Record<string, readonly number[]>> = {
  '01000': [1261, 1262, 1265, 1642],
  '02000': [1329],
  '22001': [1406],
  '22003': [1264, 1690],
  '22004': [1263],
  '22007': [1292],
  '22012': [1365],
  '23000': [1048, 1062, 1451, 1452],
  '42S01': [1050],
  '42S02': [1051, 1146],
  '42S21': [1060],
  '42000': [1061, 1091, 1305],
  HY000: [1003, 1007, 1008, 1196, 1287, 1364, 1411, 1681],
};

/** SQLSTATEs of what comes as a warning and is the same on both servers; SHOW WARNINGS does not tell them. */
export const SQL_STATES: ReadonlyMap<number, string> = new Map(
  Object.entries(BY_STATE).flatMap(([state, numbers]) => numbers.map((errno) => [errno, state] as const)),
);
