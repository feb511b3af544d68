import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { toldTo, toldToSomebody } from '../support/own-error.js';
import { type Client, eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser, sessionOf } from '../support/proxied-user.js';
import { errOf, MODERN, type RawClient, type RawPacket } from '../support/raw-client.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';
import { gone, runs } from './support/abandoning.js';
import { login } from './support/login.js';

const queryErr = (client: number) => ({
  errno: 1317,
  sqlState: '70100',
  message: toldTo(
    client,
    'mybouncer: Query execution was interrupted: the statement took longer than the 1s of query_timeout; make the ' +
      'statement faster, or raise query_timeout. The connection can be used on',
  ),
});

/**
 * Larger than all buffers on its way, and longer at work than a second. In long rows: what those buffers hold when it is killed
 * has to be read within the 5 s after which its session would be ended, by a client that takes its time for each packet.
 */
const ENDLESS =
  "SELECT REPEAT('x', 16000) FROM information_schema.collations a, information_schema.collations b, information_schema.collations c";

/** Goes on when it is killed. */
const STUBBORN = `CREATE PROCEDURE stubborn() BEGIN
  DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
  WHILE TRUE DO
    DO SLEEP(63);
  END WHILE;
END`;

await forEachServer(
  t,
  async (t, server) => {
    // Results without an end: it loads the machine.
    await t.test('query_timeout', (t) => queryTimeout(t, server));
    // Each with a proxy of its own; what takes time is that limits are looked at once a second.
    const others = {
      'query_timeout beside a statement': besideStatement,
      idle_transaction_timeout: idleTransaction,
      transaction_timeout: transaction,
      client_idle_timeout: clientIdle,
    };
    t.jobs = Object.keys(others).length;
    await Promise.all(
      Object.entries(others).map(([name, test]) => t.test(name, { buffered: true }, (t) => test(t, server))),
    );
  },
  { timeout: 240_000 },
);

function reached(world: ProxiedUser, limit: string): Promise<number> {
  return world.proxy.metric('mybouncer_time_limits_total', `limit="${limit}"`);
}

/** Transactions that the server has open for the proxy's account. */
async function transactions(world: ProxiedUser): Promise<number> {
  const ids = (await world.sessions()).map(({ id }) => id);
  const [row] = await world.server.query<{ n: number }>(
    `SELECT COUNT(*) AS n FROM information_schema.innodb_trx WHERE trx_mysql_thread_id IN (${ids.join(',') || 0})`,
  );
  return Number(row?.n);
}

/** Nothing of anybody's is left on the server, nor held here, and no session was given up. */
async function leavesNothing(t: Test, world: ProxiedUser, closed = 0): Promise<void> {
  await eventually('nothing is held', async () => (await world.proxy.metric('mybouncer_holds')) === 0);
  await eventually('no transaction is open', async () => (await transactions(world)) === 0);
  await eventually('no statement runs', async () =>
    (await world.sessions()).every(({ info }) => info === null),
  );
  const closedNow = (): Promise<number> => world.proxy.metric('mybouncer_server_sessions_closed_total');
  await eventually('those that had to go are closed', async () => (await closedNow()) >= closed);
  t.equal(await closedNow(), closed, 'the others are kept');
  t.equal(await world.proxy.settled(0, 'mybouncer_server_sessions', 'state="active"'), 0);
}

