import t from 'tap';
import { variablesQuery } from '../../../src/backend/server-facts.js';
import { Command } from '../../../src/protocol/constants.js';
import { type RawSession, Shape } from '../../support/raw-session.js';
import { forEachServer } from '../../support/servers.js';
import { openSession, shownCollation } from './session.js';

/** The collation that column definitions of texts show: kept with character_set_results, and told by no variable. */

async function shownId(session: RawSession, sql: string): Promise<number> {
  return shownCollation(await session.must(sql));
}

/** As a text shows it, and as a list of variables does. */
async function shown(session: RawSession): Promise<string> {
  const text = await shownId(session, "SELECT 'x'");
  const read = await shownId(session, variablesQuery(session.info, "VARIABLE_NAME='autocommit'"));
  const sql =
    session.info.flavor === 'mysql'
      ? 'SELECT COLLATION_NAME FROM information_schema.COLLATIONS WHERE ID='
      : 'SELECT FULL_COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE ID=';
  const name = (id: number): Promise<string | null | undefined> => session.value(`${sql}${id}`);
  return text === read ? ((await name(text)) ?? String(text)) : `${text} and ${read}`;
}

await forEachServer(t, async (t, server) => {
  const fallback = server.isMysql ? 'utf8mb4_0900_ai_ci' : 'utf8mb4_general_ci';

  await t.test('a login gives its own, and so does a reset on MariaDB', async (t) => {
    for (const [id, name] of [
      [45, 'utf8mb4_general_ci'],
      [46, 'utf8mb4_bin'],
      [224, 'utf8mb4_unicode_ci'],
      [8, 'latin1_swedish_ci'],
      [47, 'latin1_bin'],
    ] as const) {
      const session = await openSession(t, server, { collation: id });
      t.equal(await shown(session), name);
      await session.must('SET NAMES utf8mb4 COLLATE utf8mb4_roman_ci');
      await session.command(Command.ResetConnection, '', Shape.Packet);
      t.equal(await shown(session), server.isMysql ? fallback : name, 'after a reset');
    }
  });

  await t.test('what SET leaves', async (t) => {
    const session = await openSession(t, server);
    const cases: readonly (readonly [string, string])[] = [
      ['SET NAMES utf8mb4 COLLATE utf8mb4_bin', 'utf8mb4_bin'],
      ['SET collation_connection=utf8mb4_roman_ci', 'utf8mb4_bin'],
      ['SET character_set_client=utf8mb4', 'utf8mb4_bin'],
      ['SET character_set_connection=latin1', 'utf8mb4_bin'],
      ['SET character_set_results=utf8mb4', fallback],
      ['SET NAMES utf8mb4 COLLATE utf8mb4_bin', 'utf8mb4_bin'],
      ['SET CHARACTER SET utf8mb4', fallback],
      ['SET NAMES latin1 COLLATE latin1_bin', 'latin1_bin'],
      ['SET NAMES latin1', 'latin1_swedish_ci'],
      ['SET NAMES utf8mb4 COLLATE utf8mb4_bin, collation_connection=latin1_bin', 'utf8mb4_bin'],
      ['SET NAMES utf8mb4', fallback],
      [
        "SET time_zone='SYSTEM', NAMES 'utf8mb4' COLLATE 'utf8mb4_bin', SESSION character_set_client='latin1'",
        'utf8mb4_bin',
      ],
      ['SET NAMES DEFAULT', fallback],
    ];
    for (const [sql, name] of cases) {
      await session.must(sql);
      t.equal(await shown(session), name, sql);
    }
    if (!server.isMysql) return;
    await session.must('SET default_collation_for_utf8mb4=utf8mb4_general_ci');
    t.equal(await shown(session), fallback);
    await session.must('SET NAMES utf8mb4');
    t.equal(await shown(session), 'utf8mb4_general_ci', 'the default of SET NAMES');
    await session.must('SET character_set_results=utf8mb4');
    t.equal(await shown(session), fallback, 'and not that of character_set_results');
  });

  await t.test('NULL leaves each column its own', async (t) => {
    const session = await openSession(t, server);
    await session.must('SET NAMES latin1 COLLATE latin1_bin, character_set_results=NULL');
    t.equal(await shownId(session, "SELECT 'x'"), 47);
    t.equal(await shownId(session, "SELECT _utf8mb4'x' COLLATE utf8mb4_bin"), 46);
  });
});
