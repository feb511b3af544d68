import t, { type Test } from 'tap';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { errOf, type RawClient, RawError } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';
import { begin, login } from './support/abandoning.js';

/** Clients that go away just when their statements end, while others get the sessions that they leave. */

const LEAVERS = 8;
const ROUNDS = Number(process.env['ABANDONED_ROUNDS'] ?? 60);
const OTHERS = 6;

/** Statements of different lengths, and what they answer; some end in an error of their own. */
const STATEMENTS: readonly (readonly [sql: string, value: string | number])[] = [
  ['SELECT SLEEP(0.002)', '0'],
  ['SELECT COUNT(*) FROM information_schema.collations WHERE id < 0', '0'],
  ['SELECT 1', '1'],
  ['SELECT * FROM nowhere_at_all', 1146],
  ['SELECT SUM(v) FROM raced', '0'],
];

await forEachServer(t, async (t, server) => {
  const world = await proxiedUser(t, server, ['--pool-size', '4', '--query-wait-timeout', '60s']);
  await t.test("a KILL never hits somebody else's statement", (t) => race(t, world));
});

async function race(t: Test, world: ProxiedUser): Promise<void> {
  const setup = await login(world);
  await setup.must('CREATE TABLE raced(id INT PRIMARY KEY, v INT)');
  await setup.must('INSERT INTO raced VALUES(1, 0), (2, 0)');
  let done = false;
  let served = 0;
  const wrong: unknown[] = [];
  const other = async (client: RawClient): Promise<void> => {
    for (let i = 0; !done; i++) {
      const [sql, value] = STATEMENTS[i % STATEMENTS.length] ?? ['SELECT 1', '1'];
      const answer = await client.value(sql).catch((error: unknown) => {
        if (error instanceof RawError) return error.errno;
        throw error;
      });
      if (answer !== value) wrong.push([sql, answer]);
      served++;
    }
  };
  const leaver = async (number: number): Promise<void> => {
    for (let i = 0; i < ROUNDS; i++) {
      const client = await login(world);
      const ms = (i + number) % 4;
      // Its statement ends when it leaves, or a little before or after.
      begin(client, i % 3 === 0 ? `SELECT SLEEP(${ms / 1000})` : 'UPDATE raced SET v = v + 0 WHERE id = 1');
      if (i % 5 === 0) await client.packet();
      else await new Promise((resolve) => setTimeout(resolve, ms));
      client.raw.resetAndDestroy();
    }
  };
  const others = await Promise.all(Array.from({ length: OTHERS }, () => login(world)));
  const loops = others.map(other);
  await Promise.all(Array.from({ length: LEAVERS }, (_, number) => leaver(number)));
  done = true;
  await Promise.all(loops);
  t.strictSame(wrong.slice(0, 10), [], `${wrong.length} wrong answers of ${served}`);
  const sent = await world.proxy.metric('mybouncer_kills_total', 'kind="query"');
  t.comment(`${LEAVERS * ROUNDS} clients left, ${sent} KILLs, ${served} statements of others`);
  t.ok(sent > 0);
  t.equal(await world.proxy.metric('mybouncer_server_sessions_closed_total'), 0, 'no session was given up');
  t.equal(errOf(await setup.query('SELECT 1')), null);
  for (const client of [...others, setup]) client.destroy();
}