async function queryTimeout(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '2', '--query-timeout', '1s']);
  const [client, setup] = [await world.connect(), await world.directAsUser()];
  // Past the proxy: on a busy disk they may take longer than a second.
  await setup.run('CREATE TABLE slow(id INT PRIMARY KEY, v INT)');
  await setup.run('INSERT INTO slow VALUES(1, 0), (2, 0)');
  await setup.run(STUBBORN);
  await setup.end();

  await t.test('a statement is killed, its client is told, and both go on', async (t) => {
    t.strictSame(await client.error('SELECT /* too slow */ SLEEP(300)'), queryErr(client.id));
    await gone(world, '/* too slow */');
    t.equal(await client.value('SELECT 7'), 7);
    await t.rejects(client.execute('SELECT SLEEP(?)', [300]), queryErr(client.id), 'a prepared one');
    t.same(await client.execute('SELECT ? AS a', [8]), [{ a: 8 }]);
    // One of them runs when it is looked.
    for (let i = 0; i < 3; i++)
      t.equal(await client.value('SELECT SLEEP(0.4)'), 0, 'one within its time is left alone');
    const modern = await login(t, world.proxy.url, MODERN);
    t.match(errOf(await modern.query('SELECT SLEEP(300)')), queryErr(modern.id));
    t.equal(await modern.value('SELECT 9'), '9');
    t.equal(await reached(world, 'query_timeout'), 3);
    const line = await world.proxy.logged('a client reached a time limit');
    t.match(line, {
      level: 'warn',
      limit: 'query_timeout',
      seconds: 1,
      client: client.id,
      user: world.user.user,
    });
  });

  await t.test('one that waits for a lock: the transaction stays open', async (t) => {
    const blocker = await world.directAsUser();
    await blocker.run('BEGIN');
    await blocker.run('UPDATE slow SET v = 1 WHERE id = 2');
    await client.run('BEGIN');
    await client.run('UPDATE slow SET v = 5 WHERE id = 1');
    t.strictSame(await client.error('UPDATE slow SET v = 5 WHERE id = 2'), queryErr(client.id));
    await blocker.run('ROLLBACK');
    await blocker.end();
    await client.run('COMMIT');
    t.strictSame(await client.rows('SELECT v FROM slow ORDER BY id'), [{ v: 5 }, { v: 0 }]);
  });

  await t.test('one whose result is on its way', async (t) => {
    const raw = await login(t, world.proxy.url);
    const reply = await raw.query(ENDLESS);
    const last = reply.at(-1);
    t.match(last && errOf([last]), queryErr(raw.id));
    const before = reply.at(-2)?.sequenceId ?? 0;
    t.equal(last?.sequenceId, (before + 1) & 0xff, 'in its place in the row of packets');
    t.equal(await raw.value('SELECT 7'), '7');
    raw.destroy();
  });

  await t.test('several in one text: none of them runs on', async (t) => {
    const raw = await login(t, world.proxy.url);
    const reply = await raw.query('SELECT 1; SELECT SLEEP(300); SELECT SLEEP(300)');
    t.comment(`ends with ${reply.at(-1)?.payload.toString('latin1')}`);
    await gone(world, 'SLEEP(300)');
    t.equal(await raw.value('SELECT 7'), '7');
    raw.destroy();
  });

  await t.test('a COMMIT is never killed', async (t) => {
    const before = await reached(world, 'query_timeout');
    const raw = await login(t, world.proxy.url);
    await raw.must('DO SLEEP(2.5); INSERT INTO slow VALUES(3, 0); COMMIT');
    t.equal(await raw.value('SELECT COUNT(*) FROM slow'), '3');
    t.equal(await reached(world, 'query_timeout'), before);
    raw.destroy();
  });

  await leavesNothing(t, world);

  await t.test('one that goes on when it is killed loses its session, and is told both', async (t) => {
    const error = await client.error('CALL stubborn()');
    t.match(error, { errno: 1158, sqlState: '08S01' });
    t.match(error.message, /may or may not have been executed\. mybouncer: .* the 1s of query_timeout/);
    await eventually('its session is ended', async () => !(await runs(world, 'SLEEP(63)')));
    t.equal(await client.value('SELECT 7'), 7);
    await eventually(
      'it is counted',
      async () => (await world.proxy.metric('mybouncer_server_sessions_closed_total')) === 1,
    );
  });
  await leavesNothing(t, world, 1);
}

async function besideStatement(t: Test, server: TestServer): Promise<void> {
  const flags = ['--pool-size', '2', '--query-timeout', '1s', '--query-wait-timeout', '5s'];
  const world = await proxiedUser(t, server, flags);
  const [client, a, b, other, alters] = [
    await world.connect(),
    await world.connect(),
    await world.connect(),
    await world.directAsUser(),
    await world.directAsUser(),
  ];
  await other.run('CREATE TABLE slow(id INT PRIMARY KEY, v INT)');
  await other.run(STUBBORN);

  await t.test(
    'what the proxy does before it waits for a lock: the client hears the reason, too',
    async (t) => {
      t.strictSame(await client.execute('SELECT COUNT(*) AS n FROM slow', []), [{ n: 0 }]);
      // The statement has to be prepared on another session.
      await a.run('BEGIN');
      await other.run('BEGIN');
      await other.run('SELECT * FROM slow');
      const altered = alters.run('ALTER TABLE slow ADD COLUMN w INT');
      // Before that, it is in nobody's way.
      await eventually('it waits for its lock', async () =>
        (await world.sessions()).some(
          ({ info, state }) => info?.includes('ADD COLUMN w') === true && /metadata lock/.test(state ?? ''),
        ),
      );
      await t.rejects(client.execute('SELECT COUNT(*) AS n FROM slow', []), queryErr(client.id));
      await other.run('COMMIT');
      await altered;
      await a.run('COMMIT');
    },
  );

  await t.test('the reason is not told of what comes after', async (t) => {
    t.match(await client.error('CALL stubborn()'), { errno: 1158, message: /query_timeout/ });
    await a.run('BEGIN');
    await b.run('BEGIN');
    const error = await client.error('SELECT 1');
    t.equal(error.errno, 1040);
    t.notMatch(error.message, /query_timeout/);
    await a.run('COMMIT');
    await b.run('COMMIT');
    t.equal(await client.value('SELECT 1'), 1);
  });
}

