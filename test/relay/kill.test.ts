import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { type Client, eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser, sessionOf } from '../support/proxied-user.js';
import { errOf, loginOf, RawClient, unlessErr } from '../support/raw-client.js';
import { executePayload, int } from '../support/raw-values.js';
import { forEachServer } from '../support/servers.js';

interface Failure {
  readonly errno: number;
  readonly message: string;
}

function failureOf(promise: Promise<unknown>): Promise<Failure | null> {
  return promise.then(
    () => null,
    (error: Failure) => error,
  );
}

/** Until the server runs (or, not any more) a statement with this text. */
function runs(world: ProxiedUser, text: string, running = true): Promise<void> {
  return eventually(`${text} is ${running ? '' : 'not '}running`, async () => {
    const sessions = await world.sessions();
    return sessions.some(({ info }) => info?.includes(text) === true) === running;
  });
}

/** A client whose statement runs for a minute, and the statement's result or error. */
async function sleeper(world: ProxiedUser, mark: string): Promise<{ client: Client; end: Promise<unknown> }> {
  const client = await world.connect();
  const end = client.value(`SELECT /* ${mark} */ SLEEP(60)`).catch((error: Failure) => error.errno);
  await runs(world, mark);
  return { client, end };
}

/** What a SLEEP that was killed ends with: a row on MySQL, an error on MariaDB. */
const INTERRUPTED = [1, 1317];

