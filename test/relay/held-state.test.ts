import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { type Client, eventually, type Proxied } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { commandPayload, errOf, loginOf, packets, RawClient } from '../support/raw-client.js';
import { rowsOf } from '../support/raw-values.js';
import { type Flavor, forEachServer } from '../support/servers.js';
import { outcome } from './support/holds.js';

/** State that one client makes on its session, and how to look whether it is there. */
interface Held {
  readonly name: string;
  /** Label of the metric. */
  readonly reason: string;
  readonly make: readonly string[];
  /** Its only value, or its error's number. */
  readonly look: string;
  readonly there: unknown;
  readonly gone: unknown;
  readonly only?: Flavor;
}

const LOCK = 'mybouncer_test_held';

const HELD: readonly Held[] = [
  {
    name: 'a user variable',
    reason: 'user_variable',
    make: ['SET @v=0+1'],
    look: 'SELECT @v',
    there: 1,
    gone: null,
  },
  {
    name: 'a user variable set in passing',
    reason: 'user_variable',
    make: ['SELECT @v:=COUNT(*) FROM plain'],
    look: 'SELECT @v IS NOT NULL',
    there: 1,
    gone: 0,
  },
  {
    name: 'SELECT ... INTO a user variable',
    reason: 'user_variable',
    make: ['SELECT 3 INTO @v'],
    look: 'SELECT @v',
    there: 3,
    gone: null,
  },
  {
    name: 'a temporary table',
    reason: 'temporary_table',
    make: ['CREATE TEMPORARY TABLE mine(v INT)', 'INSERT INTO mine VALUES(4)'],
    look: 'SELECT v FROM mine',
    there: 4,
    gone: 1146,
  },
  {
    name: 'a temporary table that hides another',
    reason: 'temporary_table',
    make: ['CREATE TEMPORARY TABLE plain SELECT 5 AS v'],
    look: 'SELECT v FROM plain',
    there: 5,
    gone: 0,
  },
  {
    name: 'a user lock',
    reason: 'user_lock',
    make: [`SELECT GET_LOCK('${LOCK}', 0)`],
    look: `SELECT IS_USED_LOCK('${LOCK}') IS NULL`,
    there: 0,
    gone: 1,
  },
  {
    name: 'the character set of the schema, set by hand',
    reason: 'one_shot_variable',
    make: ['SET character_set_database=latin1'],
    look: 'SELECT @@character_set_database',
    there: 'latin1',
    gone: 'utf8mb4',
    only: 'mariadb',
  },
  {
    name: 'the collation of the schema, set by hand',
    reason: 'one_shot_variable',
    make: ['SET @@collation_database=latin1_bin, timestamp=DEFAULT'],
    look: 'SELECT @@collation_database',
    there: 'latin1_bin',
    gone: 'utf8mb4_general_ci',
    only: 'mariadb',
  },
  {
    name: 'LOCK TABLES',
    reason: 'table_lock',
    make: ['LOCK TABLES plain READ'],
    look: 'UPDATE plain SET v=0',
    there: 1099,
    gone: undefined,
  },
  {
    name: 'a statement prepared in SQL',
    reason: 'text_prepare',
    make: ["PREPARE mine FROM 'SELECT 6'"],
    look: 'EXECUTE mine',
    there: 6,
    gone: 1243,
  },
  {
    name: 'a handler',
    reason: 'handler',
    make: ['HANDLER plain OPEN'],
    look: 'HANDLER plain READ FIRST',
    there: 0,
    gone: 1109,
  },
  {
    name: 'SET TRANSACTION',
    reason: 'next_transaction',
    make: ['SET TRANSACTION READ ONLY'],
    look: 'UPDATE plain SET v=0',
    there: 1792,
    gone: undefined,
  },
  {
    name: 'an XA transaction',
    reason: 'xa',
    make: ["XA START 'mybouncer'", 'UPDATE plain SET v=1'],
    look: 'SELECT v FROM plain',
    there: 1,
    gone: 0,
  },
  {
    name: 'a frozen clock',
    reason: 'one_shot_variable',
    make: ['SET timestamp=86400'],
    look: 'SELECT UNIX_TIMESTAMP() = 86400',
    there: 1,
    gone: 0,
  },
  {
    name: 'the id of the next row',
    reason: 'one_shot_variable',
    make: ['SET insert_id=1000000'],
    look: 'SELECT @@insert_id >= 1000000',
    there: 1,
    gone: 0,
  },
  {
    name: 'a role',
    reason: 'role',
    make: ['SET ROLE ROLE_OF_THIS_RUN'],
    look: "SELECT IFNULL(CURRENT_ROLE(), 'NONE') <> 'NONE'",
    there: 1,
    gone: 0,
  },
  {
    name: 'a sequence',
    reason: 'sequence',
    make: ['SELECT NEXTVAL(seq)'],
    look: 'SELECT LASTVAL(seq) IS NULL',
    there: 0,
    gone: 1,
    only: 'mariadb',
  },
  {
    name: 'a transaction',
    reason: 'transaction',
    make: ['BEGIN', 'UPDATE plain SET v=7'],
    look: 'SELECT v FROM plain',
    there: 7,
    gone: 0,
  },
  {
    name: 'what a procedure did',
    reason: 'unknown',
    make: ['CALL makes_table()'],
    look: 'SELECT v FROM made',
    there: 8,
    gone: 1146,
  },
];

