import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import type { Client, Proxied } from '../support/proxied.js';
import { eventually, proxied } from '../support/proxied.js';
import {
  CLASSIC,
  commandPayload,
  errOf,
  loginOf,
  MODERN,
  packets,
  RawClient,
  type RawPacket,
} from '../support/raw-client.js';
import { executePayload, rowsOf } from '../support/raw-values.js';
import { forEachServer } from '../support/servers.js';
import { createTables, hex, threeClients } from './support/diagnostics.js';

/** What a client runs, each time right before a question. */
const STATEMENTS = [
  'SELECT id FROM t',
  'SELECT id FROM t LIMIT 1',
  'SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1',
  'SELECT id FROM t UNION SELECT 77 LIMIT 2',
  'SELECT id FROM t LIMIT 1,1',
  'INSERT IGNORE INTO t(u) VALUES(1),(2),(30)',
  'INSERT INTO notes(v) VALUES(1),(2)',
  'INSERT INTO notes(v) SELECT u FROM t LIMIT 2',
  'SET lock_wait_timeout = (SELECT 100 + COUNT(*) FROM t)',
  'UPDATE t SET v=v+1 WHERE id=2',
  'INSERT INTO t(id, u) VALUES(1, 1) ON DUPLICATE KEY UPDATE v=v+1',
  'REPLACE INTO t(id, u) VALUES(2, 2)',
  'UPDATE t SET v=v+1',
  'DELETE FROM notes WHERE v=1',
  'DROP TABLE IF EXISTS nothing, nobody, none',
  "SELECT CAST('1x' AS SIGNED), CAST('é' AS SIGNED)",
  'SELECT * FROM nowhere',
  'INSERT INTO t(u) VALUES(50),(1)',
  'SELEC',
  'SET time_zone=@@time_zone',
  'SET nonsense=1',
  'DO 1',
  'COMMIT',
  'CALL counts()',
  'CALL shows()',
  "SIGNAL SQLSTATE '01234' SET MESSAGE_TEXT='careful', MYSQL_ERRNO=12345",
  'SHOW TABLES LIKE "t"',
];

const QUESTIONS = [
  'SELECT FOUND_ROWS()',
  'select found_rows( ) AS n',
  'SELECT ROW_COUNT()',
  'SELECT ROW_COUNT() changed LIMIT 1',
  'SHOW WARNINGS',
  'SHOW WARNINGS LIMIT 1',
  'SHOW WARNINGS LIMIT 1, 5;',
  'SHOW ERRORS',
  'SHOW COUNT(*) WARNINGS',
  'SHOW COUNT(*) ERRORS',
  'SELECT @@warning_count',
  'SELECT @@session.error_count AS errors',
];

const LARGER = [
  'SELECT FOUND_ROWS(), ROW_COUNT() AS changed, 1',
  'SELECT ROW_COUNT() + 10 AS v',
  'SELECT IF(FOUND_ROWS() > 1, "many", "few") AS v FROM t WHERE id = 1',
  'SELECT v FROM (SELECT ROW_COUNT() AS v) AS x',
  'SELECT @@warning_count, @@error_count',
  'INSERT INTO notes SELECT ROW_COUNT()',
  'SELECT COUNT(*) AS n FROM notes WHERE v = ROW_COUNT() OR v = FOUND_ROWS()',
];

const DIAGNOSTICS = [
  'GET DIAGNOSTICS @a = NUMBER, @b = ROW_COUNT',
  'GET CURRENT DIAGNOSTICS CONDITION 1 @a=MYSQL_ERRNO, @b = MESSAGE_TEXT, @`c` = RETURNED_SQLSTATE',
  'get diagnostics condition 2 @b=message_text;',
];

/** Statements that change the tables. */
const CHANGES = /^(INSERT|REPLACE|UPDATE|DELETE|CALL)/;

