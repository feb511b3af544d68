import type { Outcome } from './login-client.js';
import type { Result } from './matrix.js';

/** What a cell of the table says. */
function word(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'in':
      return outcome.via === 'nothing' ? 'in' : outcome.via;
    case 'refused':
      return String(outcome.errno);
    case 'gave up':
      return 'gives up';
    case 'no TLS':
    case 'TLS failed':
    case 'ended':
      return outcome.kind;
  }
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

/** One row for each user and password, one column for each kind of client; what transport and TLS make different is listed. */
function table(results: readonly Result[]): string[] {
  const kinds = unique(results.map(({ cell }) => cell.kind.name));
  const rowOf = ({ cell }: Result): string => `${cell.attempt.source.name}: ${cell.attempt.name}`;
  const rows = unique(results.map(rowOf)).map((row) => [
    row,
    ...kinds.map((kind) => {
      const ours = results.filter((result) => rowOf(result) === row && result.cell.kind.name === kind);
      return unique(ours.map(({ outcome, isRight }) => `${word(outcome)}${isRight ? '' : '!'}`)).join('/');
    }),
  ]);
  const lines = [['', ...kinds], ...rows];
  const widths =
    lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  return lines.map((line) =>
    line
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** How many of each transport and TLS. */
function counts(results: readonly Result[]): string[] {
  const groupOf = ({ cell }: Result): string => `${cell.transport}, ${cell.tls.name}`;
  return unique(results.map(groupOf)).map((group) => {
    const ours = results.filter((result) => groupOf(result) === group);
    const inside = ours.filter(({ outcome }) => outcome.kind === 'in').length;
    const wrong = ours.filter(({ isRight }) => !isRight).length;
    return `${group}: ${inside} logged in, ${ours.length - inside} refused, ${wrong} wrong`;
  });
}

export function reportLines(title: string, results: readonly Result[]): string[] {
  return [`== ${title}: ${results.length} cells`, ...table(results), '', ...counts(results), ''];
}
