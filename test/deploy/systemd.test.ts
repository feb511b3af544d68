import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createConnection } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { temporaryFolder } from '../stacks/support/folder.js';
import { eventually } from '../support/proxied.js';
import { withoutHooks } from '../support/proxy.js';
import { forEachServer } from '../support/servers.js';
import { watched } from '../support/watched.js';
import { MAIN } from './support/check-config.js';
import { readDeployed } from './support/deploy-files.js';
import { run, skipWithout } from './support/program.js';

/* The units of deploy/systemd. No systemd manages this machine: they are verified, and what they grant is tried. */

const PROGRAM = '/usr/local/bin/mybouncer';
const UNITS = ['mybouncer.service', 'mybouncer.socket'] as const;
/** systemd's own scale: 10 is no protection at all. */
const MOST_EXPOSED = 2.5;

const skip = await skipWithout(['systemd-analyze', '--version'], 'systemd');

/** The values of a key, in their order. */
function settings(unit: string, key: string): readonly string[] {
  return [...readDeployed(`systemd/${unit}`).matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(
    ([, value = '']) => value,
  );
}

/** The units with a program that this machine has. @returns their paths */
async function installed(t: Test): Promise<readonly string[]> {
  const folder = await temporaryFolder(t);
  const paths = UNITS.map((unit) => join(folder, unit));
  for (const [i, unit] of UNITS.entries())
    await writeFile(paths[i] ?? '', readDeployed(`systemd/${unit}`).replaceAll(PROGRAM, process.execPath));
  return paths;
}

t.test('systemd-analyze verify', { skip }, async (t) => {
  const [service = '', socket = ''] = await installed(t);
  t.same(await run(['systemd-analyze', 'verify', '--man=no', service, socket]), { code: 0, output: '' });

  // What it says of a mistake.
  await writeFile(service, readDeployed('systemd/mybouncer.service').replace('WatchdogSec=', 'WatchdocSec='));
  t.match(await run(['systemd-analyze', 'verify', '--man=no', service]), { output: /WatchdocSec/ });
});

t.test('systemd-analyze security', { skip }, async (t) => {
  const [service = ''] = await installed(t);
  const words = [
    'systemd-analyze',
    'security',
    '--offline=true',
    '--no-pager',
    `--threshold=${MOST_EXPOSED * 10}`,
  ] as const;
  const judged = await run([...words, service]);
  t.equal(judged?.code, 0, judged?.output.trim().split('\n').at(-1) ?? '');
});

t.test('how it is started, reloaded and stopped', async (t) => {
  const of = (key: string) => settings('mybouncer.service', key);
  t.same(of('Type'), ['notify']);
  t.same(of('NotifyAccess'), ['all']);
  t.same(of('ExecStart'), [`${PROGRAM} --config /etc/mybouncer/mybouncer.yaml`]);
  t.same(of('ExecReload'), [
    `${PROGRAM} check --config /etc/mybouncer/mybouncer.yaml`,
    '/bin/kill -HUP $MAINPID',
  ]);
  t.same(of('RestartPreventExitStatus'), ['2'], 'bad usage or configuration');
  t.ok(
    Number.parseInt(of('TimeoutStopSec')[0] ?? '', 10) >= 30 + 10,
    'as long as draining may take by default',
  );
  t.ok(Number(of('LimitNOFILE')[0]) > 10_000 * 2, 'the default of max_client_conn fits');
});

t.test('addresses are those of the default configuration', async (t) => {
  const { listen } = parse(readDeployed('mybouncer.yaml').replaceAll(/^#(listen| {2}- 127)/gm, '$1')) as {
    listen: string[];
  };
  t.ok(settings('mybouncer.socket', 'ListenStream').includes(listen[0] ?? ''));
});

const NOBODY = 65_534;

/** The words of a command that runs as an ordinary user with a few capabilities. */
function confined(capabilities: readonly string[], words: readonly string[]): readonly [string, ...string[]] {
  const names = capabilities.map((name) => `+${name.replace('CAP_', '').toLowerCase()}`);
  return withoutHooks([
    'setpriv',
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    '--clear-groups',
    '--no-new-privs',
    `--bounding-set=-all,${names}`,
    `--inh-caps=-all,${names}`,
    `--ambient-caps=-all,${names}`,
    ...words,
  ]);
}

interface Line {
  readonly msg: string;
  readonly listen?: readonly string[];
  readonly http?: string;
}

/** Starts the program so. @returns its first line with addresses */
async function startConfined(
  t: Test,
  upstream: string,
  capabilities: readonly string[],
): Promise<{ listen: string; http: string }> {
  const args = [upstream, '--listen', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  const [program, ...words] = watched(confined(capabilities, [process.execPath, MAIN, ...args]));
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  t.teardown(() => child.kill('SIGTERM'));
  const lines: string[] = [];
  child.stderr.on('data', (data: Buffer) => lines.push(data.toString()));
  let found: { listen: string; http: string } | null = null;
  let isReady = false;
  createInterface({ input: child.stdout }).on('line', (text) => {
    lines.push(text);
    const { msg, listen, http } = JSON.parse(text) as Line;
    if (listen?.[0] !== undefined && http !== undefined) found = { listen: listen[0], http };
    if (msg === 'ready') isReady = true;
  });
  await eventually('it is ready', () => {
    if (child.exitCode !== null) throw new Error(lines.join('\n'));
    return isReady && found !== null;
  });
  if (found === null) throw new Error(`no addresses:\n${lines.join('\n')}`);
  return found;
}

const needsRoot = process.getuid?.() === 0 ? false : 'only root can become another user';

t.test('the capabilities of the unit are those that the fork guard needs', { skip: needsRoot }, async (t) => {
  const granted = settings('mybouncer.service', 'AmbientCapabilities')[0]?.split(' ') ?? [];
  await forEachServer(
    t,
    async (t, server) => {
      /** Connects a client. @returns how to ask whether the fork guard cannot look at it */
      const connected = async (
        capabilities: readonly string[],
      ): Promise<() => Promise<string | undefined>> => {
        const { listen, http } = await startConfined(t, server.url(), capabilities);
        const url = new URL(server.url());
        [url.hostname = '', url.port = ''] = listen.split(':');
        // This process is root's, and the proxy is not.
        const client = await createConnection(url.href);
        t.teardown(() => client.destroy());
        await client.query('SELECT 1');
        return async () => {
          const metrics = await (await fetch(`http://${http}/metrics`)).text();
          return /^mybouncer_unguarded_clients (\d+)$/m.exec(metrics)?.[1];
        };
      };
      const unguarded = await connected(granted);
      // The other one is needed for reading the program itself, here.
      const unguardedWithout = await connected(granted.filter((name) => name !== 'CAP_SYS_PTRACE'));
      await eventually(
        'the one without finds that it cannot look',
        async () => (await unguardedWithout()) === '1',
      );
      t.equal(await unguarded(), '0', 'and the one that came first can');
    },
    { flavors: ['mariadb'], timeout: 300_000 },
  );
});