await forEachServer(t, async (t, server) => {
  const world = await proxied(t, server, ['--pool-size', '1']);
  await createTables(world);

  await t.test('counts that were never asked for', (t) => neverAsked(t, world));
  await t.test('an UPDATE that has failed counts later', (t) => failedUpdate(t, world));
  for (const [name, capabilities] of [
    ['text', CLASSIC],
    ['prepared', MODERN],
  ] as const) {
    await t.test(`as from the server itself, ${name}`, async (t) => {
      await asDirect(t, world, capabilities);
    });
  }
  await t.test('inside larger statements', (t) => embedded(t, world));
  await t.test('GET DIAGNOSTICS', (t) => getDiagnostics(t, world));
  await t.test('asked for while it is being read', (t) => whileRead(t, world));
  await t.test('COM_INIT_DB tells of nothing new', (t) => initDb(t, world));
  await t.test('more warnings than are kept', (t) => manyWarnings(t, world));
  await t.test('more warnings than are kept, and then an error', (t) => manyBeforeError(t, world));
  await t.test('CONNECTION_ID() is what the greeting said', (t) => ownIds(t, world));
  await t.test('every client its own, all at once', (t) => hammer(t, world));
  const fresh = await proxied(t, server, ['--pool-size', '1']);
  await t.test('counts that somebody else has changed', (t) => changedByOthers(t, fresh));
  const two = await proxied(t, server, ['--pool-size', '2']);
  const direct = await two.direct();
  await direct.run('CREATE TABLE notes(v INT)');
  await t.test('with two sessions between them', (t) => hammer(t, two));
  await t.test('commands that are answered here', (t) => localCommands(t, two));
});

async function asDirect(t: Test, world: Proxied, capabilities: number): Promise<void> {
  const { schema, server, proxy } = world;
  const other = await world.connect();
  const direct = await RawClient.login(loginOf(server.url(schema), { capabilities }));
  const client = await RawClient.login(loginOf(proxy.url, { capabilities }));
  const disturb = (): Promise<unknown> => other.rows('SELECT 1 FROM notes WHERE v < 0');
  // From now on counts are kept for it, whatever they are of.
  await disturbed(client, 'SELECT id FROM t LIMIT 1, 1', disturb, 'SELECT FOUND_ROWS()');
  const prepared = capabilities === MODERN;
  // MySQL prepares none that asks for warnings.
  const questions = QUESTIONS.filter((sql) => !prepared || !server.isMysql || !/^SHOW|@@/.test(sql));
  for (const statement of STATEMENTS) {
    for (const question of questions) {
      await reset(direct, statement);
      const want = await disturbed(direct, statement, async () => {}, question, prepared);
      for (const between of prepared ? [disturb] : [async () => {}, disturb]) {
        await reset(client, statement);
        const got = await disturbed(client, statement, between, question, prepared);
        const name = `${statement} | ${between === disturb ? 'disturbed' : 'alone'} | ${question}`;
        if (!equal(want, got)) t.strictSame(got.map(hex), want.map(hex), name);
      }
    }
  }
  t.pass('all compared');
  client.destroy();
  direct.destroy();
  await other.end();
}

/** What a SELECT sent is known; where that is not the count, the first question is in vain, and only the first. */
async function neverAsked(t: Test, world: Proxied): Promise<void> {
  const [client, other] = [await world.connect(), await world.connect()];
  await client.run('INSERT INTO t(id) VALUES(1),(2),(3)');
  const foundRowsAfter = async (sql: string): Promise<unknown> => {
    await client.rows(sql);
    await other.rows('SELECT 1');
    return client.value('SELECT FOUND_ROWS()').catch((error: { errno: number }) => error.errno);
  };
  t.equal(await foundRowsAfter('SELECT id FROM t'), 3);
  t.equal(await foundRowsAfter('SELECT id FROM t ORDER BY id DESC LIMIT 2'), 2);
  t.equal(await foundRowsAfter('SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 2'), 3);
  t.equal(await foundRowsAfter('SELECT id FROM t LIMIT 1, 1'), 1105);
  t.equal(await foundRowsAfter('SELECT id FROM t LIMIT 1, 1'), 2);
  await client.run('DELETE FROM t');
  for (const each of [client, other]) await each.end();
}

