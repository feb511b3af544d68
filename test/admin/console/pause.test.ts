import t, { type Test } from 'tap';
import { Command } from '../../../src/protocol/constants.js';
import { type Client, eventually } from '../../support/proxied.js';
import { type ProxiedUser, sessionOf } from '../../support/proxied-user.js';
import { commandPayload, loginOf, RawClient } from '../../support/raw-client.js';
import { forEachServer } from '../../support/servers.js';
import { ADMIN, admin, administered, waitFor } from './support/administered.js';

const PREAMBLE = "SET NAMES utf8mb4 COLLATE 'utf8mb4_bin'";

await forEachServer(t, async (t, server) => {
  const world = await administered(t, server, ['--pool-size', '2', '--query-wait-timeout', '60s']);
  const alone = async (what: string, run: (t: Test, world: ProxiedUser) => Promise<void>): Promise<void> => {
    await t.test(what, (t) => run(t, world));
    await eventually('nobody is left', async () => (await world.proxy.metric('mybouncer_clients')) === 0);
  };
  await alone('PAUSE waits for what is lent, and new requests wait for RESUME', pauseAll);
  await alone('one pool', pauseOne);
  await alone('RESUME ends a PAUSE that waits', resumeEndsPause);
  await alone('a PAUSE whose client leaves is taken back', takenBack);
  await t.test('query_wait_timeout goes on', async (t) => {
    await waitsNoLonger(t, world);
  });
});

/** Until it is answered without a session. */
async function learned(world: ProxiedUser): Promise<void> {
  await eventually('the preamble is learned', async () => {
    const client = await world.connect();
    await client.run(PREAMBLE);
    await client.end();
    return (await world.proxy.metric('mybouncer_learned_answers_total')) > 0;
  });
}

async function paused(console: Client): Promise<(readonly [string, number])[]> {
  const rows = await console.rows('SHOW POOLS');
  return rows.map((row) => [String(row['pool']), Number(row['paused'])] as const);
}

async function pauseAll(t: Test, world: ProxiedUser): Promise<void> {
  const [console, other, holder] = [await admin(world), await admin(world), await world.connect()];
  const idle = await world.connect();
  await learned(world);
  await holder.run('BEGIN');
  const held = await sessionOf(holder);
  const free = await sessionOf(idle);
  let isOver = false;
  const pausing = console.run('PAUSE').then(() => {
    isOver = true;
  });
  await eventually('it is paused', async () => (await paused(other)).some(([, yes]) => yes === 1));
  await eventually('idle sessions are closed', async () => {
    const ids = (await world.sessions()).map(({ id }) => Number(id));
    return ids.includes(held) && !ids.includes(free);
  });
  const newcomer = await world.connect();
  await newcomer.run(PREAMBLE);
  t.equal(
    await newcomer.connection.ping().then(() => 'pong'),
    'pong',
    'logins and what has been learned need no session',
  );
  const waits = newcomer.value("SELECT 'served'");
  await eventually('it waits', async () => (await other.rows('SHOW WAITERS')).length === 1);
  t.equal(await holder.value('SELECT 1'), 1, 'a transaction goes on');
  t.equal(await sessionOf(holder), held);
  t.notOk(isOver, 'and is waited for');
  t.match(await other.error('PAUSE'), { errno: 1105, message: 'all pools are paused already' });
  await holder.run('COMMIT');
  await pausing;
  t.strictSame(await other.rows('SHOW SERVERS'), [], 'no session is left');
  t.equal((await other.rows('SHOW WAITERS')).length, 1, 'nothing is lent');
  t.ok((await world.proxy.metric('mybouncer_pool_paused')) >= 1);
  t.equal((await fetch(`${world.proxy.http}/readyz`)).status, 200, 'clients are served, if slowly');
  t.equal((await world.proxy.metric('mybouncer_server_sessions_closed_total', 'reason="paused"')) >= 2, true);
  const [pool = ''] = (await paused(other)).map(([name]) => name);
  t.match(await other.error(`RESUME ${pool}`), { errno: 1105, message: /^all pools are paused: / });
  await other.run('RESUME');
  t.equal(await waits, 'served');
  t.equal(await world.proxy.metric('mybouncer_pool_paused'), 0);
  t.match(await other.error('RESUME'), { errno: 1105, message: 'no pool is paused' });
  await world.proxy.logged('resumed');
  for (const one of [console, other, holder, idle, newcomer]) await one.end();
}

