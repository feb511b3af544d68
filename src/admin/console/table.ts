import { Capability, Reply, Status } from '../../protocol/constants.js';
import { encodeEof, encodeOk } from '../../protocol/generic-response.js';
import { PayloadWriter } from '../../protocol/payload-writer.js';
import { type Later, when } from './later.js';

export type ColumnType = 'text' | 'integer' | 'real';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

export type Cell = string | number | bigint | null;

/** What a statement of the console shows. */
export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** A column for each property of `T`, in this order. */
export type ColumnTypes<T> = { readonly [K in keyof T]: ColumnType };

/** The rows as a table: what is a column, and of which type, stands in `types`. */
export function tableOf<T extends { readonly [name: string]: Cell }>(
  types: ColumnTypes<T>,
  rows: readonly T[],
): Table {
  const columns = Object.entries(types).map(([name, type]) => ({ name, type }));
  return { columns, rows: rows.map((row) => columns.map(({ name }) => row[name] ?? null)) };
}

/** {@link tableOf}, when the rows are there. */
export function tableWhen<T extends { readonly [name: string]: Cell }>(
  types: ColumnTypes<T>,
  rows: Later<readonly T[]>,
): Later<Table> {
  return when(rows, (all) => tableOf(types, all));
}

/** Of every reply of the console: it knows neither transactions nor any other state of a session. */
export const CONSOLE_STATUS = Status.Autocommit;

/** utf8mb4_general_ci, which both kinds of client know; and what numbers have. */
const TEXT_COLLATION = 45;
const BINARY_COLLATION = 63;

/** `MYSQL_TYPE_…`, the length that is told, and flags (BINARY, NUM) of each type. */
const WIRE: Readonly<Record<ColumnType, { type: number; collation: number; length: number; flags: number }>> =
  {
    text: { type: 0xfd, collation: TEXT_COLLATION, length: 4096, flags: 0 },
    integer: { type: 0x08, collation: BINARY_COLLATION, length: 20, flags: 0x8080 },
    real: { type: 0x05, collation: BINARY_COLLATION, length: 22, flags: 0x8080 },
  };

/** Of a real: as many as the value has. */
const ANY_DECIMALS = 31;

/**
 * The packets of a text result set, the first of sequence id 1.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset.html
 */
export function encodeTable({ columns, rows }: Table, capabilities: number): Buffer {
  const deprecateEof = (capabilities & Capability.DeprecateEof) !== 0;
  const packets: Buffer[] = [];
  const add = (writer: PayloadWriter): void => {
    packets.push(writer.packet(packets.length + 1));
  };
  add(new PayloadWriter().lenencInt(columns.length));
  for (const column of columns) add(definition(column));
  if (!deprecateEof) packets.push(encodeEof(packets.length + 1, CONSOLE_STATUS, 0));
  for (const row of rows) add(textRow(row));
  packets.push(
    deprecateEof
      ? encodeOk(packets.length + 1, { status: CONSOLE_STATUS }, Reply.Eof)
      : encodeEof(packets.length + 1, CONSOLE_STATUS, 0),
  );
  return Buffer.concat(packets);
}

function definition({ name, type }: Column): PayloadWriter {
  const wire = WIRE[type];
  return new PayloadWriter()
    .lenencText('def')
    .lenencText('')
    .lenencText('')
    .lenencText('')
    .lenencText(name)
    .lenencText(name)
    .lenencInt(12)
    .uint16(wire.collation)
    .uint32(wire.length)
    .uint8(wire.type)
    .uint16(wire.flags)
    .uint8(type === 'real' ? ANY_DECIMALS : 0)
    .zeros(2);
}

function textRow(row: readonly Cell[]): PayloadWriter {
  const writer = new PayloadWriter();
  for (const cell of row) {
    if (cell === null) writer.uint8(0xfb);
    else writer.lenencText(String(cell));
  }
  return writer;
}
