import t from 'tap';
import { MAKE_ROUTINE, ROUTINE_KINDS, USE_ROUTINE } from '../../support/routine-kinds.js';
import { forEachServer } from '../../support/servers.js';
import { openSession } from './session.js';

/** What trackers show of state that a routine, a trigger or a view made, in the OK of the statement that used it. */

type Seen = 'flag' | 'nothing';

interface Act {
  readonly name: string;
  /** A statement of a body. */
  readonly sql: string;
  readonly mariadb: Seen;
  readonly mysql: Seen;
  /** Variables that are reported, by name. */
  readonly reports?: readonly string[];
  /** Allowed in a procedure only. */
  readonly procedureOnly?: boolean;
  /** A look at the state that it leaves, and what it shows; NAME is that of the object. */
  readonly look?: readonly [sql: string, value: string | null];
}

const LOCK = 'mybouncer_truth_hidden_NAME';

const ACTS: readonly Act[] = [
  {
    name: 'get_lock',
    sql: `DO GET_LOCK('${LOCK}', 0)`,
    mariadb: 'nothing',
    mysql: 'nothing',
    look: [`SELECT IS_USED_LOCK('${LOCK}') = CONNECTION_ID()`, '1'],
  },
  {
    name: 'temporary',
    sql: 'CREATE TEMPORARY TABLE mine(a INT)',
    mariadb: 'flag',
    mysql: 'flag',
    look: ['SELECT COUNT(*) FROM mine', '0'],
  },
  {
    name: 'temporary_select',
    sql: 'CREATE TEMPORARY TABLE mine SELECT 1 AS a',
    mariadb: 'nothing',
    mysql: 'nothing',
    look: ['SELECT COUNT(*) FROM mine', '1'],
  },
  { name: 'set_user', sql: 'SET @x = 5', mariadb: 'flag', mysql: 'flag', look: ['SELECT @x', '5'] },
  {
    name: 'into_user',
    sql: 'SELECT 5 INTO @x',
    mariadb: 'nothing',
    mysql: 'nothing',
    look: ['SELECT @x', '5'],
  },
  { name: 'assign_user', sql: 'DO @x := 5', mariadb: 'nothing', mysql: 'nothing', look: ['SELECT @x', '5'] },
  {
    name: 'set_session',
    sql: 'SET SESSION wait_timeout = 44',
    mariadb: 'flag',
    mysql: 'flag',
    reports: ['wait_timeout'],
    look: ['SELECT @@wait_timeout', '44'],
  },
  {
    name: 'set_unscoped',
    sql: 'SET @@wait_timeout = 44',
    mariadb: 'nothing',
    mysql: 'flag',
    look: ['SELECT @@wait_timeout', '44'],
  },
  {
    name: 'trackers_off',
    sql: 'BEGIN SET SESSION session_track_state_change = OFF; SET @x = 5; END',
    mariadb: 'nothing',
    mysql: 'nothing',
    reports: ['session_track_state_change'],
    look: ['SELECT @x', '5'],
  },
  { name: 'role', sql: 'SET ROLE NONE', mariadb: 'flag', mysql: 'nothing' },
  {
    name: 'prepare',
    sql: "PREPARE mine FROM 'SELECT 6'",
    mariadb: 'flag',
    mysql: 'flag',
    procedureOnly: true,
    look: ['EXECUTE mine', '6'],
  },
  // A function or trigger that does it ends the session on MariaDB while characteristics are tracked.
  {
    name: 'set_transaction',
    sql: 'SET TRANSACTION READ ONLY',
    mariadb: 'nothing',
    mysql: 'nothing',
    procedureOnly: true,
  },
  { name: 'rows', sql: 'INSERT INTO other VALUES(1)', mariadb: 'nothing', mysql: 'nothing' },
];

