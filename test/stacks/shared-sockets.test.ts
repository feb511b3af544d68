/**
 * A SQLAlchemy engine that is made and used before `gunicorn --preload` forks its workers. Its connections are then each
 * worker's, and who reads an answer is a matter of luck.
 */
import t, { type Test } from 'tap';
import { type ProxyProcess, startProxy } from '../support/proxy.js';
import { forEachServer, type TestServer } from '../support/servers.js';
import { createItems, ITEMS, titleOf } from './support/items.js';
import { Gunicorn } from './support/python.js';
import { send } from './support/send.js';
import { sideBySide } from './support/side-by-side.js';
import { withStack } from './support/stack.js';

const FLASK = {
  name: 'Flask and SQLAlchemy under gunicorn --preload',
  modules: ['flask', 'sqlalchemy', 'MySQLdb', 'pymysql', 'gunicorn'],
  packages: 'python3-flask python3-sqlalchemy python3-mysqldb python3-pymysql python3-gunicorn',
};

/** Sent all at once; each asks for a row of its own. */
const REQUESTS = ITEMS;
const POOL = 4;

interface Combination {
  readonly driver: 'mysqldb' | 'pymysql';
  readonly prePing: boolean;
  readonly workers: number;
  /** How many connections the workers find in their pool. */
  readonly shared: number;
}

/** What became of the requests. */
class Counts {
  right = 0;
  /** Another request's row. */
  wrong = 0;
  /** No row, for an id that is there. */
  empty = 0;
  failed = 0;
  /** Nobody answered: the worker waited for a reply that another had read, until gunicorn killed it. */
  unanswered = 0;
  readonly failedByProcess = new Map<number, number>();
  readonly #texts = new Map<string, number>();

  get trouble(): number {
    return this.wrong + this.empty + this.failed + this.unanswered;
  }

  get table(): Record<string, number> {
    const { right, wrong, empty, failed, unanswered } = this;
    return { 'right rows': right, 'wrong rows': wrong, 'empty rows': empty, failed, unanswered };
  }

  /** What failed, and how often. */
  get texts(): Record<string, number> {
    return Object.fromEntries(this.#texts);
  }

  fail(pid: number, text: string): void {
    this.failed++;
    this.failedByProcess.set(pid, (this.failedByProcess.get(pid) ?? 0) + 1);
    this.#note(text);
  }

  notAnswered(error: unknown): void {
    this.unanswered++;
    this.#note(String(error));
  }

  #note(text: string): void {
    this.#texts.set(text, (this.#texts.get(text) ?? 0) + 1);
  }
}

interface ItemAnswer {
  readonly pid: number;
  readonly id?: number | null;
  readonly title?: string;
  readonly error?: string;
  readonly text?: string;
}

async function ask(app: Gunicorn, id: number, counts: Counts): Promise<void> {
  let answer: ItemAnswer;
  try {
    answer = JSON.parse((await send('GET', `${app.url}/item/${id}`)).body) as ItemAnswer;
  } catch (error) {
    counts.notAnswered(error);
    return;
  }
  if (answer.error !== undefined) counts.fail(answer.pid, `${answer.error}: ${String(answer.text)}`);
  else if (answer.id === null) counts.empty++;
  else if (answer.id !== id || answer.title !== titleOf(id)) counts.wrong++;
  else counts.right++;
}

