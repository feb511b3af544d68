import { digestText } from '../../src/sql/digest.js';
import { Fingerprint } from '../../src/sql/fingerprint.js';
import { lexerContext } from '../../src/sql/lexer-context.js';
import { StatementClassifier } from '../../src/sql/trait-cache.js';
import { escapedBlob } from './load/wire.js';
import { complain, say } from './present.js';
import { plainTable } from './tables.js';

/**
 * What the proxy itself spends on the text of a statement, without any connection:
 * `node dist/test/bench/lexing.js [part of a name]`. Compare two builds on a quiet machine; no figure means anything alone.
 */

const CONTEXT = lexerContext({
  charset: 'utf8mb4',
  ansiQuotes: false,
  noBackslashEscapes: false,
  mariadb: true,
  serverVersion: 101119,
});

const MIB = 1024 * 1024;
/** As a socket gives them. */
const CHUNK = 64 * 1024;
/** Commands longer than this are read in pieces. */
const MAX_ASSEMBLED = MIB;
/** Of each figure: so many rounds of at least so many ms. */
const ROUNDS = 7;
const ROUND_MS = 30;

interface Case {
  readonly name: string;
  /** The nth text that comes: the same one, or ones that differ in literals. */
  readonly texts: readonly Buffer[];
}

function once(name: string, text: string | Buffer): Case {
  return { name, texts: [typeof text === 'string' ? Buffer.from(text, 'latin1') : text] };
}

/** So many that none is remembered when it comes again. */
function differing(name: string, count: number, text: (n: number) => string): Case {
  return { name, texts: Array.from({ length: count }, (_, n) => Buffer.from(text(n), 'latin1')) };
}

/** What an object-relational mapper sends: names of all columns, and values inlined. */
function mapped(n: number): string {
  const columns = Array.from({ length: 24 }, (_, i) => `\`shop_order\`.\`column_${i}\` AS \`col_${i}\``);
  const wanted = Array.from({ length: 8 }, (_, i) => 1_000_000 + n * 17 + i).join(', ');
  return `SELECT ${columns.join(', ')} FROM \`shop_order\` WHERE (\`shop_order\`.\`status\` = 'state ${n}' AND \`shop_order\`.\`id\` IN (${wanted})) ORDER BY \`shop_order\`.\`id\` DESC LIMIT 21`;
}

function insert(rows: number, n = 0): string {
  const values = Array.from(
    { length: rows },
    (_, i) => `(${1_000_000 + i + n},'name of row number ${i}','2026-01-02 03:04:05',${i % 7}.25,NULL,'x')`,
  );
  return `INSERT INTO things (id, name, made_at, price, parent, kind) VALUES ${values.join(',')}`;
}

/** One literal of so many bytes. */
function longLiteral(bytes: number, fill: string): string {
  const content = fill.repeat(Math.ceil(bytes / fill.length));
  return `INSERT INTO blobs (id, content) VALUES (1, '${content}')`;
}

/** A blob as drivers write it. */
function blob(bytes: number): Buffer {
  const begin = Buffer.from("INSERT INTO blobs (id, content) VALUES (1, _binary'");
  return Buffer.concat([begin, escapedBlob(bytes), Buffer.from("')")]);
}

function hex(bytes: number): string {
  return `INSERT INTO blobs (id, content) VALUES (1, 0x${'deadbeef00ff10aa'.repeat(bytes / 16)})`;
}

