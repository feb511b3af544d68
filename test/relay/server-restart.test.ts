import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type Client, eventually, type Proxied, proxied } from '../support/proxied.js';
import { APP_USER, forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';

/** What became of a command: what it gave, or the error that it failed with. */
type Outcome = { readonly value: unknown } | { readonly errno: number; readonly message: string };

function outcomeOf(promise: Promise<unknown>): Promise<Outcome> {
  return promise.then(
    (value) => ({ value }),
    ({ errno, message }: { errno: number; message: string }) => ({ errno, message }),
  );
}

const affected = async (client: Client, sql: string): Promise<number> => (await client.run(sql)).affectedRows;

const UNKNOWN = { errno: 1158, message: /Lost connection.*may or may not have been executed/ };
const ROLLED_BACK = { errno: 1158, message: /Lost connection.*its transaction was not committed/ };
/** What MySQL says itself, in an orderly shutdown, to whoever waits for a lock: a client may have been killed as well. */
const INTERRUPTED = { errno: 1317, message: /interrupted/ };
const NOT_RUN = { errno: 1158, message: /gone with it: transaction\. This statement was not executed/ };

/** Of a global variable: gone with the server that has it. */
const MARK = 7_777;
/** Takes hours on a server that has the mark, and no time on the one that comes after it. */
const OF_ALL = `IF(@@GLOBAL.interactive_timeout = ${MARK}, 1000, 1)`;
const LONG_READ = `SELECT SUM(SHA2(CONCAT(a.v, b.v, c.v, d.v), 512) > '') AS x
  FROM numbers a, numbers b, numbers c, numbers d WHERE c.v < ${OF_ALL} AND d.v < ${OF_ALL}`;
const NUMBERS = 140;

/** Commands that the server has begun when it ends: they wait for a lock on the table `busy`. */
const UNDER_WAY: readonly {
  readonly name: string;
  readonly before?: readonly string[];
  readonly run: (client: Client) => Promise<unknown>;
  readonly outcome: object;
}[] = [
  { name: 'a plain read', run: (client) => client.value('SELECT v FROM busy'), outcome: { value: 1 } },
  {
    name: 'a prepared read',
    before: ['SELECT 1'],
    run: async (client) => (await client.execute('SELECT v + ? AS x FROM busy', [1]))[0]?.['x'],
    outcome: { value: 2 },
  },
  { name: 'a write', run: (client) => affected(client, 'INSERT INTO busy VALUES (2)'), outcome: UNKNOWN },
  {
    name: 'a read that locks',
    run: (client) => client.value('SELECT v FROM busy FOR UPDATE'),
    outcome: UNKNOWN,
  },
  {
    name: 'a read inside a transaction',
    before: ['BEGIN', "INSERT INTO done VALUES ('inside')"],
    run: (client) => client.value('SELECT v FROM busy'),
    outcome: ROLLED_BACK,
  },
  {
    name: 'a write inside a transaction',
    before: ['SET autocommit=0', "INSERT INTO done VALUES ('without autocommit')"],
    run: (client) => affected(client, 'UPDATE busy SET v=3'),
    outcome: ROLLED_BACK,
  },
  {
    name: 'a statement that commits a transaction',
    before: ['BEGIN', "INSERT INTO done VALUES ('committed')"],
    run: (client) => client.run('ALTER TABLE busy COMMENT "changed"'),
    outcome: UNKNOWN,
  },
];

/** Clients that are idle when the server ends, and what they do next. */
const IDLE: readonly {
  readonly name: string;
  readonly before: readonly string[];
  readonly next: string;
  readonly outcome: object;
}[] = [
  {
    name: 'without state',
    before: ['DO 1'],
    next: "INSERT INTO done VALUES ('idle')",
    outcome: { value: 1 },
  },
  {
    name: 'in a transaction, goes on',
    before: ['BEGIN', "INSERT INTO done VALUES ('lost')"],
    next: "INSERT INTO done VALUES ('lost, too')",
    outcome: NOT_RUN,
  },
  {
    name: 'in a transaction, commits',
    before: ['BEGIN', "INSERT INTO done VALUES ('lost')"],
    next: 'COMMIT',
    outcome: NOT_RUN,
  },
  {
    name: 'in a transaction, rolls back',
    before: ['BEGIN', "INSERT INTO done VALUES ('lost')"],
    next: 'ROLLBACK',
    outcome: { value: 0 },
  },
  {
    name: 'with locked tables, unlocks them',
    before: ['LOCK TABLES other READ'],
    next: 'UNLOCK TABLES',
    outcome: { value: 0 },
  },
];

/** Commands that wait for a session when the server ends: nothing of them was sent. */
const WAITING: readonly { readonly name: string; readonly run: (client: Client) => Promise<unknown> }[] = [
  { name: 'a read', run: (client) => client.value('SELECT v FROM other') },
  { name: 'a write', run: (client) => affected(client, "INSERT INTO done VALUES ('waited')") },
  {
    name: 'a prepared write',
    run: (client) => client.execute('INSERT INTO done VALUES (?)', ['waited, prepared']),
  },
  {
    name: 'a transaction',
    run: async (client) => {
      await client.run('START TRANSACTION');
      await client.run("INSERT INTO done VALUES ('waited, in a transaction')");
      await client.run('COMMIT');
    },
  },
  { name: 'a variable', run: (client) => client.run("SET time_zone='+03:00'") },
];

async function waitsForLock(server: PrivateTestServer, count: number): Promise<void> {
  await eventually('all wait for the lock', async () => {
    const sessions = await server.sessions(APP_USER);
    return sessions.filter(({ state }) => /metadata lock/i.test(state ?? '')).length === count;
  });
}

async function isRunning(server: PrivateTestServer, text: string): Promise<void> {
  await eventually(`the server runs ${text}`, async () =>
    (await server.sessions(APP_USER)).some(({ info }) => info?.includes(text) === true),
  );
}

interface Begun {
  readonly name: string;
  readonly client: Client;
  readonly outcome: Promise<Outcome>;
  readonly expected: object;
}

async function begin(world: Proxied): Promise<Begun[]> {
  const begun: Begun[] = [];
  for (const { name, before = [], run, outcome } of UNDER_WAY) {
    const client = await world.connect();
    for (const sql of before) await client.run(sql);
    begun.push({ name, client, outcome: outcomeOf(run(client)), expected: outcome });
  }
  return begun;
}

async function createTables(setup: Client): Promise<void> {
  await setup.run('CREATE TABLE busy (v INT) ENGINE=InnoDB');
  await setup.run('INSERT INTO busy VALUES (1)');
  await setup.run('CREATE TABLE other (v INT) ENGINE=InnoDB');
  await setup.run('CREATE TABLE done (what VARCHAR(40)) ENGINE=InnoDB');
  await setup.run('CREATE TABLE numbers (v INT) ENGINE=InnoDB');
  await setup.run(`INSERT INTO numbers VALUES ${Array.from({ length: NUMBERS }, (_, i) => `(${i})`)}`);
}

async function restart(t: Test, server: PrivateTestServer, how: NodeJS.Signals): Promise<void> {
  // Each of these has one session at the moment of the end, and there is none for those who wait.
  const pool = UNDER_WAY.length + IDLE.length;
  const world = await proxied(t, server, ['--pool-size', String(pool), '--query-wait-timeout', '60s']);
  const setup = await world.direct();
  await createTables(setup);
  const idle = await Promise.all(IDLE.map(() => world.connect()));
  for (const [i, { before }] of IDLE.entries()) for (const sql of before) await idle[i]?.run(sql);
  await server.query(`SET GLOBAL interactive_timeout = ${MARK}`);
  await setup.run('LOCK TABLES busy WRITE');
  const begun = await begin(world);
  await waitsForLock(server, UNDER_WAY.length);
  const reader = await world.connect();
  const read = outcomeOf(reader.value(LONG_READ));
  await isRunning(server, 'SHA2');
  const waiting = await Promise.all(WAITING.map(() => world.connect()));
  const later = WAITING.map(({ run }, i) => outcomeOf(run(waiting[i] as Client)));
  await eventually(
    'they wait',
    async () => (await world.proxy.metric('mybouncer_waiting_requests')) === WAITING.length,
  );
  await server.kill(how);
  await server.start();

  t.match(await read, { value: String(NUMBERS ** 2) }, 'under way: a read that is at work');
  const isKind = how === 'SIGTERM' && server.isMysql;
  for (const { name, client, outcome, expected } of begun) {
    t.match(await outcome, isKind ? INTERRUPTED : expected, `under way: ${name}`);
    // The server has not said that the transaction is gone.
    if (isKind) await client.run('ROLLBACK');
  }
  for (const [i, { name }] of WAITING.entries())
    t.match(await later[i], { errno: undefined }, `waiting: ${name} succeeds`);
  for (const [i, { name, next, outcome }] of IDLE.entries())
    t.match(await outcomeOf(affected(idle[i] as Client, next)), outcome, `idle: ${name}`);
  for (const client of [reader, ...begun.map(({ client }) => client), ...idle, ...waiting])
    t.equal(await client.value('SELECT 7'), 7, 'the connection can be used on');
  const done = await (await world.direct()).rows('SELECT what FROM done ORDER BY what');
  const expected = ['committed', 'idle', 'waited', 'waited, in a transaction', 'waited, prepared'];
  t.strictSame(
    done.map(({ what }) => what),
    expected,
    'what was to be executed was so once, and nothing else',
  );
  t.equal(
    await world.proxy.settled(1 + begun.length + idle.length + waiting.length, 'mybouncer_clients'),
    1 + begun.length + idle.length + waiting.length,
  );
  t.equal(await world.proxy.metric('mybouncer_checkouts_refused_total'), 0);
}

/** Longer than clients wait. */
async function staysDown(t: Test, server: PrivateTestServer): Promise<void> {
  const world = await proxied(t, server, ['--query-wait-timeout', '1500ms']);
  const client = await world.connect();
  await eventually('it is served', async () => (await client.value('SELECT 1').catch(() => 0)) === 1);
  await server.kill('SIGKILL');
  const error = await client.error("INSERT INTO done VALUES ('late')");
  t.equal(error.errno, 1429);
  t.match(
    error.message,
    /^mybouncer: no free server session in pool .* after \d{4,} ms: .*; none could be opened for \d+\.\d s \(\d+ attempts\); last attempt: Can't connect to server on '127\.0\.0\.1:\d+' \(.*ECONNREFUSED/,
  );
  const attempts = await world.proxy.metric('mybouncer_server_dial_failures_total');
  // By pauses that double it would be six at the most.
  t.ok(attempts >= 7, `attempts come quickly where nobody listens: ${attempts} in 1.5 s`);
  const told = world.proxy.lines.filter(({ msg }) => msg === 'cannot open a server session');
  t.ok(told.length < attempts / 2, `and are not a line each: ${told.length}`);
  await server.start();
  await eventually('it is served', async () => (await client.value('SELECT 2').catch(() => 0)) === 2);
  await world.proxy.logged('server sessions can be opened again');
}

/** Sessions that the server still has refuse everything while it shuts down: also what a session needs before a command. */
async function refusesPreparation(t: Test, server: PrivateTestServer): Promise<void> {
  const world = await proxied(t, server, ['--pool-size', '24', '--query-wait-timeout', '60s']);
  const owner = await world.direct();
  await owner.run('CREATE TABLE one (v INT)');
  await owner.run('INSERT INTO one VALUES (1)');
  const clients = await Promise.all(Array.from({ length: 60 }, () => world.connect()));
  let over = false;
  // A statement that no session has: while others wait, it is prepared on one and executed on another. MySQL refuses it on a
  // session that was idle when the shutdown began.
  const reads = clients.map(async (client, i) => {
    for (let n = 0; !over; n++) {
      await sleep(5);
      const rows = await client.execute(`SELECT v + ? AS x FROM one WHERE ${n} = ${n}`, [i]);
      if (Number(rows[0]?.['x']) !== i + 1) throw new Error(`a wrong row: ${JSON.stringify(rows)}`);
    }
  });
  const all = Promise.all(reads);
  await sleep(500);
  // MySQL waits for it for two seconds.
  const busy = outcomeOf((await world.direct()).value('SELECT SLEEP(30)'));
  await isRunning(server, 'SLEEP');
  await server.kill('SIGTERM');
  await server.start();
  over = true;
  await t.resolves(all);
  await busy;
}

await forEachPrivateServer(t, async (t, server) => {
  for (const how of ['SIGKILL', 'SIGTERM'] as const)
    await t.test(`the server ends by ${how}, and comes back`, (t) => restart(t, server, how));
  await t.test('it refuses what a session needs before a read', (t) => refusesPreparation(t, server));
  await t.test('it comes back too late for some', (t) => staysDown(t, server));
});
