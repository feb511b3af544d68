import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { freePorts } from '../support/clusters/cluster-node.js';
import { withGalera, withGroup } from '../support/clusters/for-cluster.js';
import { eventually, Proxied, useAtOnce } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { OwnWritesWorld } from './support/own-writes-world.js';

/** Reads on other nodes of a cluster that see what was written: Galera's wait for it by themselves, a group's are waited for. */

t.test('nodes of Galera', async (t) => {
  await withGalera(
    t,
    async (t, cluster) => {
      const world = await OwnWritesWorld.start(t, cluster, async () => undefined);
      await eventually('each is read where it should be', async () => {
        const [careful, careless] = [await world.reader('careful'), await world.reader('careless')];
        const ports = [await careful.value('SELECT @@port'), await careless.value('SELECT @@port')];
        return ports.every((port) => port === world.replica.port);
      });
      await t.test('what each session has', (t) => syncWaits(t, world));
      const onGalera = (t: Test): Promise<void> =>
        waits(t, world, {
          block: 'LOCK TABLES app.written READ',
          waiting:
            "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE user = 'careful' AND info LIKE '%MAX(id)%'",
        });
      await t.test('a write on another node is waited for', onGalera);
      await t.test('no session is reset: the server would not wait any more', (t) => spoilt(t, world));
      await t.test('and so a write is waited for as before', onGalera);
      await t.test('wsrep_sync_wait of the configuration', (t) => configured(t, world));
      await t.test('behind a server that was never reached', (t) => behindOneUnknown(t, world));
      await t.test('one client without variables among many with some', (t) => amongMany(t, world));
      await t.test('what a reset leaves when globals have changed', (t) => changedGlobals(t, world));
    },
    { nodes: 2 },
  );
});

t.test('members of a replication group', async (t) => {
  await withGroup(
    t,
    async (t, group) => {
      const world = await OwnWritesWorld.start(t, group, () => group.untilOnline());
      await t.test('a write on the primary is waited for', (t) =>
        waits(t, world, {
          block: 'LOCK TABLES app.written READ',
          waiting:
            "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE user = 'careful' AND info LIKE 'SELECT WAIT_FOR_EXECUTED_GTID_SET%'",
        }),
      );
    },
    { nodes: 2 },
  );
});

const SYNC_WAIT = 'SELECT @@wsrep_sync_wait';

async function syncWaits(t: Test, world: OwnWritesWorld): Promise<void> {
  const [careful, careless, writer] = [
    await world.reader('careful'),
    await world.reader('careless'),
    await world.writer(),
  ];
  t.equal(await careful.value(SYNC_WAIT), 1, 'read_your_writes');
  t.equal(await careless.value(SYNC_WAIT), 0, 'as the server has it');
  t.equal(await writer.value(SYNC_WAIT), 0);
  await careful.run('SET wsrep_sync_wait = 0');
  t.equal(await careful.value(SYNC_WAIT), 0, 'its own word counts');
  t.equal(await (await world.reader('careful')).value(SYNC_WAIT), 1, 'and for nobody else');
}

interface Blocking {
  /** Keeps the second node from applying anything, and its clients from nothing. */
  readonly block: string;
  /** Counts the reads that wait there. */
  readonly waiting: string;
}

async function waits(t: Test, world: OwnWritesWorld, { block, waiting }: Blocking): Promise<void> {
  await world.set('read_your_writes_timeout', '30s');
  const [writer, careful, careless] = [
    await world.writer(),
    await world.reader('careful'),
    await world.reader('careless'),
  ];
  const before = await world.write(writer);
  const { port } = world.replica;
  t.same(await world.read(careful), { id: before, port });
  const blocker = await world.replica.rootConnection();
  await blocker.query(block);
  const id = await world.write(writer);
  t.same(await world.read(careless), { id: before, port }, 'without it, it is stale');
  const reading = world.read(careful);
  await eventually('it waits', async () => {
    const [row] = await world.replica.ask<{ n: number }>(waiting);
    return Number(row?.n) > 0;
  });
  await blocker.query('UNLOCK TABLES');
  t.same(await reading, { id, port }, 'and reads it there');
  await blocker.end();
  let stale = 0;
  for (let i = 0; i < 30; i++) {
    const written = await world.write(writer);
    const read = await world.read(careful);
    if (read.id !== written || read.port !== port) stale++;
  }
  t.equal(stale, 0, 'so are many');
}

