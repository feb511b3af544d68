import { Status } from '../../src/protocol/constants.js';
import { PayloadReader } from '../../src/protocol/payload-reader.js';
import type { RawPacket, Shape } from '../support/raw-client.js';

/*
 * Replies as lines of text: everything that a client can see in them, and nothing else. Left out on purpose are the flags that say
 * only how a server came to its result: METADATA_CHANGED (a statement had to be prepared again, which the proxy may have done before),
 * SESSION_STATE_CHANGED (for clients with session tracking), and those on indexes and time, which hang on the statistics of the
 * moment: two direct connections differ in them.
 */
const FLAGS_LEFT_OUT =
  Status.SessionStateChanged |
  Status.MetadataChanged |
  Status.NoIndexUsed |
  Status.NoGoodIndexUsed |
  Status.QueryWasSlow;

/**
 * Flags that an EOF before the rows has from the state of the session. The others are of the statement, which is not over then, and the
 * proxy, whose own sessions send no such EOF, can't know them yet; nor whether the statement begins or ends a transaction.
 */
const FLAGS_OF_SESSION = Status.Autocommit | Status.NoBackslashEscapes | Status.AnsiQuotes;

export interface Expectation {
  readonly shape: Shape;
  readonly binary: boolean;
  readonly deprecateEof: boolean;
  /** Of the rows that come without their column definitions: those of a cursor. */
  readonly columnTypes: readonly number[];
  /** MySQL repeats the last statement's number of warnings in replies to commands that have none of their own. */
  readonly ownWarnings: boolean;
  /** The connection's id where the reply shows it: it differs between the sides. */
  readonly maskedId: number | null;
  /** A cursor was asked for: where it was opened, there are no rows. */
  readonly cursor: boolean;
}

export interface Observation {
  readonly lines: readonly string[];
  /** Types of the last result's columns. */
  readonly columnTypes: readonly number[];
  readonly prepared: { readonly id: number; readonly parameters: number } | null;
  readonly errno: number | null;
}

export function observe(reply: readonly RawPacket[], expected: Expectation): Observation {
  return new Observer(reply, expected).run();
}

class Observer {
  readonly #reply: readonly RawPacket[];
  readonly #expected: Expectation;
  readonly #lines: string[] = [];
  #at = 0;
  #columnTypes: readonly number[];
  #prepared: Observation['prepared'] = null;
  #errno: number | null = null;

  constructor(reply: readonly RawPacket[], expected: Expectation) {
    this.#reply = reply;
    this.#expected = expected;
    this.#columnTypes = expected.columnTypes;
  }

