import { type LexerContext, type LexerOptions, lexerContext } from '../../src/sql/lexer-context.js';
import { StatementClassifier } from '../../src/sql/trait-cache.js';
import { Flag, Hold, type StatementTraits } from '../../src/sql/traits.js';

const MARIADB: LexerOptions = {
  charset: 'utf8mb4',
  ansiQuotes: false,
  noBackslashEscapes: false,
  mariadb: true,
  serverVersion: 101119,
};

/** The session of a MariaDB 10.11.19 client. */
export function mariadb(options: Partial<LexerOptions> = {}): LexerContext {
  return lexerContext({ ...MARIADB, ...options });
}

/** The session of a MySQL 9.7.4 client. */
export function mysql(options: Partial<LexerOptions> = {}): LexerContext {
  return lexerContext({ ...MARIADB, mariadb: false, serverVersion: 90704, ...options });
}

/** The names of the bits that are set, in the order of the table. */
function bitNames(table: Readonly<Record<string, number>>, bits: number): string[] {
  return Object.entries(table)
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name);
}

export function holdNames(traits: StatementTraits): string[] {
  return bitNames(Hold, traits.holds);
}

export function flagNames(traits: StatementTraits): string[] {
  return bitNames(Flag, traits.flags);
}

const uncached = new StatementClassifier(0);

/** The traits of a text of bytes: each character is one. */
export function traitsOfBytes(bytes: string, context: LexerContext): StatementTraits {
  const buf = Buffer.from(bytes, 'latin1');
  return uncached.classify(buf, 0, buf.length, context);
}

/** Without a context, what MariaDB would do with the text. */
export function traitsOf(sql: string, context = mariadb()): StatementTraits {
  const buf = Buffer.from(sql, 'utf8');
  return uncached.classify(buf, 0, buf.length, context);
}

/** Everything about traits in one line that reads well in a failed assertion: `kind: Hold Hold | Flag Flag`. */
export function summary(traits: StatementTraits): string {
  const holds = holdNames(traits).join(' ');
  const flags = flagNames(traits).join(' ');
  return `${traits.first}:${holds === '' ? '' : ` ${holds}`}${flags === '' ? '' : ` | ${flags}`}`;
}

/** {@link summary} of what may do anything, as the given kind. */
export function anything(kind: string): string {
  return (
    `${kind}: ReadsUserVariable WritesUserVariable Unknown | MayRunRoutine Dml SetsCharset ReadsLastInsertId ` +
    'WritesLastInsertId ReadsDiagnostics ReadsFoundRows ReadsRowCount ReadsConnectionId EndsTransaction ContainsCommit'
  );
}
