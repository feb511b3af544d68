import { HEADER_SIZE, Reply } from '../protocol/constants.js';
import { encodeEof, encodeOk } from '../protocol/generic-response.js';
import { PayloadReader } from '../protocol/payload-reader.js';
import { PayloadWriter } from '../protocol/payload-writer.js';

/** Which rows of the list a client wants to see. */
export interface RowsWanted {
  readonly errorsOnly: boolean;
  readonly offset: number;
  readonly count: number;
}

export interface ConditionsWanted extends RowsWanted {
  /** As the reply to COM_STMT_EXECUTE. */
  readonly binary: boolean;
}

export interface Condition {
  readonly errno: number;
  /** In the character set that the client has results in. */
  readonly message: Buffer;
}

const NO_MESSAGE = Buffer.alloc(0);

/** Level of the rows that SHOW ERRORS lists. */
const ERROR_LEVEL = Buffer.from('Error');

/** Level, code and message. */
const COLUMNS = 3;

/** Warnings and errors as SHOW WARNINGS listed them: the server's own packets, in the client's character set. */
export class Conditions {
  static readonly NONE = new Conditions([], [], 0);
  /** Column count and definitions, with their headers. */
  readonly #definitions: readonly Buffer[];
  readonly #rows: readonly Buffer[];
  /** `@@warning_count`: more than there are rows where `max_error_count` is less. */
  readonly warnings: number;

  private constructor(definitions: readonly Buffer[], rows: readonly Buffer[], warnings: number) {
    this.#definitions = definitions;
    this.#rows = rows;
    this.warnings = warnings;
  }

  /** `packets`: the reply to SHOW WARNINGS; `told`: how many there are in all, if that is known. */
  static of(packets: Buffer, told: number): Conditions {
    const all: Buffer[] = [];
    for (let pos = 0; pos < packets.length; ) {
      const end = pos + HEADER_SIZE + packets.readUIntLE(pos, 3);
      all.push(packets.subarray(pos, end));
      pos = end;
    }
    const rows = all.slice(1 + COLUMNS);
    if (rows.length === 0) return Conditions.NONE;
    return new Conditions(all.slice(0, 1 + COLUMNS), rows, Math.max(told, rows.length));
  }

  get list(): readonly Condition[] {
    return this.#rows.map((row) => {
      const reader = new PayloadReader(row, HEADER_SIZE, row.length);
      reader.lenencBytesOrNull();
      const errno = Number(reader.lenencBytesOrNull()?.toString('latin1'));
      return { errno, message: reader.lenencBytesOrNull() ?? NO_MESSAGE };
    });
  }

  get errors(): number {
    return this.#rows.filter(isError).length;
  }

  /** The reply that the server would give. `status`: flags of its last packet. */
  reply(wanted: ConditionsWanted, deprecateEof: boolean, status: number): Buffer {
    const { errorsOnly, offset, count, binary } = wanted;
    const texts = (errorsOnly ? this.#rows.filter(isError) : this.#rows).slice(offset, offset + count);
    const rows = binary ? texts.map(binaryRow) : texts;
    const packets: Buffer[] = [...this.#definitions, ...rows].map((packet) => Buffer.from(packet));
    if (!deprecateEof) packets.splice(1 + COLUMNS, 0, encodeEof(0, status, 0));
    packets.push(deprecateEof ? encodeOk(0, { status }, Reply.Eof) : encodeEof(0, status, 0));
    for (const [i, packet] of packets.entries()) packet[3] = (i + 1) & 0xff;
    return Buffer.concat(packets);
  }
}

/** The row in the binary protocol: no NULLs, two strings around an INT. */
function binaryRow(row: Buffer): Buffer {
  const reader = new PayloadReader(row, HEADER_SIZE, row.length);
  const [level, code, message] = [1, 2, 3].map(() => reader.lenencBytesOrNull() ?? NO_MESSAGE);
  return new PayloadWriter(row.length + HEADER_SIZE)
    .zeros(2)
    .lenencBytes(level ?? NO_MESSAGE)
    .uint32(Number(code?.toString('latin1')))
    .lenencBytes(message ?? NO_MESSAGE)
    .packet(0);
}

function isError(row: Buffer): boolean {
  const level = new PayloadReader(row, HEADER_SIZE, row.length).lenencBytesOrNull();
  return level !== null && ERROR_LEVEL.equals(level);
}
