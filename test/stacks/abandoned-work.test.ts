/**
 * F3: a worker is killed at its time limit, or the HTTP client gives up, and a retry runs beside what they have left
 * behind: nginx, uWSGI with `harakiri`, and three ways of "get or create" in Django.
 */
import type { Connection } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { eventually } from '../support/proxied.js';
import { type ProxyProcess, startProxy } from '../support/proxy.js';
import { forEachServer, type TestServer, type TestUser } from '../support/servers.js';
import { type Answer, ask } from './support/ask.js';
import { temporaryFolder } from './support/folder.js';
import { startNginx } from './support/nginx.js';
import type { Service } from './support/service.js';
import { sideBySide } from './support/side-by-side.js';
import { type InstalledStack, withStack } from './support/stack.js';
import { harakiris, startUwsgi, uwsgiPass } from './support/uwsgi.js';
import {
  anyAlive,
  outlivingStatements,
  sessionsInTransaction,
  type WorkerStatement,
  workerStatements,
} from './support/workers.js';

const STACK = {
  name: 'Django with mysqlclient under uWSGI behind nginx',
  programs: ['nginx', 'uwsgi'],
  modules: ['django', 'MySQLdb'],
  checks: [['uwsgi', '--plugin=python3', '--version']],
  packages: 'nginx-light uwsgi-core uwsgi-plugin-python3 python3-django python3-mysqldb',
} as const;

const WORKERS = 8;
/** How often an HTTP client gives up and asks again, while its request is stuck. */
const ATTEMPTS = 3;
/** Seconds; leaves a client time to give up first. */
const HARAKIRI = 3;
/** How long an HTTP client waits, from when its statement has begun to. */
const PATIENCE_MS = 300;

/** What nginx answers for a worker that was killed. */
const BAD_GATEWAY = 502;

interface Stuck {
  readonly worker: number;
  readonly answer: Promise<Answer>;
}

/** One run of the whole stack, straight to the server or through a proxy. */
class Chain {
  readonly server: TestServer;
  readonly user: TestUser;
  readonly schema: string;
  readonly uwsgi: Service;
  readonly proxy: ProxyProcess | null;
  readonly #nginx: Service;
  readonly #blocker: Connection;
  #requests = 0;

  private constructor(
    server: TestServer,
    user: TestUser,
    schema: string,
    uwsgi: Service,
    proxy: ProxyProcess | null,
    nginx: Service,
    blocker: Connection,
  ) {
    this.server = server;
    this.user = user;
    this.schema = schema;
    this.uwsgi = uwsgi;
    this.proxy = proxy;
    this.#nginx = nginx;
    this.#blocker = blocker;
  }

  static async start(
    t: Test,
    { program }: InstalledStack,
    server: TestServer,
    proxied: boolean,
    args: readonly string[],
  ): Promise<Chain> {
    const folder = await temporaryFolder(t);
    const schema = await server.createDatabase();
    const user = await server.createUser();
    await server.query(
      `CREATE TABLE ${schema}.tag (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100), KEY (name))`,
    );
    await server.query(
      `CREATE TABLE ${schema}.unique_tag (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100) UNIQUE)`,
    );
    const blocker = await server.rootConnection();
    // Otherwise a test that fails would wait for its locks.
    t.teardown(() => blocker.destroy());
    await blocker.query(`USE ${schema}`);
    const upstream = user.url(schema);
    const proxy = proxied ? await startProxy(t, { upstream }) : null;
    const uwsgi = await startUwsgi(t, {
      program: program('uwsgi'),
      app: 'django_tags:application',
      processes: WORKERS,
      args,
      env: { MYBOUNCER_TEST_URL: proxy?.url ?? upstream },
    });
    const nginx = await startNginx(t, { program: program('nginx'), folder, pass: uwsgiPass(uwsgi) });
    return new Chain(server, user, schema, uwsgi, proxy, nginx, blocker);
  }

  /** Somebody else's transaction has read that there are no rows: nobody can insert one until its end. */
  async block(): Promise<void> {
    await this.#blocker.query('BEGIN');
    for (const table of ['tag', 'unique_tag'])
      await this.#blocker.query(`SELECT * FROM ${table} WHERE name > '' FOR UPDATE`);
  }

