import t, { type Test } from 'tap';
import { Capability, Command, CursorFlag } from '../../src/protocol/constants.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { CLASSIC, commandPayload, errOf, loginOf, packets, RawClient } from '../support/raw-client.js';
import { executePayload, rowsOf } from '../support/raw-values.js';
import { forEachServer } from '../support/servers.js';

/** A session between two states: nobody may get it as it is. */
await forEachServer(t, async (t, server) => {
  const flags = ['--pool-size', '1'];
  await t.test('a client that leaves while its state cannot be restored', async (t) => {
    await leaver(t, await proxiedUser(t, server, flags));
  });
  await t.test('a client whose schema somebody has dropped', async (t) => {
    await homeless(t, await proxiedUser(t, server, flags));
  });
  await t.test('COM_SET_OPTION while a session is held', async (t) => {
    await option(t, await proxiedUser(t, server, flags));
  });
  await t.test('COM_RESET_CONNECTION behind a session that is being given back', async (t) => {
    await resetWhileSettling(t, await proxiedUser(t, server, flags));
  });
});

async function leaver(t: Test, world: ProxiedUser): Promise<void> {
  const other = await world.connect();
  for (let i = 0; i < 10; i++) {
    const schema = await world.server.createDatabase();
    const client = await RawClient.login(loginOf(world.proxy.url));
    await client.must(`USE ${schema}`);
    await client.must("SET time_zone='+05:00'");
    await other.run("SET time_zone='-02:00'");
    await world.server.query(`DROP DATABASE ${schema}`);
    client.send(commandPayload(Command.Query, 'SELECT 1'));
    client.destroy();
    for (let look = 0; look < 5; look++) {
      const zone = await other.value('SELECT @@time_zone');
      if (zone !== '-02:00') t.fail(`the time zone of somebody else: ${zone}`);
    }
  }
  t.pass('its session was cleaned');
  await other.end();
}

async function homeless(t: Test, world: ProxiedUser): Promise<void> {
  const [client, other] = await Promise.all([world.connect(), world.connect()]);
  const schema = await world.server.createDatabase();
  await client.run(`USE ${schema}`);
  await other.value('SELECT 1');
  await world.server.query(`DROP DATABASE ${schema}`);
  t.equal((await client.error('SELECT 1')).errno, 1049);
  t.equal((await client.error(`USE ${schema}`)).errno, 1049);
  t.equal(await other.value('SELECT DATABASE()'), world.schema, 'the refused USE is nobody else’s');
  await client.run(`USE ${world.schema}`);
  t.equal(await client.value('SELECT DATABASE()'), world.schema);
  t.equal((await client.error('USE no_such_schema')).errno, 1044);
  t.equal(await client.value('SELECT DATABASE()'), world.schema, 'it stays where it was');
  await client.run("SET time_zone='+01:00'");
  t.equal(await other.value('SELECT DATABASE()'), world.schema);
  t.equal(await client.value('SELECT @@time_zone'), '+01:00');
  await Promise.all([client.end(), other.end()]);
}

/** Opens a cursor, which holds the session. Returns the statement's id. */
async function openCursor(client: RawClient): Promise<number> {
  await client.must('CREATE TABLE IF NOT EXISTS many(v INT)');
  await client.must('INSERT INTO many VALUES(1), (2), (3)');
  const id = await client.prepare('SELECT v FROM many');
  await client.command(
    Command.StmtExecute,
    executePayload(id, [], { cursor: CursorFlag.ReadOnly }),
    'results',
  );
  return id;
}

function closing(id: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32LE(id);
  return commandPayload(Command.StmtClose, payload);
}

async function option(t: Test, world: ProxiedUser): Promise<void> {
  const several = CLASSIC | Capability.MultiStatements;
  const client = await RawClient.login(loginOf(world.proxy.url, { capabilities: several }));
  const single = await RawClient.login(
    loginOf(world.proxy.url, { capabilities: CLASSIC & ~Capability.MultiStatements }),
  );
  const id = await openCursor(client);
  t.equal(errOf(await client.query('SELECT * FROM nowhere'))?.errno, 1146);
  await client.command(Command.SetOption, Buffer.from([1, 0]));
  client.send(closing(id));
  t.equal(
    errOf(await single.query('SELECT 1; SELECT 2'))?.errno,
    1064,
    'one statement for who asked for one',
  );
  t.equal(errOf(await client.query('SELECT 1; SELECT 2'))?.errno, 1064, 'and for who said so later');
  for (const one of [client, single]) one.destroy();
}

async function resetWhileSettling(t: Test, world: ProxiedUser): Promise<void> {
  const client = await RawClient.login(loginOf(world.proxy.url));
  await client.must(
    "CREATE PROCEDURE fails() BEGIN SET SESSION lock_wait_timeout=77; SIGNAL SQLSTATE '45000'; END",
  );
  const fresh = await client.value('SELECT @@lock_wait_timeout');
  for (let i = 0; i < 5; i++) {
    const id = await openCursor(client);
    t.equal(errOf(await client.query('CALL fails()'))?.errno, 1644);
    client.write(
      Buffer.concat([...packets(closing(id)), ...packets(commandPayload(Command.ResetConnection))]),
    );
    await client.reply('packet');
    t.equal(await client.value('SELECT @@lock_wait_timeout'), fresh, 'as new');
    t.equal(await world.proxy.holds(0), 0);
  }
  t.strictSame(rowsOf(await client.query('SELECT 7'), client), ['7']);
  client.destroy();
}
