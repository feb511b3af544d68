import { ClientStyle, Hold, type Kind } from '../model.js';
import { custom, RAW } from './kind.js';

const WITH_CHANGE_USER = [...RAW, ClientStyle.Driver];

/** Commands that are no statements. */
export const COMMAND_KINDS: readonly Kind[] = [
  custom('ping', () => [{ do: 'ping' }], { weight: 2 }),
  custom('init-db.own', () => [{ do: 'init_db', schema: '{db}' }], { styles: RAW, weight: 2 }),
  custom('init-db.other', () => [{ do: 'init_db', schema: '{alt}' }], { styles: RAW, weight: 2 }),
  custom('init-db.unknown', () => [{ do: 'init_db', schema: 'nowhere_{tag}' }], { styles: RAW }),
  custom(
    'set-option.off',
    () => [
      { do: 'set_option', multiStatements: false },
      { do: 'query', sql: 'SELECT 1; SELECT 2' },
      { do: 'set_option', multiStatements: true },
      { do: 'query', sql: 'SELECT 1; SELECT 2' },
    ],
    { styles: RAW },
  ),
  custom('reset', () => [{ do: 'reset' }], { weight: 2 }),
  custom(
    'reset.after-state',
    () => [
      { do: 'query', sql: "SET SESSION time_zone = '+02:00', sql_mode = 'ANSI_QUOTES', @a = 1" },
      { do: 'query', sql: 'SET NAMES latin1' },
      { do: 'reset' },
      {
        do: 'query',
        sql: 'SELECT @@time_zone, @@sql_mode, @a, @@character_set_client, LAST_INSERT_ID(), DATABASE()',
      },
    ],
    { opens: [Hold.Session], weight: 2 },
  ),
  custom(
    'reset.in-transaction',
    () => [
      { do: 'query', sql: 'BEGIN' },
      { do: 'query', sql: 'INSERT INTO t2 (a) VALUES (99)' },
      { do: 'reset' },
      { do: 'query', sql: 'SELECT COUNT(*) FROM t2 WHERE a = 99' },
    ],
    { opens: [Hold.Transaction] },
  ),
  custom(
    'reset.temporary',
    () => [
      { do: 'query', sql: 'CREATE TEMPORARY TABLE tmp1 (a INT)' },
      { do: 'reset' },
      { do: 'query', sql: 'SELECT * FROM tmp1' },
    ],
    { opens: [Hold.Temporary] },
  ),
  custom(
    'reset.locks',
    () => [
      { do: 'query', sql: "SELECT GET_LOCK('l1_{tag}', 0)" },
      { do: 'reset' },
      { do: 'query', sql: "SELECT IS_FREE_LOCK('l1_{tag}')" },
    ],
    { opens: [Hold.Locks] },
  ),
  custom('change-user', () => [{ do: 'change_user', schema: '{db}' }], { styles: WITH_CHANGE_USER }),
  custom(
    'change-user.schema',
    () => [
      { do: 'change_user', schema: '{alt}' },
      { do: 'query', sql: 'SELECT DATABASE(), @@sql_mode, @a' },
    ],
    { styles: WITH_CHANGE_USER },
  ),
  custom(
    'change-user.in-transaction',
    () => [
      { do: 'query', sql: 'BEGIN' },
      { do: 'query', sql: 'DELETE FROM t1' },
      { do: 'change_user', schema: '{db}' },
      { do: 'query', sql: 'SELECT COUNT(*) FROM t1' },
    ],
    { styles: WITH_CHANGE_USER, opens: [Hold.Transaction] },
  ),
  custom('reconnect', () => [{ do: 'reconnect', schema: '{db}' }], { weight: 1 }),
  custom(
    'reconnect.without-schema',
    () => [
      { do: 'reconnect', schema: '' },
      { do: 'query', sql: 'SELECT DATABASE()' },
      { do: 'query', sql: 'SELECT * FROM t1' },
      { do: 'query', sql: 'USE {db}' },
    ],
    { weight: 0.5 },
  ),
];
