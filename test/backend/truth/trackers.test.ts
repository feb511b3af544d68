import t from 'tap';
import { Command, Status } from '../../../src/protocol/constants.js';
import { parseOk } from '../../../src/protocol/generic-response.js';
import { NOTHING_TRACKED, type Tracked } from '../../support/raw-ok.js';
import { commandPacket, type RawReply, type RawSession, Shape } from '../../support/raw-session.js';
import { type Flavor, forEachServer } from '../../support/servers.js';
import { openSession } from './session.js';

/** What both servers' trackers say of each kind of statement: the ledger rests on this table. */

const CHANGED: Partial<Tracked> = { changed: true };
const vars = (...variables: string[]): Partial<Tracked> => ({ changed: true, variables });
const charset = (client: string, connection: string, results: string): Partial<Tracked> =>
  vars(
    `character_set_client=${client}`,
    `character_set_connection=${connection}`,
    `character_set_results=${results}`,
  );
const transaction = (characteristics: string | null, transactionState: string | null): Partial<Tracked> => ({
  characteristics,
  transactionState,
});
const OVER = transaction('', '________');
const on = (mariadb: Partial<Tracked>, mysql: Partial<Tracked>): Record<Flavor, Partial<Tracked>> => ({
  mariadb,
  mysql,
});

type Expected = Partial<Tracked> | Record<Flavor, Partial<Tracked>>;
type Step = readonly [sql: string, expected: Expected, status?: number];

const { InTransaction, Autocommit, InTransactionReadonly, NoBackslashEscapes, DbDropped } = Status;

const CHARACTER_SETS: readonly Step[] = [
  ['SET NAMES latin1', charset('latin1', 'latin1', 'latin1')],
  ['SET NAMES latin1', charset('latin1', 'latin1', 'latin1')],
  ['SET NAMES utf8mb4 COLLATE utf8mb4_bin', charset('utf8mb4', 'utf8mb4', 'utf8mb4')],
  ["SET NAMES 'utf8'", charset('utf8mb3', 'utf8mb3', 'utf8mb3')],
  // The connection's character set becomes the default schema's.
  ['SET CHARACTER SET latin1', charset('latin1', 'utf8mb4', 'latin1')],
  ['SET character_set_results=NULL', vars('character_set_results=')],
  ['SET collation_connection=utf8mb4_unicode_ci', vars('collation_connection=utf8mb4_unicode_ci')],
  ['SET character_set_connection=latin1', vars('character_set_connection=latin1')],
];

const VARIABLES: readonly Step[] = [
  ["SET SESSION sql_mode=''", vars('sql_mode=')],
  ["SET sql_mode='ANSI_QUOTES,STRICT_TRANS_TABLES'", vars('sql_mode=ANSI_QUOTES,STRICT_TRANS_TABLES')],
  [
    "SET sql_mode='NO_BACKSLASH_ESCAPES'",
    vars('sql_mode=NO_BACKSLASH_ESCAPES'),
    Autocommit | NoBackslashEscapes,
  ],
  ["SET @@sql_mode=''", on({}, vars('sql_mode='))],
  ["SET @@session.sql_mode=''", vars('sql_mode=')],
  ['SET @@wait_timeout=101', on({}, vars('wait_timeout=101'))],
  ['SET @@local.wait_timeout=102', vars('wait_timeout=102')],
  ['SET foreign_key_checks=0', vars('foreign_key_checks=OFF')],
  ["SET time_zone='+01:00'", vars('time_zone=+01:00')],
  ['SET sql_select_limit=default', vars('sql_select_limit=18446744073709551615')],
  ['SET last_insert_id=5', vars('last_insert_id=5')],
  ['SET insert_id=500', vars('insert_id=500')],
  ['SET timestamp=1', vars('timestamp=1.000000')],
  ['SET @a=1', CHANGED],
  ['SELECT @a:=2', {}],
  ['SELECT 3 INTO @a', {}],
  ['SET ROLE NONE', on(CHANGED, {})],
  [
    "SET @b=1, sql_mode='', wait_timeout=9",
    on(vars('sql_mode=', 'wait_timeout=9'), vars('sql_mode=', 'wait_timeout=9')),
  ],
];

