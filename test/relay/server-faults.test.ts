import t, { type Test } from 'tap';
import { type Client, eventually, Proxied, proxied, useAtOnce } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { errOf, loginOf, RawClient } from '../support/raw-client.js';
import { APP_USER, forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';

/** Ids of all sessions of the proxy's, its control connection included. */
async function sessionIds(server: PrivateTestServer): Promise<number[]> {
  return (await server.sessions(APP_USER)).map(({ id }) => id);
}

/** Until the server runs a statement with this text. */
function untilRuns(server: PrivateTestServer, text: string): Promise<void> {
  return eventually(`the server runs ${text}`, async () =>
    (await server.sessions(APP_USER)).some(({ info }) => info?.includes(text) === true),
  );
}

interface Failure {
  readonly errno: number;
  readonly sqlState: string;
  readonly message: string;
}

/** What a promise was rejected with; null when it was not. Attached at once, so nothing is ever unhandled. */
function failureOf(promise: Promise<unknown>): Promise<Failure | null> {
  return promise.then(
    () => null,
    (error: Failure) => error,
  );
}

const LOST = { errno: 1158, sqlState: '08S01' };

await forEachPrivateServer(
  t,
  async (t, server) => {
    await t.test('idle sessions that the server ends are replaced unseen', (t) => idleSessions(t, server));
    await t.test('the server is killed under a statement', (t) => killedUnderStatement(t, server));
    await t.test('the server is down for a while', (t) => downForAWhile(t, server));
    await t.test('waiting for a server that stays down', (t) => staysDown(t, server));
    await t.test('what was held is lost with the server', (t) => heldIsLost(t, server));
    await t.test('the server stands still, then dies', (t) => standsStill(t, server));
    await t.test('the server refuses the password', (t) => wrongPassword(t, server));
    await t.test('the server comes up after the proxy', (t) => comesUpLater(t, server));
  },
  { timeout: 400_000 },
);

async function idleSessions(t: Test, server: PrivateTestServer): Promise<void> {
  const world = await proxied(t, server, ['--pool-size', '3']);
  const clients = await Promise.all([world.connect(), world.connect(), world.connect()]);
  const all = (sql: string): Promise<unknown[]> => Promise.all(clients.map((client) => client.value(sql)));
  await useAtOnce(clients);
  for (let round = 0; round < 5; round++) {
    let before: number[] = [];
    await eventually('the control connection is there', async () => {
      before = await sessionIds(server);
      return before.length >= 2;
    });
    for (const id of before) await server.query(`KILL ${id}`);
    // Some at once, before the proxy can have noticed; some when it has.
    if (round % 2 === 1) {
      await eventually('they are gone', async () =>
        (await sessionIds(server)).every((id) => !before.includes(id)),
      );
    }
    t.strictSame(await all('SELECT 7'), [7, 7, 7]);
    await eventually('all are new', async () =>
      (await sessionIds(server)).every((id) => !before.includes(id)),
    );
  }
  // The control connection is one of them: it is opened again when it is needed.
  const victim = failureOf((clients[0] as Client).run('DO SLEEP(60)'));
  await untilRuns(server, 'DO SLEEP(60)');
  await (clients[1] as Client).run(`KILL QUERY ${(clients[0] as Client).id}`);
  await victim;
  t.equal(await (clients[0] as Client).value('SELECT 1'), 1);

  for (const client of clients) await client.end();
  await world.proxy.stop();

  await server.query('SET GLOBAL wait_timeout=1');
  t.teardown(() => server.query('SET GLOBAL wait_timeout=28800'));
  const short = await proxied(t, server, ['--pool-size', '2']);
  const client = await short.connect();
  t.equal(await client.value('SELECT 8'), 8);
  for (let i = 0; i < 2; i++) {
    await eventually(
      'the server has closed what was idle',
      async () =>
        // The control connection keeps itself alive.
        (await sessionIds(server)).length === 1 &&
        (await short.proxy.metric('mybouncer_server_sessions')) === 0,
    );
    t.equal(await client.value('SELECT 9'), 9);
    t.strictSame(await client.execute('SELECT 10 AS x'), [{ x: 10 }]);
  }
  await client.end();
}

async function killedUnderStatement(t: Test, server: PrivateTestServer): Promise<void> {
  const world = await proxied(t, server, ['--query-wait-timeout', '60s']);
  const [writer, reader, prepared] = await Promise.all([world.connect(), world.connect(), world.connect()]);
  await writer.run('CREATE TABLE written(v INT)');
  t.strictSame(await prepared.execute('SELECT COUNT(*) AS n FROM written'), [{ n: 0 }]);
  const insert = failureOf(writer.run('INSERT INTO written SELECT SLEEP(60)'));
  const select = failureOf(reader.run('SELECT 1, SLEEP(60), 2 FROM written FOR UPDATE'));
  // Statements that are passed on in pieces, in one packet and in two.
  const long = await Promise.all([1, 2].map(() => RawClient.login(loginOf(world.proxy.url))));
  const longReplies = long.map((client, i) =>
    client.query(`DO SLEEP(${60 + i}), '${'x'.repeat((2 + 15 * i) << 20)}'`),
  );
  for (const text of ['INSERT INTO written', 'DO SLEEP(60)', 'DO SLEEP(61)']) await untilRuns(server, text);
  await server.kill('SIGKILL');
  t.match(await insert, LOST);
  t.match((await insert)?.message, /mybouncer: Lost connection to MySQL server during query/);
  t.match((await insert)?.message, /may or may not have been executed/);
  for (const [i, reply] of (await Promise.all(longReplies)).entries()) {
    t.match(errOf(reply), LOST);
    t.equal(reply[0]?.sequenceId, i + 1, 'with the sequence id that is due');
  }
  await server.start();
  for (const client of long) t.equal(await client.value('SELECT 6'), '6', 'and the next one is answered');
  // It may not even have been sent.
  await select;
  for (const client of [writer, reader, prepared])
    t.equal(await client.value('SELECT COUNT(*) FROM written'), 0);
  t.strictSame(await prepared.execute('SELECT COUNT(*) AS n FROM written'), [{ n: 0 }], 'prepared anew');
  await writer.run('INSERT INTO written VALUES(1)');

  // In the midst of rows: either the client is told in place of the next row, or it is cut off; never half a result.
  const rows = failureOf(
    reader.connection.query(
      'WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i+1 FROM n WHERE i < 1000) SELECT i, SLEEP(0.01), REPEAT("x", 1000) FROM n',
    ),
  );
  await untilRuns(server, 'WITH RECURSIVE');
  await server.kill('SIGKILL');
  t.not(await rows, null, 'the result is not taken for complete');
  await server.start();
  t.equal(await writer.value('SELECT v FROM written'), 1);
  for (const client of [writer, reader, prepared, ...long]) client.destroy();
}

async function downForAWhile(t: Test, server: PrivateTestServer): Promise<void> {
  const world = await proxied(t, server, ['--query-wait-timeout', '60s', '--pool-size', '2']);
  const clients = await Promise.all(Array.from({ length: 5 }, () => world.connect()));
  const [a, b, c, d] = clients as [Client, Client, Client, Client];
  await a.run('CREATE TABLE down(v INT)');
  await server.kill('SIGTERM');
  const late = world.connect();
  const waiting = [
    a.value('SELECT 1'),
    b.run('INSERT INTO down VALUES(1)').then((result) => result.affectedRows),
    c.execute('SELECT 3 AS three').then(([row]) => row?.['three']),
    d
      .run('BEGIN')
      .then(() => d.run('INSERT INTO down VALUES(2)'))
      .then(() => d.run('COMMIT'))
      .then(() => 'committed'),
    late.then((client) => client.value('SELECT 5')),
  ];
  const answers = Promise.allSettled(waiting);
  await eventually('they wait', async () => (await world.proxy.metric('mybouncer_waiting_requests')) >= 4);
  await eventually(
    'several attempts have failed',
    async () => (await world.proxy.metric('mybouncer_server_dial_failures_total')) >= 3,
  );
  t.equal(await world.proxy.settled(6, 'mybouncer_clients'), 6, 'a client can log in meanwhile');
  await server.start();
  t.strictSame(
    (await answers).map((answer) => (answer.status === 'fulfilled' ? answer.value : answer.reason)),
    [1, 1, 3, 'committed', 5],
  );
  t.equal(await a.value('SELECT SUM(v) FROM down'), '3', 'each was executed once');
  t.equal(await world.proxy.metric('mybouncer_checkouts_refused_total'), 0);
}

/** A client that has had a session, where nobody waits for as long as a login may take. */
async function soonConnected(world: Proxied): Promise<Client> {
  let client: Client | null = null;
  await eventually('it is served', async () => {
    client ??= await world.connect().catch(() => null);
    return client !== null && (await failureOf(client.value('SELECT 1'))) === null;
  });
  if (client === null) throw new TypeError('served and gone');
  return client;
}

async function staysDown(t: Test, server: PrivateTestServer): Promise<void> {
  const world = await proxied(t, server, ['--query-wait-timeout', '300ms']);
  const client = await soonConnected(world);
  await server.kill('SIGTERM');
  for (const sql of ['SELECT 1', 'BEGIN', 'SET @a=1', 'no SQL at all']) {
    const error = await client.error(sql);
    t.match(error, { errno: 1429, sqlState: 'HY000', message: /mybouncer: .*ECONNREFUSED/ });
    t.match(error.message, new RegExp(`127.0.0.1:${server.port}`));
  }
  await t.rejects(client.execute('SELECT 2'), /ECONNREFUSED/);
  t.ok(await client.connection.ping(), 'the connection lives');
  const next = await world.connect();
  t.match(await next.error('SELECT 1'), { errno: 1429 });
  await server.start();
  await eventually(
    'the pause between attempts is over',
    async () => (await failureOf(client.value('SELECT 1'))) === null,
  );
  t.equal(await next.value('SELECT 2'), 2);
}

async function heldIsLost(t: Test, server: PrivateTestServer): Promise<void> {
  const world = await proxied(t, server, ['--query-wait-timeout', '60s']);
  const setup = await world.connect();
  await setup.run('CREATE TABLE held(v INT)');
  for (const how of ['SIGKILL', 'SIGTERM'] as const) {
    const [inTransaction, withTable, withLock, carrying] = (await Promise.all(
      Array.from({ length: 4 }, () => world.connect()),
    )) as [Client, Client, Client, Client];
    await inTransaction.run('BEGIN');
    await inTransaction.run('INSERT INTO held VALUES(1)');
    await withTable.run('CREATE TEMPORARY TABLE mine(v INT)');
    await withLock.value("SELECT GET_LOCK('mine', 0)");
    await carrying.run("SET time_zone='+07:00'");
    await server.kill(how);
    await server.start();
    const error = await inTransaction.error('INSERT INTO held VALUES(2)');
    t.match(error, { ...LOST, message: /gone with it: transaction\. This statement was not executed/ });
    await inTransaction.run('INSERT INTO held VALUES(3)');
    t.match(await withTable.error('INSERT INTO mine VALUES(1)'), { ...LOST, message: /temporary_table/ });
    t.match(await withTable.error('INSERT INTO mine VALUES(1)'), { errno: 1146 });
    t.match(await withLock.error('SELECT 1'), { ...LOST, message: /user_lock/ });
    t.equal(await withLock.value("SELECT IS_FREE_LOCK('mine')"), 1);
    t.equal(await carrying.value('SELECT @@time_zone'), '+07:00', 'what is carried survives');
    t.strictSame(await setup.rows('SELECT v FROM held'), [{ v: 3 }]);
    await setup.run('DELETE FROM held');
    for (const client of [inTransaction, withTable, withLock, carrying]) await client.end();
  }
}

async function standsStill(t: Test, server: PrivateTestServer): Promise<void> {
  const flags = ['--query-wait-timeout', '60s', '--pool-size', '2', '--server-connect-timeout', '500ms'];
  const world = await proxied(t, server, flags);
  const [a, b, c] = await Promise.all([world.connect(), world.connect(), world.connect()]);
  await a.run('CREATE TABLE still(v INT)');
  await useAtOnce([a, b]);
  await server.kill('SIGSTOP');
  const answers = Promise.all([
    a.value('SELECT 1'),
    b.run('INSERT INTO still VALUES(1)').then((result) => result.affectedRows),
    c.value('SELECT 3'),
  ]);
  const newcomer = await world.connect();
  t.ok(await newcomer.connection.ping(), 'a login needs nothing of the server');
  await eventually('one waits', async () => (await world.proxy.metric('mybouncer_waiting_requests')) === 1);
  await server.kill('SIGCONT');
  t.strictSame(await answers, [1, 1, 3]);

  await server.kill('SIGSTOP');
  const repeated = a.value('SELECT 4');
  const inFlight = failureOf(b.run('INSERT INTO still VALUES(2)'));
  const active = (): Promise<number> => world.proxy.metric('mybouncer_server_sessions', 'state="active"');
  await eventually('both sessions are in use', async () => (await active()) === 2);
  const later = c.run('INSERT INTO still VALUES(3)');
  await server.kill('SIGKILL');
  await server.start();
  t.equal(await repeated, 4, 'a plain SELECT is repeated');
  t.match(await inFlight, LOST, 'what was sent and may change something is not');
  await later;
  t.strictSame(await a.rows('SELECT v FROM still ORDER BY v'), [{ v: 1 }, { v: 3 }]);

  // Nobody answers, and nobody refuses either.
  await server.kill('SIGSTOP');
  const failures = await world.proxy.metric('mybouncer_server_dial_failures_total');
  const more = [a, b, c, newcomer].map((client, i) => client.value(`SELECT ${i}`));
  const all = Promise.all(more);
  await eventually(
    'they are sent, or wait',
    async () => (await world.proxy.metric('mybouncer_waiting_requests')) >= 2,
  );
  await server.kill('SIGCONT');
  t.strictSame(await all, [0, 1, 2, 3]);
  t.ok((await world.proxy.metric('mybouncer_server_dial_failures_total')) >= failures);
}

async function wrongPassword(t: Test, server: PrivateTestServer): Promise<void> {
  const account = await server.createUser();
  const wrong = new URL(account.url());
  wrong.password = 'wrong';
  const refusals = async (): Promise<number> => server.status('Aborted_connects');
  const before = await refusals();
  const flags = ['--server-login-retry', '50ms', '--query-wait-timeout', '2s'];
  const proxy = await startProxy(t, { upstream: wrong.href, flags, untilListening: true });
  const complaints = (): string[] =>
    proxy.lines.filter(({ level }) => level === 'error').map(({ msg }) => msg);
  await eventually('several attempts', async () => (await refusals()) >= before + 3);
  t.equal(complaints().length, 1, 'one line');
  t.match(complaints()[0], /cannot reach the server: .*Access denied for user/);
  t.notMatch(proxy.logs.join('\n'), /"wrong"|:wrong@/, 'without the password');
  const readiness = await fetch(`${proxy.http}/readyz`);
  t.equal(readiness.status, 503);
  t.match(await readiness.text(), /Access denied/);
  const refused = await failureOf(new Proxied(t, server, proxy, 'app').connect());
  t.match(refused, {
    errno: 1045,
    message: /^mybouncer: the server was not reached.*Access denied for user.* \(client \d+\)$/s,
  });
  await server.query(`ALTER USER '${account.user}'@'%' IDENTIFIED BY 'wrong'`);
  await proxy.logged('ready');
  const client = await soonConnected(new Proxied(t, server, proxy, 'app'));

  await server.query(`ALTER USER '${account.user}'@'%' IDENTIFIED BY 'changed'`);
  for (const { id } of await server.sessions(account.user)) await server.query(`KILL ${id}`);
  let error: Failure | null = null;
  await eventually('it is refused', async () => {
    error = await failureOf(client.value('SELECT 1'));
    // A login may take longer than a client waits.
    return error !== null && error.errno !== 1040;
  });
  t.match(error, { errno: 1045, sqlState: '28000', message: /mybouncer: .*Access denied for user/ });
  await server.query(`ALTER USER '${account.user}'@'%' IDENTIFIED BY 'wrong'`);
  await eventually(
    'the password is right again',
    async () => (await failureOf(client.value('SELECT 1'))) === null,
  );
}

async function comesUpLater(t: Test, server: PrivateTestServer): Promise<void> {
  await server.kill('SIGTERM');
  const flags = ['--server-login-retry', '50ms', '--query-wait-timeout', '60s'];
  const proxy = await startProxy(t, { upstream: server.url(), flags, untilListening: true });
  const world = new Proxied(t, server, proxy, 'app');
  const early = world.connect();
  const answer = early.then((client) => client.value('SELECT 1'));
  const failed = failureOf(answer);
  t.equal((await fetch(`${proxy.http}/readyz`)).status, 503);
  t.equal((await fetch(`${proxy.http}/livez`)).status, 200);
  await eventually('it has complained', () =>
    proxy.lines.some(({ msg }) => /cannot reach the server.*ECONNREFUSED/.test(msg)),
  );
  await server.start();
  t.equal(await failed, null);
  t.equal(await answer, 1);
  await proxy.logged('ready');
  t.equal((await fetch(`${proxy.http}/readyz`)).status, 200);
  const errors = proxy.lines.filter(({ level }) => level === 'error');
  t.equal(new Set(errors.map(({ msg }) => msg)).size, errors.length, 'nothing is said twice');
}