/** Nobody has asked for any yet, so that they are not read before another client gets the session. */
async function changedByOthers(t: Test, world: Proxied): Promise<void> {
  const [client, other] = [await world.connect(), await world.connect()];
  await client.rows('SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 LIMIT 1, 1');
  await other.rows('SELECT 1 FROM (SELECT 1) AS x WHERE 0');
  t.same(await client.rows('SHOW WARNINGS'), []);
  t.match(await client.error('SELECT FOUND_ROWS()'), { errno: 1105 }, 'and not those of the other');
  for (const each of [client, other]) await each.end();
}

/** On MySQL, from the next statement on that writes. */
async function failedUpdate(t: Test, world: Proxied): Promise<void> {
  const [client, other, direct] = [await world.connect(), await world.connect(), await world.direct()];
  await client.run('INSERT INTO t(id) VALUES(1),(2),(3)');
  const disturb = (): Promise<unknown> => other.rows('SELECT 1');
  const found = async (on: Client, ...between: (() => Promise<unknown>)[]): Promise<unknown> => {
    await on.rows('SELECT id FROM t LIMIT 1, 2');
    await on.error('UPDATE t SET v = 1 MOD 0');
    for (const one of between) await one();
    await on.run('DELETE FROM notes');
    return on.value('SELECT FOUND_ROWS()').catch((error: { errno: number }) => error.errno);
  };
  const expected = await found(direct);
  t.equal(expected, world.server.isMysql ? 0 : 3);
  // After an error, the session may have been asked what it has done.
  t.ok([expected, 1105].includes(Number(await found(client))));
  t.equal(await found(client, disturb), world.server.isMysql ? 1105 : 3, 'nobody knows it any more');
  await client.run('DELETE FROM t');
  for (const each of [client, other]) await each.end();
}

/** A client that is answered here has what lies on the session read, and gives it back before the answer is there. */
async function whileRead(t: Test, world: Proxied): Promise<void> {
  const { proxy } = world;
  const login = (): Promise<RawClient> => RawClient.login(loginOf(proxy.url, { capabilities: CLASSIC }));
  const [client, other] = [await login(), await login()];
  await reset(client, 'INSERT');
  for (let i = 0; i < 20; i++) {
    await other.must('INSERT IGNORE INTO t(id) VALUES(1)');
    await client.must('SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1');
    const warnings = other.query('SHOW WARNINGS');
    const counted = await client.query('SELECT FOUND_ROWS()');
    await warnings;
    t.equal(counted.at(-2)?.payload.toString('latin1'), '\x013', 'the row');
  }
  client.destroy();
  other.destroy();
}

async function initDb(t: Test, world: Proxied): Promise<void> {
  const { schema } = world;
  const [direct, client, other] = await threeClients(world);
  const shown: string[][] = [];
  for (const one of [direct, client]) {
    // Setting it again on a session that another client has had leaves a warning on MySQL.
    await one.must('SET profiling_history_size=10');
    await one.query('SELECT nothing');
    await other.must('INSERT IGNORE INTO t(id) VALUES(1)');
    await one.command(Command.InitDb, schema, 'packet');
    shown.push((await one.query('SHOW WARNINGS')).map(hex));
  }
  t.strictSame(shown[1], shown[0]);
  for (const each of [direct, client, other]) each.destroy();
}

/** The table as it was. */
async function reset(client: RawClient, statement: string): Promise<void> {
  if (!CHANGES.test(statement)) return;
  await client.must('DELETE FROM t');
  await client.must('INSERT INTO t(id, u) VALUES(1, 1),(2, 2),(3, 3)');
  await client.must('DELETE FROM notes');
}

async function disturbed(
  client: RawClient,
  statement: string,
  between: () => Promise<unknown>,
  question: string,
  prepared = false,
): Promise<RawPacket[]> {
  const id = prepared ? await client.prepare(question) : null;
  await client.query(statement);
  await between();
  if (id === null) return client.query(question);
  const reply = await client.command(Command.StmtExecute, executePayload(id), 'results');
  await client.command(Command.StmtClose, Buffer.of(id, id >> 8, id >> 16, id >> 24), 'none');
  return reply;
}

