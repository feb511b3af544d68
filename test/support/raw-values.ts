import type { RawClient, RawPacket } from './raw-client.js';

export interface ExecuteParameter {
  /** `enum_field_types`. */
  readonly type: number;
  /** In the binary form of the type; null is NULL. Undefined where it was sent as long data. */
  readonly value: Buffer | null | undefined;
}

/** COM_STMT_EXECUTE without its command byte. */
export function executePayload(
  statement: number,
  parameters: readonly ExecuteParameter[] = [],
  options: { readonly cursor?: number; readonly withTypes?: boolean } = {},
): Buffer {
  const fixed = Buffer.alloc(9);
  fixed.writeUInt32LE(statement, 0);
  fixed[4] = options.cursor ?? 0;
  fixed.writeUInt32LE(1, 5);
  if (parameters.length === 0) return fixed;
  const nulls = Buffer.alloc((parameters.length + 7) >> 3);
  for (const [i, { value }] of parameters.entries()) {
    if (value === null) nulls[i >> 3] = (nulls[i >> 3] as number) | (1 << (i & 7));
  }
  const withTypes = options.withTypes ?? true;
  const types = withTypes ? parameters.map(({ type }) => Buffer.of(type, 0)) : [];
  const values = parameters.map(({ value }) => value ?? Buffer.alloc(0));
  return Buffer.concat([fixed, nulls, Buffer.of(withTypes ? 1 : 0), ...types, ...values]);
}

export function int(value: number): ExecuteParameter {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return { type: 3, value: bytes };
}

/** Shorter than 251 bytes. */
export function text(value: string): ExecuteParameter {
  const bytes = Buffer.from(value);
  return { type: 0xfd, value: Buffer.concat([Buffer.of(bytes.length), bytes]) };
}

export const NULL: ExecuteParameter = { type: 6, value: null };

export function double(value: number): ExecuteParameter {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return { type: 5, value: bytes };
}

/** First columns of a reply's rows (one result set, columns shorter than 251 bytes). */
export function rowsOf(reply: readonly RawPacket[], client: RawClient): string[] {
  const columns = reply[0]?.payload[0] ?? 0;
  const rows = reply.slice(1 + columns + (client.deprecateEof ? 0 : 1), -1);
  return rows.map(({ payload }) => {
    // A binary row begins with 0 and the NULL bitmap.
    const at = payload[0] === 0 && payload.length > 2 ? 1 + ((columns + 9) >> 3) : 0;
    return payload.toString('utf8', at + 1, at + 1 + (payload[at] as number));
  });
}
