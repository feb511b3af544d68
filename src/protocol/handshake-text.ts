import { MalformedPacketError, PayloadReader } from './payload-reader.js';

/** Collations of latin1. (MySQL's is Windows code page 1252; the 27 characters it has more stand in nobody's name.) */
const LATIN1_COLLATIONS: ReadonlySet<number> = new Set([5, 8, 15, 31, 47, 48, 49, 94]);

/**
 * A user or schema name of a login packet. It is in the character set that the same packet announces. Names in other sets
 * than utf8 and latin1 are read as UTF-8: right for ASCII names, which is what such servers have.
 */
export function decodeName(bytes: Buffer, collation: number): string {
  return bytes.toString(LATIN1_COLLATIONS.has(collation) ? 'latin1' : 'utf8');
}

export type ConnectAttributes = ReadonlyMap<string, string>;

export const NO_ATTRIBUTES: ConnectAttributes = new Map();

/** Most bytes of connect attributes that a client may send; both servers' own limit. */
const MAX_ATTRIBUTES_SIZE = 65_536;

/**
 * Connect attributes: a length, then pairs of length-encoded strings. A client may announce and then leave them out.
 * @throws MalformedPacketError when they are cut short, over 64 KiB, or a key has no value
 */
export function readAttributes(reader: PayloadReader): ConnectAttributes {
  if (reader.remaining === 0) return NO_ATTRIBUTES;
  const length = reader.lenencInt();
  if (length === 0) return NO_ATTRIBUTES;
  if (length > MAX_ATTRIBUTES_SIZE) throw new MalformedPacketError('connect attributes over 64 KiB');
  const pairs = new PayloadReader(reader.bytes(length));
  const attributes = new Map<string, string>();
  while (pairs.remaining > 0) {
    const name = pairs.lenencBytes().toString('utf8');
    attributes.set(name, pairs.lenencBytes().toString('utf8'));
  }
  return attributes;
}