/** MDEV-41385. When this fails, the server may be one that needs no care: see `ServerSession.spoiltByReset`. */
async function spoilt(t: Test, world: OwnWritesWorld): Promise<void> {
  const { replica } = world;
  const direct = await createConnection(replica.url('app'));
  await direct.reset();
  await direct.query('SET wsrep_sync_wait = 1');
  const blocker = await replica.rootConnection();
  await blocker.query('LOCK TABLES app.written READ');
  const id = await world.write(await world.writer());
  const [rows] = await direct.query<RowDataPacket[]>('SELECT MAX(id) AS id FROM written');
  t.not(rows[0]?.['id'], id, 'a reset session reads what is old');
  await blocker.end();
  direct.destroy();

  const leaving = await world.reader('careful');
  await leaving.run('CREATE TEMPORARY TABLE mine (id INT)');
  await leaving.end();
  const closed = (): Promise<number> =>
    world.proxy.metric('mybouncer_server_sessions_closed_total', 'spoilt_by_reset');
  await eventually('its session is closed', async () => (await closed()) >= 1);
  const [one, other] = [await world.reader('careful'), await world.reader('careful')];
  await one.run('SET @mine = 1');
  t.equal(await other.value('SELECT @mine'), null);
  t.equal(await one.value('SELECT @mine'), 1);
  t.ok((await closed()) >= 2, 'so is one with variables of another client');
}

async function configured(t: Test, world: OwnWritesWorld): Promise<void> {
  const upstream = world.primary.url('app');
  const servers = [upstream, `mysql://${world.replica.host}:${world.replica.port}`];
  const proxy = await startProxy(t, { upstream, servers, flags: ['--wsrep-sync-wait', '6'] });
  const client = await new Proxied(t, world.primary, proxy, 'app').connect();
  t.equal(await client.value(SYNC_WAIT), 6);
  const direct = await world.primary.ask<{ value: number }>('SELECT @@wsrep_sync_wait AS value');
  t.same(direct, [{ value: 0 }], 'which is not what the server has');
}

/** What the first of the list is, nobody knows: the others are Galera's all the same. */
async function behindOneUnknown(t: Test, { primary, replica }: OwnWritesWorld): Promise<void> {
  const [nobody = 0] = await freePorts(1);
  const file = join(t.testdir(), 'mybouncer.yaml');
  const upstream = `mysql://app:${new URL(primary.url()).password}@${primary.host}:${nobody}/app`;
  const config = `servers:
  - url: ${upstream}
  - url: mysql://${primary.host}:${primary.port}
  - url: mysql://${replica.host}:${replica.port}
users:
  - {name: careful, password: p}
pools:
  writers: {role: primary}
  own: {role: replica, users: [careful], read_your_writes: true}
`;
  await writeFile(file, config);
  const proxy = await startProxy(t, { upstream, inFile: true, flags: ['--config', file] });
  const proxied = new Proxied(t, primary, proxy, 'app');
  for (const which of ['first', 'second']) {
    const client = await proxied.connect({ user: 'careful', password: 'p' });
    t.equal(await client.value(SYNC_WAIT), 1, `its ${which} client`);
  }
}

async function changedGlobals(t: Test, { primary, replica }: OwnWritesWorld): Promise<void> {
  const upstream = primary.url('app');
  const file = join(t.testdir(), 'mybouncer.yaml');
  // Sessions are opened on both: what clients begin with is as the one has it that was reached first.
  const config = `servers:
  - {url: "${upstream}", weight: 1}
  - {url: "mysql://${replica.host}:${replica.port}", weight: 1}
admin_users: app
`;
  await writeFile(file, config);
  const proxy = await startProxy(t, { upstream, inFile: true, flags: ['--config', file] });
  const world = new Proxied(t, primary, proxy, 'app');
  const language = 'SELECT @@lc_time_names';
  const console = await world.connect({ database: 'mybouncer' });
  await eventually('both get writes', async () => {
    const rows = await console.rows('SHOW UPSTREAMS');
    return rows.every(({ gets_writes }) => gets_writes === 'yes');
  });
  const clients = await Promise.all(Array.from({ length: 4 }, () => world.connect()));
  t.equal(await clients[0]?.value(language), 'en_US');
  for (const node of [primary, replica]) await node.ask("SET GLOBAL lc_time_names = 'de_DE'");
  await console.rows('RECONNECT');
  await useAtOnce(clients);
  const client = await world.connect();
  t.equal(await client.value(language), 'de_DE');
  await client.connection.reset();
  t.equal(await client.value(language), 'de_DE', 'none is reset on Galera, from which it would be seen');
}

/** Their sessions would all have to be reset for it. */
async function amongMany(t: Test, { primary, replica }: OwnWritesWorld): Promise<void> {
  const upstream = primary.url('app');
  const servers = [upstream, `mysql://${replica.host}:${replica.port}`];
  const proxy = await startProxy(t, { upstream, servers, flags: ['--pool-size', '8'] });
  const world = new Proxied(t, primary, proxy, 'app');
  const many = await Promise.all(Array.from({ length: 4 }, () => world.connect()));
  await useAtOnce(many);
  await Promise.all(many.map((client) => client.run('BEGIN')));
  for (const [i, client] of many.entries()) await client.run(`SET @mine${i} = 1`);
  await Promise.all(many.map((client) => client.run('COMMIT')));
  const closed = (): Promise<number> =>
    proxy.metric('mybouncer_server_sessions_closed_total', 'spoilt_by_reset');
  const before = await closed();
  t.equal(await (await world.connect()).value('SELECT @mine0'), null);
  // Counted when the server is rid of it.
  await eventually('one is closed', async () => (await closed()) > before);
  t.equal((await closed()) - before, 1, 'not each of them');
}
