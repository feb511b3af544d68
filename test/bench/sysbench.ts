import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { StartedProcess, Workspace } from './children.js';
import { BenchError } from './errors.js';
import { type HistogramEntry, percentile } from './histogram.js';
import type { Address } from './load/plan.js';
import type { Credentials } from './load/wire.js';
import type { LoadFigures } from './measurement.js';
import { type LoadScenario, type SysbenchLoad, TABLE_ROWS, TABLES } from './scenarios.js';

/** What a run printed, after the last checkpoint (the end of the warm-up); `totalQueries` is with the warm-up. */
export interface SysbenchReport extends LoadFigures {
  readonly totalQueries: number;
}

export async function sysbenchVersion(): Promise<string | undefined> {
  const child = spawn('sysbench', ['--version'], { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const [ended] = await Promise.race([once(child, 'close'), missing(child)]);
  return ended === 0 ? text.trim() : undefined;
}

async function missing(child: ReturnType<typeof spawn>): Promise<[undefined]> {
  await new Promise((resolve) => child.once('error', resolve));
  return [undefined];
}

export function sysbenchArguments(
  scenario: LoadScenario,
  load: SysbenchLoad,
  target: { address: Address; credentials: Credentials },
  timing: { warmupSeconds: number; seconds: number },
): string[] {
  const { address } = target;
  // It counts in whole seconds.
  const warmup = Math.ceil(timing.warmupSeconds);
  return [
    load.script,
    ...('path' in address
      ? [`--mysql-socket=${address.path}`]
      : [`--mysql-host=${address.host}`, `--mysql-port=${address.port}`]),
    `--mysql-user=${target.credentials.user}`,
    `--mysql-password=${target.credentials.password}`,
    `--mysql-db=${target.credentials.database}`,
    `--db-ps-mode=${load.prepared ? 'auto' : 'disable'}`,
    `--tables=${TABLES}`,
    `--table-size=${TABLE_ROWS}`,
    `--threads=${scenario.clients}`,
    '--rand-type=uniform',
    // The checkpoint ends the warm-up: what is reported after it counts from there.
    `--report-checkpoints=${warmup}`,
    `--time=${warmup + Math.ceil(timing.seconds)}`,
    '--histogram=on',
    'run',
  ];
}

/** Runs sysbench; `child` is handed out so that its CPU time can be sampled while it runs. */
export async function runSysbench(
  workspace: Workspace,
  args: readonly string[],
  options: { deadlineMs: number; signal: AbortSignal; onStart(child: StartedProcess): void },
): Promise<SysbenchReport> {
  const started = workspace.start('sysbench', 'sysbench', args, { pipes: true });
  options.onStart(started);
  let text = '';
  for (const stream of [started.process.stdout, started.process.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  const timer = setTimeout(() => started.process.kill('SIGKILL'), options.deadlineMs);
  const abort = () => started.process.kill('SIGKILL');
  options.signal.addEventListener('abort', abort);
  try {
    const [code, signal]: unknown[] = await once(started.process, 'close');
    options.signal.throwIfAborted();
    if (code !== 0) {
      throw new BenchError('sysbench_failed', `sysbench ended with ${code ?? signal}: ${complaints(text)}`);
    }
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', abort);
  }
  return parseSysbench(text);
}

/** The different lines in which sysbench reports faults; numbers and addresses vary and are not repeated. */
function complaints(text: string): string {
  const lines = text.split('\n').filter((line) => /^(FATAL|ALERT|PANIC|\(last message)/.test(line));
  return [...new Set(lines)].slice(0, 5).join('\n') || 'it did not end in time';
}

/** Reads sysbench's output: the figures of the part behind the last checkpoint. */
export function parseSysbench(text: string): SysbenchReport {
  const reports = text.split(/^Latency histogram .*$/m).slice(1);
  const last = reports.at(-1);
  if (last === undefined) {
    throw new BenchError('sysbench_output', `sysbench printed no histogram: ${complaints(text)}`);
  }
  const histogram = parseHistogram(last);
  const reconnects = field(last, /reconnects:\s+(\d+)/);
  return {
    rate: field(last, /^\s+queries:\s+\d+\s+\(([\d.]+) per sec/m),
    totalQueries: [...text.matchAll(/^\s+queries:\s+(\d+)/gm)].reduce(
      (sum, match) => sum + Number(match[1]),
      0,
    ),
    p50: percentile(histogram, 50),
    p95: percentile(histogram, 95),
    p99: percentile(histogram, 99),
    p999: percentile(histogram, 99.9),
    max: field(last, /^\s+max:\s+([\d.]+)/m),
    stall: undefined,
    lag: undefined,
    bytesPerSecond: undefined,
    fairness: undefined,
    unanswered: undefined,
    errors: reconnects,
    errorTexts: reconnects > 0 ? ['sysbench had to connect again'] : [],
    conflicts: field(last, /ignored errors:\s+(\d+)/),
  };
}

function field(text: string, pattern: RegExp): number {
  const value = pattern.exec(text)?.[1];
  if (value === undefined) {
    throw new BenchError('sysbench_output', `sysbench printed nothing like ${pattern.source}`);
  }
  return Number(value);
}

function parseHistogram(text: string): HistogramEntry[] {
  return [...text.matchAll(/^\s+([\d.]+) \|\**\s+(\d+)$/gm)].map((match) => [
    Number(match[1]),
    Number(match[2]),
  ]);
}
