/**
 * Finds a word in a fixed set of ASCII names, one byte at a time and without regard to case: a double-array trie. A
 * position in it is one integer, so the search can stop at the end of a chunk and go on in the next, and no string is
 * ever made of what is read.
 */
export interface NameTrie {
  /** From node `n` byte code `c` leads to `base[n] + c`, if `check` there is `n`; otherwise to {@link DEAD}. */
  readonly base: Uint16Array;
  readonly check: Uint16Array;
  /** What was stored under the name that ends at a node; 0 where none does. */
  readonly value: Uint16Array;
}

/** No name begins so. Stays dead: it is nobody's parent. */
export const DEAD = 0;
export const ROOT = 1;

/** Codes of bytes: {@link NO_NAME_BYTE}, {@link FOREIGN_BYTE}, or a byte that names consist of. */
export const NO_NAME_BYTE = 0;
/** Part of an identifier, but of no name in any trie: `$` and whatever is not ASCII. */
export const FOREIGN_BYTE = 1;
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz_0123456789';
const FIRST_CODE = 2;
const CODES = FIRST_CODE + ALPHABET.length;
/** The parent of places that hold no node. */
const NOBODY = 0xffff;

/** A byte's code: the same for both cases of a letter. */
export function nameCode(byte: number): number {
  const i = ALPHABET.indexOf(String.fromCharCode(byte).toLowerCase());
  if (i >= 0 && byte < 0x80) return FIRST_CODE + i;
  return byte >= 0x80 || byte === 0x24 ? FOREIGN_BYTE : NO_NAME_BYTE;
}

interface Branch {
  readonly children: Map<number, Branch>;
  value: number;
}

function branchOf(names: ReadonlyMap<string, number>): Branch {
  const root: Branch = { children: new Map(), value: 0 };
  for (const [name, value] of names) {
    let at = root;
    for (const byte of Buffer.from(name, 'latin1')) {
      const code = nameCode(byte);
      if (code < FIRST_CODE) throw new RangeError(`not a name: ${name}`);
      let next = at.children.get(code);
      if (next === undefined) {
        next = { children: new Map(), value: 0 };
        at.children.set(code, next);
      }
      at = next;
    }
    at.value = value;
  }
  return root;
}

/** The lowest base from which all codes lead to free places. @param free the first free place */
function firstFit(used: Uint8Array, free: number, codes: readonly number[]): number {
  const first = codes[0] ?? 0;
  for (let place = free; ; place++) {
    const base = place - first;
    if (codes.every((code) => used[base + code] === 0)) return base;
  }
}

/**
 * @param names of a-z, 0-9 and `_`, in any case
 * @throws RangeError on other bytes, or when they need more than 65,535 places
 */
export function buildNameTrie(names: ReadonlyMap<string, number>): NameTrie {
  const size = 0xffff;
  const base = new Uint16Array(size);
  const check = new Uint16Array(size).fill(NOBODY);
  const value = new Uint16Array(size);
  const used = new Uint8Array(size);
  // Free for children: every base is above zero.
  let lowest = ROOT + CODES;
  let end = lowest;
  const queue: [node: number, branch: Branch][] = [[ROOT, branchOf(names)]];
  // Grows while it is gone through.
  for (const [node, branch] of queue) {
    value[node] = branch.value;
    const codes = [...branch.children.keys()];
    if (codes.length === 0) continue;
    while (used[lowest] === 1) lowest++;
    const at = firstFit(used, lowest, codes);
    if (at + CODES >= size) throw new RangeError('too many names');
    base[node] = at;
    for (const [code, child] of branch.children) {
      used[at + code] = 1;
      check[at + code] = node;
      queue.push([at + code, child]);
    }
    end = Math.max(end, at + CODES);
  }
  // One alphabet beyond the last node, so that no step from any node leaves the arrays.
  return { base: base.slice(0, end), check: check.slice(0, end), value: value.slice(0, end) };
}
