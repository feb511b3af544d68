import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Advice } from '../../../src/advice/advise.js';
import type { AdviceFinding } from '../../../src/advice/finding.js';
import type { ProxyProcess } from '../../support/proxy.js';

const MAIN = fileURLToPath(new URL('../../../src/main.js', import.meta.url));

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `mybouncer advise`, as its users run it. */
export function runAdvise(...args: readonly string[]): Promise<Ended> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => name !== 'DATABASE_URL' && !name.startsWith('MYBOUNCER_')),
  );
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, 'advise', ...args], { env }, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
      resolve({ code, stdout, stderr });
    });
  });
}

/** `--http HOST:PORT` of a proxy. */
export const httpOf = ({ http }: ProxyProcess): readonly [string, string] => [
  '--http',
  http.replace('http://', ''),
];

export async function adviceOf(proxy: ProxyProcess, query = ''): Promise<Advice> {
  return (await (await fetch(`${proxy.http}/advice${query}`)).json()) as Advice;
}

/** What is said about something; undefined where nothing is. */
export async function adviceAbout(proxy: ProxyProcess, about: string): Promise<AdviceFinding | undefined> {
  const { findings } = await adviceOf(proxy);
  return findings.find((one) => one.about === about);
}
