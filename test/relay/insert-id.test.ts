import t, { type Test } from 'tap';
import type { Client, Proxied } from '../support/proxied.js';
import { proxied } from '../support/proxied.js';
import { type Flavor, forEachServer } from '../support/servers.js';

interface Case {
  readonly name: string;
  /** What is run before the question. */
  readonly run: readonly string[];
  readonly only?: Flavor;
}

const CASES: readonly Case[] = [
  { name: 'one row', run: ['INSERT INTO ids(u) VALUES(100)'] },
  { name: 'many rows', run: ['INSERT INTO ids(u) VALUES(100),(101),(102)'] },
  {
    name: 'an id of its own',
    run: ['INSERT INTO ids(u) VALUES(100)', 'INSERT INTO ids(id, u) VALUES(500, 101)'],
  },
  { name: 'only an id of its own', run: ['INSERT INTO ids(id, u) VALUES(500, 101)'] },
  { name: 'some ids of its own', run: ['INSERT INTO ids(id, u) VALUES(600, 100),(NULL, 101),(NULL, 102)'] },
  { name: 'ON DUPLICATE KEY', run: ['INSERT INTO ids(u) VALUES(1) ON DUPLICATE KEY UPDATE n=n+1'] },
  {
    name: 'ON DUPLICATE KEY with LAST_INSERT_ID(id)',
    run: ['INSERT INTO ids(u) VALUES(2) ON DUPLICATE KEY UPDATE id=LAST_INSERT_ID(id), n=n+1'],
  },
  { name: 'REPLACE', run: ['REPLACE INTO ids(u) VALUES(1)'] },
  { name: 'INSERT ... SELECT', run: ['INSERT INTO ids(u) SELECT u+200 FROM ids'] },
  {
    name: 'INSERT IGNORE of nothing',
    run: ['INSERT INTO ids(u) VALUES(100)', 'INSERT IGNORE INTO ids(u) VALUES(1)'],
  },
  { name: 'a procedure', run: ['CALL inserts(100)'] },
  { name: 'a function', run: ['SELECT inserting(100)'] },
  { name: 'a trigger', run: ['INSERT INTO watched VALUES(1)'] },
  {
    name: 'a trigger behind an id',
    run: ['INSERT INTO ids(u) VALUES(100)', 'INSERT INTO watched VALUES(1)'],
  },
  { name: 'a failed row', run: ['INSERT INTO ids(u) VALUES(100)', 'INSERT INTO ids(u) VALUES(1)'] },
  { name: 'failed rows', run: ['INSERT INTO ids(u) VALUES(100)', 'INSERT INTO ids(u) VALUES(101),(1)'] },
  { name: 'LAST_INSERT_ID(expr)', run: ['SELECT LAST_INSERT_ID(7 + 8)'] },
  { name: 'LAST_INSERT_ID(expr) in UPDATE', run: ['UPDATE ids SET n=LAST_INSERT_ID(n + 41) WHERE u=1'] },
  { name: 'DO', run: ['DO LAST_INSERT_ID(77)'] },
  { name: 'SET last_insert_id', run: ['SET last_insert_id=4711'] },
  { name: 'SET @@identity', run: ['SET @@identity=18446744073709551615'] },
  { name: 'SET SESSION identity', run: ['SET SESSION identity=12'] },
  {
    name: 'an id in an id',
    run: ['INSERT INTO ids(u) VALUES(100)', 'INSERT INTO ids(u, n) VALUES(101, LAST_INSERT_ID())'],
  },
  { name: 'ROLLBACK', run: ['BEGIN', 'INSERT INTO ids(u) VALUES(100)', 'ROLLBACK'] },
  { name: 'two texts at once', run: ['INSERT INTO ids(u) VALUES(100); INSERT INTO ids(u) VALUES(101)'] },
  {
    name: 'other statements',
    run: ['INSERT INTO ids(u) VALUES(100)', 'UPDATE ids SET n=5', 'SELECT 1', 'DELETE FROM ids WHERE u=1'],
  },
  { name: 'RETURNING', run: ['INSERT INTO ids(u) VALUES(100) RETURNING id'], only: 'mariadb' },
];

