const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** A duration as the configuration has it, in seconds. */
export function seconds(text: string): number {
  let sum = 0;
  for (const [, number, unit = ''] of text.matchAll(/(\d+)(ms|s|m|h)/g))
    sum += Number(number) * (UNITS[unit] ?? 0);
  return sum;
}
