import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type ConnectionOptions, createConnection, type RowDataPacket } from 'mysql2/promise';
import t from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { eventually } from './proxied.js';
import { commandPayload, loginOf, packets, RawClient } from './raw-client.js';
import { forEachServer, mysqlClientCommand, type SessionRow, sharedServer } from './servers.js';

const run = promisify(execFile);

t.test('each server is what it says, reachable by port and socket', async (t) => {
  await forEachServer(t, async (t, server) => {
    const [row] = await server.query<{ version: string }>('SELECT VERSION() AS version');
    t.equal(row?.version, server.version);
    t.equal(/mariadb/i.test(server.version), !server.isMysql);
    t.equal(await server.variable('local_infile'), 'ON');
    t.equal(await server.variable('log_bin'), 'OFF');
    t.equal(await server.variable('character_set_server'), 'utf8mb4');
    t.ok(Number(await server.variable('max_allowed_packet')) >= 64 * 1024 * 1024);

    const ways: ConnectionOptions[] = [{ uri: server.url() }];
    // A server named by the environment may be on another machine.
    if (server.socketPath !== null) {
      ways.push({ socketPath: server.socketPath, user: 'app', password: 'secret', database: 'app' });
    }
    for (const way of ways) {
      const connection = await createConnection(way);
      const [rows] = await connection.query<RowDataPacket[]>('SELECT CURRENT_USER() AS me, DATABASE() AS db');
      t.same(rows, [{ me: 'app@%', db: 'app' }]);
      await connection.end();
    }
  });
});

t.test('the account app logs in by the plugin that is the default of the server', async (t) => {
  await forEachServer(t, async (t, server) => {
    t.same(await server.query("SELECT plugin AS plugin FROM mysql.user WHERE user = 'app'"), [
      { plugin: server.isMysql ? 'caching_sha2_password' : 'mysql_native_password' },
    ]);
  });
});

t.test('an account sees and kills its own sessions, and has schemas of its own', async (t) => {
  await forEachServer(t, async (t, server) => {
    const user = await server.createUser({ password: 'p@ss/word' });
    const schema = await server.createDatabase();
    const [one, two] = await Promise.all([createConnection(user.url(schema)), createConnection(user.url())]);
    one.on('error', () => undefined);
    t.same((await server.sessions(user.user)).map((session) => session.db).sort(), ['app', schema].sort());
    await two.query('KILL ?', [one.threadId]);
    await t.rejects(one.query('SELECT 1'));
    await eventually('it has gone', async () => {
      const ids = (await server.sessions(user.user)).map((session) => session.id);
      return ids.length === 1 && ids[0] === two.threadId;
    });
    await two.query('CREATE DATABASE IF NOT EXISTS app_by_app_itself');
    await two.query('DROP DATABASE app_by_app_itself');
    await two.end();
  });
});

t.test('sessions are listed while one of them runs a statement that is no text', async (t) => {
  await forEachServer(t, async (t, server) => {
    const user = await server.createUser();
    const client = await RawClient.login(loginOf(user.url()));
    const text = Buffer.concat([
      Buffer.from("SELECT SLEEP(60), '"),
      Buffer.from([0xdd, 0x70, 0xff]),
      Buffer.from("'"),
    ]);
    client.write(Buffer.concat(packets(commandPayload(Command.Query, text))));
    let sleeper: SessionRow | undefined;
    await eventually('it is at work', async () => {
      [sleeper] = await server.sessions(user.user);
      return typeof sleeper?.info === 'string';
    });
    t.match(sleeper?.info, /SLEEP/);
    await server.query('KILL ?', [sleeper?.id ?? 0]);
    client.destroy();
  });
});

t.test('what a test made is gone after it', async (t) => {
  let schema = '';
  let user = '';
  await t.test('makes', async (t) => {
    await forEachServer(
      t,
      async (t, server) => {
        schema = await server.createDatabase();
        user = (await server.createUser()).user;
        await server.rootConnection();
        t.equal((await server.query('SHOW DATABASES LIKE ?', [schema])).length, 1);
      },
      { flavors: ['mariadb'] },
    );
  });
  const server = await sharedServer('mariadb');
  // Then the part above was skipped, or has failed.
  if (server === null || schema === '') return;
  t.teardown(() => server.release());
  t.same(await server.query('SHOW DATABASES LIKE ?', [schema]), []);
  t.same(await server.query('SELECT user FROM mysql.user WHERE user = ?', [user]), []);
});

t.test("MySQL's own command-line client runs", async (t) => {
  await forEachServer(
    t,
    async (t, server) => {
      const command = await mysqlClientCommand();
      if (command === null) {
        await t.test(
          'it is there',
          { skip: "MySQL's own client is missing: run .ci/install as root" },
          async () => undefined,
        );
        return;
      }
      const [program, ...first] = command;
      const login = ['--no-defaults', `--host=${server.host}`, `--port=${server.port}`, '--user=app'];
      const { stdout } = await run(
        program,
        [...first, ...login, '--execute=SELECT 6*7', '--skip-column-names'],
        {
          env: { ...process.env, MYSQL_PWD: 'secret' },
        },
      );
      t.equal(stdout.trim(), '42');
    },
    { flavors: ['mysql'] },
  );
});
