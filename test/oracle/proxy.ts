import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { StartedProcess, Workspace } from '../bench/children.js';
import type { OracleServer } from './server.js';

/** The compiled program, from dist/test/oracle. */
export const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));

export interface RunningProxy {
  readonly host: string;
  readonly port: number;
  stop(): Promise<void>;
  /** What it logged last, for a report. */
  log(): readonly string[];
}

const LOG_LINES_KEPT = 20;
/** Longer than any hold of a plan lasts: a client that waits in vain is a difference. */
const QUERY_WAIT_TIMEOUT = '30s';

export async function startProxy(
  workspace: Workspace,
  server: OracleServer,
  options: { readonly main: string; readonly poolSize: number },
): Promise<RunningProxy> {
  const started = workspace.start(
    'proxy',
    process.execPath,
    [
      ...['--enable-source-maps', options.main, server.url],
      ...['--listen', '127.0.0.1:0', '--http', 'off', '--log-level', 'info'],
      ...['--pool-size', String(options.poolSize), '--query-wait-timeout', QUERY_WAIT_TIMEOUT],
    ],
    { pipes: true },
  );
  const lines: string[] = [];
  const keep = (line: string): void => {
    lines.push(line);
    if (lines.length > LOG_LINES_KEPT) lines.shift();
  };
  const { stdout, stderr } = started.process;
  if (stdout === null || stderr === null) throw new TypeError('the proxy has no output');
  createInterface({ input: stderr }).on('line', keep);
  const address = await new Promise<string>((resolve, reject) => {
    let listening = '';
    createInterface({ input: stdout }).on('line', (line) => {
      keep(line);
      const found = /"listen":\["([\d.]+:\d+)"/.exec(line)?.[1];
      if (found !== undefined) listening = found;
      if (line.includes('"msg":"ready"')) resolve(listening);
    });
    started.process.once('exit', () => reject(new Error(`the proxy did not start:\n${lines.join('\n')}`)));
  });
  const colon = address.lastIndexOf(':');
  return {
    host: address.slice(0, colon),
    port: Number(address.slice(colon + 1)),
    stop: () => stopped(started),
    log: () => lines,
  };
}

/** Without grace: its clients are gone, and what is on the server is dropped anyway. */
async function stopped(started: StartedProcess): Promise<void> {
  started.process.kill('SIGKILL');
  await started.stop();
}
