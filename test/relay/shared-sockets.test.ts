import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { Gate } from '../support/gate.js';
import { eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import {
  commandPayload,
  errOf,
  loginOf,
  packets,
  RawClient,
  type RawError,
  type RawPacket,
} from '../support/raw-client.js';
import { executePayload, int, rowsOf, text } from '../support/raw-values.js';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';

/** How connectors introduce themselves. Who says nothing may pipeline. */
const PYMYSQL = { _client_name: 'pymysql', _pid: '4711' };
const LIBMYSQL = { _client_name: 'libmysql', _pid: '4712', program_name: 'worker' };
const LIBMARIADB = { _client_name: 'libmariadb', _pid: '4713' };

const MESSAGE =
  /^mybouncer: Lost connection to MySQL server: two processes are using this connection: it was opened by pid 4711 \(program pymysql\) before a fork; /;

/** The server's own id of the session that it runs on. */
const SESSION = 'SELECT @@pseudo_thread_id';

/** One session for all, so that it shows whether it was kept. */
class Scene {
  readonly world: ProxiedUser;
  readonly session: string;
  /** Shut, but while a test has it open. */
  readonly gate: Gate;
  readonly #other: RawClient;

  private constructor(world: ProxiedUser, gate: Gate, other: RawClient, session: string) {
    this.world = world;
    this.gate = gate;
    this.#other = other;
    this.session = session;
  }

  static async of(t: Test, server: TestServer, guard: 'auto' | 'off'): Promise<Scene> {
    const world = await proxiedUser(t, server, ['--pool-size', '1', '--fork-guard', guard]);
    const other = await RawClient.login(loginOf(world.proxy.url));
    await other.must('CREATE TABLE kept(v LONGTEXT)');
    const gate = await Gate.of(t, server, world.schema);
    return new Scene(world, gate, other, await other.value(SESSION));
  }

  login(attributes: Readonly<Record<string, string>> | null = PYMYSQL): Promise<RawClient> {
    return RawClient.login(loginOf(this.world.proxy.url, attributes === null ? {} : { attributes }));
  }

  counted(cause: string): Promise<number> {
    return this.world.proxy.metric('mybouncer_shared_sockets_total', `cause="${cause}"`);
  }

  async untilRuns(sql: string): Promise<void> {
    await eventually(`the server runs ${sql}`, async () =>
      (await this.world.sessions()).some(({ info }) => info?.includes(sql) === true),
    );
  }

  /** Nothing of the client's runs, and its session serves others. */
  async checkKept(t: Test): Promise<void> {
    t.equal(await this.#other.value(SESSION), this.session, 'the same session serves others');
    const running = (await this.world.sessions()).filter(({ info }) => /SLEEP/i.test(info ?? ''));
    t.strictSame(running, [], 'its statement is gone from the server');
    t.equal(await this.world.proxy.metric('mybouncer_server_sessions_opened_total'), 1);
  }

  kept(): Promise<string> {
    return this.#other.value('SELECT COUNT(*) FROM kept');
  }

  /** The log's line of each, by cause. */
  logged(): readonly { readonly [field: string]: unknown }[] {
    return this.world.proxy.lines.filter(({ msg }) =>
      msg.startsWith('two processes use one client connection'),
    );
  }
}

/** Everything up to the end of the connection. */
async function rest(client: RawClient): Promise<RawPacket[]> {
  const taken: RawPacket[] = [];
  for (let packet = await client.packet(); packet !== null; packet = await client.packet())
    taken.push(packet);
  return taken;
}

/** The error that was the last packet before the end. */
async function lastError(client: RawClient): Promise<RawError | null> {
  return errOf(await rest(client));
}

const query = (sql: string | Buffer): Buffer => commandPayload(Command.Query, sql);
const QUIT = Buffer.of(1, 0, 0, 0, Command.Quit);

const ACCIDENTS: Readonly<Record<string, (t: Test, scene: Scene) => Promise<void>>> = {
  'a command while a statement runs': duringStatement,
  'a command within rows': withinRows,
  'a command in a transaction': inTransaction,
  'a command of a client that seldom pipelines': seldom,
  'a sequence id that is not 0': sequenceIds,
  "a command inside another's packet": insidePacket,
  'COM_QUIT while a reply is in flight': quitDuringReply,
  'COM_QUIT of one of two': quitOfOne,
};

const ORDINARY: Readonly<Record<string, (t: Test, scene: Scene) => Promise<void>>> = {
  'drivers that pipeline': pipelining,
  'commands without a reply': withoutReply,
  'prepare and execute together': prepareAndExecute,
  'packets in odd pieces': oddPieces,
  'closed with rows unread': closedUnread,
};

await forEachServer(t, async (t, server) => {
  // What the stream alone shows.
  const scene = await Scene.of(t, server, 'off');
  for (const [name, run] of Object.entries(ACCIDENTS)) {
    await t.test(name, async (t) => {
      await run(t, scene);
      await scene.checkKept(t);
    });
  }
  const before = scene.logged().length;
  const counted = await scene.world.proxy.metric('mybouncer_shared_sockets_total');
  t.equal(before, counted, 'each has a line in the log');
  for (const [name, run] of Object.entries(ORDINARY)) {
    await t.test(name, async (t) => {
      await run(t, scene);
      await scene.checkKept(t);
    });
  }
  t.equal(
    await scene.world.proxy.metric('mybouncer_shared_sockets_total'),
    counted,
    'none of them is mistaken',
  );
  t.strictSame(scene.logged().length, before);
  await t.test('inside what is streamed', (t) => insideStreamed(t, scene));
  // One process has these connections, as the guard sees where it can look.
  const guarded = await Scene.of(t, server, 'auto');
  for (const [name, run] of Object.entries({ ...ORDINARY, 'libmariadb on purpose': onPurpose })) {
    await t.test(`with the guard: ${name}`, async (t) => {
      await run(t, guarded);
      await guarded.checkKept(t);
      t.equal(await guarded.world.proxy.metric('mybouncer_shared_sockets_total'), 0);
    });
  }
});

async function duringStatement(t: Test, scene: Scene): Promise<void> {
  const client = await scene.login();
  client.send(query('SELECT SLEEP(600)'));
  await scene.untilRuns('SLEEP(600)');
  client.send(query("INSERT INTO kept VALUES('other')"));
  const [err, ...more] = await rest(client);
  t.strictSame(more, []);
  t.equal(err?.sequenceId, 1);
  t.match(errOf(err === undefined ? [] : [err]), { errno: 1927, sqlState: '08S01', message: MESSAGE });
  t.equal(await scene.counted('command_during_reply'), 1);
  t.match(scene.logged(), [
    {
      level: 'warn',
      client: client.id,
      user: scene.world.user.user,
      cause: 'command_during_reply',
      opener: { pid: '4711', program: 'pymysql' },
      holders: [],
    },
  ]);
  t.equal(await scene.kept(), '0', 'the other command was not run');
}

async function withinRows(t: Test, scene: Scene): Promise<void> {
  const client = await scene.login(LIBMYSQL);
  client.send(query('SELECT 1 UNION ALL SELECT SLEEP(600)'));
  await scene.untilRuns('SLEEP(600)');
  client.send(commandPayload(Command.Ping));
  const packets = await rest(client);
  t.match(errOf(packets), { errno: 1927, message: /opened by pid 4712 \(program worker\)/ });
  for (const [i, { sequenceId }] of packets.entries()) t.equal(sequenceId, i + 1, 'numbered in order');
}

async function inTransaction(t: Test, scene: Scene): Promise<void> {
  const client = await scene.login();
  await client.must('BEGIN');
  await client.must("INSERT INTO kept VALUES('mine')");
  client.send(query('SELECT SLEEP(600)'));
  await scene.untilRuns('SLEEP(600)');
  client.send(query('COMMIT'));
  t.match(await lastError(client), { errno: 1927 });
  t.equal(await scene.kept(), '0', 'rolled back');
}

async function seldom(t: Test, scene: Scene): Promise<void> {
  const before = await scene.counted('command_during_reply');
  const client = await scene.login(LIBMARIADB);
  client.send(query('SELECT SLEEP(600)'));
  await scene.untilRuns('SLEEP(600)');
  client.send(query('SELECT 2'));
  t.match(await lastError(client), { errno: 1927, message: /opened by pid 4713 \(program libmariadb\)/ });
  t.equal(await scene.counted('command_during_reply'), before + 1);
}

async function sequenceIds(t: Test, scene: Scene): Promise<void> {
  for (const [i, id] of [1, 2, 255].entries()) {
    const client = await scene.login(null);
    client.send(query("INSERT INTO kept VALUES('x')"), id);
    const [err] = await rest(client);
    t.equal(err?.sequenceId, (id + 1) & 0xff);
    t.match(errOf(err === undefined ? [] : [err]), {
      errno: 1156,
      sqlState: '08S01',
      message: /two processes are using this connection: it was opened before a fork/,
    });
    t.equal(await scene.counted('sequence_id'), i + 1);
  }
  t.equal(await scene.kept(), '0');
  // While a statement runs.
  const client = await scene.login();
  client.send(query('SELECT SLEEP(600)'));
  await scene.untilRuns('SLEEP(600)');
  client.send(query('SELECT 2'), 3);
  t.match(await lastError(client), { errno: 1156 });
}

async function insidePacket(t: Test, scene: Scene): Promise<void> {
  const insert = packets(query(`INSERT INTO kept VALUES('${'x'.repeat(1_000)}')`))[0] as Buffer;
  const foreign = [QUIT, ...packets(query('SELECT 2')), ...packets(commandPayload(Command.Ping))];
  let expected = 0;
  for (const inside of foreign) {
    for (const attributes of [PYMYSQL, null]) {
      const client = await scene.login(attributes);
      client.write(insert.subarray(0, 500));
      await settled(scene);
      client.write(inside);
      t.match(await lastError(client), { errno: 1927, message: /two processes/ });
      t.equal(await scene.counted('inside_packet'), ++expected);
    }
  }
  t.equal(await scene.world.proxy.metric('mybouncer_server_sessions_opened_total'), 1);
  t.equal(await scene.kept(), '0', 'nothing of it was run');
}

/** The server has a part of it, which must not be completed: that session is closed. */
async function insideStreamed(t: Test, scene: Scene): Promise<void> {
  const long = packets(query(`INSERT INTO kept VALUES('${'x'.repeat(3 << 20)}')`))[0] as Buffer;
  const closed = (): Promise<number> =>
    scene.world.proxy.metric('mybouncer_server_sessions_closed_total', 'reason="client_left_inside_command"');
  const active = async (): Promise<boolean> =>
    (await scene.world.proxy.metric('mybouncer_server_sessions', 'state="active"')) === 1;
  const client = await scene.login();
  client.write(long.subarray(0, 2 << 20));
  await eventually('it is on its way', active);
  await settled(scene);
  const before = await scene.counted('inside_packet');
  client.write(QUIT);
  t.match(await lastError(client), { errno: 1927, message: MESSAGE });
  t.equal(await scene.counted('inside_packet'), before + 1);
  await eventually('the session is closed', async () => (await closed()) === 1);
  // Between the packets of a file.
  const sending = await scene.login();
  sending.send(query("LOAD DATA LOCAL INFILE 'x' INTO TABLE kept"));
  t.equal((await sending.expect()).payload[0], 0xfb);
  sending.send(Buffer.from('one\ntwo\n'), 2);
  await eventually('it is on its way', active);
  const counted = await scene.counted('sequence_id');
  sending.send(query('SELECT 2'));
  t.match(await lastError(sending), { errno: 1156, message: MESSAGE });
  t.equal(await scene.counted('sequence_id'), counted + 1);
  await eventually('the session is closed', async () => (await closed()) === 2);
  t.equal(await scene.kept(), '0', 'nothing of either is there');
}

/** Programs that use mysql_send_query() as it is meant. */
async function onPurpose(t: Test, scene: Scene): Promise<void> {
  const client = await scene.login({ ...LIBMARIADB, _pid: String(process.pid) });
  const count = 20;
  for (let i = 0; i < count; i++) client.send(query(`SELECT ${i}`));
  for (let i = 0; i < count; i++)
    t.strictSame(rowsOf(await client.reply('results'), client), [String(i)], 'in order');
  client.destroy();
}

/** What was written has been read. */
async function settled(scene: Scene): Promise<void> {
  await scene.counted('inside_packet');
  await sleep(50);
}

async function quitDuringReply(t: Test, scene: Scene): Promise<void> {
  const client = await scene.login();
  client.send(query('SELECT SLEEP(600)'));
  await scene.untilRuns('SLEEP(600)');
  client.write(QUIT);
  t.match(await lastError(client), { errno: 1927, message: MESSAGE });
  t.equal(await scene.counted('quit_during_reply'), 1);
}

async function quitOfOne(_: Test, scene: Scene): Promise<void> {
  for (const [i, speaks] of [true, false].entries()) {
    const client = await scene.login();
    client.socket.allowHalfOpen = true;
    const end = once(client.socket, 'end');
    client.write(QUIT);
    await end;
    // Whoever has the socket still may send something on it, or not.
    if (speaks) client.send(query('SELECT 2'));
    await eventually('it is noticed', async () => (await scene.counted('quit_of_child')) === i + 1);
    client.destroy();
  }
}

async function pipelining(t: Test, scene: Scene): Promise<void> {
  const client = await scene.login(null);
  const count = 50;
  for (let i = 0; i < count; i++) client.send(query(`SELECT ${i}`));
  client.write(QUIT);
  for (let i = 0; i < count; i++) {
    t.strictSame(rowsOf(await client.reply('results'), client), [String(i)], 'in order');
  }
  t.equal(await client.packet(), null, 'and closed behind the last');
  // A command cut in two behind one that runs.
  const other = await scene.login(null);
  other.send(query(Gate.READ));
  const next = packets(query('SELECT 7'))[0] as Buffer;
  other.write(next.subarray(0, 6));
  await scene.untilRuns('FROM gate');
  other.write(next.subarray(6));
  await scene.gate.open();
  t.strictSame(rowsOf(await other.reply('results'), other), ['1']);
  t.strictSame(rowsOf(await other.reply('results'), other), ['7']);
  await scene.gate.shut();
  other.destroy();
}

async function withoutReply(t: Test, scene: Scene): Promise<void> {
  for (const attributes of [PYMYSQL, LIBMYSQL, LIBMARIADB]) {
    const client = await scene.login(attributes);
    const statement = await client.prepare('SELECT CONCAT(?, ?)');
    const unused = await client.prepare('SELECT 1');
    const id = Buffer.alloc(4);
    id.writeUInt32LE(unused);
    const long = (parameter: number, value: string): Buffer => {
      const head = Buffer.alloc(6);
      head.writeUInt32LE(statement);
      head.writeUInt16LE(parameter, 4);
      return packets(
        commandPayload(Command.StmtSendLongData, Buffer.concat([head, Buffer.from(value)])),
      )[0] as Buffer;
    };
    const given = { ...text(''), value: undefined };
    const execute = executePayload(statement, [given, given]);
    client.write(
      Buffer.concat([
        long(0, 'ab'),
        long(0, 'cd'),
        long(1, 'ef'),
        ...packets(commandPayload(Command.StmtExecute, execute)),
      ]),
    );
    t.strictSame(rowsOf(await client.reply('results'), client), ['abcdef']);
    client.send(query(Gate.READ));
    await scene.untilRuns('FROM gate');
    client.send(commandPayload(Command.StmtClose, id));
    await settled(scene);
    await scene.gate.open();
    t.strictSame(
      rowsOf(await client.reply('results'), client),
      ['1'],
      'a statement closed while a reply is due',
    );
    await scene.gate.shut();
    t.equal(await client.value('SELECT 5'), '5');
    client.destroy();
  }
}

async function prepareAndExecute(t: Test, scene: Scene): Promise<void> {
  const client = await scene.login(LIBMARIADB);
  client.write(
    Buffer.concat([
      ...packets(commandPayload(Command.StmtPrepare, 'SELECT ? + 1')),
      ...packets(commandPayload(Command.StmtExecute, executePayload(0xffffffff, [int(4)]))),
    ]),
  );
  t.equal(errOf(await client.reply('prepare')), null);
  t.ok((await client.reply('results')).length > 0, 'both are answered');
  t.equal(await client.value('SELECT 6'), '6');
  client.destroy();
}

async function oddPieces(t: Test, scene: Scene): Promise<void> {
  for (const attributes of [PYMYSQL, null]) {
    const client = await scene.login(attributes);
    const bytes = packets(query('SELECT 12345'))[0] as Buffer;
    for (const size of [1, 3, 4, 5]) {
      for (let at = 0; at < bytes.length; at += size) {
        client.write(bytes.subarray(at, at + size));
        await sleep(2);
      }
      t.strictSame(rowsOf(await client.reply('results'), client), ['12345']);
    }
    // The end of a packet that looks like COM_QUIT.
    const tail = packets(
      query(Buffer.concat([Buffer.from("SELECT HEX('"), QUIT, Buffer.from("')")])),
    )[0] as Buffer;
    const cut = tail.length - QUIT.length - 2;
    client.write(tail.subarray(0, cut));
    await settled(scene);
    client.write(tail.subarray(cut));
    t.strictSame(rowsOf(await client.reply('results'), client), ['0100000001']);
    client.destroy();
  }
}

async function closedUnread(t: Test, scene: Scene): Promise<void> {
  for (const attributes of [PYMYSQL, LIBMYSQL, LIBMARIADB, null]) {
    const client = await scene.login(attributes);
    client.send(query('SELECT SLEEP(600)'));
    await scene.untilRuns('SLEEP(600)');
    client.socket.end(QUIT);
    await eventually('it is gone', async () =>
      (await scene.world.sessions()).every(({ info }) => info?.includes('SLEEP(600)') !== true),
    );
    client.destroy();
  }
  const idle = await scene.login();
  idle.write(QUIT);
  t.equal(await idle.packet(), null);
  await eventually('all are gone', async () => (await scene.world.proxy.metric('mybouncer_clients')) === 1);
}
