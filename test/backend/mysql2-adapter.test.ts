import t from 'tap';
import { connectServer, type ServerConnectOptions } from '../../src/backend/connect.js';
import { Capability, Command } from '../../src/protocol/constants.js';
import { PayloadReader } from '../../src/protocol/payload-reader.js';
import { commandPacket, RawSession } from '../support/raw-session.js';
import { APP_PASSWORD, APP_USER, forEachServer, type TestServer } from '../support/servers.js';
import { RecordingRelay } from './support/recording-relay.js';

/** The contract with mysql2 as pinned: what it says on the wire for us, to both real servers. */

const BASE =
  Capability.LongPassword |
  Capability.LongFlag |
  Capability.Protocol41 |
  Capability.Transactions |
  Capability.SecureConnection |
  Capability.PluginAuth |
  Capability.ConnectAttrs |
  Capability.PluginAuthLenencClientData |
  Capability.SessionTrack |
  Capability.DeprecateEof;

function options(relay: RecordingRelay, over: Partial<ServerConnectOptions> = {}): ServerConnectOptions {
  return {
    address: relay.address,
    user: APP_USER,
    password: APP_PASSWORD,
    schema: null,
    capabilities: 0,
    collation: 45,
    connectTimeoutMs: 10_000,
    attributes: { program_name: 'contract', worker: '7' },
    ...over,
  };
}

function flagNames(flags: number): string[] {
  return Object.entries(Capability)
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => name);
}

/** `Protocol::HandshakeResponse41`, read apart from any code of the proxy's. */
function readResponse(payload: Buffer): {
  flags: number;
  collation: number;
  filler: string;
  user: string;
  auth: Buffer;
  schema: string | null;
  plugin: string;
  attributes: Record<string, string>;
} {
  const reader = new PayloadReader(payload);
  const flags = reader.uint32();
  reader.uint32();
  const collation = reader.uint8();
  const filler = reader.bytes(23).toString('hex');
  const user = reader.nulBytes().toString();
  const auth = reader.lenencBytes();
  const schema = (flags & Capability.ConnectWithDb) === 0 ? null : reader.nulBytes().toString();
  const plugin = reader.nulBytes().toString();
  const list = new PayloadReader(reader.lenencBytes());
  const attributes: Record<string, string> = {};
  while (list.remaining > 0) attributes[list.lenencBytes().toString()] = list.lenencBytes().toString();
  t.equal(reader.remaining, 0, 'nothing after the attributes');
  return { flags, collation, filler, user, auth, schema, plugin, attributes };
}

async function startRelay(
  t: Parameters<typeof RecordingRelay.start>[0],
  server: TestServer,
): Promise<RecordingRelay> {
  return RecordingRelay.start(t, { host: server.host, port: server.port });
}

await forEachServer(t, async (t, server) => {
  t.test('exactly the flags asked for are negotiated', async (t) => {
    const relay = await startRelay(t, server);
    const cases: [number, string | null][] = [
      [0, null],
      [0, 'app'],
      [Capability.FoundRows | Capability.IgnoreSpace, 'app'],
      [
        Capability.LocalFiles |
          Capability.MultiStatements |
          Capability.MultiResults |
          Capability.PsMultiResults,
        null,
      ],
      [Capability.NoSchema | Capability.Odbc | Capability.Interactive, 'app'],
    ];
    for (const [capabilities, schema] of cases) {
      const { channel } = await connectServer(options(relay, { capabilities, schema }));
      channel.destroy();
      const [response] = relay.takeClientPackets();
      const read = readResponse(response as Buffer);
      const wanted = BASE | capabilities | (schema === null ? 0 : Capability.ConnectWithDb);
      t.strictSame(flagNames(read.flags), flagNames(wanted));
      t.equal(read.flags, wanted, 'and no bit without a name');
      t.equal(read.filler, '00'.repeat(23), 'no extended capabilities of MariaDB');
      t.equal(read.schema, schema);
      t.equal(read.user, APP_USER);
      t.equal(read.collation, 45);
      t.strictSame(read.attributes, { program_name: 'contract', worker: '7' });
    }
  });

  t.test('the server is met with its own plugin: no switch, no password in clear', async (t) => {
    const relay = await startRelay(t, server);
    const { channel } = await connectServer(options(relay));
    channel.destroy();
    const packets = relay.takeClientPackets();
    const read = readResponse(packets[0] as Buffer);
    t.equal(read.plugin, server.isMysql ? 'caching_sha2_password' : 'mysql_native_password');
    t.equal(read.auth.length, server.isMysql ? 32 : 20);
    t.notOk(Buffer.concat(packets).includes(APP_PASSWORD));
  });

  t.test('a password with every kind of letter, and none at all', async (t) => {
    const relay = await startRelay(t, server);
    for (const password of ['', 'pass wörd"\'\\;%/@:#?€𝄞', 'x'.repeat(200)]) {
      const { user } = await server.createUser({ password });
      for (const attempt of ['not cached', 'cached']) {
        const session = await RawSession.open(options(relay, { user, password }));
        t.equal(await session.value('SELECT 1'), '1', attempt);
        session.close();
      }
    }
  });

  t.test('column definitions have no more fields than ordinary clients know', async (t) => {
    const relay = await startRelay(t, server);
    const session = await RawSession.open(options(relay, { schema: 'app' }));
    t.teardown(() => session.close());
    const [json, geometry] = ["JSON_OBJECT('a', 1)", "ST_GeomFromText('POINT(1 1)')"];
    const reply = await session.must(`SELECT ${json}, ${geometry}, 1, 'x'`);
    const definitions = reply.packets.slice(1, 5);
    for (const { payload } of definitions) {
      const reader = new PayloadReader(payload);
      for (let field = 0; field < 6; field++) reader.lenencBytes();
      t.equal(reader.uint8(), 0x0c, 'length of the fixed part comes right after the six names');
      t.equal(reader.remaining, 12);
    }
  });

  t.test('commands have no attribute header', async (t) => {
    const relay = await startRelay(t, server);
    const { channel } = await connectServer(options(relay));
    relay.takeClientPackets();
    const session = new Promise<Buffer>((resolve) => {
      channel.handler = {
        onBytes: (buf, start, end) => resolve(Buffer.from(buf.subarray(start, end))),
        onDrain: () => {},
        onClosed: () => {},
      };
    });
    channel.write(commandPacket(Command.Query, 'DO 1'));
    const reply = await session;
    t.equal(reply[4], 0x00, 'OK');
    channel.destroy();
  });
});
