import t, { type Test } from 'tap';
import { framed } from '../protocol/support/client-side.js';
import { Gate } from '../support/gate.js';
import { eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';
import { begin, gone, login, runs, sessionIds, sessionRunning } from './support/abandoning.js';

/** What becomes of statements that one KILL does not end, of those that are not killed, and of half a command. */

await forEachServer(
  t,
  async (t, server) => {
    const world = await proxiedUser(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
    const gate = await Gate.of(t, server, world.schema);
    await t.test('several statements, each of which outlives a KILL', (t) => chain(t, world));
    await t.test('a procedure that handles errors', (t) => handlers(t, world));
    await t.test('what no KILL QUERY ends goes with its session', (t) => stubborn(t, world));
    await t.test('a COMMIT is not killed', (t) => commits(t, world, gate));
    await t.test('a transaction that a text begins is', (t) => begins(t, world));
    await t.test('DDL is killed only while it waits', (t) => ddl(t, world, gate));
    await t.test('half a file', (t) => halfFile(t, world));
    await t.test('half a command', (t) => halfCommand(t, world));
    await t.test('on_client_disconnect: finish', (t) => finish(t, server));
  },
  { timeout: 240_000 },
);

function kills(world: ProxiedUser, kind: string): Promise<number> {
  return world.proxy.metric('mybouncer_kills_total', `kind="${kind}"`);
}

async function chain(t: Test, world: ProxiedUser): Promise<void> {
  const client = await login(world);
  const repeated = await kills(world, 'repeated');
  begin(client, 'SELECT /* chain */ SLEEP(61);'.repeat(8));
  const session = await sessionRunning(world, '/* chain */');
  client.destroy();
  await gone(world, '/* chain */');
  await eventually('its session is free', async () =>
    (await world.sessions()).some(({ id, command }) => id === session && command === 'Sleep'),
  );
  t.equal(await world.proxy.settled(0, 'mybouncer_server_sessions', 'state="active"'), 0);
  const more = (await kills(world, 'repeated')) - repeated;
  if (world.server.isMysql) t.ok(more >= 7, `${more} KILLs more than one`);
  else t.equal(more, 0, 'the first one ends the text');
  const next = await login(world);
  t.equal(await next.value('SELECT @@pseudo_thread_id'), String(session));
  next.destroy();
}

async function handlers(t: Test, world: ProxiedUser): Promise<void> {
  const client = await login(world);
  await client.must('CREATE TABLE handled(n INT)');
  await client.must(`CREATE PROCEDURE handled() BEGIN
    DECLARE n INT DEFAULT 0;
    DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
    DECLARE CONTINUE HANDLER FOR SQLWARNING BEGIN END;
    WHILE n < 8 DO
      INSERT INTO handled VALUES(n);
      DO SLEEP(62);
      SET n = n + 1;
    END WHILE;
  END`);
  begin(client, 'CALL handled()');
  await sessionRunning(world, 'SLEEP(62)');
  client.destroy();
  await gone(world, 'SLEEP(62)');
  await gone(world, 'handled');
  const next = await login(world);
  t.comment(`${await next.value('SELECT COUNT(*) FROM handled')} rounds`);
  t.equal(await next.value('SELECT SLEEP(0.01)'), '0');
  next.destroy();
}

async function stubborn(t: Test, world: ProxiedUser): Promise<void> {
  const client = await login(world);
  await client.must(`CREATE PROCEDURE stubborn() BEGIN
    DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;
    WHILE TRUE DO
      DO SLEEP(63);
    END WHILE;
  END`);
  client.destroy();
  const before = await kills(world, 'connection');
  // A KILL QUERY that falls between two of its statements meets no handler and ends it after all.
  while (await endedByKillQuery(world));
  t.equal((await kills(world, 'connection')) - before, 1);
  const next = await login(world);
  t.equal(await next.value('SELECT SLEEP(0.01)'), '0');
  next.destroy();
}

/** Leaves in the midst of the procedure. @returns whether its session is still there when that is over */
async function endedByKillQuery(world: ProxiedUser): Promise<boolean> {
  const client = await login(world);
  begin(client, 'CALL stubborn()');
  const session = await sessionRunning(world, 'SLEEP(63)');
  client.destroy();
  let command: string | undefined;
  await eventually('the procedure is over', async () => {
    command = (await world.sessions()).find(({ id }) => id === session)?.command;
    return command === undefined || command === 'Sleep';
  });
  return command !== undefined;
}

/** The proxy has seen that all others have gone. */
async function onlyOneLeft(world: ProxiedUser): Promise<void> {
  await eventually('they have gone', async () => (await world.proxy.metric('mybouncer_clients')) === 1);
}

async function commits(t: Test, world: ProxiedUser, gate: Gate): Promise<void> {
  const client = await login(world);
  await client.must('CREATE TABLE committed(v INT)');
  const killed = (await kills(world, 'query')) + (await kills(world, 'repeated'));
  begin(client, `BEGIN; INSERT INTO committed VALUES(1); ${Gate.READ}; COMMIT`);
  const session = await sessionRunning(world, 'FROM gate');
  const next = await login(world);
  client.destroy();
  await onlyOneLeft(world);
  await gate.open();
  await eventually(
    'it is committed',
    async () => (await next.value('SELECT COUNT(*) FROM committed')) === '1',
  );
  t.equal((await kills(world, 'query')) + (await kills(world, 'repeated')), killed);
  t.ok((await sessionIds(world)).includes(session));
  next.destroy();
}

async function begins(t: Test, world: ProxiedUser): Promise<void> {
  const client = await login(world);
  begin(client, 'BEGIN; INSERT INTO committed VALUES(2); DO SLEEP(64)');
  await sessionRunning(world, 'DO SLEEP(64)');
  client.destroy();
  await gone(world, 'DO SLEEP(64)');
  const next = await login(world);
  t.equal(await next.value('SELECT COUNT(*) FROM committed WHERE v = 2'), '0');
  next.destroy();
}

async function ddl(t: Test, world: ProxiedUser, gate: Gate): Promise<void> {
  const client = await login(world);
  await client.must('CREATE TABLE locked(v INT)');
  await gate.shut();
  // It locks what it reads, as it creates a table (and may not ask for that on MySQL).
  begin(client, 'CREATE TABLE finished AS SELECT id FROM gate');
  await sessionRunning(world, 'CREATE TABLE finished');
  const next = await login(world);
  client.destroy();
  await onlyOneLeft(world);
  await gate.open();
  await gone(world, 'CREATE TABLE finished');
  t.equal(await next.value('SELECT COUNT(*) FROM finished'), '1', 'at work it is not');

  const holder = await world.directAsUser();
  await holder.run('BEGIN');
  await holder.rows('SELECT * FROM locked');
  for (const sql of [
    'ALTER TABLE locked ADD w INT',
    'LOCK TABLES locked WRITE',
    'SELECT 1; DROP TABLE locked',
  ]) {
    const waiter = await login(world);
    begin(waiter, sql);
    const text = sql.replace('SELECT 1; ', '');
    await eventually(`${sql} waits`, async () =>
      (await world.sessions()).some(
        ({ info, state }) => info?.includes(text) === true && /metadata lock/.test(state ?? ''),
      ),
    );
    waiter.destroy();
    await gone(world, text);
  }
  await holder.run('COMMIT');
  t.equal(
    await next.value(
      "SELECT COUNT(*) FROM information_schema.columns WHERE table_name = 'locked' AND table_schema = DATABASE()",
    ),
    '1',
  );
  next.destroy();
  await holder.end();
}

/** Sessions that were closed because their client left inside a command. */
function closedInside(world: ProxiedUser): Promise<number> {
  return world.proxy.metric('mybouncer_server_sessions_closed_total', 'client_left_inside_command');
}

async function halfFile(t: Test, world: ProxiedUser): Promise<void> {
  const setup = await login(world);
  await setup.must('CREATE TABLE loaded(v INT) ENGINE=InnoDB');
  for (const [round, leave] of (['destroy', 'resetAndDestroy', 'end'] as const).entries()) {
    const client = await login(world);
    begin(client, "LOAD DATA LOCAL INFILE 'half' INTO TABLE loaded");
    const request = await client.expect();
    t.equal(request.payload[0], 0xfb);
    const session = await sessionRunning(world, 'LOAD DATA LOCAL');
    for (let i = 0; i < 20; i++) client.write(framed(Buffer.from('7\n'.repeat(4096)), 2 + i));
    // One more is cut in the middle.
    client.write(framed(Buffer.from('7\n'.repeat(4096)), 22).subarray(0, 1000));
    await new Promise((resolve) => setTimeout(resolve, 20));
    client.raw[leave]();
    await eventually('its session is gone', async () => !(await sessionIds(world)).includes(session));
    await eventually('it counts', async () => (await closedInside(world)) === round + 1);
    t.equal(await setup.value('SELECT COUNT(*) FROM loaded'), '0');
    client.destroy();
  }
  setup.destroy();
}

async function halfCommand(t: Test, world: ProxiedUser): Promise<void> {
  const setup = await login(world);
  await setup.must('CREATE TABLE half(v LONGTEXT)');
  const before = await closedInside(world);
  const text = `INSERT INTO half VALUES('${'x'.repeat(20 << 20)}')`;
  const packet = framed(Buffer.concat([Buffer.of(3), Buffer.from(text)]).subarray(0, 0xffffff), 0);
  // In the midst of a packet, and between two packets of one command.
  for (const length of [5 << 20, packet.length]) {
    const client = await login(world);
    client.write(packet.subarray(0, length));
    await eventually(
      'the server gets it',
      async () => (await world.proxy.metric('mybouncer_server_sessions', 'active')) > 0,
    );
    client.destroy();
  }
  await eventually('the sessions are closed', async () => (await closedInside(world)) === before + 2);
  // A short one has not been sent on at all.
  const client = await login(world);
  await client.must('BEGIN');
  await client.must("INSERT INTO half VALUES('short')");
  client.write(framed(Buffer.from('\u0003COMMIT'), 0).subarray(0, 8));
  client.destroy();
  await eventually('it is rolled back', async () => (await world.proxy.metric('mybouncer_holds')) === 0);
  t.equal(await setup.value('SELECT COUNT(*) FROM half'), '0');
  t.equal(await closedInside(world), before + 2);
  setup.destroy();
}

async function finish(t: Test, server: TestServer): Promise<void> {
  const world = await proxiedUser(t, server, ['--pool-size', '3', '--on-client-disconnect', 'finish']);
  const setup = await login(world);
  await setup.must('CREATE TABLE finished(v INT)');
  const gate = await Gate.of(t, server, world.schema);
  const [alone, inTransaction] = [await login(world), await login(world)];
  begin(alone, 'INSERT INTO finished SELECT 1 FROM gate FOR UPDATE');
  await inTransaction.must('BEGIN');
  begin(inTransaction, 'INSERT INTO finished SELECT 2 FROM gate FOR UPDATE');
  for (const value of [1, 2]) await sessionRunning(world, `SELECT ${value} FROM gate`);
  alone.destroy();
  inTransaction.destroy();
  await onlyOneLeft(world);
  await gate.open();
  await gone(world, 'INTO finished');
  await eventually('both are over', async () => (await world.proxy.metric('mybouncer_holds')) === 0);
  t.equal(await setup.value('SELECT GROUP_CONCAT(v) FROM finished'), '1', 'the transaction is rolled back');
  t.equal(await kills(world, ''), 0);
  // A file that nobody will send, asked for when the client has gone.
  const locker = await world.directAsUser();
  await locker.run('LOCK TABLES finished WRITE');
  const loader = await login(world);
  begin(loader, "LOAD DATA LOCAL INFILE 'never' INTO TABLE finished");
  const session = await sessionRunning(world, 'LOAD DATA LOCAL');
  loader.destroy();
  await onlyOneLeft(world);
  t.ok(await runs(world, 'LOAD DATA LOCAL'));
  await locker.run('UNLOCK TABLES');
  await eventually('its session is closed', async () => !(await sessionIds(world)).includes(session));
  await locker.end();
  // Who is ended by KILL has no say.
  const victim = await login(world);
  begin(victim, 'DO SLEEP(65)');
  await sessionRunning(world, 'DO SLEEP(65)');
  await setup.must(`KILL ${victim.id}`);
  await gone(world, 'DO SLEEP(65)');
  t.equal(await setup.value('SELECT GROUP_CONCAT(v) FROM finished'), '1');
  setup.destroy();
}
