import { HEADER_SIZE } from '../protocol/constants.js';
import { MalformedPacketError, PayloadReader } from '../protocol/payload-reader.js';

/** Bytes of a reply that are kept at most: column definitions and the row. */
const MAX_KEPT = 4096;

/** Keeps the beginning of a reply, to read the first row of its first result set. */
export class FirstRow {
  readonly #bytes = Buffer.allocUnsafe(MAX_KEPT);
  #length = 0;
  #tooLong = false;
  readonly #binary: boolean;

  /** @param binary whether the row is one of the binary protocol (COM_STMT_EXECUTE) */
  constructor(binary: boolean) {
    this.#binary = binary;
  }

  /** Takes the next bytes of the reply: whole packets or pieces. */
  push(buf: Buffer, start: number, end: number): void {
    if (this.#tooLong) return;
    if (this.#length + end - start > MAX_KEPT) this.#tooLong = true;
    else this.#length += buf.copy(this.#bytes, this.#length, start, end);
  }

  /** The columns' values where they are whole numbers, else null; null for all when the row was not seen. */
  read(): (bigint | null)[] | null {
    if (this.#tooLong) return null;
    try {
      return this.#read();
    } catch (error) {
      if (error instanceof RangeError || error instanceof MalformedPacketError) return null;
      throw error;
    }
  }

  #read(): (bigint | null)[] | null {
    const packets = this.#packets();
    const [head, ...rest] = packets;
    if (head === undefined) return null;
    const columns = head.lenencInt();
    const row = rest[columns];
    if (row === undefined) return null;
    return this.#binary ? binaryRow(row, rest.slice(0, columns).map(typeOf)) : textRow(row, columns);
  }

  #packets(): PayloadReader[] {
    const packets: PayloadReader[] = [];
    let pos = 0;
    while (pos + HEADER_SIZE <= this.#length) {
      const end = pos + HEADER_SIZE + this.#bytes.readUIntLE(pos, 3);
      if (end > this.#length) break;
      packets.push(new PayloadReader(this.#bytes, pos + HEADER_SIZE, end));
      pos = end;
    }
    return packets;
  }
}

/** Names, catalogue and tables before a column definition's fixed part. */
const DEFINITION_TEXTS = 6;

function typeOf(definition: PayloadReader): number {
  for (let i = 0; i < DEFINITION_TEXTS; i++) definition.lenencBytes();
  // Length of the fixed part, character set, length.
  definition.skip(1 + 2 + 4);
  return definition.uint8();
}

const WHOLE = /^-?[0-9]{1,19}$/;

function textRow(row: PayloadReader, columns: number): (bigint | null)[] {
  const values: (bigint | null)[] = [];
  for (let i = 0; i < columns; i++) {
    const text = row.lenencBytesOrNull()?.toString('latin1') ?? '';
    values.push(WHOLE.test(text) ? BigInt(text) : null);
  }
  return values;
}

/** Bytes of the values of fixed length, by type. All others begin with their length. */
const FIXED_LENGTHS: ReadonlyMap<number, number> = new Map([
  [0x01, 1], // TINY
  [0x02, 2], // SHORT
  [0x0d, 2], // YEAR
  [0x03, 4], // LONG
  [0x09, 4], // INT24
  [0x08, 8], // LONGLONG
  [0x04, 4], // FLOAT
  [0x05, 8], // DOUBLE
]);
const FLOATING: ReadonlySet<number> = new Set([0x04, 0x05]);
const NULL_TYPE = 0x06;

/** https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html */
function binaryRow(row: PayloadReader, types: readonly number[]): (bigint | null)[] {
  row.skip(1);
  // The bitmap begins with two bits of its own.
  const nulls = row.bytes((types.length + 2 + 7) >> 3);
  return types.map((type, i) => {
    const isNull = ((nulls[(i + 2) >> 3] ?? 0) & (1 << ((i + 2) & 7))) !== 0;
    if (isNull || type === NULL_TYPE) return null;
    const length = FIXED_LENGTHS.get(type);
    if (length === undefined) {
      row.lenencBytes();
      return null;
    }
    const bytes = row.bytes(length);
    if (FLOATING.has(type)) return null;
    return length === 8 ? bytes.readBigInt64LE() : BigInt(bytes.readIntLE(0, length));
  });
}
