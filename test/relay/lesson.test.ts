import t, { type Test } from 'tap';
import { callInternal, queryCommand } from '../../src/backend/internal-commands.js';
import { ServerAccount } from '../../src/backend/upstream.js';
import { Capability, Status } from '../../src/protocol/constants.js';
import { encodeOk, parseOk } from '../../src/protocol/generic-response.js';
import { Conditions } from '../../src/relay/conditions.js';
import { LearnedAnswers } from '../../src/relay/learned-answers.js';
import { Lesson } from '../../src/relay/lesson.js';
import type { SessionProfile } from '../../src/session/profile.js';
import { upstreamOf } from '../backend/support/upstream.js';
import { type Proxied, proxied } from '../support/proxied.js';
import { startProxy } from '../support/proxy.js';
import { CLASSIC, errOf, unlessErr } from '../support/raw-client.js';
import { APP_PASSWORD, APP_USER, forEachPrivateServer, forEachServer } from '../support/servers.js';
import { login } from './support/login.js';

/** How many of a fresh client's texts are answered without the server, once others have sent them three times. */
async function answered(
  t: Test,
  world: Proxied,
  texts: readonly string[],
  capabilities = CLASSIC,
): Promise<number> {
  let before = 0;
  for (let i = 0; i < 4; i++) {
    before = await given(world);
    const client = await login(t, world.proxy.url, capabilities);
    // One that fails is no reason to stop.
    for (const text of texts) await client.query(text);
    // A lesson has ended when the next statement is answered.
    await client.must('DO 0');
    client.destroy();
  }
  return (await given(world)) - before;
}

const given = (world: Proxied): Promise<number> => world.proxy.metric('mybouncer_learned_answers_total');

