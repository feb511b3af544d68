import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Connection, createConnection } from 'mysql2/promise';
import t from 'tap';
import { envNames, flagName, KEY_NAMES, keyInfo } from '../src/config/schema.js';

/* The program itself, started as its users start it. */

const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url));

/** Without what the machine's own environment might set for us. */
const BARE_ENV = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => name !== 'DATABASE_URL' && !name.startsWith('MYBOUNCER_')),
);

type Env = Readonly<Record<string, string>>;

const children = new Set<ChildProcessWithoutNullStreams>();
t.teardown(() => {
  for (const child of children) child.kill('SIGKILL');
});

class Running {
  readonly child: ChildProcessWithoutNullStreams;
  stdout = '';
  stderr = '';
  readonly exit: Promise<number | null>;

  constructor(args: readonly string[], env: Env = {}, cwd?: string) {
    this.child = spawn(process.execPath, [MAIN, ...args], { env: { ...BARE_ENV, ...env }, cwd });
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    children.add(this.child);
    this.exit = once(this.child, 'close').then(([code]) => {
      children.delete(this.child);
      return code as number | null;
    });
  }

  /** Waits until the output matches, or fails when the process ends before. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.stdout);
      if (found !== null) return found;
      const ended = await Promise.race([
        once(this.child.stdout, 'data').then(() => false),
        this.exit.then(() => true),
      ]);
      if (ended && !pattern.test(this.stdout))
        throw new Error(`ended without ${pattern}: ${this.stdout}${this.stderr}`);
    }
  }
}

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], env: Env = {}, cwd?: string): Promise<Result> {
  const running = new Running(args, env, cwd);
  running.child.stdin.end();
  const code = await running.exit;
  return { code, stdout: running.stdout, stderr: running.stderr };
}

const URL_GIVEN = 'mysql://app:hunter2@127.0.0.1:3306/shop';

t.test('help and version', async (t) => {
  const help = await run(['--help']);
  t.same([help.code, help.stderr], [0, '']);
  const text = help.stdout.replace(/\s+/g, ' ');
  for (const key of KEY_NAMES) {
    const { fileOnly, defaultText } = keyInfo(key);
    if (fileOnly === true) continue;
    const [, section = ''] = text.split(` ${flagName(key)} <`);
    const [own = ''] = section.split(' --');
    t.ok(own.includes(envNames(key).join(' or ')), `${key}: its variables`);
    if (defaultText !== null) t.ok(own.includes(`default: ${defaultText},`), `${key}: its default`);
  }
  t.match(text, /sandbox .* check .* doctor .* hash /);
  t.same(await run(['-h']), help);
  t.equal((await run(['help'])).stdout, help.stdout);
  for (const args of [
    ['check', '--help'],
    ['help', 'check'],
  ]) {
    const { code, stdout } = await run(args);
    t.equal(code, 0, args.join(' '));
    t.match(stdout, /^Usage: mybouncer check/);
    t.match(stdout, /--pool-size <N>/);
  }
  for (const flag of ['--version', '-V'])
    t.match(await run([flag]), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/, stderr: '' });
});

t.test('check', async (t) => {
  t.same(await run(['check', URL_GIVEN]), { code: 0, stdout: 'ok\n', stderr: '' });
  t.same(await run(['check'], { DATABASE_URL: URL_GIVEN }), { code: 0, stdout: 'ok\n', stderr: '' });
  t.same(await run(['--pool-size', '5', 'check', '--upstream', URL_GIVEN]), {
    code: 0,
    stdout: 'ok\n',
    stderr: '',
  });
  t.match(await run(['check']), { code: 0, stdout: /^ok: no upstream is set/, stderr: '' });
});

t.test('the texts of deploy/', async (t) => {
  t.match(await run(['reference']), { code: 0, stdout: /^# Configuration\n/, stderr: '' });
  t.match(await run(['example']), { code: 0, stdout: /^upstream: mysql:/m, stderr: '' });
  const schema = await run(['schema']);
  t.equal(schema.code, 0);
  t.ok(JSON.parse(schema.stdout));
});

t.test('every bad command line exits with 2 and names each mistake on a line', async (t) => {
  const cases: readonly (readonly [readonly string[], Env, readonly RegExp[]])[] = [
    [['--bogus'], {}, [/^--bogus: is not a known flag$/]],
    [['--pool-sise', '5'], {}, [/^--pool-sise: is not a known flag \(did you mean --pool-size\?\)$/]],
    [['--pool-sise=hunter2', '--lisen', 'x'], {}, [/^--pool-sise: /, /^--lisen: .*--listen/]],
    [['-x'], {}, [/^-x: is not a known flag$/]],
    [['--users', 'x'], {}, [/^--users: users: can only be set in the configuration file$/]],
    [['--pool-size'], {}, [/^--pool-size: pool_size: needs a value$/]],
    [['--pool-size', '--http', 'off'], {}, [/^--pool-size: pool_size: needs a value$/]],
    [['--config'], {}, [/^--config: needs a value$/]],
    [['--version=3'], {}, [/^--version: takes no value$/]],
    [['--bogus', '--help'], {}, [/^--bogus: /]],
    [
      ['--pool-size=', '--http='],
      {},
      [/^--pool-size: pool_size: "" is not/, /^--http: http: "" names no host/],
    ],
    [['chek'], {}, [/^argument: "chek" is not a command \(did you mean check\?\)$/]],
    [['help', 'bogus'], {}, [/^argument: the word behind help is not a command$/]],
    [
      ['db:3306'],
      {},
      [/^argument: upstream: is not a URL of the form mysql:\/\/USER:PASSWORD@HOST:PORT\/SCHEMA$/],
    ],
    [[''], {}, [/^argument: upstream: is not a URL/]],
    [['--', '--pool-size'], {}, [/^argument: upstream: is not a URL/]],
    [['postgres://app:hunter2@h/x'], {}, [/^argument: upstream: is a postgres:\/\/ URL/]],
    [
      [URL_GIVEN, URL_GIVEN],
      {},
      [/^argument: only one upstream URL can be given, and here are 2 arguments$/],
    ],
    [
      ['--upstream', URL_GIVEN, URL_GIVEN],
      {},
      [/^--upstream: upstream: cannot be used together with the URL/],
    ],
    [['sandbox', URL_GIVEN], {}, [/^argument: the command sandbox takes none$/]],
    [['sandbox', '--upstream', URL_GIVEN], {}, [/^--upstream: upstream: .*the command sandbox$/]],
    [['sandbox', '--pool-size', '0'], {}, [/^--pool-size: /]],
    [['schema', '--bogus'], {}, [/^--bogus: /]],
    [
      [],
      { DATABASE_URL: 'postgres://app:hunter2@h/x' },
      [/^env DATABASE_URL: upstream: is a postgres:\/\/ URL/],
    ],
    [[], { MYBOUNCER_POOLSIZE: '5' }, [/^env MYBOUNCER_POOLSIZE: .*did you mean MYBOUNCER_POOL_SIZE\?\)$/]],
    [
      ['--config', '/nowhere/x.yaml'],
      {},
      [/^--config: cannot read "\/nowhere\/x\.yaml": there is no such file$/],
    ],
    [
      ['--pool-size', 'x', '--bogus', '--pool-mode=statement', 'mysql://app:hunter2@h:x'],
      { MYBOUNCER_HTTP: 'hunter' },
      [
        /^--bogus: /,
        /^argument: upstream: has a port/,
        /^--pool-mode: /,
        /^--pool-size: /,
        /^env MYBOUNCER_HTTP: http: /,
      ],
    ],
  ];
  for (const [args, env, expected] of cases) {
    const { code, stdout, stderr } = await run(args, env);
    const label = [...Object.keys(env), ...args].join(' ');
    t.same([code, stdout], [2, ''], label);
    const lines = stderr.trimEnd().split('\n');
    t.equal(lines.length, expected.length, `${label}: ${stderr}`);
    for (const pattern of expected)
      t.ok(
        lines.some((line) => pattern.test(line)),
        `${label}: ${pattern}`,
      );
    t.notMatch(stderr, /hunter2/, `${label}: no password`);
  }
});

t.test('a bad file exits with 2 and names line and column', async (t) => {
  const cwd = t.testdir({
    'bad.yaml':
      'upstream: mysql://app:hunter2/@db\npool_sise: 5\n\nusers:\n  - name: a\n    pasword: hunter2\n',
    'broken.yaml': 'pool_size: 5\npassword: "hunter2\n',
    'good.yaml': 'pool_size: 5\nhttp: off\n',
  });
  for (const command of [[], ['check']]) {
    const bad = await run([...command, '--config', 'bad.yaml'], {}, cwd);
    t.same([bad.code, bad.stdout], [2, '']);
    t.match(bad.stderr.trimEnd().split('\n').sort(), [
      /^bad\.yaml:1:11: upstream: has an @ or # behind the host/,
      'bad.yaml:2:1: pool_sise: is not a known key (did you mean pool_size?)',
      'bad.yaml:5:5: users[0]: needs one of password, password_file and hash',
      'bad.yaml:6:5: users[0].pasword: is not a known key (did you mean password?)',
    ]);
    t.notMatch(bad.stderr, /hunter2/);
  }
  const broken = await run(['check', '--config=broken.yaml'], {}, cwd);
  t.match(broken, { code: 2, stderr: /^broken\.yaml:\d:\d+: lacks a closing quote/ });
  t.notMatch(broken.stderr, /hunter2/);
  t.match(await run(['check', '--config', 'good.yaml'], {}, cwd), { code: 0, stdout: /^ok/ });
  t.match(await run(['check'], { MYBOUNCER_CONFIG: 'good.yaml' }, cwd), { code: 0, stdout: /^ok/ });
});

t.test('a reader that goes early is no fault', async (t) => {
  const running = new Running(['reference']);
  running.child.stdout.destroy();
  t.equal(await running.exit, 0, running.stderr);
});

const noProc = existsSync('/proc/self/cmdline') ? false : 'there is no /proc';
t.test('a password given as an argument does not stay in the process list', { skip: noProc }, async (t) => {
  const fifo = join(t.testdir({}), 'config');
  execFileSync('mkfifo', [fifo]);
  // Reading the fifo holds the program up until it is written to.
  const running = new Running(['check', URL_GIVEN, '--config', fifo]);
  const cmdline = (): string => readFileSync(`/proc/${running.child.pid}/cmdline`, 'utf8');
  while (cmdline().includes(MAIN) || cmdline() === '') await sleep(5);
  t.notMatch(cmdline(), /hunter2|app/);
  t.match(cmdline(), /^mybouncer\0*$/);
  writeFileSync(fifo, '');
  t.same([await running.exit, running.stdout, running.stderr], [0, 'ok\n', '']);
});

/** Log lines among what was printed. */
function logLines(stdout: string): { readonly level?: string; readonly msg?: string }[] {
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line));
}

