import t from 'tap';
import { likePattern } from '../../../src/admin/console/client-questions.js';
import { wordsOf } from '../../../src/admin/console/words.js';
import { fc } from '../../support/properties.js';

const texts = (sql: string): (readonly [string, string])[] =>
  wordsOf(sql).map(({ kind, text }) => [kind, text] as const);

t.test('words', (t) => {
  t.strictSame(texts('SHOW pools;'), [
    ['name', 'SHOW'],
    ['name', 'pools'],
    ['symbol', ';'],
  ]);
  t.strictSame(
    texts("/* driver 1.0 */SELECT @@session.tx_isolation AS x, 'it''s', \"a\\\"b\", `n``m` -- end\n, 12"),
    [
      ['name', 'SELECT'],
      ['variable', 'tx_isolation'],
      ['name', 'AS'],
      ['name', 'x'],
      ['symbol', ','],
      ['string', "it's"],
      ['symbol', ','],
      ['string', 'a"b'],
      ['symbol', ','],
      ['quoted_name', 'n`m'],
      ['symbol', ','],
      ['number', '12'],
    ],
  );
  t.strictSame(texts('/*!40101 SET NAMES utf8 */'), [
    ['name', 'SET'],
    ['name', 'NAMES'],
    ['name', 'utf8'],
  ]);
  t.strictSame(texts("'open"), [
    ['symbol', "'"],
    ['name', 'open'],
  ]);
  t.strictSame(texts(''), []);
  t.end();
});

t.test('every text comes to an end, with its words in order and apart', (t) => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom("'", '"', '`', '/*', '*/', '/*!', '--', '#', '@@', '@', '\\', '\n'),
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const sql = pieces.join('');
      let at = 0;
      for (const { start, end } of wordsOf(sql)) {
        if (start < at || end <= start || end > sql.length) return false;
        at = end;
      }
      return true;
    }),
  );
  t.end();
});

t.test('LIKE', (t) => {
  for (const [pattern, name, matches] of [
    ['lower_case_%', 'lower_case_table_names', true],
    ['LOWER%', 'lower_case_table_names', true],
    ['lower', 'lower_case_table_names', false],
    ['a_c', 'abc', true],
    ['a\\_c', 'abc', false],
    ['a\\_c', 'a_c', true],
    ['a.c', 'abc', false],
    ['%(%', 'a(b', true],
  ] as const)
    t.equal(likePattern(pattern).test(name), matches, `${pattern} ${name}`);
  t.end();
});
