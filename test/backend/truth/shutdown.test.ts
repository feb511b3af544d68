import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Command } from '../../../src/protocol/constants.js';
import { type RawSession, Shape } from '../../support/raw-session.js';
import { forEachPrivateServer } from '../../support/servers.js';
import { openSession } from './session.js';

/** What connections hear of a server that has been told to shut down, while it waits for a statement that runs. */

await forEachPrivateServer(t, async (t, server) => {
  const busy = await openSession(t, server);
  const [first, second, third] = await Promise.all([1, 2, 3].map(() => openSession(t, server)));
  if (first === undefined || second === undefined || third === undefined)
    throw new Error('three were opened');
  const running = busy.query('SELECT SLEEP(30)').catch(() => null);
  await sleep(300);
  const ended = server.kill('SIGTERM');
  // Until it has taken notice, it goes on as ever.
  while (await runs(first)) await sleep(5);
  const pinged = await third.command(Command.Ping, '', Shape.Packet).catch(() => null);
  t.notOk(await runs(second), 'once it has refused one statement, it refuses all');
  t.comment(`a PING meanwhile: ${pinged === null ? 'connection lost' : (pinged.err?.errno ?? 'answered')}`);
  await running;
  await ended;
});

/** Otherwise it is an ERR (1053), or the end of the connection. */
async function runs(session: RawSession): Promise<boolean> {
  const reply = await session.query('DO 0').catch(() => null);
  return reply !== null && reply.err === null;
}
