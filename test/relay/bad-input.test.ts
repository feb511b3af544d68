import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { type Client, eventually, type Proxied, proxied } from '../support/proxied.js';
import {
  commandPayload,
  errOf,
  loginOf,
  packets,
  RawClient,
  RawError,
  unlessErr,
} from '../support/raw-client.js';
import { executePayload, int, rowsOf } from '../support/raw-values.js';
import { forEachServer } from '../support/servers.js';

/** A client that has connected and not logged in. */
async function greeted(world: Proxied): Promise<RawClient> {
  const client = new RawClient({ host: world.proxy.host, port: world.proxy.port });
  await client.expect();
  return client;
}

/** The error that ends a connection. */
async function ending(client: RawClient): Promise<RawError | null> {
  let last: RawError | null = null;
  for (let packet = await client.packet(); packet !== null; packet = await client.packet()) {
    last = packet.payload[0] === 0xff ? new RawError(packet.payload) : null;
  }
  return last;
}

function login(world: Proxied): Promise<RawClient> {
  return RawClient.login(loginOf(world.proxy.url));
}

/** Others have noticed nothing: the same connections, sessions and results as before. */
class Bystanders {
  readonly #idle: Client;
  readonly #holding: Client;
  readonly #world: Proxied;

  constructor(world: Proxied, idle: Client, holding: Client) {
    this.#world = world;
    this.#idle = idle;
    this.#holding = holding;
  }

  static async of(world: Proxied): Promise<Bystanders> {
    const [idle, holding] = await Promise.all([world.connect(), world.connect()]);
    await holding.run('CREATE TEMPORARY TABLE mine SELECT 1 AS v');
    return new Bystanders(world, idle, holding);
  }

