import { createConnection as createMariadb } from 'mariadb';
import { createConnection as createMysql2 } from 'mysql2/promise';
import { Capability, Command } from '../../src/protocol/constants.js';
import {
  encodeResponse,
  framed,
  nativeResponse,
  parseGreeting,
  type ResponseFields,
  sha2Response,
} from '../protocol/support/client-side.js';
import { CLASSIC, commandPayload, MODERN } from '../support/raw-client.js';
import { executePayload, int, NULL, text } from '../support/raw-values.js';
import type { FuzzCase, Write } from './case.js';
import { HASHED_PROOF, NATIVE_PROOF, RSA_PROOF, SHA2_PROOF } from './fuzz-client.js';
import { PacketCutter, Recorder, type Transcript } from './recorder.js';
import { tagOf } from './tags.js';
import { type FuzzWorld, HASHED } from './world.js';

const NATIVE = 'mysql_native_password';
const SHA2 = 'caching_sha2_password';
const TAG = tagOf('FUZZED', 0);

function packet(payload: Uint8Array, sequenceId = 0, waits = true): Write {
  return { bytes: framed(payload, sequenceId), waits };
}

function command(byte: Command, payload: Uint8Array | string = '', waits = true): Write {
  return packet(commandPayload(byte, payload), 0, waits);
}

function query(sql: string): Write {
  return command(Command.Query, sql);
}

function conversation(...writes: Write[]): FuzzCase {
  return { writes, ending: 'fin' };
}

function response(fields: Partial<ResponseFields> & { user: string }): Write {
  const plugin = fields.plugin ?? NATIVE;
  const authResponse = plugin === NATIVE ? NATIVE_PROOF : SHA2_PROOF;
  const capabilities = CLASSIC | Capability.PluginAuth;
  return packet(encodeResponse({ capabilities, plugin, authResponse, ...fields }), 1);
}

/** Logins of all kinds, each with a little of what follows. */
function handmadeLogins({ user, schema }: FuzzWorld): FuzzCase[] {
  const then = [query(`SELECT '${TAG}'`), command(Command.Quit)];
  const withDb = CLASSIC | Capability.PluginAuth | Capability.ConnectWithDb;
  const withAttributes = MODERN | Capability.PluginAuth | Capability.ConnectAttrs;
  const attributes = [
    ['_client_name', 'libmysql'],
    ['_pid', '4711'],
    ['program_name', 'x'.repeat(300)],
  ] as const;
  const hashed = { user: HASHED.name, plugin: SHA2, authResponse: HASHED_PROOF };
  const sslRequest = Buffer.from('85ae7f00000000012d0000000000000000000000000000000000000000000000', 'hex');
  return [
    conversation(response({ user }), ...then),
    conversation(response({ user, plugin: SHA2 }), packet(NATIVE_PROOF, 3), ...then),
    conversation(response({ user, capabilities: withDb, schema }), ...then),
    conversation(response({ user, capabilities: withDb, schema: 'no_such_schema' }), ...then),
    conversation(response({ user, capabilities: withAttributes, attributes }), ...then),
    conversation(response({ user, plugin: 'dialog' }), packet(NATIVE_PROOF, 3), packet(SHA2_PROOF, 3)),
    conversation(response({ user, authResponse: Buffer.alloc(0) }), packet(NATIVE_PROOF, 3), ...then),
    conversation(response({ user: 'nobody' }), packet(NATIVE_PROOF, 3)),
    conversation(response(hashed), packet(Buffer.from(`${HASHED.password}\0`), 3), ...then),
    conversation(response(hashed), packet(Buffer.of(2), 3), packet(RSA_PROOF, 5), ...then),
    conversation(packet(sslRequest, 1), response({ user })),
    conversation(packet(Buffer.from('0580000000006170700000', 'hex'), 1)),
    conversation(response({ user, capabilities: Capability.Protocol41 | Capability.SecureConnection })),
  ];
}