const CASES: readonly (() => Case)[] = [
  () => once('SELECT of 40 bytes, repeated', 'SELECT c FROM sbtest1 WHERE id=500000123'),
  () =>
    differing(
      'SELECT of 40 bytes, other literals',
      20_000,
      (n) => `SELECT c FROM sbtest1 WHERE id=${100_000_000 + n}`,
    ),
  () => once('SELECT of 1.3 KiB, repeated', mapped(1)),
  () => differing('SELECT of 1.3 KiB, other literals', 5_000, mapped),
  () =>
    differing('SELECT of 600 bytes, other literals', 8_000, (n) =>
      mapped(n).replace(/(, [^,]*){13}(?= FROM)/, ''),
    ),
  () => differing('INSERT of 1,000 rows', 20, (n) => insert(1_000, n)),
  () => once('INSERT of 100,000 rows', insert(100_000)),
  () => once('INSERT of 1,000,000 numbers', `INSERT INTO n VALUES ${'(12345678,1),'.repeat(999_999)}(1,1)`),
  () => once('16 MiB: one string', longLiteral(16 * MIB, 'All work and no play makes Jack a dull boy. ')),
  () => once('16 MiB: one blob, escaped', blob(16 * MIB)),
  () => once('16 MiB: backslashes only', longLiteral(16 * MIB, '\\\\')),
  () => once('16 MiB: quotes only', longLiteral(16 * MIB, "''")),
  () =>
    once(
      '16 MiB: a string of HTML',
      longLiteral(16 * MIB, '<a class=\\"x\\" href=\\"/path/to\\">it\\\'s here</a>\\n'),
    ),
  () => once('16 MiB: hexadecimal', hex(16 * MIB)),
  () => once('1 MiB: comment of stars', `/* ${'*** '.repeat(MIB / 4)} */ SELECT 1`),
  () => once('1 MiB: plain comment', `/* ${'abc '.repeat(MIB / 4)} */ SELECT 1`),
];

/** @returns µs for each call: the median of the rounds */
function measure(call: (n: number) => void): number {
  const figures: number[] = [];
  let n = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    const begin = process.hrtime.bigint();
    let calls = 0;
    let took = 0;
    while (took < ROUND_MS * 1e6) {
      const batch = calls === 0 ? 1 : calls;
      for (let i = 0; i < batch; i++) call(n++);
      calls += batch;
      took = Number(process.hrtime.bigint() - begin);
    }
    // The first one warms up.
    if (round > 0) figures.push(took / calls / 1_000);
  }
  figures.sort((a, b) => a - b);
  return figures[ROUNDS >> 1] ?? Number.NaN;
}

function classifying(texts: readonly Buffer[]): (n: number) => void {
  const classifier = new StatementClassifier(4_096);
  return (n) => {
    const text = texts[n % texts.length] as Buffer;
    if (text.length <= MAX_ASSEMBLED) {
      classifier.classify(text, 0, text.length, CONTEXT);
      return;
    }
    const reading = classifier.begin(CONTEXT);
    for (let pos = 0; pos < text.length; pos += CHUNK)
      reading.push(text.subarray(pos, pos + CHUNK), 0, Math.min(CHUNK, text.length - pos));
    reading.finish();
  };
}

function row({ name, texts }: Case): readonly string[] {
  const fingerprint = new Fingerprint();
  const length = texts.reduce((sum, text) => sum + text.length, 0) / texts.length;
  const classified = measure(classifying(texts));
  const taken = measure((n) => {
    const text = texts[n % texts.length] as Buffer;
    fingerprint.take(text, 0, text.length, CONTEXT);
  });
  const digested = measure((n) => {
    digestText(texts[n % texts.length] as Buffer, CONTEXT, 2_048);
  });
  const perByte = (classified * 1_000) / length;
  return [
    name,
    String(Math.round(length)),
    classified.toFixed(2),
    perByte.toFixed(3),
    taken.toFixed(2),
    digested.toFixed(1),
  ];
}

function main(wanted: string): number {
  const rows = CASES.map((make) => make())
    .filter(({ name }) => name.includes(wanted))
    .map(row);
  if (rows.length === 0) {
    complain(`no case has '${wanted}' in its name`);
    return 2;
  }
  const header = ['text', 'bytes', 'classify µs', 'ns/byte', 'fingerprint µs', 'digest µs'];
  say(plainTable({ header, rows }));
  return 0;
}

process.exitCode = main(process.argv[2] ?? '');
