import t, { type Test } from 'tap';
import { Command, HEADER_SIZE } from '../../src/protocol/constants.js';
import { framed } from '../protocol/support/client-side.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { commandPayload, loginOf, RawClient, RawError } from '../support/raw-client.js';
import { forEachPrivateServer, type PrivateTestServer } from '../support/servers.js';

/** The server's max_allowed_packet is lower than the proxy's max_packet_size. */
const LIMIT = 1 << 20;
const FULL = 0xffffff;
const TOO_LARGE = {
  errno: 1153,
  sqlState: '08S01',
  message: "Got a packet bigger than 'max_allowed_packet' bytes",
};

await forEachPrivateServer(
  t,
  async (t, server) => {
    const world = await proxiedUser(t, server, ['--pool-size', '1']);
    const setup = await world.direct();
    await setup.run('CREATE TABLE texts(id INT AUTO_INCREMENT PRIMARY KEY, v LONGTEXT)');
    await t.test('the same length is the first that is refused', (t) => edge(t, world));
    await t.test('who is refused loses its connection and nothing of the proxy', (t) => refused(t, world));
    await t.test('prepared statements, and data sent ahead', (t) => prepared(t, world));
    await t.test('the file of LOAD DATA LOCAL', (t) => infile(t, world));
    await t.test('answers may be longer', (t) => answers(t, world));
    await t.test('another limit on the server', (t) => otherLimit(t, world, server));
    await t.test('commands of several packets', (t) => severalPackets(t, server));
  },
  { extraArgs: [`--max-allowed-packet=${LIMIT}`, '--local-infile=1'], timeout: 300_000 },
);

/** A COM_QUERY whose payload has this length. */
function queryOf(length: number, head = "DO LENGTH('", end = "')"): Buffer {
  const payload = Buffer.alloc(length, 0x78);
  payload[0] = Command.Query;
  payload.write(head, 1);
  payload.write(end, length - end.length);
  return payload;
}

function clientOf(world: ProxiedUser): Promise<RawClient> {
  return RawClient.login(loginOf(world.proxy.url));
}

function directOf(world: ProxiedUser): Promise<RawClient> {
  return RawClient.login(loginOf(world.user.url(world.schema)));
}

/** The answer of one packet: 'ok', an error's number, or 'ended' when the connection ends without one. */
async function answerTo(client: RawClient): Promise<string | number> {
  const packet = await client.packet();
  if (packet === null) return 'ended';
  return packet.payload[0] === 0xff ? new RawError(packet.payload).errno : 'ok';
}

/** What a client reads that is refused: the error, with this sequence id, and then the end. */
async function isRefused(t: Test, client: RawClient, sequenceId: number, what: string): Promise<void> {
  const packet = await client.packet();
  t.not(packet, null, `${what}: it is told`);
  if (packet === null) return;
  t.equal(packet.payload[0], 0xff, what);
  t.match(new RawError(packet.payload), TOO_LARGE, what);
  t.equal(packet.sequenceId, sequenceId, `${what}: sequence id`);
  t.equal(await client.packet(), null, `${what}: the connection ends`);
}

async function edge(t: Test, world: ProxiedUser): Promise<void> {
  for (const length of [LIMIT - 1, LIMIT]) {
    const [client, direct] = await Promise.all([clientOf(world), directOf(world)]);
    client.send(queryOf(length));
    direct.send(queryOf(length));
    const [answer, said] = await Promise.all([answerTo(client), answerTo(direct)]);
    t.equal(answer, length < LIMIT ? 'ok' : 1153, `${length} bytes`);
    // Whether its words arrive depends on who is faster.
    t.ok(said === answer || (said === 'ended' && answer === 1153), `the server itself: ${said}`);
    client.destroy();
    direct.destroy();
  }
  const client = await world.connect();
  const name = 'SELECT @@max_allowed_packet';
  t.equal(await client.value(name), LIMIT, 'and it is what the client reads');
  t.equal(await (await world.directAsUser()).value(name), LIMIT);
  await client.end();
}

