import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { type Client, eventually, type Proxied } from '../support/proxied.js';
import { forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';
import { REFUSED, reruns, rowsOf, setReadOnly, worldOver } from './support/read-only.js';

/** The one server that there is turns read-only: for a while, now and then, on purpose. */

await forEachPrivateServer(
  t,
  async (t, server) => {
    await server.query('CREATE TABLE app.t (a INT PRIMARY KEY, b VARCHAR(20)) ENGINE=InnoDB');
    await t.test('for a while', (t) => forAWhile(t, server));
    await setReadOnly(server, true);
    await t.test('on purpose', (t) => onPurpose(t, server));
  },
  { atOnce: true },
);

async function forAWhile(t: Test, server: PrivateTestServer): Promise<void> {
  await server.query('SET GLOBAL local_infile = ON');
  const { toServers, world } = await worldOver(t, server, [
    '--pool-size',
    '4',
    '--query-wait-timeout',
    '60s',
  ]);
  const clients = await Promise.all(Array.from({ length: 8 }, () => world.connect()));
  await Promise.all(clients.map((client) => client.value('SELECT 1')));
  const [loader, uncommitted, preparer, ...others] = clients as [Client, Client, Client, ...Client[]];
  await uncommitted.run('SET autocommit = 0');
  await preparer.execute('SELECT ?', [1]);
  await setReadOnly(server, true);
  const dials = toServers.count;
  const writes: Promise<unknown>[] = [
    loader.connection.query({
      sql: "LOAD DATA LOCAL INFILE 'rows' INTO TABLE t FIELDS TERMINATED BY ','",
      infileStreamFactory: () => Readable.from([Buffer.from('5,loaded\n')]),
    }),
    uncommitted.run("INSERT INTO t VALUES (6, 'later')"),
    preparer.execute('INSERT INTO t VALUES (?, ?)', [7, 'later']),
    ...others.map((client, i) => client.run(`INSERT INTO t VALUES (${i}, 'later')`)),
  ];
  await eventually(
    'they have been refused',
    async () => (await world.proxy.metric('mybouncer_clients_by_state', 'state="waiting"')) === 8,
  );
  t.equal(await (await world.connect()).value('SELECT COUNT(*) FROM t'), 0, 'reads go on');
  await setReadOnly(server, false);
  await Promise.all(writes);
  await uncommitted.run('COMMIT');
  await uncommitted.run('SET autocommit = 1');
  t.strictSame(await rowsOf(server), [0, 1, 2, 3, 4, 5, 6, 7]);
  t.equal(await world.proxy.metric('mybouncer_server_sessions_closed_total', 'reason="other_server"'), 0);
  t.comment(`${toServers.count - dials} connections were opened meanwhile`);

  await t.test('an open transaction is held until it ends, whatever is refused in it', async (t) => {
    const [client] = clients as [Client];
    await client.run('SET autocommit = 0');
    await client.run("INSERT INTO t VALUES (20, 'implicit')");
    await setReadOnly(server, true);
    t.match(await client.error("INSERT INTO t VALUES (21, 'refused')"), REFUSED);
    await setReadOnly(server, false);
    await client.run('COMMIT');
    t.ok((await rowsOf(server)).includes(20), 'it has gone on');
    await client.run('SET autocommit = 1');
  });
  await t.test('the fault is the statement’s', async (t) => {
    const [client] = clients as [Client];
    const hints = () => world.proxy.metric('mybouncer_server_hints_total', 'hint="read_only"');
    const before = await hints();
    await client.run('START TRANSACTION READ ONLY');
    t.match(await client.error("INSERT INTO t VALUES (30, 'no')"), { errno: 1792 });
    await client.run('COMMIT');
    t.match(await client.error("SELECT 1 INTO OUTFILE '/nowhere/x'"), { errno: 1227 });
    t.equal(await hints(), before);
  });
  await t.test('now and then', (t) => hammered(t, server, world));
}

/** Clients count, each in a row of its own and in its own way, while the server changes its mind. */
async function hammered(t: Test, server: PrivateTestServer, world: Proxied): Promise<void> {
  await server.query('CREATE TABLE app.counters (id INT PRIMARY KEY, n INT NOT NULL) ENGINE=InnoDB');
  await server.query('INSERT INTO app.counters VALUES (0,0),(1,0),(2,0),(3,0),(4,0),(5,0)');
  let isOver = false;
  const counts = await Promise.all(
    Array.from({ length: 6 }, (_, id) => id)
      .map(async (id) => {
        const client = await world.connect({ multipleStatements: true });
        const add = `UPDATE counters SET n = n + 1 WHERE id = ${id}`;
        const ways: readonly (() => Promise<unknown>)[] = [
          () => client.run(add),
          () => client.execute('UPDATE counters SET n = n + 1 WHERE id = ?', [id]),
          () => client.run(`${add}; DO 0`),
          () =>
            client
              .run('BEGIN')
              .then(() => client.run(add))
              .then(() => client.run('COMMIT')),
          () => Promise.all([client.run('DO 0'), client.run(add), client.run('DO 0')]),
        ];
        const errors = new Map<number, number>();
        let done = 0;
        for (let i = 0; !isOver; i++) {
          try {
            await ways[i % ways.length]?.();
            done++;
          } catch (error) {
            const { errno } = error as { errno: number };
            errors.set(errno, (errors.get(errno) ?? 0) + 1);
            // A COMMIT that has failed has ended it; whatever else has failed in it has not.
            await client.run('ROLLBACK');
          }
        }
        return { done, errors };
      })
      .concat([flip().then(() => ({ done: 0, errors: new Map<number, number>() }))]),
  );
  async function flip(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      await setReadOnly(server, i % 2 === 0);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    isOver = true;
  }
  const stored = await server.query<{ n: number }>('SELECT n FROM app.counters ORDER BY id');
  t.strictSame(
    stored.map(({ n }) => n),
    counts.slice(0, -1).map(({ done }) => done),
    'what was acknowledged is stored, and nothing else',
  );
  const errors = new Map<number, number>();
  for (const one of counts)
    for (const [errno, n] of one.errors) errors.set(errno, (errors.get(errno) ?? 0) + n);
  t.ok(
    [...errors.keys()].every((errno) => errno === 1290 || errno === 1213),
    'nobody is told anything else',
  );
  t.ok((await reruns(world)) > 0);
  t.comment(`${counts.reduce((sum, { done }) => sum + done, 0)} done, errors ${JSON.stringify([...errors])}`);
}

async function onPurpose(t: Test, server: PrivateTestServer): Promise<void> {
  const { toServers, world } = await worldOver(t, server, ['--pool-size', '4']);
  const clients = await Promise.all(Array.from({ length: 8 }, () => world.connect()));
  await Promise.all(clients.map((client) => client.value('SELECT 1')));
  const dials = toServers.count;
  const begin = performance.now();
  for (let round = 0; round < 25; round++) {
    await Promise.all(
      clients.map(async (client) => t.match(await client.error('INSERT INTO t VALUES (50, 0)'), REFUSED)),
    );
  }
  const seconds = (performance.now() - begin) / 1000;
  const looks = toServers.count - dials;
  t.comment(`${looks} connections for 200 refused writes in ${seconds.toFixed(2)} s`);
  // The pauses double from 0.1 s on, and what has not ended is one more.
  t.ok(looks <= 4 + seconds, 'a look now and then');
  t.match(await clients[0]?.rows('SHOW WARNINGS'), [{ Code: 1290 }], 'as it was sent');
  t.equal(await reruns(world), 0);
  t.equal(await clients[0]?.value('SELECT COUNT(*) FROM t WHERE a = 50'), 0);
}
