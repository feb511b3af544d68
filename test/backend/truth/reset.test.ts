import { createHash } from 'node:crypto';
import t from 'tap';
import { Command } from '../../../src/protocol/constants.js';
import { PayloadWriter } from '../../../src/protocol/payload-writer.js';
import { NOTHING_TRACKED } from '../../support/raw-ok.js';
import { type RawReply, type RawSession, Shape } from '../../support/raw-session.js';
import { APP_PASSWORD, APP_USER, forEachPrivateServer, forEachServer } from '../../support/servers.js';
import { openSession } from './session.js';

/** What COM_RESET_CONNECTION and COM_CHANGE_USER keep and clear. */

const OBSERVED =
  'SELECT DATABASE(), @@character_set_client, @@collation_connection, @@character_set_results, @@sql_mode, @a,' +
  ' @@wait_timeout, @@autocommit, LAST_INSERT_ID(), @@session_track_state_change';

async function observe(session: RawSession): Promise<Record<string, string | null>> {
  const [row] = (await session.must(OBSERVED)).rows;
  const [schema, client, connection, results, sqlMode, a, waitTimeout, autocommit, insertId, armed] =
    row ?? [];
  return {
    schema,
    client,
    connection,
    results,
    sqlMode,
    a,
    waitTimeout,
    autocommit,
    insertId,
    armed,
  } as Record<string, string | null>;
}

async function globals(session: RawSession): Promise<Record<string, string | null>> {
  const names = [
    'character_set_client',
    'collation_connection',
    'character_set_results',
    'sql_mode',
    'wait_timeout',
    'autocommit',
  ];
  const [row] = (await session.must(`SELECT ${names.map((name) => `@@global.${name}`)}`)).rows;
  const [client, connection, results, sqlMode, waitTimeout, autocommit] = row ?? [];
  return { client, connection, results, sqlMode, waitTimeout, autocommit } as Record<string, string | null>;
}

async function unsettle(session: RawSession, schema: string): Promise<void> {
  for (const sql of [
    `USE ${schema}`,
    'SET NAMES utf8mb3',
    "SET sql_mode='ANSI_QUOTES', wait_timeout=77, last_insert_id=9, @a=1",
    'SET autocommit=0',
  ])
    await session.must(sql);
}

const digest = (algorithm: string, ...parts: Buffer[]): Buffer =>
  createHash(algorithm).update(Buffer.concat(parts)).digest();
const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)));

function scrambled(plugin: string, scramble: Buffer): Buffer {
  const password = Buffer.from(APP_PASSWORD);
  if (plugin === 'mysql_native_password') {
    const once = digest('sha1', password);
    return xor(once, digest('sha1', scramble, digest('sha1', once)));
  }
  const once = digest('sha256', password);
  return xor(once, digest('sha256', digest('sha256', once), scramble));
}

/** COM_CHANGE_USER as the same user, with an empty answer to a scramble that we need not know: the server asks again. */
async function changeUser(
  session: RawSession,
  schema: string,
  collation: number,
  answer = Buffer.alloc(0),
): Promise<RawReply[]> {
  const plugin = session.info.flavor === 'mysql' ? 'caching_sha2_password' : 'mysql_native_password';
  const payload = new PayloadWriter(128)
    .nulText(APP_USER)
    .uint8(answer.length)
    .bytes(answer)
    .nulText(schema)
    .uint16(collation)
    .nulText(plugin)
    .lenencInt(0)
    .packet(0)
    .subarray(4);
  const replies = [await session.command(Command.ChangeUser, payload, Shape.Packet)];
  for (;;) {
    const [packet] = replies.at(-1)?.packets ?? [];
    if (packet === undefined || packet.payload[0] === 0x00 || packet.payload[0] === 0xff) return replies;
    const next = session.expect(Shape.Packet);
    if (packet.payload[0] === 0xfe) {
      const nameEnd = packet.payload.indexOf(0, 1);
      const asked = packet.payload.subarray(1, nameEnd).toString();
      const scramble = packet.payload.subarray(nameEnd + 1, nameEnd + 21);
      session.channel.write(
        new PayloadWriter(64).bytes(scrambled(asked, scramble)).packet(packet.sequenceId + 1),
      );
    }
    replies.push(await next);
  }
}

