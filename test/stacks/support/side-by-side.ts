import type { Test } from 'tap';
import { show } from '../../support/show.js';

/** The same counts directly against the server and through the proxy, as a table that the runner shows. */
export function sideBySide(
  t: Test,
  title: string,
  direct: Readonly<Record<string, number | string>>,
  proxied: Readonly<Record<string, number | string>>,
): void {
  const names = [...new Set([...Object.keys(direct), ...Object.keys(proxied)])];
  const width = Math.max(title.length, ...names.map((name) => name.length));
  const row = (name: string, left: string, right: string): string =>
    `${name.padEnd(width)}  ${left.padStart(12)}  ${right.padStart(12)}`;
  show(t, row(title, 'direct', 'proxied'));
  for (const name of names) show(t, row(name, String(direct[name] ?? ''), String(proxied[name] ?? '')));
}