function equal(a: readonly RawPacket[], b: readonly RawPacket[]): boolean {
  return a.length === b.length && a.every((packet, i) => hex(packet) === hex(b[i] as RawPacket));
}

async function embedded(t: Test, world: Proxied): Promise<void> {
  const flags = ['-SESSION_TRACK'];
  const [direct, client, other] = [
    await world.direct({ flags }),
    await world.connect({ flags }),
    await world.connect(),
  ];
  // From now on counts are kept, whatever they are of.
  await client.rows('SELECT id FROM t LIMIT 1, 1');
  await other.rows('SELECT 1 FROM notes WHERE v < 0');
  await client.rows('SELECT FOUND_ROWS()').catch(() => {});
  for (const prepared of [false, true]) {
    for (const statement of STATEMENTS.filter((sql) => !sql.includes('id FROM t'))) {
      for (const question of LARGER) {
        if (prepared && world.server.isMysql && question.includes('@@')) continue;
        const ask = async (on: Client, between: () => Promise<unknown>): Promise<unknown> => {
          if (CHANGES.test(statement)) {
            await on.run('DELETE FROM t');
            await on.run('INSERT INTO t(id, u) VALUES(1, 1),(2, 2),(3, 3)');
          }
          await on.run('DELETE FROM notes');
          await on.rows('SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 2');
          await on.connection.query(statement).catch(() => {});
          await between();
          const asked = prepared ? on.connection.execute(question) : on.connection.query(question);
          return asked.then(([rows, columns]) => [rows, columns?.map(({ name }) => name)]);
        };
        const want = await ask(direct, async () => {});
        const got = await ask(client, () => other.rows('SELECT 1 FROM notes WHERE v < 0'));
        const name = `${statement} | ${question}`;
        if (JSON.stringify(got) !== JSON.stringify(want)) t.strictSame(got, want, name);
      }
    }
  }
  t.pass('all compared');
  for (const each of [direct, client, other]) await each.end();
}

async function getDiagnostics(t: Test, world: Proxied): Promise<void> {
  const flags = ['-SESSION_TRACK'];
  const [direct, client, other] = [
    await world.direct({ flags }),
    await world.connect({ flags }),
    await world.connect(),
  ];
  const charsets = ', CHARSET(@a), CHARSET(@b), COLLATION(@b), CHARSET(@c), COLLATION(@c)';
  // Nobody says utf8mb3 to MySQL without a warning.
  const look = `SELECT @a, @b, @c, ROW_COUNT()${world.server.isMysql ? '' : charsets}`;
  const statements = [
    'INSERT IGNORE INTO t(u) VALUES(1),(2),(3)',
    'INSERT INTO t(u) VALUES(1)',
    'UPDATE t SET v=v+1',
    'DROP TABLE IF EXISTS nothing, nobody',
    "SELECT CAST('é' AS SIGNED), CAST('x' AS SIGNED)",
    'SELECT * FROM nowhere',
  ];
  for (const statement of statements) {
    for (const question of DIAGNOSTICS) {
      const name = `${statement} | ${question}`;
      const ask = async (on: Client, between: () => Promise<unknown>): Promise<unknown> => {
        await on.run('DELETE FROM t');
        await on.run('INSERT INTO t(id, u) VALUES(1, 1),(2, 2),(3, 3)');
        await on.connection.query(statement).catch(() => {});
        await between();
        const told = await on.connection.query(question).catch((error) => error);
        if (told instanceof Error) return told.message;
        return [told, await on.rows(look)];
      };
      await direct.connection.reset();
      await client.connection.reset();
      const want = await ask(direct, async () => {});
      const got = await ask(client, () => other.rows('SELECT 1 FROM notes WHERE v < 0'));
      // A condition that does not exist is not answered in the server's stead.
      if (typeof got === 'string') t.match(got, /^mybouncer: the warnings and counts/, name);
      else if (JSON.stringify(got) !== JSON.stringify(want)) t.strictSame(got, want, name);
    }
  }
  t.pass('all compared');
  for (const each of [direct, client, other]) await each.end();
}

