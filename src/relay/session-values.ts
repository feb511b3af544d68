import { HEADER_SIZE } from '../protocol/constants.js';
import { SessionValue, type SessionValueUse } from '../sql/traits.js';

/** Puts values in place of what asks for them. Null: one of them is not known. */
export function withValues(
  text: Buffer,
  uses: readonly SessionValueUse[],
  knownValue: (value: SessionValue) => bigint | null,
): Buffer | null {
  const parts: Buffer[] = [];
  let pos = 0;
  for (const { value, start, end, namesColumn } of uses) {
    const known = knownValue(value);
    if (known === null) return null;
    const call = text.subarray(start, end);
    const alias = namesColumn ? ` AS \`${call.toString('latin1').replaceAll('`', '``')}\`` : '';
    const put = Buffer.from(expressionOf(value, known, call.toString('latin1')) + alias, 'latin1');
    parts.push(text.subarray(pos, start), put);
    pos = end;
  }
  parts.push(text.subarray(pos));
  return Buffer.concat(parts);
}

/**
 * An expression with the value, and with the type, length and flags of what it stands for. Where the server warns of the
 * function's use, it goes on doing so.
 */
function expressionOf(value: SessionValue, known: bigint, call: string): string {
  switch (value) {
    case SessionValue.ConnectionId:
      return `CAST(${known} AS UNSIGNED)`;
    case SessionValue.FoundRows:
    case SessionValue.RowCount:
      return `COALESCE(${known},${call})`;
    case SessionValue.WarningCount:
    case SessionValue.ErrorCount:
      return `IF(1,CAST(${known} AS UNSIGNED),${call})`;
  }
}

/** A command packet with another text; `[start, end)` is the one that the client sent. */
export function withText(buf: Buffer, start: number, text: Buffer): Buffer {
  const packet = Buffer.allocUnsafe(HEADER_SIZE + 1 + text.length);
  packet.writeUIntLE(1 + text.length, 0, 3);
  packet[3] = 0;
  packet[HEADER_SIZE] = buf[start + HEADER_SIZE] as number;
  text.copy(packet, HEADER_SIZE + 1);
  return packet;
}
