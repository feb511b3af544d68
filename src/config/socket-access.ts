import { readFileSync } from 'node:fs';
import { InvalidValue, quoteValue } from './problem.js';

/** Largest id that the kernel takes; the one above means "leave it as it is". */
const LARGEST_ID = 0xffff_fffe;

/** Permission bits as chmod takes them: `0660`, `660` or `0o660`. @throws InvalidValue */
export function parseMode(text: string): number {
  const digits = /^(?:0o?)?([0-7]{3})$/.exec(text)?.[1];
  if (digits === undefined) {
    throw new InvalidValue(`${quoteValue(text)} is not a mode of three octal digits, such as 0660`);
  }
  return Number.parseInt(digits, 8);
}

/** The id that a line `name:password:ID:...` gives to a name. */
function lookUp(name: string, path: string): number | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new InvalidValue(
      `${quoteValue(name)} cannot be looked up, as ${path} cannot be read; give its number`,
      {
        cause: error,
      },
    );
  }
  for (const line of text.split('\n')) {
    const [found, , id = ''] = line.split(':');
    if (found === name && /^\d+$/.test(id)) return Number(id);
  }
  return null;
}

function idOf(text: string, what: string, path: string): number {
  if (/^\d+$/.test(text)) {
    const id = Number(text);
    if (id <= LARGEST_ID) return id;
    throw new InvalidValue(`${quoteValue(text)} is more than the largest id, ${LARGEST_ID}`);
  }
  const id = lookUp(text, path);
  if (id !== null) return id;
  throw new InvalidValue(
    `there is no ${what} ${quoteValue(text)} in ${path}; one that comes from elsewhere is given by its number`,
  );
}

/** A user's id: the number itself, or that of a name. @throws InvalidValue */
export function parseOwner(text: string, passwd = '/etc/passwd'): number {
  return idOf(text, 'user', passwd);
}

/** A group's id, as {@link parseOwner}. @throws InvalidValue */
export function parseGroup(text: string, group = '/etc/group'): number {
  return idOf(text, 'group', group);
}
