import t, { type Test } from 'tap';
import { Capability, Command } from '../../src/protocol/constants.js';
import { type Client, type Proxied, proxied } from '../support/proxied.js';
import { CLASSIC, loginOf, MODERN, RawClient } from '../support/raw-client.js';
import { readOk } from '../support/raw-ok.js';
import { executePayload } from '../support/raw-values.js';
import { forEachServer, type TestServer } from '../support/servers.js';

/** `session_track_…` is each client's own, while the proxy's stay as it needs them. */

const SHOW = "SHOW SESSION VARIABLES LIKE 'session_track%'";

const CHANGES = [
  'SET session_track_schema=OFF',
  'SET SESSION session_track_state_change=ON',
  "SET @@session_track_system_variables='autocommit,sql_mode'",
  "SET session_track_system_variables=CONCAT(@@session_track_system_variables, ',time_zone')",
  "SET session_track_transaction_info='STATE', time_zone='+01:00'",
  'SET session_track_system_variables=DEFAULT, session_track_transaction_info=DEFAULT',
];

const ROUTINES: Readonly<Record<string, string>> = {
  at_once: "SET SESSION session_track_system_variables=''; SET SESSION wait_timeout=555",
  and_back:
    "SET SESSION session_track_system_variables=''; SET SESSION wait_timeout=555; SET SESSION session_track_system_variables='*'",
  after_rows: "SELECT 1; SET SESSION session_track_system_variables=''; SET SESSION wait_timeout=555",
  in_silence:
    "SET SESSION session_track_system_variables=''; SET SESSION session_track_state_change=OFF; SET SESSION wait_timeout=555",
};

await forEachServer(t, async (t, server) => {
  const world = await proxied(t, server, ['--pool-size', '1']);
  const setup = await world.connect();
  await setup.run('CREATE TABLE plain(v INT)');
  await setup.run('INSERT INTO plain VALUES(0)');
  await setup.end();

  await t.test('a client reads what it would read without the proxy', (t) => read(t, world));
  await t.test('and is told what it asked for, no more', (t) => told(t, world));
  await t.test('state is seen and carried whatever a client has set', (t) => carried(t, world));
  await t.test('while a session is held as well', (t) => whileHeld(t, world));
  await t.test('a routine that switches them off', (t) => disarmed(t, world, server));
  await t.test('what is prepared in another sql_mode after that', (t) => preparedAfter(t, world));
});

async function shown(client: Client): Promise<[string, string][]> {
  return (await client.rows(SHOW)).map((row) => Object.values(row) as [string, string]);
}

async function read(t: Test, world: Proxied): Promise<void> {
  const [client, other, direct] = await Promise.all([world.connect(), world.connect(), world.direct()]);
  const defaults = await shown(direct);
  t.strictSame(await shown(client), defaults);
  for (const sql of CHANGES) {
    for (const one of [client, direct]) await one.run(sql);
    t.strictSame(await shown(client), await shown(direct), sql);
    t.strictSame(await shown(other), defaults, 'of another client');
    for (const question of [
      'SELECT @@session_track_system_variables AS v',
      'SELECT @@session.session_track_transaction_info AS v, @@time_zone AS z',
    ]) {
      t.strictSame(await client.rows(question), await direct.rows(question), question);
    }
    t.equal(await world.proxy.holds(0), 0);
  }
  await client.connection.reset();
  t.strictSame(await shown(client), defaults, 'after a reset');
  for (const one of [client, other, direct]) await one.end();
}

/** What the OK of each statement tells. */
async function tracked(client: RawClient, sql: string): Promise<unknown> {
  const reply = await client.query(sql);
  const { variables, schema, changed, characteristics, transactionState } = readOk(
    reply.at(-1)?.payload ?? Buffer.alloc(0),
  ).tracked;
  return { variables, schema, changed, characteristics, transactionState };
}

async function told(t: Test, world: Proxied): Promise<void> {
  const capabilities = MODERN | Capability.SessionTrack;
  const client = await RawClient.login(loginOf(world.proxy.url, { capabilities }));
  const direct = await RawClient.login(loginOf(world.server.url(world.schema), { capabilities }));
  const other = await world.connect();
  for (const sql of [
    "SET time_zone='+02:00', wait_timeout=1000",
    `USE ${world.schema}`,
    'SET session_track_state_change=ON',
    'SET @a=1',
    'SET wait_timeout=1001',
    "SET session_track_system_variables='wait_timeout'",
    "SET time_zone='+03:00', wait_timeout=1002",
    "SET session_track_transaction_info='CHARACTERISTICS'",
    'START TRANSACTION READ ONLY',
    'SELECT v FROM plain',
    'COMMIT',
    "SET session_track_transaction_info='STATE'",
    'BEGIN',
    'ROLLBACK',
    "SET session_track_system_variables='', session_track_state_change=OFF, session_track_transaction_info=OFF",
    "SET time_zone='+04:00', @b=2",
    // No transaction from here on: MySQL goes on telling of them when that was switched off.
  ]) {
    t.strictSame(await tracked(client, sql), await tracked(direct, sql), sql);
    if (!/BEGIN|START|FROM/.test(sql)) await other.value('SELECT v FROM plain');
  }
  client.destroy();
  direct.destroy();
  await other.end();
}

