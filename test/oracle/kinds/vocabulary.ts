import type { Random } from '../random.js';

/** Few values, so that the states of clients meet often. */
const VOCABULARY: Readonly<Record<string, readonly string[]>> = {
  mode: [
    "''",
    "'STRICT_TRANS_TABLES'",
    "'ANSI_QUOTES'",
    "'NO_BACKSLASH_ESCAPES'",
    "'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE'",
    "'TRADITIONAL'",
    "'ANSI'",
    "'PIPES_AS_CONCAT'",
    "'NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES'",
    "CONCAT(@@sql_mode, ',NO_ZERO_IN_DATE')",
    "'HIGH_NOT_PRECEDENCE'",
    "'IGNORE_SPACE'",
  ],
  zone: ["'+00:00'", "'+02:00'", "'-05:30'", "'SYSTEM'"],
  isolation: ['READ UNCOMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'],
  isolationText: ["'READ-UNCOMMITTED'", "'READ-COMMITTED'", "'REPEATABLE-READ'", "'SERIALIZABLE'"],
  charset: ['utf8mb4', 'latin1', 'gbk', 'utf8mb3', 'ascii', 'cp1251', 'binary'],
  bool: ['0', '1', 'ON', 'OFF', 'on', 'TRUE', 'FALSE'],
  small: ['0', '1', '2', '3', '5'],
  n: ['1', '2', '3', '4', '5', '6', '7'],
  var: ['@a', '@b', '@c', '@`a`', '@A', "@'b'"],
  literal: [
    '1',
    '-2',
    "'x'",
    "'it''s'",
    'NULL',
    '1.50',
    '1e3',
    '0x4142',
    "b'101'",
    "DATE'2024-02-29'",
    "_latin1'abc'",
    "N'n'",
    'TRUE',
    '18446744073709551615',
    "''",
  ],
  word: ["'a'", "'b'", "'c'", "'dd'", "'e'"],
  lock: ["'l1_{tag}'", "'l2_{tag}'", "'L1_{tag}'", "CONCAT('l2', '_{tag}')"],
  tmp: ['tmp1', 'tmp2', '`tmp1`', '{db}.tmp1', '`{db}`.`tmp2`', '{alt}.tmp1', 't1'],
  ps: ['ps1', 'ps2', '`ps1`', 'PS2'],
  scope: ['SESSION ', 'LOCAL ', '@@session.', '@@local.', '@@', ''],
  table: ['t1', 't2', '{db}.t1', '`t3`'],
};

/** Replaces every `<word>` by one of its values. @throws RangeError for a word that there is none of */
export function expand(text: string, random: Random): string {
  return text.replace(/<(\w+)>/g, (_, word: string) => {
    const values = VOCABULARY[word];
    if (values === undefined) throw new RangeError(`no vocabulary for <${word}>`);
    return random.pick(values);
  });
}