  async unblock(): Promise<void> {
    await this.#blocker.query('ROLLBACK');
  }

  /** Asks again for as long as nginx has no answer: on a busy machine a worker may be killed for mere slowness. */
  async ask(path: string): Promise<Answer> {
    for (;;) {
      const answer = await ask(`${this.#nginx.url}${path}`, ++this.#requests);
      if (answer.status !== BAD_GATEWAY) return answer;
    }
  }

  /** Asks for what is blocked. Resolves when it is: with the worker's pid, and the answer to come. */
  async askInVain(path: string, signal: AbortSignal | null = null): Promise<Stuck> {
    for (;;) {
      const request = ++this.#requests;
      let early: Answer | null = null;
      const answer = ask(`${this.#nginx.url}${path}`, request, signal);
      answer.then(
        (one) => {
          early = one;
        },
        () => undefined,
      );
      let statement: WorkerStatement | undefined;
      await eventually(`request ${request} is stuck`, async () => {
        statement = (await this.statements()).find((one) => one.request === request);
        return statement !== undefined || early !== null;
      });
      if (statement !== undefined) return { worker: statement.worker, answer };
      const { status } = await answer;
      if (status !== BAD_GATEWAY) throw new Error(`${path} was answered: ${status}`);
    }
  }

  /**
   * As a client with a time limit: it closes the connection when the request has been stuck for that long.
   * @returns the worker's pid
   */
  async giveUp(path: string): Promise<number> {
    const limit = new AbortController();
    const { worker, answer } = await this.askInVain(path, limit.signal);
    const timer = setTimeout(() => limit.abort(), PATIENCE_MS);
    await answer.then(
      ({ status }) => {
        // For a worker that was killed: as good a reason to try again.
        if (status !== BAD_GATEWAY) throw new Error(`${path} was answered: ${status}`);
      },
      (error: unknown) => {
        if (!limit.signal.aborted) throw error;
      },
    );
    clearTimeout(timer);
    return worker;
  }

  statements(): ReturnType<typeof workerStatements> {
    return workerStatements(this.server, this.user.user);
  }

  outliving(): ReturnType<typeof outlivingStatements> {
    return outlivingStatements(this.server, this.user.user);
  }

  /** Sessions with a transaction open. */
  open(): ReturnType<typeof sessionsInTransaction> {
    return sessionsInTransaction(this.server, this.user.user);
  }

  /** Until nothing is left of what workers, dead or alive, have sent. */
  async quiet(): Promise<void> {
    await eventually('nothing runs', async () => (await this.statements()).length === 0);
    await eventually('no transaction is open', async () => (await this.open()).length === 0);
  }

  async rows(table: string, name: string): Promise<number> {
    const [row] = await this.server.query<{ n: number }>(
      `SELECT COUNT(*) AS n FROM ${this.schema}.${table} WHERE name = ?`,
      [name],
    );
    return row?.n ?? 0;
  }
}

/** A client that asks again and again for what takes longer than the workers may. @returns the workers' pids */
async function persist(chain: Chain, path: string): Promise<number[]> {
  const workers: number[] = [];
  for (let i = 0; i < ATTEMPTS; i++) workers.push(await chain.giveUp(path));
  return workers;
}

/** As Promise.all; but a failure, too, waits for the others, who still use what ends with the test. */
async function allSettled<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

type Counts = Readonly<Record<string, number>>;

/** Workers are killed while their INSERT waits for a lock; then the lock is free, and the client asks a last time. */
async function kill(t: Test, stack: InstalledStack, server: TestServer, proxied: boolean): Promise<Counts> {
  const chain = await Chain.start(t, stack, server, proxied, [`--harakiri=${HARAKIRI}`]);
  await chain.block();
  const paths = ['/get_or_save/x', '/get_or_create/y'];
  const workers = (await allSettled(paths.map((path) => persist(chain, path)))).flat();
  await eventually('every worker is dead', async () => !(await anyAlive(workers)));
  const killed = new Set(harakiris(chain.uwsgi));
  if (proxied) {
    await eventually('no statement outlives them', async () => (await chain.outliving()).length === 0);
    await eventually('no transaction outlives them', async () => (await chain.open()).length === 0);
  }
  const outliving = (await chain.outliving()).length;
  const open = (await chain.open()).length;
  await chain.unblock();
  await chain.quiet();
  const saved = await chain.rows('tag', 'x');
  const created = await chain.rows('tag', 'y');
  const save = await chain.ask('/get_or_save/x');
  const create = await chain.ask('/get_or_create/y');
  const lost = await chain.proxy?.metric('mybouncer_server_sessions_closed_total');
  if (lost !== undefined) t.equal(lost, 0, 'the pool still has every session that it has opened');
  return {
    'workers killed': workers.filter((pid) => killed.has(pid)).length,
    'statements that outlived them': outliving,
    'transactions that outlived them': open,
    'get or save: rows made for nobody': saved,
    'get or save: status of the last request': save.status,
    'get or save: rows in the end': await chain.rows('tag', 'x'),
    'get_or_create: rows made for nobody': created,
    'get_or_create: status of the last request': create.status,
    'get_or_create: rows in the end': await chain.rows('tag', 'y'),
  };
}

/** The HTTP client gives up and asks again while its worker, who knows nothing of that, goes on. */
async function giveUp(t: Test, stack: InstalledStack, server: TestServer, proxied: boolean): Promise<Counts> {
  const chain = await Chain.start(t, stack, server, proxied, []);
  const paths = ['/get_or_create/x', '/get_or_create_unique/x'];
  await chain.block();
  await Promise.all(paths.map((path) => chain.giveUp(path)));
  const retries = await Promise.all(paths.map((path) => chain.askInVain(path)));
  await chain.unblock();
  const [plain, unique] = await Promise.all(retries.map(({ answer }) => answer));
  await chain.quiet();
  return {
    'get_or_create: status': plain?.status ?? 0,
    'get_or_create: rows in the end': await chain.rows('tag', 'x'),
    'get_or_create, unique key: status': unique?.status ?? 0,
    'get_or_create, unique key: rows in the end': await chain.rows('unique_tag', 'x'),
  };
}

const KILLED = 2 * ATTEMPTS;

async function compare(t: Test, stack: InstalledStack, server: TestServer): Promise<void> {
  // Most of it is waiting, so all four at once.
  const runs = [kill, giveUp].map((stage) =>
    allSettled([stage(t, stack, server, false), stage(t, stack, server, true)]),
  );
  const [[direct = {}, proxied = {}] = [], [directly = {}, throughProxy = {}] = []] = await allSettled(runs);
  sideBySide(t, `harakiri, ${server.flavor}`, direct, proxied);
  t.same(
    direct,
    {
      'workers killed': KILLED,
      'statements that outlived them': KILLED,
      'transactions that outlived them': KILLED,
      'get or save: rows made for nobody': ATTEMPTS,
      'get or save: status of the last request': 500,
      'get or save: rows in the end': ATTEMPTS,
      // Its INSERT is in a transaction, which ends with the connection: it has only kept locks and a session till then.
      'get_or_create: rows made for nobody': 0,
      'get_or_create: status of the last request': 200,
      'get_or_create: rows in the end': 1,
    },
    'directly, statements go on for dead workers, beside their retries, and make duplicates',
  );
  t.same(
    proxied,
    {
      'workers killed': KILLED,
      'statements that outlived them': 0,
      'transactions that outlived them': 0,
      'get or save: rows made for nobody': 0,
      'get or save: status of the last request': 200,
      'get or save: rows in the end': 1,
      'get_or_create: rows made for nobody': 0,
      'get_or_create: status of the last request': 200,
      'get_or_create: rows in the end': 1,
    },
    'through the proxy nothing outlives its worker',
  );

  sideBySide(t, `client gives up, ${server.flavor}`, directly, throughProxy);
  for (const counts of [directly, throughProxy]) {
    t.same(
      counts,
      {
        'get_or_create: status': 200,
        'get_or_create: rows in the end': 2,
        'get_or_create, unique key: status': 200,
        'get_or_create, unique key: rows in the end': 1,
      },
      'two workers that live are two clients: only a unique key keeps their rows at one',
    );
  }
}

await withStack(t, STACK, (t, stack) =>
  forEachServer(t, (t, server) => compare(t, stack, server), { timeout: 300_000 }),
);
