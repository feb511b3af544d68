import { fc } from '../support/properties.js';
import { mariadb, mysql } from './describe.js';

/** What the lexer treats in a special way, and what may be cut in two. */
const PIECES = [
  ...[
    "'",
    '"',
    '`',
    '\\',
    '--',
    '-',
    ' ',
    '\n',
    '#',
    '/*',
    '*/',
    '/*!',
    '/*M!',
    '50000',
    '080000',
    '999999',
    '1',
  ],
  ...[
    '0x1',
    '1e',
    '@',
    '@@',
    '.',
    ':',
    '=',
    ';',
    '(',
    ')',
    '$',
    '$$',
    '$a$',
    '[',
    ']',
    '\xbf',
    '\x5c',
    '\xa0',
    '\0',
  ],
  ...[
    'select',
    'get_lock',
    'begin',
    'end',
    'x',
    'set',
    'sql_mode',
    'N',
    "''",
    '``',
    ',',
    '?',
    '\xc3\xa9',
    'names',
  ],
  ...[
    'create',
    'procedure',
    'kill',
    'use',
    'with',
    'as',
    'into',
    'global',
    'insert',
    'values',
    'last_insert_id',
  ],
  ...['set @', 'set @a =', 'NULL', '_latin1', 'create temporary table', 'drop table', 'if exists', 'rename'],
  ...[
    'alter table',
    'rename table',
    'to',
    'prepare x from',
    'execute',
    'immediate',
    'handler',
    'open',
    'close',
  ],
];

/** Sessions of both servers. */
export const contexts = fc
  .record({
    charset: fc.constantFrom('utf8mb4', 'latin1', 'gbk', 'sjis'),
    ansiQuotes: fc.boolean(),
    noBackslashEscapes: fc.boolean(),
    isMariadb: fc.boolean(),
  })
  .map(({ isMariadb, ...options }) => (isMariadb ? mariadb(options) : mysql(options)));

/** Hardly ever SQL, and never harmless. */
export const texts = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((all) => Buffer.from(all.join(''), 'latin1')),
  fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((all) => Buffer.from(all.join(' '), 'latin1')),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
);

/** Places for {@link cut}. */
export const cutting = fc.array(fc.nat(), { maxLength: 20 });

/** Cuts a text into chunks, some of them empty. */
export function cut(text: Buffer, cuts: readonly number[]): Buffer[] {
  const places = cuts.map((place) => place % (text.length + 1)).sort((a, b) => a - b);
  return [0, ...places].map((from, i) => text.subarray(from, places[i] ?? text.length));
}
