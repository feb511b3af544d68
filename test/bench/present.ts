/** What the bench prints, and writes for people. */
import { writeFileSync } from 'node:fs';
import type { Circumstances } from './machine.js';
import { heading, type Report } from './report.js';
import { markdownTable, plainTable } from './tables.js';
import { type Verdict, verdictTable } from './verdict.js';

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function present({ scenario, server, table, notes }: Report): void {
  say(`\n${heading(scenario)} (${server})\n`);
  say(plainTable(table));
  for (const note of notes) {
    say(`! ${note}`);
  }
}

export function presentVerdict(verdicts: readonly Verdict[]): void {
  if (verdicts.length > 0) {
    say(`\nThe limits of the project:\n\n${plainTable(verdictTable(verdicts))}`);
  }
}

export const LEGEND = `Medians over the rounds (max and stall: the worst of all); ± is half the distance between the best and the worst round; a
ratio is the median of the rounds' own ratios, with ~ where they differ so much that it means nothing; a target over unix
sockets is held against those over unix sockets. Latency in rw-* is a whole transaction's. stall: the longest time without a
reply to anyone. slowest client: what it got done, of what the client in the middle did (the worst round). sessions: server
sessions of the target's account at their most, control connections included. Idle clients: RSS of the proxy, as it is by itself; ± is
what it moved by while nobody did anything; held is what it gave back when they left, garbage having been collected before and
after: the difference to each is garbage, and what the proxy keeps for the next clients.`;

export function markdown(
  about: Circumstances,
  reports: readonly Report[],
  verdicts: readonly Verdict[],
): string {
  const intro = `${about.machine}; ${about.versions.join(', ')}; \`${about.command}\` (${about.rounds} rounds of ${about.seconds} s, ${about.date})`;
  const sections = reports.map((report) => {
    const notes = report.notes.map((note) => `- ${note}`).join('\n');
    return `### ${heading(report.scenario)} (${report.server})\n\n${markdownTable(report.table)}\n${notes === '' ? '' : `\n${notes}\n`}`;
  });
  const limits = verdicts.length === 0 ? [] : [`### Limits\n\n${markdownTable(verdictTable(verdicts))}\n`];
  return `${intro}\n\n${LEGEND}\n\n${[...sections, ...limits].join('\n')}`;
}

export function writeText(file: string, text: string): void {
  writeFileSync(file, text.endsWith('\n') ? text : `${text}\n`);
}