const ENDINGS: Record<string, (client: Client, world: Proxied) => Promise<void> | void> = {
  'the client leaves': (client) => client.end(),
  'the client is cut off': (client) => client.destroy(),
  COM_RESET_CONNECTION: (client) => client.connection.reset(),
  COM_CHANGE_USER: async (client, world) => {
    const { username, password } = new URL(world.proxy.url);
    await client.connection.changeUser({ user: username, password, database: world.schema });
  },
};

async function isHeld(t: Test, world: ProxiedUser, state: Held): Promise<void> {
  for (const [ending, end] of Object.entries(ENDINGS)) {
    const [holder, other] = await Promise.all([world.connect(), world.connect()]);
    for (const sql of state.make) await holder.rows(sql.replace('ROLE_OF_THIS_RUN', `${world.schema}_r`));
    t.equal(await world.proxy.holds(1, `reason="${state.reason}"`), 1, `held: ${state.reason}`);
    const seen = outcome(other, state.look);
    await eventually(
      'the other one waits',
      async () => (await world.proxy.metric('mybouncer_waiting_requests')) === 1,
    );
    t.strictSame(await outcome(holder, state.look), state.there, 'the client sees it');
    t.equal(await world.proxy.settled(1, 'mybouncer_waiting_requests'), 1);
    await end(holder, world);
    t.strictSame(await seen, state.gone, `gone: ${ending}`);
    // Its look may hold the session in turn.
    await other.end();
    if (ending.startsWith('COM_')) {
      t.strictSame(await outcome(holder, state.look), state.gone, 'for the client itself, too');
      await holder.end();
    }
    await eventually('nothing is held', async () => (await world.proxy.metric('mybouncer_holds')) === 0);
  }
}

await forEachServer(t, async (t, server) => {
  const world = await proxiedUser(t, server, ['--pool-size', '1', '--query-wait-timeout', '60s']);
  const setup = await world.connect();
  await setup.run('CREATE TABLE plain(v INT)');
  await setup.run('INSERT INTO plain VALUES(0)');
  await setup.run('CREATE TABLE ids(id INT AUTO_INCREMENT PRIMARY KEY, u INT UNIQUE)');
  await setup.run(
    'CREATE PROCEDURE makes_table() BEGIN CREATE TEMPORARY TABLE made(v INT); INSERT INTO made VALUES(8); END',
  );
  if (!server.isMysql) await setup.run('CREATE SEQUENCE seq');
  const role = `${world.schema}_r`;
  await server.query(`CREATE ROLE ${role}`);
  t.teardown(() => server.query(`DROP ROLE ${role}`));
  await server.query(`GRANT ${role} TO '${world.user.user}'@'%'`);
  await setup.end();

  for (const state of HELD) {
    if (state.only !== undefined && state.only !== server.flavor) continue;
    await t.test(state.name, (t) => isHeld(t, world, state));
  }
  await t.test('SET TRANSACTION is used up by the next transaction', async (t) => {
    const [a, b] = await Promise.all([world.connect(), world.connect()]);
    for (const transaction of [['SELECT v FROM plain'], ['BEGIN', 'SELECT v FROM plain', 'COMMIT']]) {
      await a.run('SET TRANSACTION READ ONLY');
      for (const sql of transaction) await a.rows(sql);
      t.equal(await world.proxy.holds(0), 0);
      await b.run('UPDATE plain SET v=0');
      await a.run('UPDATE plain SET v=0');
    }
    await a.end();
    await b.end();
  });
  await t.test('warnings are for the next statement of their client', (t) => warnings(t, world));
  await t.test('warnings do not hold a session for long', (t) => forgottenWarnings(t, world));
  await t.test('FOUND_ROWS() and ROW_COUNT() are right or refused', (t) => counts(t, world));
  await t.test('many clients with state of their own', (t) => manyClients(t, world));
});

/** Keeps asking for the session in the meantime. */
async function disturb(world: ProxiedUser, whileThis: () => Promise<void>): Promise<number> {
  const client = await world.connect();
  let done = false;
  let count = 0;
  const loop = (async () => {
    for (; !done; count++) {
      const rows = await client.rows(count % 3 === 0 ? 'SHOW WARNINGS' : 'SELECT v FROM plain WHERE v < 0');
      if (rows.length > 0) throw new Error(`somebody else's warnings: ${JSON.stringify(rows)}`);
    }
  })();
  try {
    await whileThis();
  } finally {
    done = true;
    await loop;
    await client.end();
  }
  return count;
}