async function refused(t: Test, world: ProxiedUser): Promise<void> {
  const { proxy } = world;
  const other = await clientOf(world);
  await other.value('SELECT 1');
  const closed = await proxy.metric('mybouncer_server_sessions_closed_total');
  for (const size of [LIMIT + 1, 2 * LIMIT, 4 * LIMIT]) {
    const client = await clientOf(world);
    await client.must('BEGIN');
    await client.must("INSERT INTO texts(v) VALUES('undone')");
    const held = await client.value('SELECT @@pseudo_thread_id');
    client.send(queryOf(size));
    await isRefused(t, client, 1, `a command of ${size} in a transaction`);
    t.equal(await proxy.holds(0), 0);
    t.equal(await other.value('SELECT COUNT(*) FROM texts'), '0', 'which is rolled back');
    t.equal(await other.value('SELECT @@pseudo_thread_id'), held, 'and its session serves the next one');
  }
  const pipelined = await clientOf(world);
  pipelined.send(queryOf(2 * LIMIT));
  pipelined.send(commandPayload(Command.Query, "INSERT INTO texts(v) VALUES('behind it')"));
  t.equal(await answerTo(pipelined), 1153);
  await pipelined.ended();
  t.equal(await other.value('SELECT COUNT(*) FROM texts'), '0', 'what came behind it is not run');
  t.equal(await proxy.metric('mybouncer_server_sessions_closed_total'), closed, 'no session was lost');
  t.equal(await proxy.settled(1, 'mybouncer_clients'), 1);
  other.destroy();
  const driver = await world.connect();
  t.match(
    await driver.error(`SELECT LENGTH('${'x'.repeat(8 * LIMIT)}')`),
    TOO_LARGE,
    'a driver reads it, too',
  );
}

/** COM_STMT_EXECUTE with one text. */
function executeOf(statement: number, text: Buffer | null): Buffer {
  const fixed = Buffer.alloc(9);
  fixed.writeUInt32LE(statement);
  fixed[5] = 1;
  const types = Buffer.of(0, 1, 0xfd, 0);
  if (text === null) return Buffer.concat([Buffer.of(Command.StmtExecute), fixed, types]);
  const length = Buffer.of(0xfd, 0, 0, 0);
  length.writeUIntLE(text.length, 1, 3);
  return Buffer.concat([Buffer.of(Command.StmtExecute), fixed, types, length, text]);
}

function longDataOf(statement: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(6);
  fixed.writeUInt32LE(statement);
  return Buffer.concat([Buffer.of(Command.StmtSendLongData), fixed, data]);
}

async function prepared(t: Test, world: ProxiedUser): Promise<void> {
  const client = await clientOf(world);
  const id = await client.prepare('SELECT LENGTH(?)');
  client.send(executeOf(id, Buffer.alloc(2 * LIMIT, 0x79)));
  await isRefused(t, client, 1, 'an execute');

  const whole = await clientOf(world);
  whole.send(longDataOf(await whole.prepare('SELECT LENGTH(?)'), Buffer.alloc(2 * LIMIT, 0x79)));
  // MySQL answers this command, too, where it is too long; MariaDB may be gone before that is read.
  await isRefused(t, whole, 1, 'long data in one piece');

  // In pieces it is the statement that fails, and no connection ends.
  const [client2, direct] = await Promise.all([clientOf(world), directOf(world)]);
  const answers: unknown[] = [];
  for (const one of [client2, direct]) {
    const statement = await one.prepare('SELECT LENGTH(?)');
    for (let i = 0; i < 4; i++) one.send(longDataOf(statement, Buffer.alloc(LIMIT / 2, 0x79)));
    one.send(executeOf(statement, null));
    const { payload, sequenceId } = await one.expect();
    const { errno, sqlState, message } = new RawError(payload);
    answers.push({ errno, sqlState, message, sequenceId, next: await one.value('SELECT 5') });
    one.destroy();
  }
  t.strictSame(answers[0], answers[1], 'long data in pieces');
  t.match(answers[0], { errno: 1105, next: '5' });
  t.equal(await world.proxy.holds(0), 0);
}

async function infile(t: Test, world: ProxiedUser): Promise<void> {
  const load = "LOAD DATA LOCAL INFILE 'x' INTO TABLE texts(v)";
  const line = Buffer.alloc(LIMIT / 2, 0x7a);
  line[line.length - 1] = 0x0a;
  for (const [kind, login] of [
    ['proxied', clientOf],
    ['direct', directOf],
  ] as const) {
    const client = await login(world);
    client.send(commandPayload(Command.Query, load));
    const { sequenceId } = await client.expect();
    for (let i = 1; i <= 4; i++) client.write(framed(line, sequenceId + i));
    client.write(framed(Buffer.alloc(0), sequenceId + 5));
    t.equal(await answerTo(client), 'ok', `${kind}: a file longer than the limit`);
    t.equal(await client.value('SELECT COUNT(*) FROM texts'), '4');
    await client.must('DELETE FROM texts');
    client.destroy();
  }
  const client = await clientOf(world);
  client.send(commandPayload(Command.Query, load));
  const { sequenceId } = await client.expect();
  client.write(framed(Buffer.alloc(2 * LIMIT, 0x7a), sequenceId + 1));
  client.write(framed(Buffer.alloc(0), sequenceId + 2));
  const told = await answerTo(client);
  // As with the server itself, the connection may end before the client has read why.
  t.ok(told === 1153 || told === 'ended', `a packet of it that is too long: ${told}`);
  await client.ended();
  t.equal(await world.proxy.holds(0), 0);
  const next = await world.connect();
  t.equal(await next.value('SELECT COUNT(*) FROM texts'), 0);
  await next.end();
}

