/**
 * F2: workers x threads well over the server's `max_connections`, in the whole chain: nginx, gunicorn's threads in the care of
 * supervisor, Django. Then supervisor kills the app under load.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { eventually } from '../support/proxied.js';
import { type ProxyProcess, startProxy } from '../support/proxy.js';
import { forEachPrivateServer, type PrivateTestServer, type TestUser } from '../support/servers.js';
import { type Answer, ask } from './support/ask.js';
import { temporaryFolder } from './support/folder.js';
import { startNginx } from './support/nginx.js';
import type { Service } from './support/service.js';
import { sideBySide } from './support/side-by-side.js';
import { type InstalledStack, stackFolder, withStack } from './support/stack.js';
import { Supervisor } from './support/supervisor.js';
import { outlivingStatements, sessionsInTransaction, workerStatements } from './support/workers.js';

const STACK = {
  name: 'Django with mysqlclient under gunicorn under supervisor behind nginx',
  programs: ['nginx', 'supervisord', 'supervisorctl'],
  modules: ['django', 'MySQLdb', 'gunicorn'],
  packages: 'nginx-light supervisor python3-django python3-mysqldb python3-gunicorn',
} as const;

const MAX_CONNECTIONS = 30;
const WORKERS = 4;
const THREADS = 32;
const POOL = 20;
/** The one that KILLs are sent over, and for moments the one that reads definitions of routines. */
const OWN_AT_MOST = 2;
const REQUESTS = 600;
/** Rows of the table `stock`: for sale, then one each for those that hold, then the one that they wait for. */
const ITEMS = 16;
const HOLDERS = 8;
const WANTED = ITEMS + HOLDERS + 1;
/** Of a lock that cannot be had at once, where it is asked for with NOWAIT. */
const ER_LOCK_WAIT_TIMEOUT = 1205;

/** What became of requests. */
class Outcome {
  sold = 0;
  tooMany = 0;
  other = 0;
  /** nginx has nobody to ask, or lost whom it had asked, if in mid-answer: while the app restarts. */
  unavailable = 0;
  readonly texts = new Set<string>();

  add({ status, body }: Answer): void {
    if (status === 200 && body !== null) this.sold++;
    else if (status === 200 || status === 502 || status === 504) this.unavailable++;
    else if (body?.['errno'] === 1040) this.tooMany++;
    else {
      this.other++;
      this.texts.add(`${status} ${JSON.stringify(body)}`);
    }
  }
}

/** One run of the whole chain, straight to the server or through a proxy. */
class Chain {
  readonly server: PrivateTestServer;
  readonly user: TestUser;
  readonly proxy: ProxyProcess | null;
  readonly #supervisor: Supervisor;
  readonly #nginx: Service;
  readonly #blocker: Connection;

  private constructor(
    server: PrivateTestServer,
    user: TestUser,
    proxy: ProxyProcess | null,
    supervisor: Supervisor,
    nginx: Service,
    blocker: Connection,
  ) {
    this.server = server;
    this.user = user;
    this.proxy = proxy;
    this.#supervisor = supervisor;
    this.#nginx = nginx;
    this.#blocker = blocker;
  }

  /** Resolves when the app serves. */
  static async start(
    t: Test,
    { python, program }: InstalledStack,
    server: PrivateTestServer,
    user: TestUser,
    blocker: Connection,
    proxied: boolean,
  ): Promise<Chain> {
    const folder = await temporaryFolder(t);
    // More threads than sessions means waiting, on a busy machine longer than is usual.
    const flags = ['--pool-size', String(POOL), '--query-wait-timeout', '60s'];
    const proxy = proxied ? await startProxy(t, { upstream: user.url(), flags }) : null;
    const socket = `unix:${folder}/app.sock`;
    const gunicorn = [python, '-m', 'gunicorn.app.wsgiapp', '--config', 'support/gunicorn_config.py'];
    const size = ['--worker-class', 'gthread', '--workers', String(WORKERS), '--threads', String(THREADS)];
    const supervisor = await Supervisor.start(t, {
      supervisord: program('supervisord'),
      supervisorctl: program('supervisorctl'),
      folder,
      words: [...gunicorn, ...size, '--bind', socket, 'django_stock:application'],
      cwd: stackFolder(),
      env: { MYBOUNCER_TEST_URL: proxy?.url ?? user.url(), PYTHONDONTWRITEBYTECODE: '1' },
    });
    const pass = `proxy_read_timeout 300s; proxy_pass http://${socket}`;
    const nginx = await startNginx(t, { program: program('nginx'), folder, pass });
    const chain = new Chain(server, user, proxy, supervisor, nginx, blocker);
    await chain.served();
    return chain;
  }

  ask(path: string, request = 0): Promise<Answer> {
    return ask(`${this.#nginx.url}${path}`, request);
  }

