/** `npm run matrix`: runs the whole matrix of logins and prints its tables. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { REPORT_VARIABLE } from './run-matrix.js';

const folder = await mkdtemp(join(tmpdir(), 'mybouncer-matrix-'));
const report = join(folder, 'report');
const runner = fileURLToPath(new URL('../run.js', import.meta.url));
try {
  const child = spawn(process.execPath, ['--enable-source-maps', runner, 'login-matrix/'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, [REPORT_VARIABLE]: report },
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  const tables = await readFile(report, 'utf8').catch(() => '');
  process.stdout.write(`${tables}${said}`);
  process.exitCode = Number(code ?? 1);
} finally {
  await rm(folder, { recursive: true });
}