  async check(t: Test): Promise<void> {
    t.equal(await this.#idle.value('SELECT 1'), 1, 'another client goes on');
    t.equal(await this.#holding.value('SELECT v FROM mine'), 1, 'with what it holds');
    const fresh = await this.#world.connect();
    t.equal(await fresh.value('SELECT 2'), 2, 'new ones come in');
    await fresh.end();
  }
}

const MISBEHAVIOUR: Readonly<Record<string, (t: Test, world: Proxied) => Promise<void>>> = {
  'before the login': beforeLogin,
  'commands that are none': commands,
  'commands that are cut short': cutShort,
  'commands that cannot be pooled': refused,
  'sequence ids': sequences,
  'too much': tooLarge,
  'gone in the middle': goneInside,
  noise,
};

await forEachServer(t, async (t, server) => {
  const world = await proxied(t, server, [
    '--pool-size',
    '2',
    '--client-login-timeout',
    '2s',
    '--max-packet-size',
    '20MiB',
  ]);
  const others = await Bystanders.of(world);
  for (const [name, misbehave] of Object.entries(MISBEHAVIOUR)) {
    await t.test(name, async (t) => {
      await misbehave(t, world);
      await others.check(t);
    });
  }
  await t.test('nothing is left behind', async (t) => {
    await eventually('they are gone', async () => (await world.proxy.metric('mybouncer_clients')) === 2);
    t.equal(await world.proxy.settled(0, 'mybouncer_waiting_requests'), 0);
    t.equal(await world.proxy.holds(1), 1);
    t.equal(world.proxy.exitCode, null);
    t.strictSame(world.proxy.stderr, []);
    t.strictSame(
      world.proxy.lines.filter(({ level }) => level === 'error' || level === 'fatal'),
      [],
    );
  });
});

async function beforeLogin(t: Test, world: Proxied): Promise<void> {
  const silent = await greeted(world);
  const garbage = await greeted(world);
  garbage.write(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'));
  await ending(garbage);
  const oversized = await greeted(world);
  oversized.write(Buffer.concat([Buffer.of(0xff, 0xff, 0xff, 1), Buffer.alloc(200_000)]));
  t.match(await ending(oversized), { errno: 1043, sqlState: '08S01' });
  const short = await greeted(world);
  short.send(Buffer.of(1, 2, 3), 1);
  t.match(await ending(short), { errno: 1043 });
  const wrongId = await greeted(world);
  wrongId.send(Buffer.alloc(80), 7);
  t.not(await ending(wrongId), null);
  const half = await greeted(world);
  half.write(Buffer.of(60, 0, 0, 1, 0x0d, 0xa6));
  half.socket.end();
  await half.ended();
  const command = await greeted(world);
  command.send(commandPayload(Command.Query, 'SELECT 1'), 0);
  t.not(await ending(command), null, 'a command before the login');
  const tls = await greeted(world);
  // SSLRequest: nothing but capabilities, with CLIENT_SSL; and then something else.
  const request = Buffer.alloc(32);
  request.writeUInt32LE(0x0a00, 0);
  tls.send(request, 1);
  tls.write(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'));
  t.equal(await ending(tls), null, 'nothing is said in clear any more');
  await t.rejects(RawClient.login(loginOf(world.proxy.url, { password: 'wrong' })), {
    errno: 1045,
    message: /^Access denied for user 'app'/,
  });
  await t.rejects(RawClient.login(loginOf(world.proxy.url, { user: 'x'.repeat(5_000) })), {
    errno: 1045,
    message: /Access denied/,
  });
  await t.rejects(
    RawClient.login(loginOf(world.proxy.url, { plugin: 'no_such_plugin' })).then((client) => {
      // The server would ask for another method, and so does the proxy.
      client.destroy();
      throw new Error('logged in by a switch');
    }),
    { message: 'logged in by a switch' },
  );
  t.match(await ending(silent), { errno: 1159 }, 'who says nothing is sent away');
}

async function commands(t: Test, world: Proxied): Promise<void> {
  const client = await login(world);
  for (const byte of [0x00, 0x0b, 0x0f, 0x10, 0x1d, 0x20, 0x55, 0x80, 0xfa, 0xfe, 0xff]) {
    t.match(
      errOf(await client.command(byte as Command)),
      { errno: 1047, sqlState: '08S01' },
      `command ${byte}`,
    );
  }
  client.write(Buffer.of(0, 0, 0, 0));
  t.match(errOf(await client.reply('packet')), { errno: 1835 }, 'a command without its byte');
  t.match(errOf(await client.query('')), { errno: 1065 });
  t.match(errOf(await client.query(Buffer.of(0, 0, 0))), { errno: /1064|1065/ });
  t.match(errOf(await client.query(Buffer.from('SELECT 1\0; DROP TABLE x'))), { errno: 1064 });
  t.equal(await client.value('SELECT 3'), '3', 'the connection goes on');
  client.destroy();
}

async function cutShort(t: Test, world: Proxied): Promise<void> {
  const client = await login(world);
  const statement = await client.prepare('SELECT CONCAT(?, ?)');
  const whole = executePayload(statement, [int(1), int(2)]);
  const answers: Record<number, unknown> = {};
  for (let length = 0; length < whole.length; length++) {
    // Something behind it, which must be left alone.
    client.write(
      Buffer.concat([
        ...packets(commandPayload(Command.StmtExecute, whole.subarray(0, length))),
        ...packets(commandPayload(Command.Query, `SELECT ${length}`)),
      ]),
    );
    answers[length] = errOf(await client.reply('results'))?.errno;
    t.strictSame(rowsOf(await client.reply('results'), client), [String(length)]);
  }
  t.notOk(Object.values(answers).includes(undefined), 'none of them is executed');
  for (const command of [Command.StmtReset, Command.StmtFetch]) {
    for (let length = 0; length < 4; length++) {
      client.write(
        Buffer.concat([
          ...packets(commandPayload(command, whole.subarray(0, length))),
          ...packets(commandPayload(Command.Query, 'SELECT 4')),
        ]),
      );
      t.not(errOf(await client.reply('packet')), null);
      t.strictSame(rowsOf(await client.reply('results'), client), ['4']);
    }
  }
  for (const command of [Command.StmtClose, Command.StmtSendLongData]) {
    for (let length = 0; length < 4; length++) {
      client.send(commandPayload(command, whole.subarray(0, length)));
      t.equal(await client.value('SELECT 5'), '5', 'no reply, not even an error');
    }
  }
  for (const command of [Command.ProcessKill, Command.SetOption, Command.ChangeUser]) {
    const other = await login(world);
    other.send(commandPayload(command, Buffer.of(1)));
    t.not(errOf(await other.reply('packet')), null, `command ${command}`);
    other.destroy();
  }
  t.match(rowsOf(unlessErr(await client.command(Command.StmtExecute, whole, 'results')), client), ['12']);
  client.destroy();
}

async function refused(t: Test, world: Proxied): Promise<void> {
  const client = await login(world);
  const bodies: [Command, string][] = [
    [Command.BinlogDump, '\x04\0\0\0\0\0\x01\0\0\0bin.000001'],
    [Command.BinlogDumpGtid, ''],
    [Command.RegisterSlave, '\x01\0\0\0'],
    [Command.TableDump, ''],
    [Command.Shutdown, '\0'],
    [Command.CreateDb, 'nowhere'],
    [Command.DropDb, 'app'],
  ];
  for (const [command, body] of bodies) {
    const error = errOf(await client.command(command, body));
    t.match(error, { errno: 1235, sqlState: '42000', message: /^mybouncer: COM_[A-Z_]+ is not passed on: / });
    t.equal(await client.value('SELECT 6'), '6');
  }
  t.equal(
    await client.value("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='app'"),
    '1',
  );
  client.destroy();
}

async function sequences(t: Test, world: Proxied): Promise<void> {
  for (const id of [1, 2, 255]) {
    const client = await login(world);
    client.send(commandPayload(Command.Query, 'SELECT 7'), id);
    t.match(await ending(client), { errno: 1156, sqlState: '08S01' }, `a command with sequence id ${id}`);
  }
  const pipelined = await login(world);
  pipelined.write(
    Buffer.concat([
      ...packets(commandPayload(Command.Query, 'SELECT 8'), 0),
      ...packets(commandPayload(Command.Query, 'SELECT 9'), 1),
    ]),
  );
  t.strictSame(rowsOf(await pipelined.reply('results'), pipelined), ['8']);
  t.match(await ending(pipelined), { errno: 1156 });
}

async function tooLarge(t: Test, world: Proxied): Promise<void> {
  const client = await login(world);
  const writing = (async () => {
    // 32 MiB where 20 are allowed. Who sends all of it hears of it.
    const packet = Buffer.concat([
      Buffer.of(0xff, 0xff, 0xff, 0, Command.Query),
      Buffer.alloc(0xffffff - 1, 0x20),
    ]);
    client.write(packet);
    packet[3] = 1;
    client.write(packet);
    client.write(Buffer.of(0, 0, 0, 2));
  })();
  t.match(await ending(client), { errno: 1153, sqlState: '08S01', message: /max_packet_size/ });
  await writing;
  for (const command of [Command.InitDb, Command.FieldList, Command.StmtPrepare, Command.Ping]) {
    const other = await login(world);
    other.send(commandPayload(command, Buffer.alloc(2 << 20, 0x78)));
    const error = errOf(await other.reply('packet').catch(() => []));
    if (command !== Command.Ping) t.not(error, null, `a long command ${command}`);
    other.destroy();
  }
}

async function goneInside(t: Test, world: Proxied): Promise<void> {
  const watcher = await world.connect();
  await watcher.run('CREATE TABLE IF NOT EXISTS inside(v LONGTEXT)');
  const closed = (): Promise<number> =>
    world.proxy.metric('mybouncer_server_sessions_closed_total', 'reason="client_left_inside_command"');
  const before = await closed();
  const long = commandPayload(Command.Query, `INSERT INTO inside VALUES('${'x'.repeat(3 << 20)}')`);
  const parts: [Buffer, boolean][] = [
    [
      packets(commandPayload(Command.Query, "INSERT INTO inside VALUES('short')"))[0]?.subarray(0, 20) ??
        Buffer.alloc(0),
      false,
    ],
    [packets(long)[0]?.subarray(0, 1 << 20) ?? Buffer.alloc(0), true],
    [Buffer.of(9), false],
    [Buffer.of(9, 0, 0, 0), false],
  ];
  for (const [bytes, opened] of parts) {
    const client = await login(world);
    const sent = await closed();
    client.write(bytes);
    if (opened) {
      await eventually(
        'it is on its way',
        async () => (await world.proxy.metric('mybouncer_server_sessions', 'state="active"')) === 2,
      );
    }
    client.socket.end();
    await client.ended();
    if (opened) await eventually('the session is closed', async () => (await closed()) === sent + 1);
  }
  t.equal(await closed(), before + 1, 'only where the server had a part of it');
  t.equal(await watcher.value('SELECT COUNT(*) FROM inside'), 0);
  // In the middle of a file: nothing of it stays.
  const client = await login(world);
  client.send(commandPayload(Command.Query, "LOAD DATA LOCAL INFILE 'x' INTO TABLE inside"));
  t.equal((await client.expect()).payload[0], 0xfb);
  client.send(Buffer.from('one\ntwo\nthr'), 2);
  await eventually(
    'a part is there',
    async () => (await world.proxy.metric('mybouncer_server_sessions', 'state="active"')) === 2,
  );
  client.destroy();
  await eventually('the session is closed', async () => (await closed()) === before + 2);
  t.equal(await watcher.value('SELECT COUNT(*) FROM inside'), 0);
  await watcher.end();
}

async function noise(t: Test, world: Proxied): Promise<void> {
  for (let i = 0; i < 20; i++) {
    const client = i % 2 === 0 ? await greeted(world) : await login(world);
    const bytes = randomBytes(1 + i * 97);
    client.write(bytes);
    client.socket.end();
    await ending(client);
    t.pass(bytes.subarray(0, 20).toString('hex'));
  }
  // Random payloads in well-formed packets.
  for (let i = 0; i < 20; i++) {
    const client = await login(world);
    for (let j = 0; j < 5; j++) client.send(randomBytes(1 + ((i * 7 + j * 13) % 60)));
    client.socket.end();
    await client.ended();
  }
}
