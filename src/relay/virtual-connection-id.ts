import { HEADER_SIZE } from '../protocol/constants.js';
import { PayloadWriter } from '../protocol/payload-writer.js';

/** `SELECT CONNECTION_ID()`, with or without an alias: how clients ask for the id that they mean to KILL. */
const QUESTION =
  /^(\s*SELECT\s+)(CONNECTION_ID\s*\(\s*\))(\s+(?:AS\s+)?(?:\w+|`[^`]+`|'[^']+'|"[^"]+"))?(\s+LIMIT\s+\d+)?\s*;?\s*$/i;

/** Longer texts are something else. */
const MAX_TEXT = 200;

/**
 * The command with the client's own id in place of the function, so that what a client is told in SQL is what its greeting
 * said and KILL knows. Null: the text is no plain question; what the function gives then is the server's id of the session,
 * which KILL refuses.
 */
export function withVirtualId(buf: Buffer, start: number, end: number, id: number): Buffer | null {
  const text = start + HEADER_SIZE + 1;
  if (end - text > MAX_TEXT) return null;
  const match = QUESTION.exec(buf.toString('latin1', text, end));
  if (match === null) return null;
  const [, select = '', call = '', alias, limit = ''] = match;
  const sql = `${select}${id}${alias ?? ` AS \`${call}\``}${limit}`;
  return new PayloadWriter(1 + sql.length)
    .uint8(buf[text - 1] as number)
    .text(sql, 'latin1')
    .packet(0);
}