  async served(): Promise<void> {
    await eventually('the app serves', async () => (await this.ask('/pid')).status === 200);
  }

  /** Requests that each lock a row of their own, and then wait for one that somebody else has locked. */
  async hold(): Promise<Promise<Answer>[]> {
    await this.#blocker.query('BEGIN');
    await this.#blocker.query(`SELECT * FROM app.stock WHERE id = ${WANTED} FOR UPDATE`);
    const answers = Array.from({ length: HOLDERS }, (_, i) => this.ask(`/hold/${ITEMS + 1 + i}/${WANTED}`));
    await eventually('all of them wait', async () => {
      const statements = await workerStatements(this.server, this.user.user);
      return statements.filter(({ text }) => text.includes(`= ${WANTED} `)).length === HOLDERS;
    });
    return answers;
  }

  async unblock(): Promise<void> {
    await this.#blocker.query('ROLLBACK');
  }

  /** supervisor kills the app and starts it again. */
  async restart(): Promise<void> {
    await this.#supervisor.restart();
    await this.served();
  }

  async sessionIds(): Promise<number[]> {
    return (await this.server.sessions(this.user.user)).map(({ id }) => id);
  }

  outliving(): ReturnType<typeof outlivingStatements> {
    return outlivingStatements(this.server, this.user.user);
  }

  /** How many of the rows of those that held are locked now. */
  async lockedRows(): Promise<number> {
    let locked = 0;
    for (let i = 1; i <= HOLDERS; i++) {
      const row = `SELECT id FROM app.stock WHERE id = ${ITEMS + i} FOR UPDATE NOWAIT`;
      await this.server.query(row).catch((error: { errno: number }) => {
        if (error.errno !== ER_LOCK_WAIT_TIMEOUT) throw error;
        locked++;
      });
    }
    return locked;
  }

  /** Until nothing is left of what workers have sent. */
  async quiet(): Promise<void> {
    const { server, user } = this;
    await eventually('nothing runs', async () => (await workerStatements(server, user.user)).length === 0);
    await eventually(
      'no transaction is open',
      async () => (await sessionsInTransaction(server, user.user)).length === 0,
    );
  }
}

/** Requests from as many clients as the app has threads, for as long as `more` wants them. */
class Load {
  readonly outcome = new Outcome();
  /** The numbers of requests that were told that they have bought. */
  readonly sold: number[] = [];
  readonly #chain: Chain;
  #next: number;

  constructor(chain: Chain, firstNumber: number) {
    this.#chain = chain;
    this.#next = firstNumber;
  }