const NOTICE = /mysql:\/\/app:secret@127\.0\.0\.1:(\d+)\/app\n/;

function connectTo(port: string | undefined): Promise<Connection> {
  return createConnection({
    host: '127.0.0.1',
    port: Number(port),
    user: 'app',
    password: 'secret',
    database: 'app',
  });
}

const ANYWHERE = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0'];

t.test('hash: a password from the input becomes what users take', async (t) => {
  const hashed = async (input: string, ...args: string[]): Promise<Result> => {
    const running = new Running(['hash', ...args]);
    running.child.stdin.end(input);
    const code = await running.exit;
    return { code, stdout: running.stdout, stderr: running.stderr };
  };
  t.match(await hashed('mypass\n', 'native'), {
    code: 0,
    stdout: '*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4\n',
    stderr: '',
  });
  t.match(await hashed('mypass'), { code: 0, stdout: /^sha256:[0-9a-f]{64}\n$/ });
  t.equal((await hashed('mypass\r\n', 'sha256')).stdout, (await hashed('mypass')).stdout);
  const stored = await hashed('mypass', 'caching-sha2');
  t.match(stored, { code: 0, stdout: /^\$A\$005\$[./0-9A-Za-z]{63}\n$/ });
  const yaml = ['native', 'sha256', 'caching_sha2'].map(async (kind) => {
    const { stdout } = await hashed('mypass', kind);
    return `  - {name: ${kind}, hash: "${stdout.trim()}", server_user: a, server_password: b}`;
  });
  const cwd = t.testdir({ 'users.yaml': ['users:', ...(await Promise.all(yaml))].join('\n') });
  t.match(await run(['check', '--config', 'users.yaml'], {}, cwd), { code: 0 });
  for (const [input, args, complaint] of [
    ['', [], /^mybouncer: there is no password on the standard input$/m],
    ['two\nhunter2\n', [], /^mybouncer: the password has more than one line/m],
    ['x'.repeat(300), [], /^mybouncer: the password has more than 256 bytes/m],
    [
      'x',
      ['hunter2'],
      /^argument: the command hash takes one of sha256, native, caching_sha2; the password is read/m,
    ],
    ['x', ['native', 'hunter2'], /^argument: the command hash takes one/m],
  ] as const) {
    const result = await hashed(input, ...args);
    t.match(result, { code: 2, stdout: '', stderr: complaint });
    t.notMatch(result.stderr, /hunter2|xxx/);
  }
});