async function carried(t: Test, world: Proxied): Promise<void> {
  const [client, other] = await Promise.all([world.connect({ multipleStatements: true }), world.connect()]);
  await client.run(
    "SET session_track_system_variables='', session_track_state_change=OFF, wait_timeout=777, sql_mode='ANSI_QUOTES'",
  );
  await client.run("SET time_zone='+05:00'");
  const state = 'SELECT @@wait_timeout, @@sql_mode, @@time_zone, DATABASE()';
  const before = await client.rows(state);
  t.strictSame(Object.values(before[0] ?? {}), [777, 'ANSI_QUOTES', '+05:00', world.schema]);
  t.notSame(await other.rows(state), before);
  t.strictSame(await client.rows(state), before);
  await client.rows(`SHOW VARIABLES LIKE 'session_track%'; SET wait_timeout=778; ${SHOW}`);
  t.not(await other.value('SELECT @@wait_timeout'), 778);
  t.equal(await client.value('SELECT @@wait_timeout'), 778, 'set beside a question for the trackers');
  t.equal(await world.proxy.holds(0), 0);
  await client.end();
  await other.end();
}

async function whileHeld(t: Test, world: Proxied): Promise<void> {
  const [client, other] = await Promise.all([world.connect(), world.connect()]);
  await client.run('LOCK TABLES plain READ');
  await client.run("SET session_track_system_variables=''");
  await client.rows(SHOW);
  t.equal(await world.proxy.holds(1, 'reason="table_lock"'), 1, 'the locks are still known');
  await client.run('SET wait_timeout=779');
  await client.run('UNLOCK TABLES');
  t.equal(await world.proxy.holds(0), 0);
  t.not(await other.value('SELECT @@wait_timeout'), 779);
  t.equal(await client.value('SELECT @@wait_timeout'), 779);
  await client.run('BEGIN');
  await client.rows(SHOW);
  t.equal(await world.proxy.holds(1, 'reason="transaction"'), 1);
  await client.run('COMMIT');
  t.equal(await world.proxy.holds(0), 0);
  await client.end();
  await other.end();
}

async function disarmed(t: Test, world: Proxied, server: TestServer): Promise<void> {
  for (const [name, body] of Object.entries(ROUTINES)) {
    await server.query(`CREATE PROCEDURE ${world.schema}.${name}() BEGIN ${body}; END`);
    const [client, other, direct] = await Promise.all([world.connect(), world.connect(), world.direct()]);
    for (const one of [client, direct]) await one.rows(`CALL ${name}()`);
    // That a routine has set just what the proxy needs cannot be seen.
    if (name !== 'and_back')
      t.strictSame(await shown(client), await shown(direct), `${name}: what it has made of the client's own`);
    await direct.end();
    await client.run("SET time_zone='+07:00'");
    await client.connection.query({ sql: 'SELECT 1' });
    const ask = 'SELECT @@time_zone AS z, @@wait_timeout AS w';
    t.strictSame(await client.rows(ask), [{ z: '+07:00', w: 555 }], `${name}: what it did stays`);
    // It may hold the session for good.
    const waiting = other.rows(ask);
    await client.end();
    const [row] = await waiting;
    t.not(row?.['z'], '+07:00', `${name}: for others as if nothing had been`);
    t.not(row?.['w'], 555);
    await other.run("SET time_zone='+08:00'");
    const third = await world.connect();
    t.not(await third.value('SELECT @@time_zone'), '+08:00', `${name}: trackers are on again`);
    t.equal(await other.value('SELECT @@time_zone'), '+08:00');
    await other.end();
    await third.end();
  }
}

/** The procedure is not known yet: the session is held, and what it is in then must be known all the same. */
async function preparedAfter(t: Test, world: Proxied): Promise<void> {
  const owner = await world.direct();
  await owner.run(`CREATE PROCEDURE unknown_yet() BEGIN ${ROUTINES['at_once']}; END`);
  const client = await RawClient.login(loginOf(world.proxy.url, { capabilities: CLASSIC }));
  await client.must('CALL unknown_yet()');
  await client.must("SET sql_mode='ANSI_QUOTES'");
  const text = 'SELECT "v" FROM plain';
  const column = await client.prepare(text);
  await client.must("SET sql_mode=''");
  const string = await client.prepare(text);
  const shown: (string | undefined)[] = [];
  for (const id of [column, string]) {
    const reply = await client.command(Command.StmtExecute, executePayload(id), 'results');
    shown.push(reply[3]?.payload.toString('hex'));
  }
  t.strictSame(shown, ['000000000000', '00000176'], 'as bound when each was prepared');
  client.destroy();
}