  async run(more: (number: number) => boolean): Promise<void> {
    await Promise.all(Array.from({ length: WORKERS * THREADS }, () => this.#lane(more)));
  }

  async #lane(more: (number: number) => boolean): Promise<void> {
    for (let number = this.#next++; more(number); number = this.#next++) {
      const answer = await this.#chain.ask(`/sell/${1 + (number % ITEMS)}/${number}`, number);
      this.outcome.add(answer);
      if (answer.status === 200 && answer.body !== null) this.sold.push(number);
      // While the app is away nginx answers at once.
      else if (answer.status === 502) await sleep(20);
    }
  }
}

/** The pool has lost no session, and nobody has one. */
async function isWhole(t: Test, chain: Chain, proxy: ProxyProcess, ids: readonly number[]): Promise<void> {
  await eventually(
    'all sessions are back',
    async () => (await proxy.metric('mybouncer_server_sessions', 'state="active"')) === 0,
  );
  const now = new Set(await chain.sessionIds());
  t.same(
    ids.filter((id) => !now.has(id)),
    [],
    'the sessions on the server are those of before',
  );
  t.equal(await proxy.metric('mybouncer_server_sessions_closed_total'), 0, 'none was closed');
  const idle = await proxy.metric('mybouncer_server_sessions', 'state="idle"');
  t.ok(now.size - idle >= 1 && now.size - idle <= OWN_AT_MOST, 'and all of them are in the pool');
}

interface Observed {
  readonly counts: Readonly<Record<string, number>>;
  readonly outcome: Outcome;
  readonly restart: Outcome;
}

async function prepare(server: PrivateTestServer): Promise<void> {
  await server.query('CREATE OR REPLACE TABLE app.stock (id INT PRIMARY KEY, sold INT NOT NULL)');
  await server.query(
    'CREATE OR REPLACE TABLE app.sale (id INT AUTO_INCREMENT PRIMARY KEY, stock_id INT NOT NULL, number INT NOT NULL)',
  );
  await server.query(`INSERT INTO app.stock SELECT seq, 0 FROM app.seq_1_to_${WANTED}`);
}

/** What was answered is there, and nothing is there by half. */
async function isConsistent(t: Test, server: PrivateTestServer, answered: readonly number[]): Promise<void> {
  const sales = await server.query<{ number: number }>('SELECT number FROM app.sale');
  const [stock] = await server.query<{ sold: string }>('SELECT SUM(sold) AS sold FROM app.stock');
  t.equal(Number(stock?.sold), sales.length, 'each sale is counted in the stock');
  const numbers = new Set(sales.map(({ number }) => number));
  t.equal(numbers.size, sales.length, 'no request has bought twice');
  t.same(
    answered.filter((number) => !numbers.has(number)),
    [],
    'what was answered was committed',
  );
}

async function observe(
  t: Test,
  stack: InstalledStack,
  server: PrivateTestServer,
  proxied: boolean,
): Promise<Observed> {
  await prepare(server);
  const user = await server.createUser();
  const blocker = await server.rootConnection();
  // Otherwise a test that fails would wait for its locks.
  t.teardown(() => blocker.destroy());
  await server.query('FLUSH STATUS');
  const others = await server.status('Threads_connected');
  const chain = await Chain.start(t, stack, server, user, blocker, proxied);
  const holders = await chain.hold();

  const load = new Load(chain, 0);
  await load.run((number) => number < REQUESTS);
  const mostSessions = (await server.status('Max_used_connections')) - others;

  const ids = await chain.sessionIds();
  const restart = new Load(chain, REQUESTS);
  let isOn = true;
  const running = restart.run(() => isOn);
  await eventually('there is load', () => restart.sold.length > WORKERS);
  await chain.restart();
  if (proxied) {
    await eventually('no statement is left', async () => (await chain.outliving()).length === 0);
    await eventually('nor a lock', async () => (await chain.lockedRows()) === 0);
  } else await eventually('short ones have ended', async () => (await chain.outliving()).length <= HOLDERS);
  const outliving = (await chain.outliving()).length;
  const lockedRows = await chain.lockedRows();
  const soldBefore = restart.sold.length;
  await eventually('the new app sells', () => restart.sold.length > soldBefore);
  isOn = false;
  await running;
  await chain.unblock();
  await Promise.all(holders);
  await chain.quiet();
  await isConsistent(t, server, [...load.sold, ...restart.sold]);
  if (chain.proxy !== null) {
    await isWhole(t, chain, chain.proxy, ids);
  }
  const { outcome } = load;
  return {
    counts: {
      requests: REQUESTS,
      'answered 1040': outcome.tooMany,
      'failed otherwise': outcome.other + outcome.unavailable,
      'sessions on the server at most': mostSessions,
      'restart under load: statements of killed workers': outliving,
      'restart under load: rows that they have locked': lockedRows,
      'restart under load: answered 1040': restart.outcome.tooMany,
    },
    outcome,
    restart: restart.outcome,
  };
}

async function compare(t: Test, stack: InstalledStack, server: PrivateTestServer): Promise<void> {
  const observed: Observed[] = [];
  for (const proxied of [false, true]) {
    await t.test(proxied ? 'proxied' : 'direct', { timeout: 280_000 }, async (t) => {
      observed.push(await observe(t, stack, server, proxied));
    });
  }
  const [direct, proxied] = observed;
  if (direct === undefined || proxied === undefined) return;
  const title = `${WORKERS} x ${THREADS} threads, max_connections=${MAX_CONNECTIONS}`;
  sideBySide(t, title, direct.counts, proxied.counts);

  t.ok(direct.outcome.tooMany > 0, 'directly, connections are refused');
  t.equal(
    direct.counts['restart under load: rows that they have locked'],
    HOLDERS,
    'and locks outlive a kill',
  );
  t.same([...direct.outcome.texts], [], 'and nothing else fails');

  t.equal(proxied.outcome.sold, REQUESTS, 'through the proxy no request fails');
  t.same([...proxied.outcome.texts, ...proxied.restart.texts], [], 'nor while the app restarts');
  t.equal(proxied.restart.tooMany, 0, 'nor for want of a connection then');
  const most = proxied.counts['sessions on the server at most'] ?? Number.NaN;
  t.ok(most <= POOL + OWN_AT_MOST, "the server never sees more than the pool and the proxy's own");
  t.equal(
    proxied.counts['restart under load: statements of killed workers'],
    0,
    'no statement outlives a kill',
  );
  t.equal(proxied.counts['restart under load: rows that they have locked'], 0, 'and no lock');
}

await withStack(t, STACK, (t, stack) =>
  forEachPrivateServer(t, (t, server) => compare(t, stack, server), {
    flavors: ['mariadb'],
    extraArgs: [`--max-connections=${MAX_CONNECTIONS}`, '--innodb-lock-wait-timeout=600'],
    timeout: 580_000,
  }),
);