async function idleTransaction(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '3', '--idle-transaction-timeout', '1s']);
  const [client, other] = [await world.connect(), await world.directAsUser()];
  await client.run('CREATE TABLE slow(id INT PRIMARY KEY, v INT)');
  await client.run('INSERT INTO slow VALUES(1, 0), (2, 0)');
  const err = (what: string): object => ({
    errno: 1317,
    sqlState: '70100',
    message: new RegExp(
      '^mybouncer: Transaction was rolled back: the client sent nothing for longer than the 1s of ' +
        `idle_transaction_timeout while it kept others waiting; gone with it: ${what}\\. This statement was not executed; ` +
        'the connection can be used on\\. To do: commit or roll back before other work',
    ),
  });

  await t.test('rolled back at once; told with the next command; then all is as it was', async (t) => {
    await client.run("SET time_zone = '+05:00'");
    await client.run('SET autocommit = 0');
    await client.run('UPDATE slow SET v = 1 WHERE id = 1');
    await other.run('UPDATE slow SET v = 2 WHERE id = 1');
    await eventually('the transaction is gone', async () => (await transactions(world)) === 0);
    t.match(await client.error('INSERT INTO slow VALUES(3, 0)'), err('transaction'));
    t.strictSame(await client.rows('SELECT id, v FROM slow ORDER BY id'), [
      { id: 1, v: 2 },
      { id: 2, v: 0 },
    ]);
    t.strictSame(await client.rows('SELECT @@time_zone z, @@autocommit a'), [{ z: '+05:00', a: 0 }]);
    await client.run('COMMIT');
    await client.run('SET autocommit = 1');
    t.equal(await reached(world, 'idle_transaction_timeout'), 1, 'a client that goes on is not met again');
  });

  await t.test('ROLLBACK is no error, nor what begins anew', async (t) => {
    for (const ends of ['ROLLBACK', 'reset', 'quit']) {
      const one = await world.connect();
      await one.run('BEGIN');
      await one.run('UPDATE slow SET v = 9 WHERE id = 1');
      await other.run('UPDATE slow SET v = 2 WHERE id = 1');
      t.ok(await one.connection.ping());
      if (ends === 'ROLLBACK') await one.run('ROLLBACK');
      if (ends === 'reset') await one.connection.reset();
      if (ends === 'quit') await one.end();
      else t.equal(await one.value('SELECT v FROM slow WHERE id = 1'), 2);
      one.destroy();
    }
  });

  await t.test('COMMIT is: nothing was committed', async (t) => {
    await client.run('BEGIN');
    await client.run('UPDATE slow SET v = 9 WHERE id = 1');
    await client.run('SET @a = (SELECT 1)');
    await other.run('UPDATE slow SET v = 2 WHERE id = 1');
    t.match(await client.error('COMMIT'), err('transaction, user_variable'));
    await client.run('COMMIT');
    t.equal(await client.value('SELECT @a'), null);
  });

  await t.test('table locks and XA', async (t) => {
    await client.run('LOCK TABLES slow WRITE');
    await other.run('UPDATE slow SET v = 3 WHERE id = 1');
    t.match(await client.error('SELECT * FROM slow'), err('table_lock'));
    await client.run(`XA START '${world.schema}'`);
    await client.run('UPDATE slow SET v = 9 WHERE id = 1');
    await other.run('UPDATE slow SET v = 4 WHERE id = 1');
    t.match(await client.error(`XA END '${world.schema}'`), { errno: 1317, message: /gone with it: .*xa/ });
    t.equal(await client.value('SELECT v FROM slow WHERE id = 1'), 4);
  });

  await t.test('what keeps nobody waiting is kept', async (t) => {
    const [keeps, works] = [await world.connect(), await world.connect()];
    await keeps.run('CREATE TEMPORARY TABLE mine(v INT)');
    t.equal(await keeps.value(`SELECT GET_LOCK('${world.schema}', 0)`), 1);
    const before = await reached(world, 'idle_transaction_timeout');
    await works.run('BEGIN');
    for (let i = 0; i < 4; i++)
      t.equal(await works.value('SELECT SLEEP(0.8)'), 0, 'a client that works is not idle');
    await works.run('COMMIT');
    t.equal(await works.value(`SELECT IS_FREE_LOCK('${world.schema}')`), 0);
    t.equal(await keeps.value('SELECT COUNT(*) FROM mine'), 0);
    t.equal(await reached(world, 'idle_transaction_timeout'), before);
    await keeps.end();
    await works.end();
  });

  await leavesNothing(t, world);

  await t.test('a file that stops half-way', async (t) => {
    const raw = await login(t, world.proxy.url);
    raw.send(
      Buffer.concat([Buffer.of(Command.Query), Buffer.from("LOAD DATA LOCAL INFILE 'x' INTO TABLE slow")]),
    );
    const request = await raw.expect();
    t.equal(request.payload[0], 0xfb);
    raw.send(Buffer.from('7\t7\n8\t8\n'), request.sequenceId + 1);
    t.match(errOf([await raw.expect()]), {
      errno: 1159,
      sqlState: '08S01',
      message:
        /^mybouncer: Got timeout reading communication packets: the client sent nothing for 1s in the midst of/,
    });
    await raw.ended();
    t.equal(await client.value('SELECT COUNT(*) FROM slow'), 2, 'nothing of it is there');
  });
  await leavesNothing(t, world, 1);
}