/** Commands that drivers don't send, or not in this way. */
function handmadeCommands({ user, schema }: FuzzWorld): Write[][] {
  const id = (n: number): Buffer => Buffer.of(n, 0, 0, 0);
  const change = Buffer.concat([
    Buffer.from(`${user}\0`),
    Buffer.of(20),
    NATIVE_PROOF,
    Buffer.from(`${schema}\0`),
    Buffer.of(45, 0),
    Buffer.from(`${NATIVE}\0`),
  ]);
  return [
    [
      command(Command.StmtPrepare, `SELECT '${TAG}', ?, ? /* a */`),
      command(Command.StmtExecute, executePayload(1, [int(1), text(TAG)])),
      command(Command.StmtSendLongData, Buffer.concat([id(1), Buffer.of(1, 0), Buffer.from(TAG)]), false),
      command(Command.StmtExecute, executePayload(1, [NULL, { type: 0xfc, value: undefined }])),
      command(Command.StmtReset, id(1)),
      command(Command.StmtExecute, executePayload(1, [int(2), text('x')], { withTypes: false })),
      command(Command.StmtClose, id(1), false),
      command(Command.StmtExecute, executePayload(1, [int(2), text('x')])),
    ],
    [
      command(Command.StmtPrepare, `SELECT v, '${TAG}' FROM fuzz`),
      command(Command.StmtExecute, executePayload(1, [], { cursor: 1 })),
      command(Command.StmtFetch, Buffer.concat([id(1), id(2)])),
      query('SELECT 1'),
      command(Command.StmtFetch, Buffer.concat([id(1), id(200)])),
      command(Command.StmtReset, id(1)),
    ],
    [
      query(`LOAD DATA LOCAL INFILE 'x' INTO TABLE fuzz (v)`),
      packet(Buffer.from('1\n2\n'), 2, false),
      packet(Buffer.alloc(0), 3),
      query('SELECT COUNT(*) FROM fuzz'),
    ],
    [
      command(Command.InitDb, schema),
      command(Command.FieldList, 'fuzz\0%'),
      command(Command.Statistics),
      command(Command.Ping),
      command(Command.Debug),
      command(Command.SetOption, Buffer.of(0, 0)),
      query(`SELECT 1; SELECT '${TAG}'`),
      command(Command.SetOption, Buffer.of(1, 0)),
      query(`SELECT 1; SELECT '${TAG}'`),
      command(Command.ProcessKill, id(1)),
    ],
    [
      query(`SET @own = '${TAG}'`),
      query('SELECT @own, LAST_INSERT_ID(), FOUND_ROWS(), ROW_COUNT(), CONNECTION_ID()'),
      command(Command.ChangeUser, change),
      packet(NATIVE_PROOF, 3),
      query('SELECT @own'),
      command(Command.ResetConnection),
      query('SELECT @own'),
    ],
    [
      query('BEGIN'),
      query(`INSERT INTO fuzz VALUES (1), (2)`),
      query('SELECT 1/0'),
      query('SHOW WARNINGS'),
      query('SELECT no_such_column'),
      query("SELECT GET_LOCK('fuzz', 0)"),
      query('ROLLBACK'),
      query("PREPARE s FROM 'SELECT 1'"),
      query('EXECUTE s'),
      query('CREATE TEMPORARY TABLE t SELECT 1'),
      query('KILL QUERY CONNECTION_ID()'),
      query('SET autocommit = 0, sql_mode = ANSI'),
    ],
    [
      // Pipelined.
      command(Command.Query, `SELECT '${TAG}'`, false),
      command(Command.Ping, '', false),
      command(Command.Query, 'SELECT SLEEP(0.002)', false),
      command(Command.Query, `SELECT REPEAT('${TAG}', 3000)`, false),
      command(Command.Quit),
    ],
  ];
}

export function loginSeeds(world: FuzzWorld, recorded: readonly FuzzCase[]): FuzzCase[] {
  return [
    ...handmadeLogins(world),
    ...recorded.map(({ writes, ending }) => ({ writes: writes.slice(0, 4), ending })),
  ];
}

/** The first write is the login. */
export function commandSeeds(world: FuzzWorld, recorded: readonly FuzzCase[]): FuzzCase[] {
  const { user, schema } = world;
  const logins = [CLASSIC, MODERN].map((capabilities) =>
    response({ user, schema, capabilities: capabilities | Capability.PluginAuth | Capability.ConnectWithDb }),
  );
  const own = handmadeCommands(world).flatMap((writes) =>
    logins.map((login) => conversation(login, ...writes)),
  );
  return [...own, ...recorded];
}

/** What real drivers send while they do what drivers do. */
export async function recordDrivers(world: FuzzWorld): Promise<FuzzCase[]> {
  const recorder = await Recorder.open(world);
  const { user, password, schema: database } = world;
  const options = { ...recorder.address, user, password, database, multipleStatements: true };
  try {
    const mysql2 = await createMysql2(options);
    await mysql2.query(`SELECT '${TAG}' AS tag`);
    await mysql2.execute('SELECT ? AS tag, ? + 1', [TAG, 5]);
    await mysql2.query(`SELECT 1; SELECT '${TAG}'`);
    await mysql2.beginTransaction();
    await mysql2.execute('INSERT INTO fuzz VALUES (?)', [5]);
    await mysql2.rollback();
    await mysql2.query('SET time_zone = "+01:00"');
    await mysql2.ping();
    await mysql2.changeUser({ user, password, database });
    await mysql2.query('SELECT no_such_column').catch(() => {});
    await mysql2.end();
    const mariadb = await createMariadb(options);
    await mariadb.query(`SELECT '${TAG}' AS tag`);
    await mariadb.execute('SELECT ? AS tag', [TAG]);
    await mariadb.batch('INSERT INTO fuzz VALUES (?)', [[1], [2]]);
    await mariadb.query('START TRANSACTION');
    await mariadb.reset();
    await mariadb.ping();
    await mariadb.end();
  } finally {
    recorder.close();
  }
  return recorder.transcripts.map((transcript) => recordedCase(transcript, password));
}

function recordedCase({ greeting, sent }: Transcript, password: string): FuzzCase {
  const { scramble } = parseGreeting(greeting.subarray(4));
  const packets = sent.flatMap((bytes) => new PacketCutter().push(bytes));
  const proofs = [
    [nativeResponse(password, scramble), NATIVE_PROOF],
    [sha2Response(password, scramble), SHA2_PROOF],
  ] as const;
  const writes = packets.map((bytes) => {
    for (const [proof, mark] of proofs) {
      const at = bytes.indexOf(proof);
      if (at >= 0) mark.copy(bytes, at);
    }
    return { bytes, waits: true };
  });
  return { writes, ending: 'fin' };
}
