import { isDeepStrictEqual } from 'node:util';

/** Text outside the basic plane, so that utf8 in place of utf8mb4 is noticed. 19 characters. */
export const text = 'Žluťoučký kůň 日本語 🐬';
/** Text that latin1 can say. */
export const western = 'Grüße café';
export const blob = Buffer.concat([
  Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
  Buffer.from('\\\'"\0\n'),
]);
/** 20 MiB and a little. 251 does not divide 2^24-1, so a byte lost or doubled where a 16 MiB packet ends changes the sum. */
export const bigBytes = Buffer.alloc(251 * 83_557, blob.subarray(0, 251));

/** A rowset of 1000 numbers, 0 to 999, without a table. */
export const thousand = (() => {
  const digits = `(SELECT 0 n ${[1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `UNION SELECT ${n}`).join(' ')})`;
  return `SELECT x.n*100+y.n*10+z.n AS n FROM ${digits} x, ${digits} y, ${digits} z`;
})();

/** Where a client script connects to, and what it may call its tables. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly schema: string;
  readonly tables: Tables;
}

export interface Tables {
  readonly items: string;
  readonly ids: string;
  readonly big: string;
  readonly file: string;
  readonly tmp: string;
  readonly two: string;
  readonly lock: string;
}

/** Reads MYBOUNCER_TEST_URL (mysql://user:password@host:port/schema) and MYBOUNCER_TEST_PREFIX. */
export function targetFromEnvironment(): Target {
  const url = new URL(process.env['MYBOUNCER_TEST_URL'] ?? '');
  const prefix = process.env['MYBOUNCER_TEST_PREFIX'] ?? 'conf_';
  return {
    host: url.hostname,
    port: Number(url.port || 3306),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    schema: url.pathname.slice(1),
    tables: {
      items: `${prefix}items`,
      ids: `${prefix}ids`,
      big: `${prefix}big`,
      file: `${prefix}file`,
      tmp: `${prefix}tmp`,
      two: `${prefix}two`,
      lock: `${prefix}lock`,
    },
  };
}

export function createStatements({ items, ids, big, file, two }: Tables): string[] {
  return [
    `DROP TABLE IF EXISTS ${items}, ${ids}, ${big}, ${file}`,
    `DROP PROCEDURE IF EXISTS ${two}`,
    `CREATE TABLE ${items} (id INT PRIMARY KEY, n BIGINT, s VARCHAR(200), b BLOB, d DATE, dt DATETIME(6),
       f DOUBLE, c DECIMAL(20,5)) DEFAULT CHARSET utf8mb4`,
    `CREATE TABLE ${ids} (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v VARCHAR(50))`,
    `CREATE TABLE ${big} (id INT PRIMARY KEY, b LONGBLOB)`,
    `CREATE TABLE ${file} (id INT PRIMARY KEY, txt VARCHAR(100))`,
    `CREATE PROCEDURE ${two}(n INT) BEGIN SELECT n, 'first'; SELECT n + 1 UNION ALL SELECT n + 2; END`,
  ];
}

export function dropStatements({ items, ids, big, file, two }: Tables): string[] {
  return [`DROP TABLE ${items}, ${ids}, ${big}, ${file}`, `DROP PROCEDURE ${two}`];
}

/** 40,000 rows, more than 1 MiB, for LOAD DATA LOCAL INFILE; `infileSummary` says whether all of them came. */
export function infileRows(): string {
  return Array.from({ length: 40_000 }, (_, i) => `${i + 1}\trow-${i + 1}-${'x'.repeat(30)}\n`).join('');
}

export function infileSummary(table: string): string {
  return `SELECT CONCAT_WS(' ', COUNT(*), SUM(id), SUM(txt = CONCAT('row-', id, '-', REPEAT('x', 30)))) FROM ${table}`;
}
export const infileSummaryWanted = '40000 800020000 40000';

export function same(got: unknown, want: unknown): void {
  if (!isDeepStrictEqual(got, want)) throw new Error(`got ${show(got)}, wanted ${show(want)}`);
}

function show(value: unknown): string {
  const replacer = (_: string, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part);
  return String(JSON.stringify(value, replacer)).slice(0, 300);
}

interface ServerError {
  readonly errno: unknown;
  readonly sqlState: unknown;
}

function isServerError(error: unknown): error is Error & ServerError {
  return error instanceof Error && 'errno' in error && 'sqlState' in error;
}

/** Both npm drivers name the two fields the same. */
export async function fails(errno: number, sqlState: string, body: () => Promise<unknown>): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (!isServerError(error)) throw error;
    same([error.errno, error.sqlState], [errno, sqlState]);
    return;
  }
  throw new Error(`no error, wanted ${errno}`);
}

/** Runs checks one after the other and prints a line for each. */
export class Checks {
  #failed = 0;

  get failed(): number {
    return this.#failed;
  }

  async check(name: string, body: () => Promise<void>): Promise<void> {
    try {
      await body();
      process.stdout.write(`ok ${name}\n`);
    } catch (error) {
      this.#failed += 1;
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      const frames = why.split('\n').filter((line) => !line.includes('node:internal'));
      process.stdout.write(`not ok ${name}: ${frames.slice(0, 4).join(' ').replace(/\s+/g, ' ')}\n`);
    }
  }
}