await forEachServer(
  t,
  async (t, server) => {
    const world = await proxiedUser(t, server, ['--pool-size', '4', '--query-wait-timeout', '60s']);

    await t.test("ids are the proxy's own", async (t) => {
      const [a, b] = await Promise.all([world.connect(), world.connect()]);
      t.ok(a.id >= 2 ** 30, 'out of the range of real ones');
      t.ok(b.id >= 2 ** 30);
      t.not(a.id, b.id);
      t.equal(Number(await a.value('SELECT CONNECTION_ID()')), a.id);
      t.equal(Number((await a.execute('SELECT CONNECTION_ID() AS id'))[0]?.['id']), a.id);
      await a.end();
      await b.end();
    });

    await t.test('KILL QUERY ends the statement, and nothing else', async (t) => {
      const killer = await world.connect();
      for (const [i, sql] of ['KILL QUERY ?', 'kill /* c */ query ?', 'KILL QUERY ? -- end'].entries()) {
        const { client, end } = await sleeper(world, `victim${i}`);
        const session = (await world.sessions()).find(({ info }) => info?.includes(`victim${i}`))?.id;
        await killer.run(sql.replace('?', String(client.id)));
        t.ok(INTERRUPTED.includes((await end) as number), `${await end}`);
        t.equal(await sessionOf(client), session, 'the client goes on, on the same session');
        await client.end();
      }
      t.equal(await killer.value('SELECT 1'), 1);
      const idle = await world.connect();
      await killer.run(`KILL QUERY ${idle.id}`);
      t.equal(await idle.value('SELECT SLEEP(0)'), 0, 'a KILL of nothing does not hit what comes next');
      await idle.end();
      await killer.end();
    });

    await t.test('KILL QUERY keeps what the victim holds', async (t) => {
      const [killer, victim] = await Promise.all([world.connect(), world.connect()]);
      await victim.run('CREATE TABLE kept(v INT)');
      await victim.run('BEGIN');
      await victim.run('INSERT INTO kept VALUES(1)');
      const end = failureOf(victim.run('DO SLEEP(60)'));
      await runs(world, 'DO SLEEP(60)');
      await killer.run(`KILL QUERY ${victim.id}`);
      await end;
      await victim.run('COMMIT');
      t.equal(await killer.value('SELECT COUNT(*) FROM kept'), 1);
      await killer.end();
      await victim.end();
    });

    await t.test('KILL ends the connection', async (t) => {
      const killer = await world.connect();
      for (const sql of ['KILL ?', 'KILL CONNECTION ?']) {
        const { client, end } = await sleeper(world, 'closed');
        await killer.run(sql.replace('?', String(client.id)));
        await end;
        await runs(world, 'closed', false);
        t.not(await failureOf(client.value('SELECT 1')), null);
      }
      const idle = await world.connect();
      await idle.run('CREATE TEMPORARY TABLE mine(v INT)');
      await killer.run(`KILL ${idle.id}`);
      t.not(await failureOf(idle.value('SELECT 1')), null, 'an idle one as well');
      t.match(await killer.error(`KILL ${idle.id}`), {
        errno: 1094,
        message: `Unknown thread id: ${idle.id}`,
      });
      await eventually(
        'its session is free',
        async () => (await world.proxy.metric('mybouncer_holds')) === 0,
      );
      const waits = await Promise.all(Array.from({ length: 4 }, () => world.connect()));
      for (const client of waits) await client.run('BEGIN');
      const waiter = await world.connect();
      const failed = failureOf(waiter.value('SELECT 1'));
      await eventually(
        'it waits',
        async () => (await world.proxy.metric('mybouncer_waiting_requests')) === 1,
      );
      await killer.run(`KILL ${waiter.id}`);
      t.not(await failed, null, 'one that waits for a session');
      for (const client of waits) await client.end();
      const own = await killer.error(`KILL ${killer.id}`);
      t.match(own, { errno: 1317 }, 'its own');
      t.not(await failureOf(killer.value('SELECT 1')), null);
    });

    await t.test('COM_PROCESS_KILL', async (t) => {
      const raw = await RawClient.login(loginOf(world.proxy.url));
      const { client, end } = await sleeper(world, 'by command');
      const id = Buffer.alloc(4);
      id.writeUInt32LE(client.id);
      unlessErr(await raw.command(Command.ProcessKill, id));
      await end;
      await runs(world, 'by command', false);
      t.match(errOf(await raw.command(Command.ProcessKill, id)), { errno: 1094 });
      t.equal(await raw.value('SELECT 1'), '1');
      raw.destroy();
    });

    await t.test('KILL as a prepared statement', async (t) => {
      const killer = await world.connect();
      const first = await sleeper(world, 'literal');
      await killer.execute(`KILL QUERY ${first.client.id}`);
      t.ok(INTERRUPTED.includes((await first.end) as number));
      const raw = await RawClient.login(loginOf(world.proxy.url));
      const second = await sleeper(world, 'parameter');
      if (server.isMysql) {
        t.match(errOf(await raw.command(Command.StmtPrepare, 'KILL QUERY ?', 'prepare')), { errno: 6413 });
        await killer.run(`KILL ${second.client.id}`);
        await second.end;
        return;
      }
      const statement = await raw.prepare('KILL QUERY ?');
      const parameter = { type: 8, value: Buffer.alloc(8) };
      parameter.value.writeBigUInt64LE(BigInt(second.client.id));
      unlessErr(await raw.command(Command.StmtExecute, executePayload(statement, [parameter]), 'results'));
      t.ok(INTERRUPTED.includes((await second.end) as number));
      const unknown = executePayload(statement, [int(-1)]);
      t.match(errOf(await raw.command(Command.StmtExecute, unknown, 'results')), { errno: 1094 });
      const connection = await raw.prepare('KILL ?');
      unlessErr(await raw.command(Command.StmtExecute, executePayload(connection, [parameter]), 'results'));
      t.not(await failureOf(second.client.value('SELECT 1')), null);
      t.equal(await first.client.value('SELECT 1'), 1);
      raw.destroy();
      await killer.end();
      await first.client.end();
    });

    await t.test("ids that are nobody's, and the server's own", async (t) => {
      const killer = await world.connect();
      for (const sql of [
        'KILL 4294967295',
        'KILL QUERY 2147483649000',
        'KILL 999999999',
        'KILL QUERY 999999999',
      ]) {
        t.match(await killer.error(sql), {
          errno: 1094,
          sqlState: 'HY000',
          message: /^Unknown thread id: \d+/,
        });
      }
      const { client, end } = await sleeper(world, 'pooled');
      const real = (await world.sessions()).find(({ info }) => info?.includes('pooled'))?.id;
      for (const kind of ['QUERY', 'CONNECTION']) {
        const error = await killer.error(`KILL ${kind} ${real}`);
        t.match(error, { errno: 1094, message: /a server session of mybouncer's/ });
      }
      const control = (await world.sessions()).map(({ id }) => id);
      t.ok(control.includes(real ?? 0), 'it is still there');
      await killer.run(`KILL QUERY ${client.id}`);
      await end;
      // A connection that has nothing to do with the proxy, of the same user.
      const direct = await world.directAsUser();
      const slept = direct.value('SELECT /* direct */ SLEEP(60)').catch((error: Failure) => error.errno);
      await runs(world, '/* direct */');
      await killer.run(`KILL QUERY ${direct.id}`);
      t.ok(INTERRUPTED.includes((await slept) as number));
      t.equal(await direct.value('SELECT 1'), 1);
      await killer.run(`KILL ${direct.id}`);
      t.not(await failureOf(direct.value('SELECT 1')), null);
      // root's, which this user may not kill.
      const root = await server.rootConnection();
      t.match(await killer.error(`KILL ${root.threadId}`), { errno: 1095 });
      await root.end();
      t.equal(await killer.value('SELECT 1'), 1);
      await killer.end();
      await client.end();
    });

    await t.test('who goes away takes the statement along, and the session is kept', async (t) => {
      const opened = (): Promise<number> => world.proxy.metric('mybouncer_server_sessions_opened_total');
      const before = await opened();
      for (let round = 0; round < 3; round++) {
        const { client } = await sleeper(world, 'left behind');
        const session = (await world.sessions()).find(({ info }) => info?.includes('left behind'))?.id;
        client.destroy();
        await runs(world, 'left behind', false);
        t.ok(
          (await world.sessions()).some(({ id }) => id === session),
          'its session is still there',
        );
      }
      const inserter = await world.connect();
      await inserter.run('CREATE TABLE left_behind(v INT)');
      await inserter.run('BEGIN');
      await inserter.run('INSERT INTO left_behind VALUES(1)');
      inserter.connection.query('INSERT INTO left_behind SELECT SLEEP(60)').catch(() => undefined);
      await runs(world, 'INSERT INTO left_behind SELECT');
      inserter.destroy();
      const next = await world.connect();
      await next.run('INSERT INTO left_behind VALUES(2)');
      await eventually('it is rolled back', async () => (await world.proxy.metric('mybouncer_holds')) === 0);
      t.strictSame(await next.rows('SELECT v FROM left_behind'), [{ v: 2 }]);
      t.ok((await opened()) <= Math.max(before, 4), 'no session was opened in place of another');
      await next.end();
    });

    await t.test("a KILL never hits somebody else's statement", (t) => hammer(t, world));
    await t.test('a client of another user', (t) => anotherUser(t, world));
  },
  { timeout: 180_000 },
);

/** Clients that run short statements on few sessions, while two of them are killed all the time. */
async function hammer(t: Test, world: ProxiedUser): Promise<void> {
  const victims = await Promise.all([world.connect(), world.connect()]);
  const innocents = await Promise.all(Array.from({ length: 6 }, () => world.connect()));
  const killers = await Promise.all([world.connect(), world.connect()]);
  let done = false;
  const hits = { victims: 0, innocents: 0 };
  const loop = async (client: Client, kind: keyof typeof hits): Promise<void> => {
    for (let i = 0; !done; i++) {
      const sql =
        i % 2 === 0
          ? 'SELECT SLEEP(0.001) AS x'
          : 'SELECT COUNT(*) - COUNT(*) AS x FROM information_schema.collations';
      const value = await client.value(sql).catch((error: Failure) => error.errno);
      if (value !== 0) hits[kind]++;
    }
  };
  const loops = [
    ...victims.map((one) => loop(one, 'victims')),
    ...innocents.map((one) => loop(one, 'innocents')),
  ];
  const kill = async (killer: Client, victim: Client): Promise<void> => {
    for (let i = 0; i < 100; i++) await killer.run(`KILL QUERY ${victim.id}`);
  };
  await Promise.all(killers.map((killer, i) => kill(killer, victims[i] as Client)));
  done = true;
  await Promise.all(loops);
  t.equal(hits.innocents, 0, 'nobody else is hit');
  t.ok(hits.victims > 0, `${hits.victims} statements of the victims were hit`);
  for (const client of [...victims, ...innocents, ...killers]) await client.end();
}

async function anotherUser(t: Test, world: ProxiedUser): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-kill-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const other = await world.server.createUser();
  const file = join(folder, 'users.yaml');
  await writeFile(file, `users:\n  - name: ${other.user}\n    password: ${other.password}\n`);
  const both = await proxiedUser(t, world.server, ['--config', file, '--pool-size', '4']);
  const { client, end } = await sleeper(both, 'mine');
  const stranger = await both.connect({ user: other.user, password: other.password });
  t.equal(await stranger.value('SELECT SUBSTRING_INDEX(USER(), "@", 1)'), other.user);
  for (const sql of [`KILL ${client.id}`, `KILL QUERY ${client.id}`]) {
    t.match(await stranger.error(sql), {
      errno: 1095,
      sqlState: 'HY000',
      message: `You are not owner of thread ${client.id}`,
    });
  }
  const real = (await both.sessions()).find(({ info }) => info?.includes('/* mine */'))?.id;
  t.match(await stranger.error(`KILL QUERY ${real}`), { errno: 1094 });
  await runs(both, '/* mine */');
  const owner = await both.connect();
  await owner.run(`KILL QUERY ${client.id}`);
  await end;
  // Each user's statements are killed by a control connection of its own.
  const second = await both.connect({ user: other.user, password: other.password });
  const slept = second.value('SELECT /* theirs */ SLEEP(60)').catch((error: Failure) => error.errno);
  await eventually('it runs', async () =>
    (await world.server.sessions(other.user)).some(({ info }) => info?.includes('theirs') === true),
  );
  await stranger.run(`KILL QUERY ${second.id}`);
  t.ok(INTERRUPTED.includes((await slept) as number));
  for (const one of [client, stranger, owner, second]) await one.end();
}