await forEachServer(t, async (t, server) => {
  const schema = await server.createDatabase();
  const root = { schema, user: 'root', password: new URL(server.rootUrl).password };
  const setup = await openSession(t, server, root);
  if (server.isMysql) await setup.must('SET GLOBAL log_bin_trust_function_creators = ON');
  await setup.must('CREATE TABLE other(a INT)');

  for (const act of ACTS) {
    await t.test(act.name, async (t) => {
      for (const kind of act.procedureOnly ? (['procedure'] as const) : ROUTINE_KINDS) {
        const name = `${kind}_${act.name}`;
        for (const sql of MAKE_ROUTINE[kind](name, act.sql.replace('NAME', name))) await setup.must(sql);
        const session = await openSession(t, server, { schema });
        const { tracked } = await session.must(USE_ROUTINE[kind](name));
        t.equal(tracked.changed ? 'flag' : 'nothing', act[server.flavor], kind);
        if (act.reports !== undefined) {
          const names = tracked.variables.map((one) => one.slice(0, one.indexOf('=')));
          t.strictSame(names, act.reports, `${kind}: reported`);
        }
        if (act.look !== undefined) {
          const [look, value] = act.look;
          t.equal(await session.value(look.replace('NAME', name)), value, `${kind}: it is there`);
        }
        session.close();
      }
    });
  }

  await t.test('a view that takes a lock by itself', async (t) => {
    await setup.must("CREATE VIEW locks AS SELECT GET_LOCK('mybouncer_truth_view', 0) AS got");
    const session = await openSession(t, server, { schema });
    t.notOk((await session.must('SELECT * FROM locks')).tracked.changed);
    t.equal(await session.value("SELECT IS_USED_LOCK('mybouncer_truth_view') = CONNECTION_ID()"), '1');
  });

  await t.test(
    'LAST_INSERT_ID(): a procedure changes it, what else runs inside a statement does not',
    async (t) => {
      for (const kind of ROUTINE_KINDS) {
        const name = `${kind}_id`;
        for (const sql of MAKE_ROUTINE[kind](name, 'DO LAST_INSERT_ID(77)')) await setup.must(sql);
        const session = await openSession(t, server, { schema });
        const reply = await session.must(USE_ROUTINE[kind](name));
        t.equal(reply.ok.lastInsertId, 0n, `${kind}: not told`);
        t.equal(await session.value('SELECT LAST_INSERT_ID()'), kind === 'procedure' ? '77' : '0', kind);
      }
    },
  );

  await t.test('sql_mode and character sets that a routine sets change back at its end', async (t) => {
    await setup.must("CREATE PROCEDURE modes() BEGIN SET sql_mode = 'ANSI_QUOTES'; SET NAMES latin1; END");
    const session = await openSession(t, server, { schema });
    const mode = await session.value('SELECT @@sql_mode');
    const { variables } = (await session.must('CALL modes()')).tracked;
    t.ok(variables.includes(`sql_mode=${mode}`), 'the report is of what is there at the end');
    t.ok(variables.includes('character_set_client=utf8mb4'));
    t.ok(variables.includes('character_set_results=latin1'), 'this one stays');
  });

  await t.test('what definitions look like, and who may read them', async (t) => {
    const body = "BEGIN SELECT 'it''s', 'e\\'f', \"g\\\\\"; END";
    const app = await openSession(t, server, { schema });
    await app.must(`CREATE PROCEDURE quoting() ${body}`);
    await app.must(`CREATE TABLE quoted(a INT)`);
    await app.must(
      "CREATE TRIGGER quoting BEFORE INSERT ON quoted FOR EACH ROW SET @a = 'it''s', @b = 'b\\\\'",
    );
    await app.must("CREATE VIEW quoting AS SELECT 'it''s' AS a, \"b\\\\\" AS b, get_lock('x', 0)");
    const shown = await app.value(
      `SELECT ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '${schema}' AND ROUTINE_NAME = 'quoting'`,
    );
    // Not to be taken apart any more: what is text and what is code is lost.
    t.equal(
      shown,
      server.isMysql
        ? "BEGIN SELECT 'it's', 'e'f', \"g\\\"; END"
        : "BEGIN SELECT 'it''s', 'e''f', \"g\\\"; END",
    );
    t.ok(
      (await app.must('SHOW CREATE PROCEDURE quoting')).rows[0]?.[2]?.endsWith(`\n${body}`),
      'as it was written',
    );
    const action = (
      await app.must(
        `SELECT ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '${schema}' AND TRIGGER_NAME = 'quoting'`,
      )
    ).value;
    t.equal(action, server.isMysql ? "SET @a = 'it's', @b = 'b\\'" : "SET @a = 'it''s', @b = 'b\\'");
    t.ok(
      (await app.must('SHOW CREATE TRIGGER quoting')).rows[0]?.[2]?.endsWith(
        "SET @a = 'it''s', @b = 'b\\\\'",
      ),
    );
    t.match(
      await app.value(
        `SELECT VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = '${schema}' AND TABLE_NAME = 'quoting'`,
      ),
      /^select 'it\\'s' AS `a`,'b\\\\' AS `b`,get_lock\('x',0\)/,
      'in a form of its own, with escapes',
    );

    await setup.must('CREATE PROCEDURE of_root() BEGIN END');
    const columns = 'ROUTINE_NAME, ROUTINE_DEFINITION';
    const ofRoot = await app.must(
      `SELECT ${columns} FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '${schema}' AND ROUTINE_NAME = 'of_root'`,
    );
    t.strictSame(
      ofRoot.rows,
      [['of_root', null]],
      'listed, but with all rights on the schema not to be read',
    );
    t.equal((await app.must('SHOW CREATE PROCEDURE of_root')).rows[0]?.[2], null);
  });

  await t.test('an account with few rights', async (t) => {
    const few = await server.createUser();
    await setup.must(`REVOKE ALL PRIVILEGES ON \`app\\_%\`.* FROM '${few.user}'@'%'`);
    await setup.must('CREATE TABLE rights(a INT)');
    await setup.must('CREATE TRIGGER rights BEFORE INSERT ON rights FOR EACH ROW SET @x = 1');
    await setup.must('CREATE VIEW rights_view AS SELECT 1 AS a');
    await setup.must(`GRANT SELECT, INSERT ON ${schema}.rights TO '${few.user}'@'%'`);
    await setup.must(`GRANT SELECT ON ${schema}.rights_view TO '${few.user}'@'%'`);
    const session = await openSession(t, server, { schema, user: few.user, password: few.password });
    const triggers = await session.must(
      `SELECT TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = '${schema}'`,
    );
    t.strictSame(
      triggers.rows.filter(([name]) => name === 'rights'),
      server.isMysql ? [] : [['rights', null]],
      'MariaDB says that there is a trigger, MySQL not even that',
    );
    const views = await session.must(
      `SELECT TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = '${schema}'`,
    );
    t.strictSame(views.rows, [['rights_view', '']], 'a view is, without its definition');
    t.ok((await session.must('INSERT INTO rights VALUES(1)')).tracked.changed, 'while they run');
  });
});
