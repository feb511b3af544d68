import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { loginOf, RawClient, unlessErr } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';

/** What a client held is gone when its COM_RESET_CONNECTION is answered, and not a moment later. */

await forEachServer(t, async (t, server) => {
  const world = await proxiedUser(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
  await t.test('user locks and row locks', (t) => locks(t, world));
  await t.test('what no reset ends', (t) => endedWithSession(t, world));
  await t.test('commands that were sent at once', (t) => pipelined(t, world));
  await t.test('COM_CHANGE_USER', (t) => changeUser(t, world));
  await t.test('who leaves before the answer', (t) => leaves(t, world));
});

function login(world: ProxiedUser): Promise<RawClient> {
  return RawClient.login(loginOf(world.proxy.url));
}

async function locks(t: Test, world: ProxiedUser): Promise<void> {
  const other = await world.directAsUser();
  const client = await login(world);
  await client.must('CREATE TABLE locked(v INT)');
  await client.must('INSERT INTO locked VALUES(1)');
  const lock = `mybouncer_reset_${world.schema}`;
  let free = 0;
  let unlocked = 0;
  for (let i = 0; i < 30; i++) {
    await client.must('BEGIN');
    await client.must('UPDATE locked SET v = 2');
    t.equal(await client.value(`SELECT GET_LOCK('${lock}', 0)`), '1');
    unlessErr(await client.command(Command.ResetConnection));
    if ((await other.value(`SELECT IS_FREE_LOCK('${lock}')`)) === 1) free++;
    const rows = await other.rows('SELECT v FROM locked FOR UPDATE NOWAIT');
    if (rows[0]?.['v'] === 1) unlocked++;
  }
  t.equal(free, 30);
  t.equal(unlocked, 30);
  client.destroy();
  await other.end();
}

/** A role stays through a reset, so that its session is closed. */
async function endedWithSession(t: Test, world: ProxiedUser): Promise<void> {
  const role = `r_${world.schema}`;
  await world.server.query(`CREATE ROLE ${role}`);
  t.teardown(() => world.server.query(`DROP ROLE ${role}`));
  await world.server.query(`GRANT ${role} TO '${world.user.user}'@'%'`);
  const other = await world.directAsUser();
  const lock = `mybouncer_reset_role_${world.schema}`;
  for (let i = 0; i < 5; i++) {
    const client = await login(world);
    await client.must(`SET ROLE ${role}`);
    t.equal(await client.value(`SELECT GET_LOCK('${lock}', 0)`), '1');
    unlessErr(await client.command(Command.ResetConnection));
    t.equal(await other.value(`SELECT IS_FREE_LOCK('${lock}')`), 1);
    t.equal(await client.value("SELECT IFNULL(CURRENT_ROLE(), 'NONE')"), 'NONE');
    client.destroy();
  }
  await other.end();
}

async function pipelined(t: Test, world: ProxiedUser): Promise<void> {
  const client = await login(world);
  const lock = `mybouncer_reset_pipe_${world.schema}`;
  for (let i = 0; i < 10; i++) {
    t.equal(await client.value(`SELECT GET_LOCK('${lock}', 0)`), '1');
    await client.must('SET @x = 1');
    client.send(Buffer.of(Command.ResetConnection));
    client.send(Buffer.from(`\u0003SELECT CONCAT(IS_FREE_LOCK('${lock}'), IFNULL(@x, 'none'))`));
    unlessErr(await client.reply('packet'));
    const [, , , row] = await client.reply('results');
    t.equal(row?.payload.toString('utf8', 1), '1none');
  }
  client.destroy();
}

async function changeUser(t: Test, world: ProxiedUser): Promise<void> {
  const other = await world.directAsUser();
  const lock = `mybouncer_reset_user_${world.schema}`;
  const { user, password } = world.user;
  const client = await world.connect();
  for (let i = 0; i < 10; i++) {
    t.equal(await client.value(`SELECT GET_LOCK('${lock}', 0)`), 1);
    await client.connection.changeUser({ user, password, database: world.schema });
    t.equal(await other.value(`SELECT IS_FREE_LOCK('${lock}')`), 1);
  }
  await client.end();
  await other.end();
}

async function leaves(t: Test, world: ProxiedUser): Promise<void> {
  for (let i = 0; i < 10; i++) {
    const client = await login(world);
    await client.must('BEGIN');
    client.send(Buffer.of(Command.ResetConnection));
    client.destroy();
  }
  await eventually('all have gone', async () => (await world.proxy.metric('mybouncer_clients')) === 0);
  const next = await Promise.all([login(world), login(world)]);
  for (const client of next) await client.must('BEGIN');
  for (const client of next) t.equal(await client.value('SELECT 1'), '1');
  for (const client of next) client.destroy();
}
