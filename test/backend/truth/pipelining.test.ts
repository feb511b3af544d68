import t from 'tap';
import { Command } from '../../../src/protocol/constants.js';
import {
  ARM_TRACKERS,
  commandPacket,
  type RawReply,
  type RawSession,
  Shape,
} from '../../support/raw-session.js';
import { forEachServer } from '../../support/servers.js';
import { openSession } from './session.js';

/** Several commands in one write are answered one after the other, in order, on both servers. */

type Step = readonly [command: Command, payload?: string | Buffer, shape?: Shape | null];

/** One write for all; a null shape is a command without an answer. */
function pipeline(session: RawSession, steps: readonly Step[]): Promise<RawReply[]> {
  const replies = [];
  for (const [command, , shape] of steps)
    if (shape !== null) replies.push(session.expect(shape ?? Shape.Results, command === Command.StmtExecute));
  session.channel.write(Buffer.concat(steps.map(([command, payload]) => commandPacket(command, payload))));
  return Promise.all(replies);
}

const uint32 = (...values: number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer);
const answers = (replies: readonly RawReply[]): (string | number | null)[] =>
  replies.map((reply) => reply.err?.errno ?? reply.value ?? null);
const { Query } = Command;

await forEachServer(t, async (t, server) => {
  const session = await openSession(t, server);

  await t.test('statements, one of them wrong', async (t) => {
    const replies = await pipeline(session, [
      [Query, 'SELECT 1'],
      [Query, "SET sql_mode='ANSI_QUOTES'"],
      [Query, 'SELECT nope'],
      [Query, 'SELECT @@sql_mode'],
      [Query, 'SELECT 5'],
    ]);
    t.strictSame(answers(replies), ['1', null, 1054, 'ANSI_QUOTES', '5']);
    t.strictSame(replies[1]?.tracked.variables, ['sql_mode=ANSI_QUOTES'], 'its trackers are in its own OK');
    const many = Array.from({ length: 200 }, (_, i): Step => [Query, `SELECT ${i}`]);
    t.strictSame(
      answers(await pipeline(session, many)),
      Array.from({ length: 200 }, (_, i) => String(i)),
    );
  });

  await t.test('a reset, arming, and what the client wanted', async (t) => {
    await session.must('SET @a=5');
    const replies = await pipeline(session, [
      [Command.ResetConnection],
      [Query, ARM_TRACKERS],
      [Query, 'SELECT @a'],
      [Query, "SET sql_mode='ANSI_QUOTES'"],
    ]);
    t.strictSame(answers(replies), [null, null, null, null]);
    t.strictSame(replies[3]?.tracked.variables, ['sql_mode=ANSI_QUOTES']);
  });

  await t.test('commands without an answer in between', async (t) => {
    const id = await session.prepareId('SELECT LENGTH(?)');
    const longData = Buffer.concat([uint32(id), Buffer.alloc(2), Buffer.alloc(100_000, 'x')]);
    t.strictSame(
      answers(
        await pipeline(session, [
          [Command.StmtSendLongData, longData, null],
          [Query, 'SELECT 13'],
        ]),
      ),
      ['13'],
    );
    t.strictSame(
      answers(
        await pipeline(session, [
          [Command.StmtClose, uint32(id), null],
          [Query, 'SELECT 7'],
        ]),
      ),
      ['7'],
    );
    const stray: Step[] = [
      [Command.StmtClose, uint32(9999), null],
      [Command.StmtSendLongData, Buffer.concat([uint32(9999), Buffer.alloc(2), Buffer.from('x')]), null],
      [Query, 'SELECT 8'],
    ];
    t.strictSame(answers(await pipeline(session, stray)), ['8'], 'an unknown id is passed over in silence');
  });

  await t.test('all kinds of commands', async (t) => {
    const replies = await pipeline(session, [
      [Command.StmtPrepare, 'SELECT 8', Shape.Prepare],
      [Query, 'SELECT 9'],
      [Command.InitDb, 'app'],
      [Query, 'SELECT DATABASE()'],
      [Command.Ping],
      [Command.StmtPrepare, 'SELCT', Shape.Prepare],
      [Query, 'SELECT 10'],
      [Command.SetOption, Buffer.from([0, 0]), Shape.Packet],
      [Command.Statistics, '', Shape.Packet],
      [Query, 'SELECT 11'],
    ]);
    t.strictSame(answers(replies), [null, '9', null, 'app', null, 1064, '10', null, null, '11']);
  });

  await t.test('executing what is just being prepared: id 0xFFFFFFFF, MariaDB only', async (t) => {
    const execute = Buffer.concat([uint32(0xffffffff), Buffer.from([0]), uint32(1)]);
    const replies = await pipeline(session, [
      [Command.StmtPrepare, 'SELECT 8', Shape.Prepare],
      [Command.StmtExecute, execute],
      [Query, 'SELECT 12'],
    ]);
    t.equal(replies[1]?.err?.errno, server.isMysql ? 1243 : undefined);
    t.equal(replies[2]?.value, '12');
  });
});
