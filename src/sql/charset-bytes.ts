/**
 * What a client's character set means to the lexer: which bytes outside quotes are white space, which end the `--` of a
 * comment, and where the second byte of a character can look like a quote or a backslash. The tables are the servers'
 * own answers (both give the same ones); test/sql/lexer-truth.test.ts asks them again.
 */
export interface CharsetBytes {
  readonly name: string;
  /** Names can be decoded as UTF-8. */
  readonly utf8: boolean;
  /** False: nothing is known of this character set, so nothing in a statement may be relied on. */
  readonly known: boolean;
  /** White space besides ASCII's. */
  readonly spaces: readonly number[];
  /** Bytes besides white space and 0x01-0x1F that make `--` a comment when they follow it. */
  readonly controls: readonly number[];
  /** ASCII punctuation that is a letter here (swe7). */
  readonly letters: readonly number[];
  /** Null where no byte below 0x80 is ever part of a longer character, bits of {@link PairByte} otherwise. */
  readonly pairs: Uint8Array | null;
}

/** A byte's place in a two-byte character whose second byte may be ASCII. */
export const PairByte = { Lead: 1, Trail: 2 } as const;

type Ranges = readonly (readonly [first: number, last: number])[];

function pairTable(leads: Ranges, trails: Ranges): Uint8Array {
  const table = new Uint8Array(256);
  const mark = (ranges: Ranges, bit: number): void => {
    for (const [first, last] of ranges) for (let c = first; c <= last; c++) table[c] = (table[c] ?? 0) | bit;
  };
  mark(leads, PairByte.Lead);
  mark(trails, PairByte.Trail);
  return table;
}

// The four-byte characters of gb18030 need no rule of their own: second and fourth byte are digits, which are no trail
// bytes, so each half reads as a lead byte of no pair and a digit.
const GBK = pairTable(
  [[0x81, 0xfe]],
  [
    [0x40, 0x7e],
    [0x80, 0xfe],
  ],
);
const BIG5 = pairTable(
  [[0xa1, 0xf9]],
  [
    [0x40, 0x7e],
    [0xa1, 0xfe],
  ],
);
const SHIFT_JIS = pairTable(
  [
    [0x81, 0x9f],
    [0xe0, 0xfc],
  ],
  [
    [0x40, 0x7e],
    [0x80, 0xfc],
  ],
);
const PAIRS: Readonly<Record<string, Uint8Array>> = {
  big5: BIG5,
  cp932: SHIFT_JIS,
  gb18030: GBK,
  gbk: GBK,
  sjis: SHIFT_JIS,
};

const NO_BREAK_SPACE: Readonly<Record<number, string>> = {
  160: 'armscii8 cp1250 dec8 geostd8 greek hebrew latin1 latin2 latin5 latin7',
  255: 'cp852 cp866 keybcs2',
};

const DELETE = 0x7f;
const DELETE_IS_NO_CONTROL = 'cp1251 cp1257 cp852 cp866 keybcs2 latin2 macce macroman';
const HP8_CONTROLS = [...Array(33).keys()].map((i) => 0x80 + i);
const HIGH_CONTROLS: Readonly<Record<string, readonly number[]>> = {
  cp1250: [0x80, 0x81, 0x83, 0x88, 0x90, 0x98],
  cp850: [0xff],
  hebrew: [0xfd, 0xfe],
  hp8: [...HP8_CONTROLS, 0xb1, 0xb2, 0xf2, 0xf3, 0xf4, 0xf5, 0xff],
  latin7: [0x81, 0x83, 0x88, 0x8a, 0x8c, 0x90, 0x98, 0x9a, 0x9c, 0x9f, 0xa1, 0xa5],
  macroman: [0x80, 0xcb, 0xe5],
};

const SWE7_LETTERS = [0x5b, 0x5c, 0x5d, 0x5e, 0x7b, 0x7d, 0x7e];

/** Every character set that a server lets a client use. */
export const CLIENT_CHARSETS: readonly string[] = (
  'armscii8 ascii big5 binary cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 cp932 dec8 eucjpms euckr gb18030 gb2312 ' +
  'gbk geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman sjis swe7 tis620 ujis ' +
  'utf8 utf8mb3 utf8mb4'
).split(' ');

function listed(list: string, name: string): boolean {
  return list.split(' ').includes(name);
}

/** @param name as in `character_set_client`, in any case */
export function charsetBytes(name: string): CharsetBytes {
  const known = CLIENT_CHARSETS.includes(name.toLowerCase());
  const charset = name.toLowerCase();
  const spaces = Object.entries(NO_BREAK_SPACE)
    .filter(([, charsets]) => listed(charsets, charset))
    .map(([byte]) => Number(byte));
  const controls = [...(HIGH_CONTROLS[charset] ?? [])];
  if (!listed(DELETE_IS_NO_CONTROL, charset)) controls.push(DELETE);
  return {
    name: charset,
    utf8: charset === 'utf8' || charset.startsWith('utf8mb'),
    known,
    spaces,
    controls,
    letters: charset === 'swe7' ? SWE7_LETTERS : [],
    pairs: PAIRS[charset] ?? null,
  };
}
