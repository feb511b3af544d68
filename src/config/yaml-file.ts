import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLError,
} from 'yaml';
import type { Problem } from './problem.js';

type Path = readonly (string | number)[];

/**
 * A configuration file as plain values: every scalar is text, whatever it looks like, and one left out after its colon is null.
 */
export interface YamlFile {
  readonly values: ReadonlyMap<string, unknown>;
  /** `FILE:LINE:COLUMN` of the value at the path, or of the nearest thing around it. */
  locate(path: Path): string;
  /** The same for the key that the path ends in, rather than its value. */
  locateKey(path: Path): string;
}

/** users → entry → key → value is the deepest that means anything. */
const DEEPEST = 4;

/** What can be a key at all; anything else is no misspelt name but a misread file, and is not shown. */
const KEY_TEXT = /^[\w.-]{1,64}$/;

const AMBIGUOUS = 'put values that begin with one of ! & * @ ` % | > [ { # in quotes';

/**
 * What a syntax error is, in our own words: the library's messages quote the text at the place, which may be a password.
 */
function explain(error: YAMLError): string {
  switch (error.code) {
    case 'MULTIPLE_DOCS':
      return 'has a second document after ---; only one can be used';
    case 'TAB_AS_INDENT':
      return 'is indented by a tab; YAML wants spaces';
    case 'BAD_INDENT':
      return 'is not indented like the lines around it, or a bracket above it is not closed';
    case 'BAD_ALIAS':
    case 'BAD_SCALAR_START':
    case 'TAG_RESOLVE_FAILED':
    case 'BAD_COLLECTION_TYPE':
    case 'MULTIPLE_TAGS':
    case 'MULTIPLE_ANCHORS':
      return `cannot be read as YAML; ${AMBIGUOUS}`;
    case 'BAD_DQ_ESCAPE':
      return 'has an unknown \\ escape inside double quotes; single quotes take every character as it is';
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'MULTILINE_IMPLICIT_KEY':
      return 'has a colon or line break where YAML cannot have one; write each key as "key: value" on a line of its own';
    case 'MISSING_CHAR':
      return 'lacks a closing quote, bracket or comma, or a colon and space after a key';
    default:
      return `cannot be read as YAML here (${error.code.toLowerCase().replaceAll('_', ' ')}); ${AMBIGUOUS}`;
  }
}

class Reader {
  readonly problems: Problem[] = [];
  readonly #name: string;
  readonly #document: Document;
  readonly #lines: LineCounter;
  readonly #values = new Map<string, string>();
  readonly #keys = new Map<string, string>();

  constructor(name: string, document: Document, lines: LineCounter) {
    this.#name = name;
    this.#document = document;
    this.#lines = lines;
  }

  at(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.#name}:${line}:${col}`;
  }

  complain(offset: number, key: string | null, message: string): void {
    this.problems.push({ source: this.at(offset), key, message });
  }

  locate(path: Path): string {
    for (let length = path.length; length >= 0; length--) {
      const found = this.#values.get(JSON.stringify(path.slice(0, length)));
      if (found !== undefined) return found;
    }
    return this.#name;
  }

  locateKey(path: Path): string {
    return this.#keys.get(JSON.stringify(path)) ?? this.locate(path);
  }

  /** Plain values; positions are noted on the way. An alias counts at the place where it stands. */
  read(given: Node | null, path: Path, atOffset: number): unknown {
    const offset = given?.range?.[0] ?? atOffset;
    this.#values.set(JSON.stringify(path), this.at(offset));
    const node = isAlias(given) ? given.resolve(this.#document) : given;
    if (node === undefined) {
      this.complain(offset, null, `begins with * and names no anchor; ${AMBIGUOUS}`);
      return '';
    }
    // Also what ends an anchor that contains itself.
    if (path.length > DEEPEST) return {};
    if (isMap(node)) return Object.fromEntries(this.entries(node, path));
    if (isSeq(node))
      return node.items.map((item, index) => this.read(item as Node | null, [...path, index], offset));
    if (!isScalar(node)) return null;
    const leftOut = node.type === 'PLAIN' && node.value === '';
    return leftOut || node.value === null ? null : String(node.value);
  }

  entries(node: unknown, path: Path): Map<string, unknown> {
    const found = new Map<string, unknown>();
    for (const { key, value } of isMap<Node, Node | null>(node) ? node.items : []) {
      const offset = key.range?.[0] ?? 0;
      if (!isScalar(key) || typeof key.value !== 'string' || !KEY_TEXT.test(key.value)) {
        this.complain(
          offset,
          null,
          `has something other than the name of a key before the colon; ${AMBIGUOUS}`,
        );
        continue;
      }
      const inner = [...path, key.value];
      const first = this.#keys.get(JSON.stringify(inner));
      if (found.has(key.value)) {
        this.complain(offset, labelOf(inner), `is set twice, first at ${first ?? 'another place'}`);
        continue;
      }
      this.#keys.set(JSON.stringify(inner), this.at(offset));
      found.set(key.value, this.read(value, inner, offset));
    }
    return found;
  }
}

/** `users[1].hash` for its path. */
export function labelOf(path: Path): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join('');
}

/**
 * Reads a configuration file's text. With a syntax error nothing else is looked at: what follows from one is noise.
 * @param name - the file's name as the user gave it, for the positions
 */
export function readYaml(text: string, name: string): { file: YamlFile; problems: readonly Problem[] } {
  const lines = new LineCounter();
  // The failsafe schema knows only text, lists and maps: no value is guessed into a number or a truth value and back.
  const document = parseDocument(text, {
    schema: 'failsafe',
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
  });
  const reader = new Reader(name, document, lines);
  for (const error of [...document.errors, ...document.warnings])
    reader.complain(error.pos[0], null, explain(error));
  let values = new Map<string, unknown>();
  if (reader.problems.length === 0) {
    const root = document.contents;
    const empty = root === null || (isScalar(root) && root.value === '');
    if (isMap(root)) values = reader.entries(root, []);
    else if (!empty) reader.complain(root.range?.[0] ?? 0, null, 'is not a list of "key: value" lines');
  }
  const file: YamlFile = {
    values,
    locate: (path) => reader.locate(path),
    locateKey: (path) => reader.locateKey(path),
  };
  return { file, problems: reader.problems };
}
