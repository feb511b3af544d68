import { inspect } from 'node:util';
import type { Failure, FileResult } from './run-file.js';
import { SHOWN } from './show.js';

function indent(text: string, by: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => (line === '' ? line : by + line))
    .join('\n');
}

function detail(key: string, value: unknown): string {
  if (typeof value !== 'string') {
    return `${key}: ${inspect(value, { depth: 10, breakLength: 100, maxStringLength: null })}`;
  }
  return value.trimEnd().includes('\n') ? `${key}:\n${indent(value, '  ')}` : `${key}: ${value.trimEnd()}`;
}

function failureText({ path, details }: Failure): string {
  // `at` is the first line of the stack again.
  const entries = Object.entries(details).filter(([key]) => key !== 'at' || details['stack'] === undefined);
  const lines = entries.map(([key, value]) => indent(detail(key, value), '      '));
  return [`    not ok: ${path.join(' > ')}`, ...lines].join('\n');
}

function counts({ passed, failed, skipped }: Pick<FileResult, 'passed' | 'failed' | 'skipped'>): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** One line for a file that passed, and what it has to show; everything known about one that did not. */
export function fileReport(result: FileResult): string {
  const mark = result.failed > 0 ? 'FAILED' : 'ok';
  const line = `${mark.padEnd(6)} ${result.name}: ${counts(result)} (${result.seconds.toFixed(1)} s)`;
  const shown = result.shown.map((text) => indent(`${SHOWN}${text}`, '    '));
  if (result.failed === 0) return [line, ...shown].join('\n');
  const printed = result.output.trim() === '' ? [] : ['    it printed:', indent(result.output, '      ')];
  return [line, ...shown, ...result.failures.map(failureText), ...printed, ''].join('\n');
}

export interface Summary {
  readonly text: string;
  readonly ok: boolean;
}

/** The end of a run; its last line is `N passed, N failed`, with the skipped ones when there are any. */
export function summary(results: readonly FileResult[]): Summary {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const skips = new Map<string, string[]>();
  for (const result of results) {
    total.passed += result.passed;
    total.failed += result.failed;
    total.skipped += result.skipped;
    for (const reason of result.skips) skips.set(reason, [...(skips.get(reason) ?? []), result.name]);
  }
  const lines = [''];
  for (const [reason, files] of skips) lines.push(`skipped, ${reason}: ${files.join(', ')}`);
  for (const { name, failures } of results) {
    for (const { path } of failures) lines.push(`failed: ${name}: ${path.join(' > ')}`);
  }
  if (total.passed + total.failed === 0) lines.push('no test was run');
  return {
    text: [...lines, counts(total)].join('\n'),
    ok: total.failed === 0 && total.passed > 0,
  };
}
