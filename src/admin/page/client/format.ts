const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const hundredths = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });
const twoDigits = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', hour12: false });
const exactClock = new Intl.DateTimeFormat([], { timeStyle: 'medium', hour12: false });

/* A number is not torn from its unit. */

/** What is not known, or was not measured. */
export const NOTHING = '–';

/** With about three digits. */
export function number(value: number | null): string {
  if (value === null) return NOTHING;
  return (value >= 100 || Number.isInteger(value) ? whole : value >= 10 ? tenths : hundredths).format(value);
}

/** For axes. */
export function short(value: number): string {
  return value >= 10_000 ? compact.format(value) : hundredths.format(value);
}

/** Of milliseconds, with about two digits. */
export function duration(ms: number | null): string {
  if (ms === null) return NOTHING;
  if (ms < 1_000) return `${ms < 10 ? twoDigits.format(ms) : whole.format(ms)}\u00a0ms`;
  const seconds = ms / 1_000;
  if (seconds < 60) return `${tenths.format(seconds)}\u00a0s`;
  return span(Math.floor(seconds));
}

/** Of whole seconds, by the two largest units. */
export function span(seconds: number): string {
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return '0\u00a0s';
  return parts
    .slice(first, first + 2)
    .filter(([value], i) => i === 0 || value > 0)
    .map(([value, unit]) => `${value}\u00a0${unit}`)
    .join(' ');
}

export function bytes(value: number): string {
  let [rest, unit] = [value, 0];
  while (rest >= 1_024 && unit < 4) {
    rest /= 1_024;
    unit++;
  }
  return `${unit === 0 ? whole.format(rest) : tenths.format(rest)}\u00a0${['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
}

/** Of ms since the epoch: hours and minutes, here. */
export function timeOfDay(ms: number): string {
  return clock.format(ms);
}

/** And seconds. */
export function exactTime(ms: number): string {
  return exactClock.format(ms);
}
