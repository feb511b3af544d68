import type { Advice } from './advise.js';
import { Severity } from './finding.js';

/** For a person: a line for what was found, and one each for the numbers and what to do. */
export function adviceLines({ findings }: Advice): string {
  const width = Math.max(0, ...findings.map(({ about }) => about.length));
  const indent = ' '.repeat(6 + width + 2);
  return findings
    .map(({ severity, about, what, why, toDo }) =>
      [
        `${severity.padEnd(4)}  ${about.padEnd(width)}  ${oneLine(what)}`,
        ...(why === '' ? [] : [`${indent}why: ${oneLine(why)}`]),
        ...(toDo === null ? [] : [`${indent}do:  ${oneLine(toDo)}`]),
        '',
      ].join('\n'),
    )
    .join('');
}

/** Whether clients got errors that something can be done about. */
export function hasFailures({ findings }: Advice): boolean {
  return findings.some(({ severity }) => severity === Severity.Fail);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