/** MySQL lists 1024, MariaDB 64: these are kept. */
/** An ERR does not tell how many warnings came before it. */
async function manyBeforeError(t: Test, world: Proxied): Promise<void> {
  const [client, other] = [await world.connect(), await world.connect()];
  await client.run("SET sql_mode=''");
  // MySQL's own default is 1024.
  if (!world.server.isMysql) await client.run('SET max_error_count=2000');
  const fails = async (warnings: number): Promise<void> => {
    await client.run('DELETE FROM t');
    const rows = Array.from({ length: warnings }, (_, i) => `('${i}x')`).join(',');
    t.match(await client.error(`INSERT INTO t(u) VALUES${rows},(0)`), { errno: 1062 });
  };
  for (const warnings of [127, 128, 1500]) {
    await fails(warnings);
    t.equal(await other.value('SELECT 7'), 7, 'another client gets the session');
    if (warnings === 127) t.equal((await client.rows('SHOW WARNINGS')).length, 128);
    else t.match(await client.error('SHOW WARNINGS'), { message: /cannot be told/ });
    await client.run('DO 0');
  }
  for (const each of [client, other]) await each.end();
}

async function manyWarnings(t: Test, world: Proxied): Promise<void> {
  const [client, other] = [await world.connect(), await world.connect()];
  const isMysql = world.server.isMysql;
  const rows = Array.from({ length: 1500 }, () => '(1)').join(',');
  await client.run(`INSERT IGNORE INTO t(u) VALUES(1),${rows}`);
  t.equal(await world.proxy.holds(isMysql ? 1 : 0, 'reason="diagnostics"'), isMysql ? 1 : 0);
  const served = other.value('SELECT 7');
  if (!isMysql) await served;
  t.equal((await client.rows('SHOW WARNINGS')).length, isMysql ? 1024 : 64);
  t.equal(Number(await client.value('SHOW COUNT(*) WARNINGS')), 1501);
  t.equal((await client.rows('SHOW WARNINGS LIMIT 60, 10')).length, isMysql ? 10 : 4);
  await client.run('DO 0');
  t.equal(await served, 7, 'the next statement ends it');
  t.equal(await world.proxy.holds(0), 0);
  for (const each of [client, other]) await each.end();
}

async function ownIds(t: Test, world: Proxied): Promise<void> {
  const [client, other] = [await world.connect(), await world.connect()];
  const questions = [
    'SELECT CONNECTION_ID() AS v',
    'SELECT connection_id ( ) + 0 AS v',
    'SELECT 1 AS v FROM t WHERE CONNECTION_ID() = 0 UNION SELECT CONNECTION_ID()',
    'SELECT MAX(x.id) AS v FROM (SELECT CONNECTION_ID() AS id) AS x',
    'SELECT /* CONNECTION_ID() */ IF("CONNECTION_ID()" = "", 0, CONNECTION_ID()) AS v',
    'SELECT v FROM (SELECT CONNECTION_ID() AS v, ROW_COUNT() AS n) AS x',
  ];
  for (const sql of questions) {
    t.equal(Number(await client.value(sql)), client.id, sql);
    t.equal(Number((await client.execute(sql))[0]?.['v']), client.id, `${sql}, prepared`);
    t.equal(Number(await other.value(sql)), other.id, `${sql}, by another`);
  }
  const direct = await world.direct();
  for (const sql of [
    'SELECT CONNECTION_ID(), 2',
    'SELECT connection_id( ) FROM t LIMIT 1',
    'SELECT CONNECTION_ID() id',
  ]) {
    const [, want] = await direct.connection.query(sql);
    const [, got] = await client.connection.query(sql);
    t.strictSame(
      got?.map(({ name, columnType }) => [name, columnType]),
      want?.map(({ name, columnType }) => [name, columnType]),
      sql,
    );
  }
  for (const each of [direct, client, other]) await each.end();
}