  run(): Observation {
    if (this.#expected.shape === 'prepare') this.#prepareReply();
    else if (this.#expected.shape === 'rows') this.#rows();
    else while (this.#at < this.#reply.length) this.#result();
    return {
      lines: this.#lines,
      columnTypes: this.#columnTypes,
      prepared: this.#prepared,
      errno: this.#errno,
    };
  }

  #next(): Buffer {
    const packet = this.#reply[this.#at++];
    if (packet === undefined) throw new RangeError('a reply ends too early');
    return packet.payload;
  }

  #result(): void {
    const payload = this.#next();
    switch (payload[0]) {
      case 0x00:
        this.#ok('OK', payload);
        return;
      case 0xff:
        this.#err(payload);
        return;
      case 0xfb:
        this.#lines.push(`FILE ${payload.toString('latin1', 1)}`);
        return;
      case 0xfe:
        this.#end(payload);
        return;
      default: {
        const count = new PayloadReader(payload).lenencInt();
        this.#columnTypes = this.#definitions('column', count);
        if (this.#errno !== null) return;
        if (!this.#expected.deprecateEof) {
          const eof = this.#next();
          const status = eof.readUInt16LE(3);
          this.#lines.push(`EOF of columns: ${flagNames(status & FLAGS_OF_SESSION)}`);
          if (this.#expected.cursor && (status & Status.CursorExists) !== 0) return;
        }
        this.#rows();
      }
    }
  }

  #rows(): void {
    for (;;) {
      const payload = this.#next();
      if (payload[0] === 0xff) {
        this.#err(payload);
        return;
      }
      if (payload[0] === 0xfe && payload.length < 0xffffff) {
        this.#end(payload);
        return;
      }
      const values = this.#expected.binary ? binaryRow(payload, this.#columnTypes) : textRow(payload);
      this.#lines.push(`row: ${values.map((value) => this.#value(value)).join(' | ')}`);
    }
  }

  #value(value: Buffer | null): string {
    if (value === null) return 'NULL';
    const text = shown(value);
    const { maskedId, binary } = this.#expected;
    if (maskedId === null) return text;
    const own = binary ? numberText(maskedId) : [String(maskedId)];
    return own.includes(text) ? '(own id)' : text;
  }

  #prepareReply(): void {
    const payload = this.#next();
    if (payload[0] === 0xff) {
      this.#err(payload);
      return;
    }
    const columns = payload.readUInt16LE(5);
    const parameters = payload.readUInt16LE(7);
    const warnings = payload.length >= 12 ? payload.readUInt16LE(10) : 0;
    this.#prepared = { id: payload.readUInt32LE(1), parameters };
    this.#lines.push(`prepared: ${columns} columns, ${parameters} parameters, ${warnings} warnings`);
    for (const [name, count] of [
      ['parameter', parameters],
      ['column', columns],
    ] as const) {
      if (count === 0) continue;
      const types = this.#definitions(name, count);
      if (name === 'column') this.#columnTypes = types;
      // The number of warnings stands in the first packet.
      if (!this.#expected.deprecateEof) this.#lines.push(`EOF: ${flagNames(this.#next().readUInt16LE(3))}`);
    }
  }

  #definitions(what: string, count: number): number[] {
    const types: number[] = [];
    for (let i = 0; i < count; i++) {
      const payload = this.#next();
      if (payload[0] === 0xff) {
        this.#err(payload);
        return types;
      }
      const { line, type } = definition(payload, this.#expected.binary);
      types.push(type);
      this.#lines.push(`${what}: ${line}`);
    }
    return types;
  }

  #ok(what: string, payload: Buffer): void {
    const reader = new PayloadReader(payload);
    reader.skip(1);
    const rows = reader.lenencBigInt();
    const id = reader.lenencBigInt();
    const status = reader.uint16();
    const warnings = reader.uint16();
    // Without session tracking the text is the rest of the packet; some servers put its length before it.
    const rest = reader.rest();
    const info = rest[0] === rest.length - 1 ? rest.subarray(1) : rest;
    this.#lines.push(
      `${what}: ${rows} rows, id ${id}, ${this.#warnings(warnings)}, ${flagNames(status)}${info.length > 0 ? `, '${shown(info)}'` : ''}`,
    );
  }

  #end(payload: Buffer): void {
    if (this.#expected.deprecateEof) {
      this.#ok('end', payload);
      return;
    }
    let status = payload.readUInt16LE(3);
    // MySQL says of OUT parameters in the EOF before the row only, when nobody knows yet that they are; the proxy in the one after it.
    if ((status & Status.PsOutParams) !== 0) status &= ~(Status.PsOutParams | Status.MoreResultsExist);
    this.#lines.push(`EOF: ${this.#warnings(payload.readUInt16LE(1))}, ${flagNames(status)}`);
  }

  #warnings(count: number): string {
    return this.#expected.ownWarnings ? `${count} warnings` : 'warnings of the last statement';
  }

  #err(payload: Buffer): void {
    this.#errno = payload.readUInt16LE(1);
    const text = shown(payload.subarray(9));
    this.#lines.push(`ERR ${this.#errno} ${payload.toString('latin1', 4, 9)}: ${withoutStatementId(text)}`);
  }
}

