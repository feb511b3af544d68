import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { projectFolder } from '../clients/conformance.js';
import { withStack } from '../stacks/support/stack.js';
import { eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';

const PYTHON = {
  name: 'forked processes of Python',
  modules: ['pymysql', 'MySQLdb'],
  packages: 'python3-pymysql python3-mysqldb',
};

const DRIVERS = { pymysql: 'pymysql', MySQLdb: 'libmariadb' } as const;
type Driver = keyof typeof DRIVERS;
const names = Object.keys(DRIVERS) as Driver[];

/** What one of the processes got: a value or an error. */
interface Told {
  readonly pid: number;
  readonly who: 'parent' | 'child';
  readonly what: string;
  readonly value?: unknown;
  readonly errno?: number;
  readonly text?: string;
}

/** The program, which ends with the test. */
class Forked {
  readonly told: Told[] = [];
  readonly #child: ChildProcess;
  #ended = false;

  constructor(t: Test, python: string, driver: string, mode: string, url: string) {
    const script = join(projectFolder(), 'test/relay/shared_sockets.py');
    const child = spawn(python, [script, driver, mode], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, MYBOUNCER_TEST_URL: url },
      detached: true,
    });
    this.#child = child;
    createInterface({ input: child.stdout })
      .on('line', (line) => this.told.push(JSON.parse(line) as Told))
      .on('close', () => {
        this.#ended = true;
      });
    t.teardown(() => {
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL');
      } catch {
        // It has ended.
      }
    });
  }

  go(): void {
    this.#child.stdin?.write('go\n');
  }

  async until(what: string): Promise<void> {
    await eventually(`it tells of ${what}`, () => this.told.some((one) => one.what === what));
  }

  async ended(): Promise<void> {
    await eventually('they have ended', () => this.#ended);
  }

  of(who: Told['who'], what: string): Told | undefined {
    return this.told.find((one) => one.who === who && one.what === what);
  }
}

/** A proxy over one server session, and the program as its client. */
class Scene {
  readonly world: ProxiedUser;
  readonly python: string;

  constructor(world: ProxiedUser, python: string) {
    this.world = world;
    this.python = python;
  }

  static async of(t: Test, server: TestServer, python: string, guard: 'auto' | 'off'): Promise<Scene> {
    const world = await proxiedUser(t, server, ['--pool-size', '1', '--fork-guard', guard]);
    await server.query(`CREATE TABLE ${world.schema}.kept(v VARCHAR(20))`);
    return new Scene(world, python);
  }

  run(t: Test, driver: Driver, mode: string): Forked {
    return new Forked(t, this.python, driver, mode, this.world.proxy.url);
  }

  counted(cause = ''): Promise<number> {
    const label = cause === '' ? '' : `cause="${cause}"`;
    return this.world.proxy.metric('mybouncer_shared_sockets_total', label);
  }

