/** A piece of a statement to the console: blanks and comments are none. */
export interface Word {
  /** `variable`: `@@name`, with what stands before its last dot left out; `user_variable`: `@name`. */
  readonly kind: 'name' | 'quoted_name' | 'string' | 'number' | 'variable' | 'user_variable' | 'symbol';
  /** Without quotes; names as written. */
  readonly text: string;
  /** Where it stands in the statement: `[start, end)`. */
  readonly start: number;
  readonly end: number;
}

const PIECES: readonly (readonly [Word['kind'] | null, RegExp])[] = [
  [null, /(?:\s+|\/\*(?!!)[\s\S]*?(?:\*\/|$)|#[^\n]*|--(?:\s[^\n]*|$))/y],
  ['string', /'((?:[^'\\]|\\[\s\S]|'')*)'|"((?:[^"\\]|\\[\s\S]|"")*)"/y],
  ['quoted_name', /`((?:[^`]|``)*)`/y],
  ['variable', /@@(?:(?:session|global|local)\s*\.\s*)?([\w$]+)/iy],
  ['user_variable', /@([\w$.]*)/y],
  ['number', /(\d+(?:\.\d+)?)(?![\w$])/y],
  ['name', /([\p{L}\p{N}_$]+)/uy],
  // Both signs of a comment that is code: what it holds is read.
  [null, /\/\*!\d*|\*\//y],
  ['symbol', /([\s\S])/y],
];

/** The statement's words. Everything is some word: what makes no sense is a symbol, which no statement has there. */
export function wordsOf(sql: string): readonly Word[] {
  const words: Word[] = [];
  let at = 0;
  while (at < sql.length) {
    for (const [kind, pattern] of PIECES) {
      pattern.lastIndex = at;
      const match = pattern.exec(sql);
      if (match === null) continue;
      const text = match.slice(1).find((group) => group !== undefined) ?? '';
      const end = at + match[0].length;
      if (kind !== null) words.push({ kind, text: unescaped(kind, text), start: at, end });
      at = end;
      break;
    }
  }
  return words;
}

function unescaped(kind: Word['kind'], text: string): string {
  if (kind === 'quoted_name') return text.replaceAll('``', '`');
  if (kind !== 'string') return text;
  return text.replaceAll(
    /''|""|\\([\s\S])/g,
    (pair, escaped: string | undefined) => escaped ?? pair.charAt(0),
  );
}
