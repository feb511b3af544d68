import t from 'tap';
import { Capability } from '../../src/protocol/constants.js';
import { type Proxied, proxied } from '../support/proxied.js';
import { CLASSIC, MODERN, type RawClient, type RawPacket, unlessErr } from '../support/raw-client.js';
import { readOk } from '../support/raw-ok.js';
import { forEachServer } from '../support/servers.js';
import { login } from './support/login.js';

/** What clients send when they connect, as recorded from the real ones. */
const PREAMBLES: Readonly<Record<string, readonly string[]>> = {
  'Django 3.2 with mysqlclient': [
    'SET NAMES utf8mb3',
    'SET autocommit=0',
    'SET autocommit=1',
    'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  ],
  'Django 3.2 with an init_command': [
    "SET sql_mode='STRICT_TRANS_TABLES'",
    'SET autocommit=0',
    'SET autocommit=1',
    'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ',
  ],
  'Django where sql_auto_is_null is on': [
    'SET SQL_AUTO_IS_NULL = 0; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  ],
  'SQLAlchemy with PyMySQL': ['SET AUTOCOMMIT = 0', 'SET NAMES utf8mb4'],
  Rails: [
    "SET  @@SESSION.sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'),  @@SESSION.sql_auto_is_null = 0, @@SESSION.wait_timeout = 2147483",
  ],
  'Ruby mysql2': ['SET @@SESSION.time_zone="+00:00"'],
  Laravel: [
    "set names 'utf8mb4' collate 'utf8mb4_unicode_ci'",
    "set session sql_mode='ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    "set time_zone='+00:00'",
  ],
  PDO: ['SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci', 'SET AUTOCOMMIT=0'],
  'DBD::MariaDB': [
    "SET NAMES 'utf8mb4'",
    "SET character_set_server = 'utf8mb4'",
    "SET collation_connection = 'utf8mb4_unicode_ci'",
    "SET collation_server = 'utf8mb4_unicode_ci'",
    'SET autocommit=0',
  ],
  'MySQL Connector/J': [
    'SET character_set_results = NULL',
    "SET sql_mode='ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION'",
    'SET autocommit=1',
  ],
  'MariaDB Connector/J': ["set autocommit=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES')"],
  'another way of reading statements': [
    "SET SESSION sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
    'SET NAMES latin1',
  ],
};

const DIALECTS = [
  ['EOF packets', CLASSIC],
  ['DEPRECATE_EOF', MODERN],
  ['EOF packets and session tracking', CLASSIC | Capability.SessionTrack],
  ['DEPRECATE_EOF and session tracking', MODERN | Capability.SessionTrack],
] as const;

/** Values that are each connection's own, or pass. */
const PASSING = new Set([
  'pseudo_thread_id',
  'timestamp',
  'rand_seed1',
  'rand_seed2',
  'last_gtid',
  'statement_id',
]);

/** Of a text row with two columns shorter than 64 KiB. */
function columns(row: Buffer): string[] {
  const values: string[] = [];
  for (let at = 0; at < row.length; ) {
    const isLong = row[at] === 0xfc;
    const length = isLong ? row.readUInt16LE(at + 1) : (row[at] as number);
    at += isLong ? 3 : 1;
    values.push(row.toString('utf8', at, at + length));
    at += length;
  }
  return values;
}

async function variables(client: RawClient): Promise<Record<string, string>> {
  const reply = await client.must("SHOW SESSION VARIABLES WHERE Variable_name NOT LIKE 'session_track%'");
  const rows = reply.slice(client.deprecateEof ? 3 : 4, -1).map(({ payload }) => columns(payload));
  return Object.fromEntries(rows.filter(([name]) => !PASSING.has(name ?? '')));
}

/** A reply's packets; with session tracking in no order of variables, which differs from one start of MariaDB to the next. */
function said(reply: readonly RawPacket[], { capabilities }: RawClient): unknown[] {
  if ((capabilities & Capability.SessionTrack) === 0) return [...reply];
  return reply.map(({ sequenceId, payload }) => {
    const { tracked, ...ok } = readOk(payload);
    const variables = [...tracked.variables].sort();
    return { sequenceId, ...ok, tracked: { ...tracked, variables, transactionState: null } };
  });
}

async function send(client: RawClient, texts: readonly string[]): Promise<unknown[][]> {
  const replies: unknown[][] = [];
  for (const text of texts) replies.push(said(unlessErr(await client.query(text)), client));
  // A lesson has ended when the next statement is answered.
  await client.must('DO 0');
  return replies;
}

const answersGiven = (world: Proxied): Promise<number> =>
  world.proxy.metric('mybouncer_learned_answers_total');

await forEachServer(t, async (t, server) => {
  const world = await proxied(t, server, ['--pool-size', '2']);
  for (const [name, texts] of Object.entries(PREAMBLES)) {
    await t.test(name, async (t) => {
      // The first client is heard, the second learned from.
      for (let i = 0; i < 2; i++) {
        const client = await login(t, world.proxy.url, CLASSIC);
        await send(client, texts);
        client.destroy();
      }
      for (const [dialect, capabilities] of DIALECTS) {
        const direct = await login(t, server.url(world.schema), capabilities);
        const expected = await send(direct, texts);
        const before = await answersGiven(world);
        const client = await login(t, world.proxy.url, capabilities);
        t.strictSame(await send(client, texts), expected, `what the server says: ${dialect}`);
        t.equal((await answersGiven(world)) - before, texts.length, `not asked of the server: ${dialect}`);
        t.strictSame(await variables(client), await variables(direct), `the state is right: ${dialect}`);
        direct.destroy();
        client.destroy();
      }
    });
  }
});
