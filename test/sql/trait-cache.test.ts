import t from 'tap';
import { MAX_CACHED_STATEMENT, StatementClassifier } from '../../src/sql/trait-cache.js';
import { mariadb, mysql, summary } from './describe.js';

function classify(classifier: StatementClassifier, sql: string, context = mysql()): string {
  const buf = Buffer.from(`<<${sql}>>`);
  return summary(classifier.classify(buf, 2, buf.length - 2, context));
}

t.test('the same answers with and without a cache', async (t) => {
  const statements = [
    'SELECT 1',
    "SELECT GET_LOCK('a', 1)",
    'SET @a = 1',
    '',
    'BEGIN',
    `SELECT '${'x'.repeat(300)}'`,
  ];
  for (const limit of [0, 1, 2, 3, 64]) {
    const cached = new StatementClassifier(limit);
    const fresh = new StatementClassifier(0);
    for (let round = 0; round < 5; round++) {
      for (const sql of statements) t.equal(classify(cached, sql), classify(fresh, sql), `${limit}: ${sql}`);
    }
  }
});

t.test('remembers from the second time on', async (t) => {
  const classifier = new StatementClassifier(64);
  const buf = Buffer.from('SET a = 1');
  const next = () => classifier.classify(buf, 0, buf.length, mysql());
  const first = next();
  const second = next();
  t.not(second, first, 'traits with names in them are made anew');
  t.equal(next(), second);
  t.equal(next(), second);
});

t.test('keeps its own copy of the bytes', async (t) => {
  const classifier = new StatementClassifier(64);
  const buf = Buffer.from('SELECT @a');
  for (let i = 0; i < 3; i++) classifier.classify(buf, 0, buf.length, mysql());
  buf.write('SELECT 11');
  t.equal(summary(classifier.classify(buf, 0, buf.length, mysql())), 'select: | PlainRead');
  t.equal(classify(classifier, 'SELECT @a'), 'select: ReadsUserVariable');
});

t.test('tells contexts apart', async (t) => {
  const classifier = new StatementClassifier(64);
  const sql = '/*!80000 SELECT @a */';
  for (let i = 0; i < 3; i++) {
    t.equal(classify(classifier, sql, mysql()), 'select: ReadsUserVariable');
    t.equal(classify(classifier, sql, mariadb()), 'empty:');
  }
});

t.test('is not confused by statements with the same set or length', async (t) => {
  const classifier = new StatementClassifier(8);
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 200; i++) {
      const expected = i % 3 === 0 ? 'select: ReadsUserVariable' : 'select: | PlainRead';
      t.equal(classify(classifier, `SELECT ${i % 3 === 0 ? '@' : ''}a${1000 + (i % 50)}`), expected);
    }
  }
});

t.test('statements too long to be remembered', async (t) => {
  const classifier = new StatementClassifier(64);
  const buf = Buffer.from(`SET a = '${'x'.repeat(MAX_CACHED_STATEMENT)}'`);
  const seen = new Set(Array.from({ length: 4 }, () => classifier.classify(buf, 0, buf.length, mysql())));
  t.equal(seen.size, 4);
});

t.test('statements in pieces, several at a time', async (t) => {
  const classifier = new StatementClassifier(64);
  const one = classifier.begin(mysql());
  const other = classifier.begin(mariadb());
  const push = (reading: typeof one, text: string) => {
    const buf = Buffer.from(`..${text}..`);
    reading.push(buf, 2, buf.length - 2);
    buf.fill('(');
  };
  push(one, 'SELECT GET_L');
  push(other, 'SET @');
  push(one, '');
  push(one, "OCK('a");
  t.equal(classify(classifier, 'COMMIT'), 'commit: | EndsTransaction ContainsCommit');
  push(other, '@x = 1');
  push(one, "', 1)");
  t.equal(summary(one.finish()), 'select: UserLock');
  t.equal(summary(other.finish()), 'set: UnscopedSystemVariable');
});