await forEachServer(t, async (t, server) => {
  const schema = await server.createDatabase();

  await t.test('COM_RESET_CONNECTION', async (t) => {
    const session = await openSession(t, server, { collation: 8 });
    await unsettle(session, schema);
    const reply = await session.command(Command.ResetConnection);
    t.equal(reply.packets[0]?.payload.toString('hex'), '00000002000000', 'its OK has no trackers');
    const { client, connection, results, ...others } = await globals(session);
    const latin1 = { client: 'latin1', connection: 'latin1_swedish_ci', results: 'latin1' };
    const charset = server.isMysql ? { client, connection, results } : latin1;
    t.strictSame(await observe(session), {
      ...others,
      ...charset,
      schema,
      a: null,
      insertId: '0',
      armed: '0',
    });
    t.strictSame(
      (await session.must("SET @x=1, sql_mode=''")).tracked,
      { ...NOTHING_TRACKED, variables: [] },
      'trackers are off',
    );
    await session.arm();
    t.strictSame((await session.must("SET sql_mode='ANSI_QUOTES'")).tracked.variables, [
      'sql_mode=ANSI_QUOTES',
    ]);
  });

  await t.test(
    'COM_RESET_CONNECTION keeps COM_SET_OPTION, drops statements, transaction, locks, temporary tables',
    async (t) => {
      const session = await openSession(t, server, { schema });
      const witness = await openSession(t, server, { schema });
      await session.must('CREATE TABLE t(a INT)');
      await session.command(Command.SetOption, Buffer.from([1, 0]), Shape.Packet);
      const id = await session.prepareId('SELECT 1');
      for (const sql of [
        'CREATE TEMPORARY TABLE tmp(a INT)',
        "PREPARE p FROM 'SELECT 1'",
        "SELECT GET_LOCK('truth_reset', 0)",
        'BEGIN',
        'INSERT INTO t VALUES(1)',
      ])
        await session.must(sql);
      await session.command(Command.ResetConnection);
      t.equal((await session.query('DO 1; DO 2')).err?.errno, 1064, 'multi-statements are still off');
      t.equal((await session.execute(id)).err?.errno, 1243);
      t.equal((await session.query('EXECUTE p')).err?.errno, 1243);
      t.equal((await session.query('SELECT * FROM tmp')).err?.errno, 1146);
      t.equal(await witness.value("SELECT IS_FREE_LOCK('truth_reset')"), '1');
      t.equal(await witness.value('SELECT COUNT(*) FROM t'), '0');
    },
  );

  await t.test('COM_CHANGE_USER takes the schema away', async (t) => {
    const session = await openSession(t, server);
    await unsettle(session, schema);
    const replies = await changeUser(session, '', 45);
    t.equal(replies[0]?.packets[0]?.payload[0], 0xfe, 'always asks again, by an AuthSwitchRequest');
    if (server.isMysql)
      t.equal(replies[1]?.packets[0]?.payload.toString('hex'), '0103', 'fast authentication');
    t.equal(replies.at(-1)?.packets[0]?.payload.toString('hex'), '00000002000000', 'its OK has no trackers');
    const { client: _, connection: __, results: ___, ...others } = await globals(session);
    t.strictSame(await observe(session), {
      ...others,
      schema: null,
      client: 'utf8mb4',
      connection: 'utf8mb4_general_ci',
      results: 'utf8mb4',
      a: null,
      insertId: '0',
      armed: '0',
    });
    const again = await changeUser(session, schema, 8, Buffer.alloc(server.isMysql ? 32 : 20, 7));
    t.equal(again.at(-1)?.err, null, 'what was answered at first does not count');
    t.equal(await session.value('SELECT DATABASE()'), schema);
    t.equal(
      await session.value('SELECT CONNECTION_ID()'),
      String(session.connectionId),
      'the same connection',
    );
  });

  await t.test(
    'a checksum over the variables sees every change (MD5 and SHA1 are gone from MySQL 9.7)',
    async (t) => {
      const session = await openSession(t, server);
      const checksum =
        "SELECT SHA2(CONCAT_WS('\\n', @@session.sql_mode, @@session.time_zone, @@session.wait_timeout), 256)";
      const before = await session.value(checksum);
      await session.must('SET wait_timeout=1234');
      t.not(await session.value(checksum), before);
      await session.command(Command.ResetConnection);
      t.equal(await session.value(checksum), before);
      const md5 = await session.query("SELECT MD5('x')");
      t.equal(md5.err?.errno, server.isMysql && session.info.versionNumber >= 90600 ? 1305 : undefined);
    },
  );
});

await forEachPrivateServer(
  t,
  async (t, server) => {
    const session = await openSession(t, server);
    t.equal(await session.value('SELECT @@wait_timeout'), '1111', 'run at login');
    await session.command(Command.ResetConnection);
    t.not(await session.value('SELECT @@wait_timeout'), '1111', 'not run at a reset');
    await session.arm();
    t.equal((await changeUser(session, '', 45)).at(-1)?.err, null);
    t.not(await session.value('SELECT @@wait_timeout'), '1111', 'nor at a change of user');
  },
  { extraArgs: ['--init-connect=SET wait_timeout=1111'] },
);