const TRANSACTIONS: readonly Step[] = [
  ['BEGIN', transaction('START TRANSACTION;', 'T_______'), Autocommit | InTransaction],
  ['SELECT 1', transaction(null, 'T_____S_'), Autocommit | InTransaction],
  ['INSERT INTO t(v) VALUES(1)', transaction(null, 'T___W_S_')],
  ['INSERT INTO t(v) VALUES(1),(2)', {}],
  ['SELECT v FROM t', transaction(null, 'T_R_W_S_')],
  ['COMMIT', OVER, Autocommit],
  [
    'START TRANSACTION READ ONLY',
    transaction('START TRANSACTION READ ONLY;', 'T_______'),
    Autocommit | InTransaction | InTransactionReadonly,
  ],
  ['ROLLBACK', OVER, Autocommit],
  [
    'START TRANSACTION WITH CONSISTENT SNAPSHOT',
    transaction('START TRANSACTION WITH CONSISTENT SNAPSHOT;', 'T_R_____'),
  ],
  ['COMMIT AND CHAIN', transaction('START TRANSACTION;', 'T_______'), Autocommit | InTransaction],
  ['COMMIT', OVER],
  [
    'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE',
    transaction('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;', null),
  ],
  ['SELECT 1', {}],
  // The first statement that touches a table consumes it.
  ['SELECT v FROM t', transaction('', null)],
  ['SET TRANSACTION READ ONLY', transaction('SET TRANSACTION READ ONLY;', null)],
  ['COMMIT', transaction('', null)],
  [
    'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
    on(vars('tx_isolation=READ-COMMITTED'), vars('transaction_isolation=READ-COMMITTED')),
  ],
  ['SET SESSION TRANSACTION READ ONLY', on(vars('tx_read_only=ON'), vars('transaction_read_only=ON'))],
  ['SET SESSION TRANSACTION READ WRITE', on(vars('tx_read_only=OFF'), vars('transaction_read_only=OFF'))],
  ['SET autocommit=0', vars('autocommit=OFF'), 0],
  ['SELECT 1', {}, 0],
  ['SELECT v FROM t', transaction(null, 'I_R___S_'), InTransaction],
  ['COMMIT', transaction(null, '________'), 0],
  ['SET autocommit=1', vars('autocommit=ON'), Autocommit],
  ['SET @@autocommit=0', on({}, vars('autocommit=OFF')), 0],
  ['SET autocommit=1', vars('autocommit=ON'), Autocommit],
  ["XA START 'x'", transaction("XA START 'x';", 'T_______'), Autocommit | InTransaction],
  ["XA END 'x'", {}, Autocommit | InTransaction],
  ["XA ROLLBACK 'x'", OVER, Autocommit],
];

const OTHERS: readonly Step[] = [
  ['CREATE TEMPORARY TABLE tt(a int)', CHANGED],
  ['INSERT INTO tt VALUES(1)', {}],
  ['DROP TEMPORARY TABLE tt', CHANGED],
  ['CREATE TEMPORARY TABLE tt AS SELECT 1', {}],
  ['DROP TABLE tt', {}],
  ["PREPARE p FROM 'SELECT 1'", CHANGED],
  ['EXECUTE p', {}],
  ["PREPARE p FROM 'SET @z=1'", CHANGED],
  ['EXECUTE p', CHANGED],
  ['DEALLOCATE PREPARE p', CHANGED],
  ['LOCK TABLES t WRITE', transaction(null, '_______L')],
  ['INSERT INTO t(v) VALUES(5)', {}],
  ['UNLOCK TABLES', transaction(null, '________')],
  ["SELECT GET_LOCK('truth', 0)", {}],
  ['DO RELEASE_ALL_LOCKS()', {}],
  ['HANDLER t OPEN', {}],
  ['HANDLER t CLOSE', {}],
  ['SELECT LAST_INSERT_ID(7)', {}],
  ['TRUNCATE t', {}],
];