/** The app anew, and all requests at once: the workers use what they share when they are asked first. */
async function load(
  t: Test,
  python: string,
  url: string,
  { driver, prePing, workers, shared }: Combination,
  workerTimeout: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Counts> {
  const app = await Gunicorn.start(t, {
    interpreter: python,
    app: 'flask_shared:app',
    workers,
    args: ['--preload', '--timeout', String(workerTimeout)],
    env: {
      MYBOUNCER_TEST_URL: url,
      MYBOUNCER_TEST_DRIVER: driver,
      MYBOUNCER_TEST_PRE_PING: prePing ? '1' : '0',
      MYBOUNCER_TEST_SHARED: String(shared),
      ...env,
    },
  });
  const counts = new Counts();
  await Promise.all(Array.from({ length: REQUESTS }, (_, i) => ask(app, i + 1, counts)));
  await app.stop();
  return counts;
}

/** Where a worker may hang for ever, it is killed after this many seconds. */
const UNGUARDED_TIMEOUT = 2;
const GUARDED_TIMEOUT = 60;
/** Counts connections that two processes used. */
const SEEN = 'mybouncer_shared_sockets_total';

interface Scene {
  readonly python: string;
  readonly direct: string;
  readonly guarded: ProxyProcess;
  readonly unguarded: ProxyProcess;
}

function titleOfRun({ driver, prePing, workers, shared }: Combination): string {
  const connections = shared === 1 ? '1 connection' : `${shared} connections`;
  return `${driver}${prePing ? ' with pool_pre_ping' : ''}, -w ${workers}, ${connections} shared`;
}

/** @returns what went wrong directly */
async function compare(t: Test, scene: Scene, combination: Combination): Promise<Counts> {
  const { python, direct, guarded } = scene;
  const before = await load(t, python, direct, combination, UNGUARDED_TIMEOUT);
  const seen = await guarded.metric(SEEN);
  const after = await load(t, python, guarded.url, combination, GUARDED_TIMEOUT);
  sideBySide(t, titleOfRun(combination), before.table, after.table);
  t.equal(after.wrong, 0, 'no wrong row', after.texts);
  t.equal(after.empty, 0, 'no empty row', after.texts);
  t.equal(after.unanswered, 0, 'every request is answered', after.texts);
  t.ok((await guarded.metric(SEEN)) > seen, 'the proxy has seen what was shared');
  if (combination.prePing) {
    t.equal(after.failed, 0, 'no failed request: the ping fails in its place', after.texts);
  } else {
    const most = Math.max(0, ...after.failedByProcess.values());
    t.ok(most <= combination.shared, 'a process fails once for each connection it shared', after.texts);
  }
  return before;
}

/** Nothing is promised here: what is printed is what noticing it afterwards is worth. */
async function withoutGuard(t: Test, scene: Scene, combination: Combination, direct: Counts): Promise<void> {
  const counts = await load(t, scene.python, scene.unguarded.url, combination, UNGUARDED_TIMEOUT);
  sideBySide(t, `${titleOfRun(combination)}, fork_guard: off`, direct.table, counts.table);
  t.equal(counts.right + counts.trouble, REQUESTS);
}

/** What the proxy's error tells the owner of the app to do. */
async function remedied(t: Test, scene: Scene, combination: Combination): Promise<void> {
  const env = { MYBOUNCER_TEST_POST_FORK: 'flask_shared:forget_connections' };
  const counts = await load(t, scene.python, scene.guarded.url, combination, GUARDED_TIMEOUT, env);
  t.equal(counts.trouble, 0, 'with engine.dispose(close=False) in post_fork nothing is shared', counts.texts);
}

const DRIVERS = ['mysqldb', 'pymysql'] as const;
const FEW = { workers: 2, shared: 1 };
const MANY = { workers: 4, shared: 3 };

async function run(t: Test, python: string, server: TestServer): Promise<void> {
  const upstream = await createItems(server);
  const flags = ['--pool-size', String(POOL), '--fork-guard'];
  const guarded = await startProxy(t, { upstream, flags: [...flags, 'on'] });
  const unguarded = await startProxy(t, { upstream, flags: [...flags, 'off'] });
  const scene = { python, direct: upstream, guarded, unguarded };
  let trouble = 0;
  // What is shared is the same wherever the rows come from: MySQL gets the harder half.
  const isWhole = server.flavor === 'mariadb';
  const sizes = isWhole ? [FEW, MANY] : [MANY];
  for (const driver of DRIVERS)
    for (const prePing of [false, true])
      for (const size of sizes) {
        const combination = { driver, prePing, ...size };
        const direct = await compare(t, scene, combination);
        trouble += direct.trouble;
        if (!isWhole || size === FEW || prePing) continue;
        await withoutGuard(t, scene, combination, direct);
        await remedied(t, scene, combination);
      }
  t.ok(trouble > 0, `directly, ${trouble} requests went wrong`);
  const opened = await guarded.metric('mybouncer_server_sessions_opened_total');
  // Each driver logs in with capabilities of its own, and so has sessions of its own.
  const most = POOL * DRIVERS.length;
  t.ok(opened <= most, `${opened} server sessions served it all: none was lost with a client's connection`);
}

await withStack(t, FLASK, (t, { python }) =>
  forEachServer(t, (t, server) => run(t, python, server), { timeout: 280_000, atOnce: true }),
);
