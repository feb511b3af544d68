import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { startProxy } from '../support/proxy.js';
import { forEachServer, type TestServer } from '../support/servers.js';
import { succeeds } from './conformance.js';

const CLIENTS = 64;
const POOL_SIZE = 8;
/** The session that KILLs are sent over and, for moments, the one that reads definitions. */
const OWN_SESSIONS = 2;
const TABLE = ['--tables=1', '--table-size=5000'];
const LOADS = [
  { script: 'oltp_point_select', events: 8000 },
  { script: 'oltp_read_write', events: 800 },
];
const SAMPLE_MS = 25;
const TIMEOUT_MS = 300_000;
const MISSING = 'sysbench is missing: install sysbench';

/** @returns everything it printed, and its exit code */
async function sysbench(args: readonly string[]): Promise<{ output: string; code: unknown }> {
  const child = spawn('sysbench', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      output += data.toString();
    });
  }
  const [code] = await once(child, 'close');
  return { output, code };
}

/** Looks at an account's sessions on the server until `work` is done. @returns its result, and the most sessions seen at once */
async function watched<Result>(
  server: TestServer,
  user: string,
  work: Promise<Result>,
): Promise<[Result, number]> {
  let most = 0;
  let done = false;
  const watch = async () => {
    while (!done) {
      most = Math.max(most, (await server.sessions(user)).length);
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
  };
  const watching = watch();
  try {
    return [await work, most];
  } finally {
    done = true;
    await watching;
  }
}

function figure(output: string, name: string): number {
  return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(output)?.[1] ?? Number.NaN);
}

const isThere = await succeeds(['sysbench', '--version']);
const options = isThere || process.env['CI'] === 'true' ? {} : { skip: MISSING };

await t.test(
  '64 clients of sysbench over 8 server sessions',
  { ...options, timeout: TIMEOUT_MS },
  async (t) => {
    if (!isThere) {
      t.fail(MISSING);
      return;
    }
    await forEachServer(
      t,
      async (t, server) => {
        const schema = await server.createDatabase();
        const { user, password, url } = await server.createUser();
        const proxy = await startProxy(t, {
          upstream: url(schema),
          flags: ['--pool-size', String(POOL_SIZE), '--query-wait-timeout', '60s', '--log-level', 'info'],
        });
        const login = [
          '--db-driver=mysql',
          `--mysql-host=${proxy.host}`,
          `--mysql-port=${proxy.port}`,
          `--mysql-user=${user}`,
          `--mysql-password=${password}`,
          `--mysql-db=${schema}`,
        ];
        const prepared = await sysbench(['oltp_read_write', ...login, ...TABLE, 'prepare']);
        t.equal(prepared.code, 0, 'the table is made', { output: prepared.output });

        for (const { script, events } of LOADS) {
          for (const mode of ['auto', 'disable']) {
            const args = [script, ...login, ...TABLE, `--db-ps-mode=${mode}`, '--rand-type=uniform'];
            const limits = [`--threads=${CLIENTS}`, `--events=${events}`, '--time=0'];
            const [{ output, code }, most] = await watched(
              server,
              user,
              sysbench([...args, ...limits, 'run']),
            );
            const what = `${script} with db-ps-mode=${mode}`;
            t.equal(code, 0, `${what} ends without an error`, { output });
            t.equal(figure(output, 'total number of events'), events, `${what} did all its work`, { output });
            t.equal(figure(output, 'reconnects'), 0, `${what} kept its connections`, { output });
            t.ok(most >= 2 && most <= POOL_SIZE + OWN_SESSIONS, `${what} used ${most} server sessions`);
          }
        }
      },
      { timeout: TIMEOUT_MS },
    );
  },
);
