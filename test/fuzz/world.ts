import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type App, startApp } from '../../src/app/app.js';
import { completeConfigWithUrl, loadSettings } from '../../src/config/load.js';
import type { KeyName } from '../../src/config/schema.js';
import { createLogger } from '../../src/observability/logger.js';

/** Somebody whose password is only known as a hash: logs in by the long way. */
export const HASHED = { name: 'hashed', password: 'secret pass' };
/** What MySQL 9.7 stored for it. */
const HASH = `0x${Buffer.concat([
  Buffer.from('$A$00A$'),
  Buffer.from('1B717179484E3F6F740B38617B4A0B25581F6F39', 'hex'),
  Buffer.from('tg6yuVH14ecw2aC.QVhe3BUXb.5xme4rKsvHqi7T/H1'),
]).toString('hex')}`;

/** The proxy in this process, and what it logs. */
export interface FuzzWorld {
  readonly app: App;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly schema: string;
  /** Messages at warn and above, and how often each came. */
  readonly logged: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

/** Small limits, so that they are met; short times, so that whoever waits is done soon. */
const VALUES: Partial<Record<KeyName, string>> = {
  listen: '127.0.0.1:0',
  http: 'off',
  pool_size: '4',
  max_packet_size: '2MiB',
  client_login_timeout: '5s',
  query_wait_timeout: '5s',
  server_connect_timeout: '2s',
  server_login_retry: '10ms',
  fork_guard: 'off',
  fleet: 'off',
  max_prepared_statements: '20',
};

export async function openFuzzWorld(upstream: string): Promise<FuzzWorld> {
  const url = new URL(upstream);
  const logged = new Map<string, number>();
  const app = await open(upstream, (line) => {
    const { level, msg } = JSON.parse(line) as { level: string; msg: string };
    if (level === 'debug' || level === 'info') return;
    logged.set(`${level}: ${msg}`, (logged.get(`${level}: ${msg}`) ?? 0) + 1);
  });
  const [listening] = app.addresses.listen;
  return {
    app,
    host: '127.0.0.1',
    port: Number(listening?.split(':').at(-1)),
    user: url.username,
    password: url.password,
    schema: url.pathname.slice(1),
    logged,
    close: async () => {
      app.kill();
      await app.closed;
    },
  };
}

async function open(upstream: string, write: (line: string) => void): Promise<App> {
  const folder = await mkdtemp(join(tmpdir(), 'fuzz-'));
  try {
    const configFile = join(folder, 'mybouncer.yaml');
    const { username, password } = new URL(upstream);
    await writeFile(
      configFile,
      `users:\n  - {name: ${HASHED.name}, hash: '${HASH}', server_user: ${username}, server_password: ${password}}\n`,
    );
    const flags = Object.entries(VALUES).map(
      ([key, value]) => [key as KeyName, { source: key, values: [value] }] as const,
    );
    const settings = loadSettings({ flags: new Map(flags), configFile, env: {} });
    const logger = createLogger('debug', { write });
    return await startApp(completeConfigWithUrl(settings, upstream), { logger });
  } finally {
    await rm(folder, { recursive: true });
  }
}
