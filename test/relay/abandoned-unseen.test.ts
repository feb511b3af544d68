import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { framed } from '../protocol/support/client-side.js';
import { eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { commandPayload, errOf, packets, type RawClient } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';
import { begin, gone, login, sessionIds, sessionRunning } from './support/abandoning.js';

/** Clients that go where it is not seen at once: while the proxy asks something of its own, and while it does not read from them. */

await forEachServer(
  t,
  async (t, server) => {
    const world = await proxiedUser(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
    for (const leave of ['destroy', 'resetAndDestroy'] as const)
      await t.test(`while its statement is prepared again: ${leave}`, (t) => preparing(t, world, leave));
    await t.test('KILL QUERY while a statement is prepared again', (t) => killedPreparing(t, world));
    for (const leave of ['destroy', 'resetAndDestroy'] as const) {
      await t.test(`far ahead of what it waits for: ${leave}`, (t) => farAhead(t, world, leave));
      await t.test(`in a file for which the server has no ear: ${leave}`, (t) => inFile(t, world, leave));
    }
  },
  { timeout: 180_000 },
);

/** Sessions of the user's that wait for a table's metadata. */
async function waiting(world: ProxiedUser): Promise<readonly number[]> {
  const rows = await world.server.query<{ ID: number }>(
    `SELECT ID FROM information_schema.PROCESSLIST
     WHERE USER = '${world.user.user}' AND STATE LIKE 'Waiting for table metadata lock%'`,
  );
  return rows.map(({ ID }) => Number(ID));
}

interface Blocked {
  readonly client: RawClient;
  /** Where its statement is being prepared, behind DDL that waits for a lock. */
  readonly session: number;
  /** Ends what is in its way. */
  over(): Promise<void>;
}

async function blockedPreparing(t: Test, world: ProxiedUser): Promise<Blocked> {
  const client = await login(world);
  await client.must('CREATE TABLE IF NOT EXISTS again(v INT)');
  const statement = await client.prepare('SELECT /* again */ v FROM again');
  const home = await client.value('SELECT @@pseudo_thread_id');
  // All that is free is taken, until only the session without the statement is left.
  const holder = await login(world);
  await holder.must('BEGIN');
  t.equal(await holder.value('SELECT @@pseudo_thread_id'), home);
  const reader = await world.direct();
  await reader.run('BEGIN');
  await reader.rows('SELECT * FROM again');
  const ddl = await world.direct();
  const altered = ddl.run('ALTER TABLE again COMMENT = "x", ADD w INT').catch((error: unknown) => error);
  await eventually('DDL waits', async () => {
    const rows = await world.server.query(
      "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER TABLE again%' AND STATE LIKE 'Waiting%'",
    );
    return rows.length === 1;
  });
  const execute = Buffer.alloc(9);
  execute.writeUInt32LE(statement);
  execute.writeUInt32LE(1, 5);
  client.send(commandPayload(Command.StmtExecute, execute));
  let session = 0;
  await eventually('its preparation waits', async () => {
    session = (await waiting(world))[0] ?? 0;
    return session !== 0;
  });
  const over = async (): Promise<void> => {
    await reader.run('ROLLBACK');
    await altered;
    await reader.end();
    await ddl.end();
    await holder.must('DROP TABLE again');
    holder.destroy();
    client.destroy();
  };
  return { client, session, over };
}

async function preparing(t: Test, world: ProxiedUser, leave: 'destroy' | 'resetAndDestroy'): Promise<void> {
  const { client, session, over } = await blockedPreparing(t, world);
  client.raw[leave]();
  await eventually('nothing of it waits', async () => (await waiting(world)).length === 0);
  const next = await login(world);
  t.equal(await next.value('SELECT @@pseudo_thread_id'), String(session), 'its session serves others');
  t.equal(await next.value('SELECT SLEEP(0.05)'), '0', 'and is not hit by a KILL');
  next.destroy();
  await over();
}

async function killedPreparing(t: Test, world: ProxiedUser): Promise<void> {
  const { client, session, over } = await blockedPreparing(t, world);
  const killer = await login(world);
  await killer.must(`KILL QUERY ${client.id}`);
  t.equal(errOf(await client.reply('results'))?.errno, 1317);
  t.equal(await client.value('SELECT @@pseudo_thread_id'), String(session), 'the session is there');
  t.equal(await client.value('SELECT SLEEP(0.05)'), '0', 'and what comes next is not hit');
  killer.destroy();
  await over();
}

async function farAhead(t: Test, world: ProxiedUser, leave: 'destroy' | 'resetAndDestroy'): Promise<void> {
  const client = await login(world);
  await client.must('CREATE TABLE ahead(v TEXT)');
  begin(client, 'SELECT /* ahead */ SLEEP(70)');
  const session = await sessionRunning(world, '/* ahead */');
  const insert = packets(commandPayload(Command.Query, `INSERT INTO ahead VALUES('${'x'.repeat(990)}')`));
  client.write(Buffer.concat(Array.from({ length: 700 }, () => insert).flat()));
  // Time for the proxy to have read all that it does.
  await new Promise((resolve) => setTimeout(resolve, 100));
  client.raw[leave]();
  await gone(world, '/* ahead */');
  const next = await login(world);
  t.equal(await next.value('SELECT COUNT(*) FROM ahead'), '0', 'nothing of what it sent ahead is run');
  t.ok((await sessionIds(world)).includes(session));
  await next.must('DROP TABLE ahead');
  next.destroy();
}

async function inFile(t: Test, world: ProxiedUser, leave: 'destroy' | 'resetAndDestroy'): Promise<void> {
  const setup = await login(world);
  await setup.must('CREATE TABLE waits(id INT PRIMARY KEY, v TEXT) ENGINE=InnoDB');
  await setup.must("INSERT INTO waits VALUES(1, '')");
  const locker = await world.direct();
  await locker.run('BEGIN');
  await locker.run("UPDATE waits SET v = 'locked' WHERE id = 1");
  const client = await login(world);
  begin(client, 'LOAD DATA LOCAL INFILE "endless" INTO TABLE waits');
  t.equal((await client.expect()).payload[0], 0xfb);
  const session = await sessionRunning(world, 'LOAD DATA LOCAL');
  const rows = Buffer.from(`1\t${'y'.repeat(1000)}\n`.repeat(60));
  // Until nothing more goes.
  let stuck = false;
  for (let i = 0; !stuck; i++) {
    const taken = new Promise<boolean>((resolve) => {
      client.socket.write(framed(rows, (2 + i) & 0xff), () => resolve(false));
    });
    const late = new Promise<boolean>((resolve) => setTimeout(resolve, 200, true));
    stuck = await Promise.race([taken, late]);
  }
  t.comment(`${client.socket.bytesWritten - client.socket.writableLength} bytes on the way`);
  client.raw[leave]();
  await eventually('its session is gone', async () => !(await sessionIds(world)).includes(session));
  await locker.run('ROLLBACK');
  await locker.end();
  t.equal(await setup.value("SELECT COUNT(*) FROM waits WHERE v = ''"), '1', 'nothing of it is left');
  await setup.must('DROP TABLE waits');
  setup.destroy();
}