async function pauseOne(t: Test, world: ProxiedUser): Promise<void> {
  const console = await admin(world);
  const [shop, bare] = [await world.connect(), await world.connect({ database: '' })];
  t.equal(await shop.value('SELECT 1'), 1);
  t.equal(await bare.value('SELECT 1'), 1);
  const names = (await paused(console)).map(([name]) => name);
  const name = names.find((one) => one.endsWith('/schema')) ?? '';
  t.match(await console.error('PAUSE nowhere/1'), {
    errno: 1105,
    message: /^Unknown pool 'nowhere\/1': there are .*\/schema/,
  });
  t.match(await console.error('RESUME `nowhere`'), { errno: 1105, message: /^Unknown pool 'nowhere': / });
  t.match(await console.error(`RESUME ${name}`), { errno: 1105, message: `pool ${name} is not paused` });
  await console.run(`PAUSE '${name}'`);
  t.match(await console.error(`PAUSE ${name}`), { errno: 1105, message: `pool ${name} is paused already` });
  t.strictSame(
    (await paused(console)).filter(([, yes]) => yes === 1),
    [[name, 1]],
  );
  t.equal(await world.proxy.metric('mybouncer_pool_paused'), 1);
  const waits = shop.value("SELECT 'served'");
  await eventually('it waits', async () => (await console.rows('SHOW WAITERS')).length === 1);
  t.equal(await bare.value('SELECT 2'), 2, 'other pools lend');
  await console.run(`RESUME ${name};`);
  t.equal(await waits, 'served');
  for (const one of [console, shop, bare]) await one.end();
}

async function resumeEndsPause(t: Test, world: ProxiedUser): Promise<void> {
  const [console, other, holder] = [await admin(world), await admin(world), await world.connect()];
  await holder.run('BEGIN');
  await holder.value('SELECT 1');
  const pausing = console.error('PAUSE');
  await eventually('it is paused', async () => (await paused(other)).some(([, yes]) => yes === 1));
  await other.run('RESUME');
  t.match(await pausing, {
    errno: 1105,
    message: 'RESUME has ended the pause before all sessions were given back',
  });
  t.equal(await console.value('SELECT 1'), 1, 'the console goes on');
  t.equal(await holder.value('SELECT 1'), 1);
  await holder.run('COMMIT');
  t.equal(await holder.value('SELECT 2'), 2);
  for (const one of [console, other, holder]) await one.end();
}

async function takenBack(t: Test, world: ProxiedUser): Promise<void> {
  const [other, holder, client] = [await admin(world), await world.connect(), await world.connect()];
  await holder.run('BEGIN');
  await holder.value('SELECT 1');
  const told = (): number => world.proxy.lines.filter(({ msg }) => msg.startsWith('pause taken back')).length;
  const leaves: Readonly<Record<string, (console: RawClient) => void>> = {
    'cut off': (console) => console.destroy(),
    'says goodbye': (console) => console.send(commandPayload(Command.Quit)),
    'sends nothing more': (console) => void console.raw.end(),
  };
  for (const [how, leave] of Object.entries(leaves)) {
    const console = await RawClient.login(loginOf(world.proxy.url, { ...ADMIN, schema: 'mybouncer' }));
    const before = told();
    console.send(commandPayload(Command.Query, 'PAUSE'));
    await eventually('it is paused', async () => (await paused(other)).some(([, yes]) => yes === 1));
    const waits = client.value("SELECT 'served'");
    leave(console);
    t.equal(await waits, 'served', how);
    await eventually('it is told', () => told() > before);
    console.destroy();
  }
  t.ok((await paused(other)).every(([, yes]) => yes === 0));
  await holder.run('COMMIT');
  for (const one of [other, holder, client]) await one.end();
}

async function waitsNoLonger(t: Test, world: ProxiedUser): Promise<void> {
  const [console, client] = [await admin(world), await world.connect()];
  t.equal(await client.value('SELECT 1'), 1);
  await console.run('PAUSE');
  await waitFor(world, '300ms');
  t.match(await client.error('SELECT 1'), {
    errno: 1040,
    message: /after \d+ ms: the pool is paused, 0 of /,
  });
  await waitFor(world, '60s');
  await console.run('RESUME');
  t.equal(await client.value('SELECT 1'), 1);
  await console.end();
  await client.end();
}
