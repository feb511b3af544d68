import { HEADER_SIZE } from '../protocol/constants.js';
import { PayloadReader } from '../protocol/payload-reader.js';
import type { InternalReply } from './internal-commands.js';

/**
 * The rows of a text result set by the names of their columns, for statements whose columns differ from version to version, such as
 * SHOW REPLICA STATUS. Of two columns of one name the later one counts.
 * @throws MalformedPacketError
 */
export function namedRows({
  rows,
  packets,
}: Pick<InternalReply, 'rows' | 'packets'>): Record<string, string | null>[] {
  const names = columnNames(packets);
  return rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i] ?? null])));
}

function columnNames(packets: Buffer): string[] {
  if (packets.length < HEADER_SIZE) return [];
  let pos = 0;
  const next = (): PayloadReader => {
    const payload = pos + HEADER_SIZE;
    pos = payload + packets.readUIntLE(pos, 3);
    return new PayloadReader(packets, payload, pos);
  };
  const columns = next().lenencInt();
  return Array.from({ length: columns }, () => {
    const definition = next();
    // Catalog, schema, table, its own name.
    for (let i = 0; i < 4; i++) definition.lenencBytes();
    return definition.lenencBytes().toString();
  });
}
