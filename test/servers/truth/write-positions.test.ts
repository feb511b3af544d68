import t, { type Test } from 'tap';
import { openSession } from '../../backend/truth/session.js';
import type { ClusterNode } from '../../support/clusters/cluster-node.js';
import { withReplicas } from '../../support/clusters/for-cluster.js';
import type { RawReply, RawSession } from '../../support/raw-session.js';
import { FLAVORS, type Flavor } from '../../support/servers.js';

/** Numbers of the transactions that each OK of a reply tells of, as `5` or `5-7`; the server itself is left out. */
function told({ oks }: RawReply): (string | null)[] {
  return oks.map(({ gtids, tracked }) => {
    const gtid = gtids ?? tracked.variables.find((variable) => variable.startsWith('last_gtid='));
    return gtid === undefined ? null : (/[^:-]+(?:-\d+)?$/.exec(gtid.replace(/^.*-\d+-/, ':'))?.[0] ?? gtid);
  });
}

class Writer {
  readonly session: RawSession;
  readonly #isMysql: boolean;

  private constructor(session: RawSession, isMysql: boolean) {
    this.session = session;
    this.#isMysql = isMysql;
  }

  static async open(t: Test, node: ClusterNode, flavor: Flavor): Promise<Writer> {
    const isMysql = flavor === 'mysql';
    const session = await openSession(t, node);
    if (isMysql) await session.must('SET SESSION session_track_gtids=OWN_GTID');
    return new Writer(session, isMysql);
  }

  /** How many transactions a statement's OKs tell of that came since the last look; null for an OK that tells of none. */
  async tells(sql: string): Promise<(number | null)[]> {
    const before = await this.last();
    const reply = await this.session.query(sql);
    return told(reply).map((text) => (text === null ? null : Number(text.split('-').at(-1)) - before));
  }

  /** Number of the server's last transaction. */
  async last(): Promise<number> {
    const variable = this.#isMysql ? '@@global.gtid_executed' : '@@gtid_binlog_pos';
    const text = (await this.session.value(`SELECT ${variable}`)) ?? '';
    return Number(/\d*$/.exec(text)?.[0] ?? 0);
  }
}