const QUESTIONS: readonly string[] = [
  'SELECT LAST_INSERT_ID() AS v',
  'SELECT last_insert_id ( ) + 0 AS v',
  'SELECT @@identity AS v',
  'SELECT @@session.last_insert_id AS v',
  'SELECT LAST_INSERT_ID(), @@identity',
  "SHOW VARIABLES LIKE 'identity'",
  'SELECT asked() AS v',
  'SELECT n FROM ids WHERE id <=> LAST_INSERT_ID()',
];

await forEachServer(t, async (t, server) => {
  const world = await proxied(t, server, ['--pool-size', '2']);
  const setup = await world.direct();
  await setup.run(
    'CREATE TABLE ids(id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, u INT UNIQUE, n INT NOT NULL DEFAULT 0)',
  );
  await setup.run('CREATE TABLE watched(v INT)');
  await setup.run('CREATE TABLE others(id INT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT=1000000');
  await setup.run('CREATE PROCEDURE inserts(v INT) INSERT INTO ids(u) VALUES(v)');
  await setup.run(
    'CREATE FUNCTION inserting(v INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO ids(u) VALUES(v); RETURN 1; END',
  );
  await setup.run('CREATE FUNCTION asked() RETURNS BIGINT UNSIGNED READS SQL DATA RETURN LAST_INSERT_ID()');
  await setup.run(
    'CREATE TRIGGER watching AFTER INSERT ON watched FOR EACH ROW INSERT INTO ids(u) VALUES(300)',
  );

  await t.test('on a session that was reset for another client meanwhile', async (t) => {
    const alone = await proxied(t, server, ['--pool-size', '1']);
    const client = await alone.connect();
    const other = await alone.connect();
    await client.run('CREATE TABLE ids(id INT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT=42');
    await client.run('SET @mine = 1');
    await client.run('INSERT INTO ids VALUES(NULL)');
    t.equal(await other.value('SELECT @mine'), null);
    t.strictSame(await client.rows('SELECT LAST_INSERT_ID() AS id, @mine AS mine'), [{ id: 42, mine: 1 }]);
    t.equal(await other.value('SELECT LAST_INSERT_ID()'), 0);
    await client.end();
    await other.end();
  });

  for (const one of CASES) {
    if (one.only !== undefined && one.only !== server.flavor) continue;
    await t.test(one.name, (t) => asDirect(t, world, one));
  }
});

async function fresh(client: Client): Promise<void> {
  await client.run('TRUNCATE TABLE ids');
  await client.run('INSERT INTO ids(u) VALUES(1),(2),(3)');
}

async function asDirect(t: Test, world: Proxied, one: Case): Promise<void> {
  // What the server reports of a transaction's beginning is no part of this.
  const options = { multipleStatements: true, flags: ['-SESSION_TRACK'] };
  const direct = await world.direct(options);
  const client = await world.connect(options);
  const others = await Promise.all([1, 2].map(() => world.connect({ multipleStatements: true })));
  const both = async (): Promise<void> => {
    await Promise.all(others.map((other) => other.run('INSERT INTO others VALUES(NULL)')));
  };
  for (const disturb of [async () => {}, both]) {
    const want = await answers(direct, one, async () => {});
    const got = await answers(client, one, disturb);
    t.strictSame(got, want, disturb === both ? 'with others in between' : 'alone');
  }
  for (const other of others) t.ok(Number(await other.value('SELECT LAST_INSERT_ID()')) >= 1_000_000);
  for (const each of [direct, client, ...others]) await each.end();
}

/** All that the client is told, from a fresh table on. */
async function answers(client: Client, { run }: Case, between: () => Promise<void>): Promise<unknown[]> {
  await fresh(client);
  const told: unknown[] = [];
  for (const sql of run) {
    told.push(await outcome(client.connection.query(sql)));
    await between();
  }
  for (const question of QUESTIONS) {
    told.push([question, await outcome(client.connection.query(question))]);
    await between();
    if (!question.startsWith('SHOW')) told.push(await outcome(client.connection.execute(question)));
    await between();
  }
  told.push(
    await outcome(client.connection.query('INSERT INTO ids(u, n) VALUES(900, LAST_INSERT_ID() % 1000)')),
  );
  await between();
  told.push(await outcome(client.connection.query('SELECT * FROM ids ORDER BY id')));
  return told;
}

async function outcome(result: Promise<readonly unknown[]>): Promise<unknown> {
  try {
    const [first] = await result;
    return JSON.stringify(first);
  } catch (error) {
    return (error as { errno: number }).errno;
  }
}