/** Statements in one write: the second is there when the reply to the first is over. */
async function together(client: RawClient, ...statements: string[]): Promise<(string[] | number)[]> {
  client.write(Buffer.concat(statements.flatMap((sql) => packets(commandPayload(Command.Query, sql)))));
  const results: (string[] | number)[] = [];
  for (const _ of statements) {
    const reply = await client.reply('results');
    results.push(errOf(reply)?.errno ?? rowsOf(reply, client));
  }
  return results;
}

async function warnings(t: Test, world: ProxiedUser): Promise<void> {
  const client = await RawClient.login(loginOf(world.proxy.url));
  await client.must('INSERT INTO ids(u) VALUES(1)');
  await disturb(world, async () => {
    for (let i = 0; i < 20; i++) {
      t.strictSame(await together(client, 'INSERT IGNORE INTO ids(u) VALUES(1)', 'SHOW WARNINGS'), [
        [],
        ['Warning'],
      ]);
      t.strictSame(await together(client, 'SELECT * FROM nowhere', 'SHOW ERRORS'), [1146, ['Error']]);
      t.strictSame(await together(client, "SELECT CAST('1x' AS SIGNED)", 'SELECT @@warning_count'), [
        ['1'],
        ['1'],
      ]);
      t.strictSame(await together(client, 'SELECT v FROM plain', 'SHOW WARNINGS'), [['0'], []]);
    }
  });
  client.destroy();
}

async function forgottenWarnings(t: Test, world: ProxiedUser): Promise<void> {
  const [a, b] = await Promise.all([world.connect(), world.connect()]);
  await a.run('INSERT IGNORE INTO ids(u) VALUES(1)');
  t.equal(await b.value('SELECT v FROM plain'), 0, 'somebody else is served');
  t.equal((await a.rows('SHOW WARNINGS')).length, 1);
  await a.run('INSERT IGNORE INTO ids(u) VALUES(1)');
  const fresh = await world.connect();
  t.strictSame(await fresh.rows('SHOW WARNINGS'), [], 'a new client has no warnings');
  t.equal(await fresh.value('SELECT @@warning_count'), 0);
  for (const client of [a, b, fresh]) await client.end();
}

async function counts(t: Test, world: ProxiedUser): Promise<void> {
  const client = await RawClient.login(loginOf(world.proxy.url));
  await client.must('CREATE TABLE counted(v INT)');
  const refused: string[] = [];
  const wrong: unknown[] = [];
  const ask = async (statement: string, question: string, answer: string): Promise<void> => {
    const [, got] = await together(client, statement, question);
    if (got === 1105) refused.push(question);
    else if (!Array.isArray(got) || got[0] !== answer) wrong.push([statement, got]);
  };
  const served = await disturb(world, async () => {
    for (let i = 1; i <= 20; i++) {
      const rows = Array.from({ length: i }, () => '(0)').join(',');
      await ask(`INSERT INTO counted VALUES${rows}`, 'SELECT ROW_COUNT()', String(i));
      await ask(
        'UPDATE counted SET v=v+1 LIMIT 3',
        'SELECT ROW_COUNT() AS changed',
        String(Math.min(3, (i * (i + 1)) / 2)),
      );
      const total = String((i * (i + 1)) / 2);
      await ask('SELECT SQL_CALC_FOUND_ROWS v FROM counted LIMIT 1', 'SELECT FOUND_ROWS()', total);
      await ask('SELECT v FROM counted', 'SELECT FOUND_ROWS()', total);
    }
  });
  t.strictSame(wrong, [], 'never an answer that is not true');
  t.ok(refused.length <= 1, 'that clients ask is learned from the first refusal');
  t.ok(served > 0, 'others were served meanwhile');
  client.destroy();
}

/** Clients with one session between them, each with all kinds of state, see their own only. */
async function manyClients(t: Test, world: ProxiedUser): Promise<void> {
  const clients = await Promise.all(Array.from({ length: 6 }, () => world.connect()));
  const work = async (client: Client, i: number): Promise<string[]> => {
    const faults: string[] = [];
    for (let round = 0; round < 5; round++) {
      if ((await client.value('SELECT @who')) !== null) faults.push('a variable');
      await client.run(`SET @who=${i}`);
      await client.run(`CREATE TEMPORARY TABLE own SELECT ${i} AS v`);
      if ((await client.value('SELECT v FROM own')) !== i) faults.push('a table');
      if ((await client.value('SELECT @who')) !== i) faults.push('another variable');
      await client.run(`SET time_zone='+0${i}:00'`);
      await client.connection.reset();
      if ((await client.value('SELECT @@time_zone')) === `+0${i}:00`) faults.push('a time zone');
    }
    return faults;
  };
  t.strictSame((await Promise.all(clients.map(work))).flat(), []);
  for (const client of clients) await client.end();
}
