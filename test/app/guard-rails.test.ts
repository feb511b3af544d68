import t from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { toldTo } from '../support/own-error.js';
import { eventually } from '../support/proxied.js';
import { errOf } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';
import { proxyWithUsers, told, type Users } from './support.js';

const MULTI = 0x10000;

await forEachServer(t, async (t, server) => {
  const [other, third] = [await server.createDatabase(), await server.createDatabase()];
  const mapped = (own: { user: string; password: string }): string =>
    `password: x, server_user: ${own.user}, server_password: ${own.password}`;
  const world: Users = await proxyWithUsers(
    t,
    server,
    (own) => `
pool_size: 3
failed_login_limit: 0
users:
  - {name: railed, ${mapped(own)}, schemas: [${other}]}
  - {name: reader, ${mapped(own)}, read_only: true}
  - {name: elsewhere, ${mapped(own)}, allowed_addresses: [10.0.0.0/8, "fd00::/8", unix]}
  - {name: here, ${mapped(own)}, allowed_addresses: 127.0.0.0/8}
  - {name: free, ${mapped(own)}}
`,
  );
  const { schema } = world;
  const refusal = (name: string): string =>
    `1044 42000 Access denied for user 'railed'@'%' to database '${name}'`;

  await t.test('schemas: at the login, by USE in any form, and in a change of user', async (t) => {
    t.equal(await world.tried('railed', 'x', { schema }), refusal(schema));
    t.match(
      await world.tried('railed', 'wrong', { schema }),
      /^1045 /,
      'nobody learns of it who is not the user',
    );
    t.equal(await world.tried('railed', 'x', { schema: 'no_such' }), refusal('no_such'));
    const client = await world.login('railed', 'x', { schema: other, capabilities: 0x1aa28f | MULTI });
    const refusedBy = async (sql: string): Promise<string> =>
      client.must(sql).then(
        () => 'done',
        (error: unknown) => told(error),
      );
    for (const sql of [
      `USE ${schema}`,
      `use \`${schema}\``,
      `USE ${other}; USE ${schema}`,
      `/* x */ USE ${schema};`,
    ])
      t.equal(await refusedBy(sql), refusal(schema), sql);
    t.equal(await refusedBy(`USE ${other}`), 'done');
    t.equal(told(errOf(await client.command(Command.InitDb, schema))), refusal(schema));
    t.equal(errOf(await client.command(Command.InitDb, other)), null);
    t.equal(
      told(errOf(await client.command(Command.StmtPrepare, `USE ${schema}`, 'prepare'))),
      refusal(schema),
    );
    t.equal(await client.value('SELECT DATABASE()'), other, 'the connection goes on as it was');
    client.destroy();

    const without = await world.login('railed', 'x', { schema: '' });
    t.equal(told(errOf(await without.query(`USE ${third}`))), refusal(third), 'from no schema at all');
    without.destroy();
    const changing = await world.connect({ user: 'free', password: 'x' });
    await t.rejects(changing.connection.changeUser({ user: 'railed', password: 'x', database: schema }), {
      errno: 1044,
      sqlState: '42000',
      message: refusal(schema).slice('1044 42000 '.length),
    });
    const changed = await world.connect({ user: 'free', password: 'x' });
    await changed.connection.changeUser({ user: 'railed', password: 'x', database: other });
    t.match(await changed.error(`USE ${schema}`), { errno: 1044 });
    await changed.end();
  });

  await t.test('allowed_addresses: 1045 by the same path, and 1130 where nobody is let in', async (t) => {
    const denied = `1045 28000 Access denied for user 'elsewhere'@'127.0.0.1' (using password: YES)`;
    t.equal(await world.tried('elsewhere', 'x'), denied);
    t.equal(await world.tried('elsewhere', 'wrong'), denied);
    t.equal(await world.tried('here', 'x'), 'in');
    await eventually('the log says why', () =>
      world.proxy.lines.some(
        ({ msg, reason, user }) => msg === 'login denied' && reason === 'elsewhere' && user === 'elsewhere',
      ),
    );
    const changing = await world.connect({ user: 'free', password: 'x' });
    await t.rejects(changing.connection.changeUser({ user: 'elsewhere', password: 'x' }), {
      errno: 1045,
      message: denied.slice('1045 28000 '.length),
    });

    const closed = await proxyWithUsers(
      t,
      server,
      (own) => `users: [{name: ${own.user}, password: ${own.password}, allowed_addresses: [192.0.2.1]}]\n`,
    );
    const name = server.isMysql ? 'MySQL' : 'MariaDB';
    t.match(
      await closed.tried(closed.user.user, closed.user.password),
      new RegExp(`^1130 \\S* ?Host '127\\.0\\.0\\.1' is not allowed to connect to this ${name} server$`),
    );
    t.equal(await closed.proxy.settled(0, 'mybouncer_clients'), 0);
  });

  await t.test('read_only: the server refuses what writes, and nothing plain ends that', async (t) => {
    const writer = await world.connect({ user: 'free', password: 'x' });
    await writer.run('CREATE TABLE r (a INT PRIMARY KEY)');
    await writer.run('INSERT INTO r VALUES (1)');
    const reader = await world.connect({ user: 'reader', password: 'x', multipleStatements: true });
    const readOnly = { errno: 1792, sqlState: '25006', message: /READ ONLY transaction/ };
    for (const sql of [
      'INSERT INTO r VALUES (2)',
      'UPDATE r SET a = 3',
      'DELETE FROM r',
      'TRUNCATE r',
      'DROP TABLE r',
      'CREATE TABLE s (a INT)',
      'WITH x AS (SELECT 1) DELETE FROM r',
      'SELECT 1; DELETE FROM r',
    ]) {
      const { errno } = await reader.error(sql);
      // MariaDB has no DELETE behind WITH.
      t.ok(errno === readOnly.errno || (errno === 1064 && sql.startsWith('WITH')), `${sql}: ${errno}`);
    }
    await reader.run('BEGIN');
    t.match(await reader.error('DELETE FROM r'), readOnly);
    await reader.run('COMMIT');
    await t.rejects(reader.execute('DELETE FROM r'), readOnly);
    const refused = {
      errno: 1290,
      sqlState: 'HY000',
      message: toldTo(
        reader.id,
        "mybouncer: user 'reader' is running with the read_only option so it cannot execute this statement",
      ),
    };
    const variable =
      (await reader.rows("SHOW VARIABLES LIKE '%x_read_only'")).length > 0
        ? 'tx_read_only'
        : 'transaction_read_only';
    for (const sql of [
      'START TRANSACTION READ WRITE',
      'start transaction with consistent snapshot, read  write',
      'SET TRANSACTION READ WRITE',
      'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE',
      `SET ${variable} = 0`,
      `SET SESSION ${variable} = OFF, @a = 1`,
      `SET @@session.${variable} := default`,
      'SELECT 1; START TRANSACTION READ WRITE; DELETE FROM r',
    ])
      t.match(await reader.error(sql), refused, sql);
    for (const sql of [
      `SET SESSION ${variable} = 1`,
      'SET SESSION TRANSACTION READ ONLY',
      'START TRANSACTION READ ONLY',
      'ROLLBACK',
    ])
      await reader.run(sql);
    t.match(await reader.error('DELETE FROM r'), readOnly);
    await reader.connection.changeUser({ user: 'reader', password: 'x', database: schema });
    t.match(await reader.error('DELETE FROM r'), readOnly, 'after a change of user, too');
    await writer.run('INSERT INTO r VALUES (9)');
    t.equal(
      await reader.value('SELECT COUNT(*) FROM r'),
      2,
      'others write on the same sessions, and it reads',
    );
    const raw = await world.login('reader', 'x');
    await raw.command(Command.ResetConnection);
    t.match(told(errOf(await raw.query('DELETE FROM r'))), /^1792 25006 /, 'after a reset as well');
    raw.destroy();
    await reader.end();
    await writer.end();
  });
});
