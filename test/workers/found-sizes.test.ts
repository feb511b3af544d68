import t from 'tap';
import { eventually } from '../support/proxied.js';
import { Load } from './support/team.js';
import { fileTeam, sessionsOn, startTwo, twoLines } from './support/two-servers.js';

/* Of each server it is found out how many sessions it has for all workers together. */

const ROOM = [31, 21];

t.test('two workers, two servers with room for another number each', { timeout: 300_000 }, async (t) => {
  const servers = await startTwo(
    t,
    ROOM.map((room) => [`--max-connections=${room}`]),
  );
  const team = await fileTeam(t, servers[0], twoLines(servers, ['pool_size: auto']));
  const [one, other] = await team.clientsOfBoth(Math.max(...ROOM));
  const sizes = async (): Promise<readonly number[]> => Object.values(await team.sizes());
  // Less a reserve of 5; of each worker three connections of its own: for KILLs, for definitions, and to ask what the server is.
  const found = [20, 10];
  const first = new Load(one.first);
  const second = new Load(other.second);
  await eventually('both sizes are known', async () => (await sizes()).join() === found.join());
  const most = [0, 0];
  const look = async (): Promise<readonly number[]> => {
    const now = await Promise.all(servers.map(sessionsOn));
    for (const [i, count] of now.entries()) most[i] = Math.max(most[i] ?? 0, count);
    return now;
  };
  await eventually('each worker has all of one', async () => (await look()).join() === found.join());
  const leader = team.pids.get(1);
  if (leader === undefined) throw new Error('there is a leader');
  const told = team.count('pool size');
  process.kill(leader, 'SIGKILL');
  await eventually('one that leads looks at both anew', () => team.count('pool size') >= told + 2);
  await eventually('both sizes are known again', async () => {
    await look();
    return (await sizes()).join() === found.join();
  });
  const survivors = [first, second].filter(({ failures }) => failures.length === 0);
  t.equal(survivors.length, 1, 'clients of one worker are lost');
  await Promise.all([first.end(), second.end()]);
  t.same(survivors[0]?.failures, [], 'and of no other one');
  t.same(most, found, 'never more than there are');
});