/** The ids of prepared statements are the connection's own business, and the proxy speaks English. */
export function withoutStatementId(message: string): string {
  return message
    .replace(
      /^Unbekannter Prepared-Statement-Handler \((\d+)\) .*? (\w+) angegeben$/,
      'Unknown prepared statement handler ($1) given to $2',
    )
    .replace(/^Falsche Argumente f.*?r (mysqld_stmt_\w+)$/, 'Incorrect arguments to $1')
    .replace(/(handler|statement) \(\d+\)/, '$1 (id)');
}

/** Flags by name, those left out apart. */
export function flagNames(status: number): string {
  const names = Object.entries(Status)
    .filter(([, bit]) => (status & bit & ~FLAGS_LEFT_OUT) !== 0)
    .map(([name]) => name);
  return `[${names.join(' ')}]`;
}

/** MariaDB gives it to a parameter's column by the values of earlier executes on the same server session. */
const BINARY_FLAG = 128;

function definition(payload: Buffer, isBinary: boolean): { line: string; type: number } {
  const reader = new PayloadReader(payload);
  const [, schema, table, originalTable, name, originalName] = Array.from({ length: 6 }, () =>
    shown(reader.lenencBytes()),
  );
  reader.skip(1);
  const charset = reader.uint16();
  const length = reader.uint32();
  const type = reader.uint8();
  const flags = reader.uint16() & (isBinary ? ~BINARY_FLAG : ~0);
  const decimals = reader.uint8();
  const origin = `${schema}.${table}, ${originalTable}.${originalName}`;
  return { type, line: columnLine({ name: String(name), origin, type, charset, length, flags, decimals }) };
}

/** Of SHOW WARNINGS: they have the character set that results had when the proxy read them for the client. */
const CONDITION_TEXTS: ReadonlySet<string> = new Set(['Level', 'Message']);

export function columnLine(column: {
  readonly name: string;
  readonly origin: string;
  readonly type: number;
  readonly charset: number;
  readonly length: number;
  readonly flags: number;
  readonly decimals: number;
}): string {
  const { name, origin, type, charset, length, flags, decimals } = column;
  const text = CONDITION_TEXTS.has(name) ? 'text' : `charset ${charset} length ${length}`;
  return `${name} (${origin}) type ${type} ${text} flags ${flags} decimals ${decimals}`;
}

function textRow(payload: Buffer): (Buffer | null)[] {
  const reader = new PayloadReader(payload);
  const row: (Buffer | null)[] = [];
  while (reader.remaining > 0) row.push(reader.lenencBytesOrNull());
  return row;
}

/** Bytes of binary values of a fixed length, by `enum_field_types`. */
const WIDTHS: Readonly<Record<number, number>> = { 1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 8: 8, 9: 4, 13: 2 };
const DATES = new Set([7, 10, 11, 12]);
const NULL_TYPE = 6;

function binaryRow(payload: Buffer, types: readonly number[]): (Buffer | null)[] {
  const reader = new PayloadReader(payload);
  reader.skip(1);
  const nulls = reader.bytes((types.length + 9) >> 3);
  return types.map((type, i) => {
    const isNull = ((nulls[(i + 2) >> 3] ?? 0) & (1 << ((i + 2) & 7))) !== 0;
    if (isNull || type === NULL_TYPE) return null;
    const width = WIDTHS[type];
    if (width === undefined && !DATES.has(type)) return Buffer.from(reader.lenencBytes());
    const value = width === undefined ? reader.bytes(reader.uint8()) : reader.bytes(width);
    return Buffer.from(`${width === undefined ? 'time' : 'number'} ${value.toString('hex')}`);
  });
}

/** How a number of 32 bits may be shown in a binary row. */
function numberText(value: number): string[] {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value);
  return [4, 8].map((width) => `number ${bytes.toString('hex', 0, width)}`);
}

/** Bytes as text, with all that is not printable ASCII as `\xx`. */
function shown(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/[^\x20-\x5b\x5d-\x7e]/g, (c) => `\\${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