async function transaction(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '2', '--transaction-timeout', '2s']);
  const [client, other] = [await world.connect(), await world.directAsUser()];
  await client.run('CREATE TABLE slow(id INT PRIMARY KEY, v INT)');
  await client.run('INSERT INTO slow VALUES(1, 0), (2, 0)');

  await t.test('of many short statements', async (t) => {
    await client.run('BEGIN');
    await client.run('UPDATE slow SET v = 9');
    const session = await sessionOf(client);
    let error: unknown = null;
    while (error === null)
      error = await client.run('UPDATE slow SET v = v + 1').then(
        () => null,
        (e: unknown) => e,
      );
    t.match(error, {
      errno: 1317,
      sqlState: '70100',
      message: /^mybouncer: .*2s of transaction_timeout/,
    });
    await client.run('ROLLBACK');
    t.strictSame(await client.rows('SELECT DISTINCT v FROM slow'), [{ v: 0 }]);
    t.ok((await world.sessions()).some(({ id }) => id === session));
  });

  await t.test('that waits for a lock: the statement is killed, then the rest goes', async (t) => {
    await other.run('BEGIN');
    await other.run('UPDATE slow SET v = 1 WHERE id = 2');
    await client.run('BEGIN');
    await client.run('UPDATE slow SET v = 5 WHERE id = 1');
    t.match(await client.error('UPDATE slow SET v = 5 WHERE id = 2'), {
      errno: 1317,
      message:
        /^mybouncer: Query execution was interrupted: its transaction took longer than the 2s of transaction_t/,
    });
    await other.run('UPDATE slow SET v = 1 WHERE id = 1');
    await other.run('COMMIT');
    t.match(await client.error('SELECT 1'), { errno: 1317, message: /gone with it: transaction/ });
    t.strictSame(await client.rows('SELECT DISTINCT v FROM slow'), [{ v: 1 }]);
  });

  await t.test('one short one after another', async (t) => {
    const before = await reached(world, 'transaction_timeout');
    const end = performance.now() + 3_500;
    for (const begin of ['BEGIN', 'BEGIN', 'COMMIT AND CHAIN']) {
      const part = performance.now() + (end - performance.now()) / 2;
      while (performance.now() < part) {
        await client.run(begin);
        await client.run('UPDATE slow SET v = v + 1 WHERE id = 1');
      }
    }
    await client.run('COMMIT');
    t.equal(await reached(world, 'transaction_timeout'), before);
  });

  await leavesNothing(t, world);
}

/** All that comes before the connection ends. */
async function lastWords(client: RawClient): Promise<RawPacket[]> {
  const packets: RawPacket[] = [];
  for (let packet = await client.packet(); packet !== null; packet = await client.packet())
    packets.push(packet);
  return packets;
}

async function clientIdle(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '2', '--client-idle-timeout', '2s']);
  const busy: Client = await world.connect();
  const [idle, holder] = [await login(t, world.proxy.url), await login(t, world.proxy.url)];
  await holder.must('BEGIN');
  await holder.must('CREATE TEMPORARY TABLE mine(v INT)');
  const ends = Promise.all([lastWords(idle), lastWords(holder)]);
  t.equal(await busy.value('SELECT SLEEP(4)'), 0, 'who waits for an answer is not idle');
  for (const words of await ends) {
    if (!server.isMysql) {
      t.strictSame(words, [], 'MariaDB closes without a word');
      continue;
    }
    t.equal(words.length, 1);
    t.equal(words[0]?.sequenceId, 0);
    t.match(errOf(words), {
      errno: 4031,
      sqlState: 'HY000',
      message: toldToSomebody(
        'mybouncer: The client was disconnected because of inactivity: it sent nothing for longer than the 2s of ' +
          'client_idle_timeout; connect anew, or raise client_idle_timeout',
      ),
    });
  }
  t.equal(await reached(world, 'client_idle_timeout'), 2);
  t.equal(await busy.value('SELECT 7'), 7);
  await leavesNothing(t, world);
}