  async untilSleeping(): Promise<void> {
    await eventually('it runs', async () => (await this.#sleeping()) === 1);
  }

  async kept(): Promise<unknown[]> {
    const { server, schema } = this.world;
    return (await server.query<{ v: string }>(`SELECT v FROM ${schema}.kept`)).map(({ v }) => v);
  }

  /** The one line in the log about this. */
  logged(cause: string): unknown {
    return this.world.proxy.lines.findLast((line) => line['cause'] === cause);
  }

  /** On the server itself: nothing runs on, and everybody was served by the one session. */
  async check(t: Test): Promise<void> {
    t.equal(await this.#sleeping(), 0, 'nothing runs on');
    t.equal(
      await this.world.proxy.metric('mybouncer_server_sessions_opened_total'),
      1,
      'the session is kept',
    );
  }

  async #sleeping(): Promise<number> {
    return (await this.world.sessions()).filter(({ info }) => info?.includes('SLEEP(600)')).length;
  }
}

/** What it is told, and what a driver says of its own accord: one of the two that wait gets the error, the other one the end. */
const LOST = new Set([1927, 2006, 2013]);

function lost(t: Test, told: Told | undefined, what: string): void {
  t.ok(LOST.has(told?.errno ?? 0), what, { told });
  t.notOk(told !== undefined && 'value' in told, 'and no row');
}

/** Each of the two has lost the connection, and is served on its next. */
function bothStartAnew(t: Test, program: Forked): void {
  for (const who of ['parent', 'child'] as const) {
    lost(t, program.of(who, 'shared'), `${who}: lost`);
    t.equal(program.of(who, 'anew')?.value, 1, `${who}: a connection of its own`);
  }
}

async function inTheStream(t: Test, scene: Scene, driver: Driver): Promise<void> {
  const program = scene.run(t, driver, 'command');
  await scene.untilSleeping();
  const before = await scene.counted('command_during_reply');
  program.go();
  await program.ended();
  bothStartAnew(t, program);
  const opener = `${program.of('parent', 'before')?.pid} (program ${DRIVERS[driver]})`;
  const texts = program.told.map(({ text }) => text ?? '');
  t.ok(
    texts.some((text) =>
      text.includes(`two processes are using this connection: it was opened by pid ${opener}`),
    ),
    'one of them is told why',
    { texts },
  );
  t.equal(await scene.counted('command_during_reply'), before + 1);
  t.match(scene.logged('command_during_reply'), { level: 'warn', opener: { program: DRIVERS[driver] } });
  await scene.check(t);
}

async function quitOfChild(t: Test, scene: Scene, driver: Driver): Promise<void> {
  const before = await scene.counted('quit_of_child');
  const program = scene.run(t, driver, 'quit');
  await program.until('ready');
  await eventually('it is noticed', async () => (await scene.counted('quit_of_child')) === before + 1);
  t.match(scene.logged('quit_of_child'), {
    level: 'warn',
    opener: { pid: String(program.of('parent', 'before')?.pid), program: DRIVERS[driver] },
  });
  program.go();
  await program.ended();
  lost(t, program.of('parent', 'shared'), 'the parent has lost its connection');
  t.equal(program.of('parent', 'anew')?.value, 1, 'and recovers on its next');
  await scene.check(t);
}

async function quitDuring(t: Test, scene: Scene, driver: Driver): Promise<void> {
  const before = await scene.counted('quit_during_reply');
  const program = scene.run(t, driver, 'quit_during');
  await scene.untilSleeping();
  program.go();
  await program.ended();
  const told = program.of('parent', 'shared');
  t.match(told, { errno: 1927, text: /two processes are using this connection/ });
  t.equal(program.of('parent', 'anew')?.value, 1);
  t.equal(await scene.counted('quit_during_reply'), before + 1);
  await scene.check(t);
}

async function guarded(t: Test, scene: Scene, driver: Driver): Promise<void> {
  for (const mode of ['ping', 'insert']) {
    const before = await scene.counted('fork_guard');
    const program = scene.run(t, driver, mode);
    await program.ended();
    t.match(
      program.of('parent', 'shared'),
      { errno: 1927, text: /two processes are using this connection: it was opened by pid \d+/ },
      mode,
    );
    t.equal(program.of('parent', 'anew')?.value, 1, 'the next connection is its own');
    t.equal(await scene.counted('fork_guard'), before + 1);
    const opener = program.of('parent', 'before')?.pid;
    t.match(scene.logged('fork_guard'), { opener: { pid: String(opener) }, holders: [opener, Number] });
  }
  t.strictSame(await scene.kept(), [], 'nothing was run');
  await scene.check(t);
}

/** The process forks while its statement runs, so that the guard sees it when the child speaks. */
async function forkedDuring(t: Test, scene: Scene): Promise<void> {
  // PyMySQL's child would wait for the lock of the reader that its parent's thread had.
  const driver = 'MySQLdb';
  const program = scene.run(t, driver, 'forked_during');
  await scene.untilSleeping();
  const before = await scene.counted('command_during_reply');
  program.go();
  await program.ended();
  bothStartAnew(t, program);
  t.equal(await scene.counted('command_during_reply'), before + 1);
  const holders = (['parent', 'child'] as const).map((who) => program.of(who, 'shared')?.pid);
  t.match(scene.logged('command_during_reply'), { holders }, 'the guard was asked');
  await scene.check(t);
}

async function inTransaction(t: Test, scene: Scene, driver: Driver): Promise<void> {
  const before = await scene.counted('fork_guard');
  const program = scene.run(t, driver, 'transaction');
  await program.ended();
  t.match(program.of('parent', 'inside'), { value: null }, 'a transaction goes on');
  t.match(program.of('parent', 'commit'), { value: null });
  t.match(program.of('parent', 'shared'), { errno: 1927 }, 'what comes behind it is refused');
  t.strictSame(await scene.kept(), ['inside']);
  t.equal(await scene.counted('fork_guard'), before + 1);
  await scene.world.server.query(`TRUNCATE ${scene.world.schema}.kept`);
  await scene.check(t);
}

async function test(t: Test, server: TestServer, python: string): Promise<void> {
  for (const driver of names) {
    const unguarded = await Scene.of(t, server, python, 'off');
    const guard = await Scene.of(t, server, python, 'auto');
    await t.test(`${driver}: two commands at once`, (t) => inTheStream(t, unguarded, driver));
    await t.test(`${driver}: a child says goodbye`, (t) => quitOfChild(t, unguarded, driver));
    await t.test(`${driver}: a child says goodbye while a statement runs`, (t) =>
      quitDuring(t, unguarded, driver),
    );
    await t.test(`${driver}: with the guard`, (t) => guarded(t, guard, driver));
    if (driver === 'MySQLdb')
      await t.test(`${driver}: with the guard, forked while a statement runs`, (t) => forkedDuring(t, guard));
    await t.test(`${driver}: with the guard, in a transaction`, (t) => inTransaction(t, guard, driver));
  }
}

await withStack(t, PYTHON, (t, { python }) =>
  forEachServer(t, (t, server) => test(t, server, python), { timeout: 300_000 }),
);
