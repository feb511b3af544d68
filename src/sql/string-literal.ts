import { isUtf8 } from 'node:buffer';
import type { LexerContext } from './lexer-context.js';

const BACKSLASH = 0x5c;

/** What stands for another character behind a backslash. */
const ESCAPED: Readonly<Record<string, string>> = {
  '0': '\0',
  b: '\b',
  n: '\n',
  r: '\r',
  t: '\t',
  Z: '\x1a',
  // For LIKE: the backslash stays.
  '%': '\\%',
  _: '\\_',
};

/** What is sure to survive the server's conversion to its own UTF-8: MySQL's has no characters of four bytes. */
function isPreserved(bytes: string, context: LexerContext): boolean {
  if (/^[\0-\x7f]*$/.test(bytes)) return true;
  return context.utf8 && !/[\xf0-\xff]/.test(bytes) && isUtf8(Buffer.from(bytes, 'latin1'));
}

/** Whether bytes without the highest bit are ASCII in this character set (in swe7 some are letters). */
function extendsAscii(context: LexerContext): boolean {
  return context.codes[BACKSLASH] === 0;
}

/**
 * What a string literal says, as the servers read it.
 * @param source its bytes (latin1) with its quotes
 * @returns its bytes (latin1); null when the server may make others of them
 */
export function decodeString(source: string, context: LexerContext): string | null {
  if (!extendsAscii(context) || !isPreserved(source, context)) return null;
  const quote = source.charAt(0);
  const end = source.length - 1;
  let decoded = '';
  for (let pos = 1; pos < end; pos++) {
    const char = source.charAt(pos);
    if (char === '\\' && !context.noBackslashEscapes) {
      const next = source.charAt(++pos);
      decoded += ESCAPED[next] ?? next;
    } else {
      // The second of two.
      if (char === quote) pos++;
      decoded += char;
    }
  }
  return decoded;
}