async function answers(t: Test, world: ProxiedUser): Promise<void> {
  const seen: unknown[] = [];
  for (const login of [clientOf, directOf]) {
    const client = await login(world);
    const long = await client.must(`SELECT REPEAT('x', ${2 * LIMIT})`);
    const warning = await client.value('SHOW WARNINGS');
    await client.must(`INSERT INTO texts(v) VALUES(REPEAT('a', 700000))`);
    const row = await client.must('SELECT v, v AS w FROM texts');
    await client.must('DELETE FROM texts');
    seen.push([long.map(({ payload }) => payload.length), warning, row.map(({ payload }) => payload.length)]);
    client.destroy();
  }
  t.strictSame(seen[0], seen[1]);
}

/** What the server's variable says counts for sessions that are opened later; a reset changes the variable alone. */
async function otherLimit(t: Test, world: ProxiedUser, server: PrivateTestServer): Promise<void> {
  const old = await clientOf(world);
  const session = await old.value('SELECT @@pseudo_thread_id');
  await server.query(`SET GLOBAL max_allowed_packet=${2 * LIMIT}`);
  t.equal(await old.value('SELECT @@max_allowed_packet'), String(LIMIT), 'a session keeps its own');
  // What it leaves makes a reset necessary.
  await old.must('CREATE TEMPORARY TABLE mine(v INT)');
  old.destroy();
  const next = await clientOf(world);
  t.equal(await next.value('SELECT @@max_allowed_packet'), String(2 * LIMIT));
  t.not(await next.value('SELECT @@pseudo_thread_id'), session, 'one that was reset is not used any more');
  next.send(queryOf(LIMIT + LIMIT / 2));
  t.equal(await answerTo(next), 'ok', 'and the new limit counts');
  next.destroy();
  // Shorter than what is assembled.
  await server.query('SET GLOBAL max_allowed_packet=65536');
  const small = await proxiedUser(t, server, ['--pool-size', '1']);
  const [client, direct] = await Promise.all([clientOf(small), directOf(small)]);
  client.send(queryOf(65_535));
  t.equal(await answerTo(client), 'ok');
  for (const one of [client, direct]) one.send(queryOf(65_536));
  await isRefused(t, client, 1, 'a short command');
  direct.destroy();
  const again = await small.connect();
  t.match(await again.error(`SELECT ${'1+'.repeat(40_000)}1`), TOO_LARGE);
}

async function severalPackets(t: Test, server: PrivateTestServer): Promise<void> {
  const limit = 17 << 20;
  await server.query(`SET GLOBAL max_allowed_packet=${limit}`);
  const world = await proxiedUser(t, server, ['--pool-size', '1']);
  const setup = await world.direct();
  await setup.run('CREATE TABLE texts(v LONGTEXT)');
  const whole = await clientOf(world);
  whole.send(queryOf(limit, "INSERT INTO texts VALUES('"));
  await isRefused(t, whole, 2, 'a command of two packets');
  // There is more of it behind the piece by which it is refused.
  const apart = await clientOf(world);
  apart.write(framed(queryOf(FULL + 10, "INSERT INTO texts VALUES('").subarray(0, FULL), 0));
  const rest = framed(Buffer.alloc(limit - FULL, 0x78), 1);
  apart.write(rest.subarray(0, HEADER_SIZE + 10));
  apart.write(rest.subarray(HEADER_SIZE + 10));
  await isRefused(t, apart, 2, 'cut');
  const next = await world.connect();
  t.equal(await next.value('SELECT COUNT(*) FROM texts'), 0);
  t.equal(await world.proxy.holds(0), 0);
  t.equal(await world.proxy.settled(1, 'mybouncer_clients'), 1);
}