function expectedOn(flavor: Flavor, expected: Expected): Tracked {
  return { ...NOTHING_TRACKED, ...('mariadb' in expected ? expected[flavor] : expected) };
}

/** MariaDB also says ANSI_QUOTES there; and indexes do not concern us. */
const STATUS_BITS = InTransaction | Autocommit | InTransactionReadonly | NoBackslashEscapes | DbDropped;

/** The same through the proxy's own parser. */
function throughParser(payload: Buffer): Tracked {
  const { session } = parseOk(payload, 0, payload.length);
  return {
    variables: (session?.variables ?? [])
      .filter(([name]) => name !== 'statement_id')
      .map((pair) => pair.join('='))
      .sort(),
    schema: session?.schema ?? null,
    changed: session?.stateChanged ?? false,
    characteristics: session?.characteristics ?? null,
    transactionState: session?.transactionState ?? null,
  };
}

await forEachServer(t, async (t, server) => {
  const schema = await server.createDatabase();
  const other = await server.createDatabase();
  const session = await openSession(t, server, { schema });
  await session.must('CREATE TABLE t(id INT AUTO_INCREMENT PRIMARY KEY, v INT)');

  const steps: readonly [string, readonly Step[]][] = [
    ['character sets', CHARACTER_SETS],
    ['variables', VARIABLES],
    ['transactions', TRANSACTIONS],
    ['other state', OTHERS],
  ];
  for (const [name, list] of steps) {
    await t.test(name, async (t) => {
      for (const [sql, expected, status] of list) {
        const reply = await session.must(sql);
        t.strictSame(reply.tracked, expectedOn(server.flavor, expected), sql);
        if (status !== undefined) t.equal(reply.status & STATUS_BITS, status, `status of ${sql}`);
      }
      await session.command(Command.ResetConnection);
      await session.arm();
    });
  }

  await t.test('the default schema', async (t) => {
    const tracked = async (reply: Promise<RawReply>): Promise<Tracked> => (await reply).tracked;
    const named = (schema: string): Tracked => ({ ...NOTHING_TRACKED, changed: true, schema });
    t.strictSame(await tracked(session.query(`USE ${other}`)), named(other));
    t.strictSame(await tracked(session.query(`USE ${other}`)), named(other), 'again');
    t.strictSame(await tracked(session.command(Command.InitDb, schema)), named(schema));
    t.equal((await session.command(Command.InitDb, 'mysql')).err?.errno, 1044);
    const multi = await session.must(`DO 1; USE ${other}; DO 2`);
    t.strictSame(
      multi.oks.map((ok) => ok.tracked.schema),
      [null, other, null],
      'each OK has its own',
    );
    const dropped = await session.must(`DROP DATABASE ${other}`);
    t.strictSame(dropped.tracked, { ...NOTHING_TRACKED, schema: '' }, 'no flag when it is dropped');
    t.equal(dropped.status & STATUS_BITS, Autocommit | DbDropped);
    t.equal(await session.value('SELECT DATABASE()'), null);
  });

  await t.test("the schema's name is utf8 whatever the client's character set", async (t) => {
    const name = `${schema}_é`;
    await server.query(`CREATE DATABASE \`${name}\``);
    t.teardown(() => server.query(`DROP DATABASE \`${name}\``));
    await session.must('SET NAMES latin1');
    const used = await session.command(Command.Query, Buffer.from(`USE \`${name}\``, 'latin1'));
    t.equal(used.tracked.schema, name);
    // While what is sent is read in character_set_client, COM_INIT_DB included.
    const opened = await session.command(Command.InitDb, Buffer.from(name, 'latin1'));
    t.equal(opened.tracked.schema, name);
    t.equal((await session.command(Command.InitDb, name)).err?.errno, 1049);
  });

  await t.test('insert ids are in the OK', async (t) => {
    await session.must(`USE ${schema}`);
    await session.must('TRUNCATE t');
    const idOf = async (sql: string): Promise<bigint> => (await session.must(sql)).ok.lastInsertId;
    t.equal(await idOf('INSERT INTO t(v) VALUES(1)'), 1n);
    t.equal(await idOf('INSERT INTO t(v) VALUES(1),(2)'), 2n, 'the first of several');
    t.equal(
      await idOf('INSERT INTO t(id, v) VALUES(100, 1)'),
      100n,
      'explicit: not what LAST_INSERT_ID() says',
    );
    t.equal(await session.value('SELECT LAST_INSERT_ID()'), '2');
  });

  await t.test('binary prepared statements', async (t) => {
    const quiet: Record<string, Tracked> = {
      'SELECT 1': NOTHING_TRACKED,
      'INSERT INTO t(v) VALUES(1)': NOTHING_TRACKED,
      'SET @q=1': { ...NOTHING_TRACKED, changed: true },
      "SET time_zone='+02:00'": { ...NOTHING_TRACKED, changed: true, variables: ['time_zone=+02:00'] },
    };
    for (const [sql, expected] of Object.entries(quiet)) {
      const prepared = await session.prepare(sql);
      t.equal(prepared.oks.length, 0, 'the answer to COM_STMT_PREPARE has no trackers');
      const id = prepared.prepared?.id ?? 0;
      for (const round of ['first', 'second'])
        t.strictSame((await session.execute(id)).tracked, expected, `${round} ${sql}`);
      const idBytes = Buffer.from(Uint32Array.of(id).buffer);
      t.strictSame((await session.command(Command.StmtReset, idBytes)).tracked, NOTHING_TRACKED);
      session.channel.write(commandPacket(Command.StmtClose, idBytes));
      t.strictSame(
        (await session.query('SELECT 1')).tracked,
        NOTHING_TRACKED,
        'COM_STMT_CLOSE leaves no trace',
      );
    }
  });

  await t.test("the proxy's own parser reads the same", async (t) => {
    for (const sql of ["SET NAMES utf8mb4, @a=1, sql_mode=''", `USE ${schema}`, 'BEGIN', 'COMMIT', 'DO 1']) {
      const { packets, tracked } = await session.must(sql);
      t.strictSame(throughParser(packets[0]?.payload ?? Buffer.alloc(0)), tracked, sql);
    }
  });

  await t.test("MySQL's statement_id is a canary on statements, not on simple commands", async (t) => {
    const idOf = async (reply: Promise<RawReply>): Promise<boolean> => (await reply).ok.statementId !== null;
    t.equal(await idOf(session.query('DO 1')), server.isMysql);
    t.equal(await idOf(session.execute(await session.prepareId('DO 1'))), server.isMysql);
    t.notOk(await idOf(session.command(Command.Ping)));
    t.notOk(await idOf(session.command(Command.InitDb, schema)));
    t.notOk(await idOf(session.command(Command.ResetConnection)));
  });
});

await t.test('COM_SET_OPTION', async (t) => {
  await forEachServer(t, async (t, server) => {
    const session: RawSession = await openSession(t, server);
    const set = (value: number): Promise<RawReply> =>
      session.command(Command.SetOption, Buffer.from([value, 0]), Shape.Packet);
    const off = await set(1);
    t.equal(off.packets[0]?.payload.length, 7);
    t.equal(off.packets[0]?.payload[0], 0xfe, 'an OK with the header of an EOF');
    t.equal((await session.query('SELECT 1; SELECT 2')).err?.errno, 1064);
    await set(0);
    t.equal((await session.query('SELECT 1; SELECT 2')).results.length, 2);
    t.equal((await set(7)).err?.errno, 1047);
  });
});