/** Clients with one session between them, each asking right after each statement, in text and prepared. */
async function hammer(t: Test, world: Proxied): Promise<void> {
  const wrong: string[] = [];
  const work = async (n: number): Promise<void> => {
    const client = await RawClient.login(loginOf(world.proxy.url));
    const ask = await client.prepare('SELECT ROW_COUNT()');
    const found = await client.prepare('SELECT FOUND_ROWS()');
    const list = Array.from({ length: n + 1 }, (_, i) => `(${i})`).join(',');
    const text = async (statement: string, question: string, answer: string): Promise<void> => {
      const write = (sql: string): Buffer => Buffer.concat(packets(commandPayload(Command.Query, sql)));
      if (n % 2 === 0) client.write(Buffer.concat([write(statement), write(question)]));
      else client.write(write(statement));
      await client.reply('results');
      if (n % 2 === 1) client.write(write(question));
      const reply = await client.reply('results');
      const got = errOf(reply)?.message ?? rowsOf(reply, client).join();
      if (got !== answer) wrong.push(`${n}: ${statement} ${question}: ${got}, not ${answer}`);
    };
    const binary = async (statement: string, id: number, answer: number): Promise<void> => {
      await client.query(statement);
      const reply = await client.command(Command.StmtExecute, executePayload(id), 'results');
      const error = errOf(reply);
      const got = error?.message ?? Number(reply.at(-2)?.payload.readBigInt64LE(2));
      if (got !== answer) wrong.push(`${n}: ${statement} executed: ${got}, not ${answer}`);
    };
    for (let round = 0; round < 6; round++) {
      await text(`INSERT INTO notes VALUES${list}`, 'SELECT ROW_COUNT()', String(n + 1));
      await text(
        `SELECT SQL_CALC_FOUND_ROWS * FROM (VALUES ${rowsFor(world, n)}) x LIMIT 1`,
        'SELECT FOUND_ROWS()',
        String(n + 1),
      );
      await text(`SELECT CAST('${n}x' AS SIGNED)`, 'SELECT @@warning_count', '1');
      await text(`SELECT nothing_${n}`, 'SHOW ERRORS', 'Error');
      await text(`SELECT nothing_${n}`, 'SELECT @@error_count', '1');
      await text('SELECT 1', 'SELECT @@error_count', world.server.isMysql ? '0' : '1');
      await text('SELECT v FROM notes WHERE v < 0', 'SHOW WARNINGS', '');
      await binary(`INSERT INTO notes VALUES${list}`, ask, n + 1);
      await binary(`SELECT SQL_CALC_FOUND_ROWS * FROM (VALUES ${rowsFor(world, n)}) x LIMIT 1`, found, n + 1);
      await binary('DO 1', ask, 0);
    }
    client.destroy();
  };
  const leavers = async (): Promise<void> => {
    for (let round = 0; round < 6; round++) {
      const client = await RawClient.login(loginOf(world.proxy.url));
      await client.query('SELECT nothing_at_all');
      client.send(
        commandPayload(Command.Query, round % 2 === 0 ? 'SHOW WARNINGS' : 'SELECT SQL_CALC_FOUND_ROWS 1'),
      );
      client.destroy();
    }
  };
  await Promise.all([...Array.from({ length: 6 }, (_, n) => work(n)), leavers()]);
  t.strictSame(wrong, []);
  await eventually(
    'nobody waits',
    async () => (await world.proxy.metric('mybouncer_waiting_requests')) === 0,
  );
  t.equal(await world.proxy.holds(0), 0, 'nothing is held');
}

async function localCommands(t: Test, { proxy, server, schema }: Proxied): Promise<void> {
  for (const url of [server.url(schema), proxy.url]) {
    const client = await RawClient.login(loginOf(url));
    await client.must('INSERT INTO notes VALUES(1),(2)');
    await client.command(Command.Ping);
    t.equal(await client.value('SELECT ROW_COUNT()'), '0');
    await client.must('INSERT INTO notes VALUES(1),(2)');
    await client.command(Command.SetOption, Buffer.of(0, 0));
    t.equal(await client.value('SELECT ROW_COUNT()'), '-1');
    client.destroy();
  }
}

function rowsFor({ server }: Proxied, n: number): string {
  return Array.from({ length: n + 1 }, (_, i) => (server.isMysql ? `ROW(${i})` : `(${i})`)).join(',');
}