for (const flavor of FLAVORS) {
  t.test(`what a session tells of its writes, and how a replica is waited for (${flavor})`, async (t) => {
    await withReplicas(
      t,
      async (t, set) => {
        const isMysql = flavor === 'mysql';
        const writer = await Writer.open(t, set.node(0), flavor);
        await writer.session.must('CREATE TABLE t (a INT PRIMARY KEY, b INT)');

        await t.test('what is told, and when', async (t) => {
          const cases: readonly (readonly [sql: string, told: (number | null)[]])[] = [
            ['INSERT INTO t VALUES (1, 1)', [1]],
            ['SELECT 1', [null]],
            ['UPDATE t SET b = 1 WHERE a = 1', [null]],
            ['UPDATE t SET b = 2 WHERE a = 99', [null]],
            ['BEGIN', [null]],
            ['INSERT INTO t VALUES (2, 1)', [null]],
            ['COMMIT', [1]],
            ['COMMIT', [null]],
            ['BEGIN', [null]],
            ['INSERT INTO t VALUES (3, 1)', [null]],
            ['ROLLBACK', [null]],
            ['BEGIN', [null]],
            ['INSERT INTO t VALUES (4, 1)', [null]],
            ['CREATE TABLE u (a INT)', [2]],
            ['INSERT INTO t VALUES (5, 1); INSERT INTO t VALUES (6, 1); SELECT 1', [1, 2, null]],
            ['BEGIN; INSERT INTO t VALUES (7, 1); COMMIT; SELECT 1', [null, null, 1, null]],
            ['INSERT INTO t VALUES (8, 1); INSERT INTO t VALUES (8, 1)', [1]],
            ['SET autocommit = 0', [null]],
            ['INSERT INTO t VALUES (9, 1)', [null]],
            ['SET autocommit = 1', [1]],
            ["PREPARE s FROM 'INSERT INTO t VALUES (10, 1)'", [null]],
            ['EXECUTE s', [1]],
            ["XA START 'x'", [null]],
            ['INSERT INTO t VALUES (11, 1)', [null]],
            ["XA END 'x'", [null]],
            ["XA PREPARE 'x'", [1]],
            ["XA COMMIT 'x'", [1]],
            ['CREATE TEMPORARY TABLE tt (a INT)', [null]],
            ['INSERT INTO tt VALUES (1)', [null]],
            ['DROP TEMPORARY TABLE tt', [null]],
            ['TRUNCATE u', [1]],
            [
              'CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES (20, 1); SELECT 1; INSERT INTO t VALUES (21, 1); END',
              [1],
            ],
            ['CALL p()', [1, 2]],
          ];
          for (const [sql, expected] of cases) t.strictSame(await writer.tells(sql), expected, sql);
          const id = await writer.session.prepareId('INSERT INTO t VALUES (?, 1)');
          const before = await writer.last();
          t.strictSame(told(await writer.session.execute(id, [30])), [String(before + 1)]);
        });

        await t.test('what a routine has committed before it failed', async (t) => {
          const { session } = writer;
          await session.must(
            'CREATE PROCEDURE failing() BEGIN INSERT INTO t VALUES (40, 1); INSERT INTO t VALUES (40, 1); END',
          );
          t.equal((await session.query('CALL failing()')).err?.errno, 1062);
          t.strictSame(told(await session.must('SELECT 1')), [null]);
          const next = told(await session.must('SET SESSION session_track_schema = ON'));
          t.strictSame(
            next,
            [isMysql ? null : String(await writer.last())],
            isMysql ? 'is never told' : 'is told with the next OK that tells of any variable',
          );
        });

        if (isMysql) {
          await t.test('the tracker is not to be set in a transaction', async (t) => {
            const { session } = writer;
            await session.must('BEGIN');
            const refused = await session.query('SET session_track_gtids = OFF');
            t.equal(refused.err?.errno, 1766);
            await session.must('COMMIT');
            await session.must('SET session_track_gtids = OFF');
            t.strictSame(told(await session.must('INSERT INTO t VALUES (50, 1)')), [null]);
            await session.must('SET session_track_gtids = OWN_GTID');
          });
        }

        await t.test('an account without any right waits for them on a replica', async (t) => {
          await set.node(0).ask("CREATE USER nobody@'%' IDENTIFIED BY 'p'");
          await set.untilCaughtUp();
          const reader = await openSession(t, set.node(1), { user: 'nobody', password: 'p', schema: null });
          const call = isMysql ? 'WAIT_FOR_EXECUTED_GTID_SET' : 'MASTER_GTID_WAIT';
          const own = String(
            await writer.session.value(isMysql ? 'SELECT @@server_uuid' : 'SELECT @@server_id'),
          );
          const position = (last: number): string => (isMysql ? `${own}:${last}` : `0-${own}-${last}`);
          const wait = async (last: number, seconds: number): Promise<string | null | undefined> =>
            reader.value(`SELECT ${call}('${position(last)}', ${seconds}) LIMIT 1`);
          const last = await writer.last();
          t.equal(await wait(last, 10), '0');
          t.equal(await wait(last + 1000, 0.05), isMysql ? '1' : '-1', 'parts of a second are taken');
          t.equal((await reader.query(`SELECT ${call}('nonsense', 0.05)`)).err === null, false);
          await set.stopApplying(1);
          await writer.session.must('INSERT INTO t VALUES (60, 1)');
          t.equal(await wait(last + 1, 0.05), isMysql ? '1' : '-1');
          const waiting = wait(last + 1, 30);
          await set.startApplying(1);
          t.equal(await waiting, '0', 'it ends as soon as it is there');
          await reader.must('SET autocommit = 0');
          const reply = await reader.must(`SELECT ${call}('${position(last)}', 1) LIMIT 1`);
          t.equal(reply.status & 1, 0, 'and begins no transaction');
        });

        await t.test('the one who wrote it', async (t) => {
          const last = await writer.last();
          if (isMysql) {
            const own = await writer.session.value('SELECT @@server_uuid');
            t.equal(
              await writer.session.value(`SELECT WAIT_FOR_EXECUTED_GTID_SET('${own}:${last}', 1)`),
              '0',
            );
          } else {
            t.equal(
              await writer.session.value(`SELECT MASTER_GTID_WAIT('0-1-${last}', 0.05)`),
              '-1',
              'waits in vain: MariaDB asks what came from a primary',
            );
          }
        });
      },
      { flavor, replicas: 1 },
    );
  });
}