await forEachServer(t, async (t, server) => {
  const world = await proxied(t, server, ['--pool-size', '2']);

  await t.test('of some texts nothing is learned', async (t) => {
    for (const text of [
      "SET @a = 'x'",
      "SET time_zone = '+01:00', @a = 1",
      'SET sort_buffer_size = DEFAULT',
      'SET SESSION sort_buffer_size = @@global.sort_buffer_size',
      'SET timestamp = 1',
      'SET insert_id = 7',
      'SET last_insert_id = 7',
      'SET sql_auto_is_null = 1',
      'SET CHARACTER SET utf8mb4',
      'SET SESSION session_track_schema = OFF',
      'SET no_such_variable = 1',
      'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE',
      "SET time_zone = '+01:00'; SELECT 1",
      'SELECT @@time_zone',
    ]) {
      t.equal(await answered(t, world, [text]), 0, text);
    }
    t.equal(await answered(t, world, ["SET time_zone = '+01:00'"]), 1, 'of others it is');
  });

  await t.test('a transaction, and whatever else holds a session, is asked of the server', async (t) => {
    const text = "SET time_zone = '+02:00'";
    t.equal(await answered(t, world, [text]), 1);
    t.equal(await answered(t, world, ['BEGIN', text, 'COMMIT']), 0);
    t.equal(await answered(t, world, ['BEGIN', 'COMMIT', text]), 1);
    t.equal(await answered(t, world, ['SELECT GET_LOCK("lesson", 0)', text]), 0);
    t.equal(
      await answered(t, world, ["SET sql_mode='ANSI'", text]),
      2,
      'from another state it is another lesson',
    );
  });

  await t.test(
    'a client that is told of all variables is told the number of its statement, too',
    async (t) => {
      const texts = ["SET SESSION session_track_system_variables='*'", "SET time_zone = '+06:00'"];
      t.equal(await answered(t, world, texts.slice(1)), 1);
      t.equal(await answered(t, world, texts, CLASSIC | Capability.SessionTrack), 0);
    },
  );

  await t.test('a client with autocommit off is told so, and begins with its first statement', async (t) => {
    t.equal(await answered(t, world, ['SET autocommit=0']), 1);
    const client = await login(t, world.proxy.url);
    const other = await login(t, world.proxy.url);
    await other.must('CREATE TABLE kept (n INT)');
    const [ok] = unlessErr(await client.query('SET autocommit=0'));
    t.equal((ok?.payload.readUInt16LE(3) ?? 2) & 2, 0);
    await client.must('INSERT INTO kept VALUES (1)');
    t.equal(await other.value('SELECT COUNT(*) FROM kept'), '0');
    await client.must('COMMIT');
    t.equal(await other.value('SELECT COUNT(*) FROM kept'), '1');
    t.equal(await client.value('SELECT @@autocommit'), '0');
    t.equal(await other.value('SELECT @@autocommit'), '1');
  });

  await t.test('what a client may ask afterwards is as if the server had answered', async (t) => {
    const texts = ["SET sql_mode='STRICT_TRANS_TABLES'", "SET time_zone='+03:00'"];
    t.equal(await answered(t, world, texts), 2);
    const questions = [
      'SHOW WARNINGS',
      'SHOW COUNT(*) WARNINGS',
      'SELECT @@warning_count, ROW_COUNT()',
      'SELECT ROW_COUNT()',
    ];
    for (const asked of [texts.slice(0, 1), texts.slice(1)]) {
      for (const question of questions) {
        const replies: unknown[] = [];
        for (const url of [server.url(world.schema), world.proxy.url]) {
          const client = await login(t, url);
          await client.must('DO 0');
          for (const text of asked) await client.must(text);
          replies.push(
            unlessErr(await client.query(question)).filter(({ endsColumns }) => endsColumns !== true),
          );
          client.destroy();
        }
        t.strictSame(replies[1], replies[0], `${asked.join()}: ${question}`);
      }
    }
  });

  await t.test('rows found by a SELECT are still known after a SET', async (t) => {
    const text = "SET time_zone='+04:00'";
    t.equal(await answered(t, world, [text]), 1);
    const before = await given(world);
    const found: string[] = [];
    await server.query(
      `CREATE TABLE ${world.schema}.three AS SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3`,
    );
    for (const url of [server.url(world.schema), world.proxy.url]) {
      const client = await login(t, url);
      await client.must('SELECT SQL_CALC_FOUND_ROWS n FROM three LIMIT 1');
      await client.must(text);
      found.push(await client.value('SELECT FOUND_ROWS()'));
    }
    t.strictSame(found, ['3', '3']);
    t.equal((await given(world)) - before, 1);
  });

  await t.test('a lesson is believed only when the server shows the same', async (t) => {
    const upstream = upstreamOf(server);
    const account = new ServerAccount(APP_USER, () => APP_PASSWORD);
    const session = await upstream.open(account, 'app', CLASSIC);
    t.teardown(() => session.close());
    const { facts } = upstream;
    if (facts === null) throw new Error('the server is known by now');
    const text = Buffer.from("SET time_zone='+07:00'");
    await callInternal(session, [queryCommand(text)]);
    const before = session.profile;
    const packet = encodeOk(1, { status: Status.Autocommit });
    const isLearned = async (after: SessionProfile): Promise<boolean> => {
      const answers = new LearnedAnswers();
      const ground = { account, profile: before, capabilities: 0 };
      const lesson = new Lesson(answers, ground, text, facts);
      lesson.ok(packet, 0, packet.length, parseOk(packet, 4, packet.length), false);
      await new Promise<void>((resolve) => {
        t.ok(
          lesson.finish(session, { conditions: Conditions.NONE }, after, resolve),
          'there is something to ask',
        );
      });
      const isLearned = answers.find(ground, text, 0, text.length) !== null;
      answers.deservesLesson(ground, text, 0, text.length);
      t.equal(answers.deservesLesson(ground, text, 0, text.length), isLearned, 'none is given in vain twice');
      return isLearned;
    };
    const after = before.withVariable('time_zone', '+07:00');
    t.equal(await isLearned(after), true);
    t.equal(await isLearned(before), false, 'what no tracker had told');
    t.equal(
      await isLearned(after.withVariable('sql_mode', 'ANSI_QUOTES')),
      false,
      'what was told and is not there',
    );
  });

  await t.test('an error is not learned, and not forgotten', async (t) => {
    for (let i = 0; i < 4; i++) {
      const client = await login(t, world.proxy.url);
      t.match(errOf(await client.query("SET sql_mode='NO_SUCH_MODE'")), { errno: 1231 });
      t.match(errOf(await client.query("SET time_zone='nowhere'")), { errno: 1298 });
    }
  });
});

await forEachPrivateServer(t, async (t, server) => {
  const proxy = await startProxy(t, { upstream: server.url(), flags: ['--pool-size', '1'] });
  const world = { proxy } as Proxied;
  const text = "SET time_zone = '+05:00'";
  t.equal(await answered(t, world, [text]), 1);
  await server.restart();
  const before = await given(world);
  const client = await login(t, proxy.url);
  await client.must('DO 0');
  await client.must(text);
  t.equal(await given(world), before, 'a server that was started anew is asked anew');
  t.equal(await client.value('SELECT @@time_zone'), '+05:00');
  client.destroy();
  t.equal(await answered(t, world, [text]), 1);

  await server.query('SET GLOBAL sort_buffer_size = 524288');
  // A session of the account shows that it begins differently.
  const other = await login(t, proxy.url);
  await other.must('SELECT GET_LOCK("x", 0)');
  other.destroy();
  const third = await login(t, proxy.url);
  await third.must('DO 0');
  const known = await given(world);
  await third.must(text);
  t.equal(await given(world), known, 'so is one whose defaults have changed');
  t.equal(await third.value('SELECT @@time_zone'), '+05:00');
});
