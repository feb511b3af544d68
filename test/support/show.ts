import type { Test } from 'tap';

/** What {@link show} puts before each line of a comment. */
export const SHOWN = '| ';

/** A comment that the runner prints below the file's result, whether it passed or not: other comments are printed nowhere. */
export function show(t: Test, text: string): void {
  // As one string: it may have percent signs, and a comment of several lines would have its mark in the first alone.
  for (const line of text.split('\n')) t.comment(`${SHOWN}${line}`);
}
