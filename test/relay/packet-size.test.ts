import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { admin, administered } from '../admin/console/support/administered.js';
import { toldTo } from '../support/own-error.js';
import { fc } from '../support/properties.js';
import { eventually } from '../support/proxied.js';
import type { ProxiedUser } from '../support/proxied-user.js';
import { errOf, loginOf, packets, RawClient } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';

/** The shortest that may be set, the length from which on commands are streamed, and what fits into one packet. */
const LIMITS = [1024, (1 << 20) - 4, 1 << 20, 0xffffff];

const OTHERS = [
  Command.InitDb,
  Command.StmtPrepare,
  Command.StmtSendLongData,
  Command.FieldList,
  Command.Ping,
];

/** A command whose payload has this length. */
function commandOf(command: number, length: number): Buffer {
  const payload = Buffer.alloc(length, 0x78);
  payload[0] = command;
  if (command === Command.Query || command === Command.StmtPrepare) {
    payload.write("DO LENGTH('", 1);
    payload.write("')", length - 2);
  }
  return payload;
}

/** Sent in two parts, of which the first has this many bytes. */
function sendInTwo(client: RawClient, payload: Buffer, at: number): void {
  const bytes = Buffer.concat(packets(payload));
  client.write(bytes.subarray(0, at));
  client.write(bytes.subarray(at));
}

async function isRefused(t: Test, client: RawClient, limit: number, what: string): Promise<void> {
  const { errno, sqlState, message } = errOf([await client.expect()]) ?? {};
  t.strictSame(
    { errno, sqlState, message },
    {
      errno: 1153,
      sqlState: '08S01',
      message: toldTo(
        client.id,
        `mybouncer: Got a packet bigger than the ${limit} bytes that max_packet_size allows`,
      ),
    },
    what,
  );
  t.equal(await client.packet(), null, `${what}: the connection ends, as on the server`);
}

async function borders(t: Test, world: ProxiedUser): Promise<void> {
  const operator = await admin(world);
  const { proxy } = world;
  const opened = (): Promise<number> => proxy.metric('mybouncer_server_sessions_opened_total');
  const newClient = async (): Promise<RawClient> => {
    const client = await RawClient.login(loginOf(proxy.url));
    t.teardown(() => client.destroy());
    return client;
  };
  for (const limit of LIMITS) {
    await operator.run(`SET max_packet_size = ${limit}B`);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -1, max: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (over, part) => {
          const client = await newClient();
          await client.must('BEGIN');
          await client.must('SELECT 1');
          const length = limit + over;
          sendInTwo(client, commandOf(Command.Query, length), Math.floor(part * length));
          if (over > 0) {
            await isRefused(t, client, limit, `${length} bytes of ${limit}`);
          } else {
            t.equal((await client.expect()).payload[0], 0, `${length} bytes of ${limit}`);
            t.equal(await client.value('SELECT 7'), '7');
          }
          client.destroy();
        },
      ),
      {
        numRuns: 6,
        examples: [
          [1, 0.5],
          [0, 0.5],
        ],
      },
    );
  }
  t.equal(await proxy.holds(0), 0, 'transactions are rolled back');
  await operator.run('SET max_packet_size = 1KiB');
  const before = await opened();
  for (const command of OTHERS) {
    const client = await newClient();
    sendInTwo(client, commandOf(command, 1025), 700);
    await isRefused(t, client, 1024, `command ${command}`);
  }
  t.equal(await opened(), before, 'it costs no server session');
  const pipelined = await newClient();
  pipelined.write(
    Buffer.concat([...packets(commandOf(Command.Query, 1025)), ...packets(commandOf(Command.Query, 100))]),
  );
  await isRefused(t, pipelined, 1024, 'what came behind it is not run');
  await eventually('all have left', async () => (await proxy.metric('mybouncer_clients')) === 0);
}

await forEachServer(t, async (t, server) => {
  const [{ limit = 0 } = {}] = await server.query<{ limit: number }>(
    'SELECT @@global.max_allowed_packet AS `limit`',
  );
  const world = await administered(t, server, ['--pool-size', '2']);
  t.comment(`max_allowed_packet ${limit}`);
  await t.test('max_packet_size holds for every command, to the byte', (t) => borders(t, world));
});
