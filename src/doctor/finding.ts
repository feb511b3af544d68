/** How a finding bears on whether the proxy will work. */
export const Level = {
  Ok: 'ok',
  /** It works, but not as well as it could, or not all that could matter was seen. */
  Warn: 'warn',
  /** It does not start, or clients will get errors. */
  Fail: 'fail',
} as const;
export type Level = (typeof Level)[keyof typeof Level];

/** One thing that was looked at. None of its fields ever holds a password. */
export interface Finding {
  readonly level: Level;
  /** What was looked at, in a few words: `login app`. */
  readonly about: string;
  /** What was found. */
  readonly text: string;
  /** What to do about it; null where nothing needs to be done. */
  readonly advice: string | null;
}

export function ok(about: string, text: string): Finding {
  return { level: Level.Ok, about, text, advice: null };
}

export function warn(about: string, text: string, advice: string): Finding {
  return { level: Level.Warn, about, text, advice };
}

export function fail(about: string, text: string, advice: string): Finding {
  return { level: Level.Fail, about, text, advice };
}

/** One line for each, in columns; some texts come from the server, with line breaks in them. */
export function findingLines(findings: readonly Finding[]): string {
  const width = Math.max(0, ...findings.map(({ about }) => about.length));
  const lines = findings.map(({ level, about, text, advice }) => {
    const said = (advice === null ? text : `${text}. ${advice}`).replaceAll(/\s+/g, ' ');
    return `${level.padEnd(4)}  ${about.padEnd(width)}  ${said}\n`;
  });
  return lines.join('');
}

/** `1 session`, `2 sessions`. */
export function count(n: number, noun: string, plural = `${noun}s`): string {
  return `${n} ${n === 1 ? noun : plural}`;
}

/** The first few of a list that may be long. */
export function someOf(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