t.test('a sandbox is started, announced and taken down', { timeout: 300_000 }, async (t) => {
  // DATABASE_URL is left aside where a sandbox is asked for, and without it a sandbox is the default.
  const ways: readonly (readonly [readonly string[], Env, NodeJS.Signals])[] = [
    [[], {}, 'SIGINT'],
    // Whoever closes the terminal is done with it: what reads the configuration anew elsewhere is a SIGTERM here.
    [['sandbox'], { DATABASE_URL: URL_GIVEN }, 'SIGHUP'],
  ];
  for (const [args, env, signal] of ways) {
    const running = new Running([...args, ...ANYWHERE], env);
    const [, port] = await running.printed(NOTICE);
    await running.printed(/Ctrl-C/);
    const client = await connectTo(port);
    const [rows] = await client.query('SELECT COUNT(*) AS n FROM greetings');
    t.match(rows, [{ n: 6 }]);
    await client.end();
    running.child.kill(signal);
    t.equal(await running.exit, 0, running.stderr);
    t.equal(running.stderr, '');
    t.equal(logLines(running.stdout).filter(({ msg }) => msg === 'ready').length, 1);
    if (signal === 'SIGHUP') t.match(running.stdout, /"signal":"SIGTERM","msg":"stopping/);
    t.match(running.stdout, /-e 'SELECT \* FROM greetings'\n/, 'a line to try');
  }
});

t.test('signals while a client is at work', { timeout: 300_000 }, async (t) => {
  const running = new Running([...ANYWHERE, '--drain-timeout', '1h']);
  const [, port] = await running.printed(NOTICE);
  const client = await connectTo(port);
  client.on('error', () => undefined);
  await client.query('START TRANSACTION');
  await client.query("INSERT INTO greetings (language, greeting) VALUES ('x', 'y')");
  running.child.kill('SIGTERM');
  await running.printed(/"msg":"stopping/);
  await client.query('SELECT 1');
  t.equal(running.child.exitCode, null, 'the first waits for the transaction');
  running.child.kill('SIGTERM');
  t.equal(await running.exit, 0, 'the second does not');
  client.destroy();
});

t.test('a port that is in use', { timeout: 300_000 }, async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.teardown(() => other.close());
  const address = other.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const { code, stdout, stderr } = await run(['--listen', `127.0.0.1:${port}`, '--http', 'off']);
  t.equal(code, 1);
  t.match(stderr, new RegExp(`^mybouncer: .*${port}.*\n$`), 'one line that names the port');
  t.ok(logLines(stdout).some(({ level }) => level === 'fatal'));
});
