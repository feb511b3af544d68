import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { quoteValue } from './problem.js';
import { Secret } from './secret.js';

/** A password, and where it was read. */
export interface PasswordSource {
  readonly password: Secret;
  /** Absolute path of the file it stands in, which may change; null where it was given as it is. */
  readonly file: string | null;
}

const quotePath = (path: string): string => quoteValue(path, path.length);

function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'EISDIR':
      return 'it is a directory';
    default:
      return code === '' ? String(error) : code;
  }
}

export type TextRead = { text: string; failure: null } | { text: null; failure: string };

/** A file's text, or why it cannot be had. Bytes that are no UTF-8 would silently become another password. */
export function readTextFile(path: string): TextRead {
  try {
    return decodeText(path, readFileSync(path));
  } catch (error) {
    return { text: null, failure: whyUnreadable(path, error) };
  }
}

export function decodeText(path: string, bytes: Buffer): TextRead {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), failure: null };
  } catch {
    return { text: null, failure: `cannot read ${quotePath(path)}: it is not UTF-8 text` };
  }
}

export function whyUnreadable(path: string, error: unknown): string {
  return `cannot read ${quotePath(path)}: ${reason(error)}`;
}

/** The password that a file's text is. `path` as it was written, for the message, which never holds any of the text. */
export function passwordIn(path: string, text: string): { password: Secret } | { failure: string } {
  const password = text.replace(/\r?\n$/, '');
  if (password === '') return { failure: `${quotePath(path)} is empty` };
  if (/[\r\n\0]/.test(password))
    return { failure: `${quotePath(path)} holds more than one line, or a NUL byte` };
  return { password: new Secret(password) };
}

/** @param directory - where a relative path starts */
export function readPasswordFile(path: string, directory: string): PasswordSource | { failure: string } {
  const file = resolve(directory, path);
  const { text, failure } = readTextFile(file);
  if (text === null) return { failure: failure.replace(quotePath(file), quotePath(path)) };
  const read = passwordIn(path, text);
  return 'failure' in read ? read : { password: read.password, file };
}
