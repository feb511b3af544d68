import type net from 'node:net';
import t, { type Test } from 'tap';
import {
  type ConnectedServer,
  connectServer,
  ServerConnectError,
  type ServerConnectOptions,
} from '../../src/backend/connect.js';
import type { ServerAddress } from '../../src/backend/server-channel.js';
import { Capability } from '../../src/protocol/constants.js';
import { listening } from '../support/listening.js';
import { RawSession } from '../support/raw-session.js';
import {
  APP_PASSWORD,
  APP_USER,
  forEachPrivateServer,
  forEachServer,
  ROOT_PASSWORD,
  type TestServer,
} from '../support/servers.js';
import { RecordingRelay } from './support/recording-relay.js';

function tcp(server: TestServer): ServerAddress {
  return { host: server.host, port: server.port };
}

function options(address: ServerAddress, over: Partial<ServerConnectOptions> = {}): ServerConnectOptions {
  return {
    address,
    user: APP_USER,
    password: APP_PASSWORD,
    schema: null,
    capabilities: 0,
    collation: 45,
    connectTimeoutMs: 10_000,
    attributes: { program_name: 'connect-test' },
    ...over,
  };
}

async function refusal(opening: Promise<ConnectedServer>): Promise<ServerConnectError> {
  try {
    const { channel } = await opening;
    channel.destroy();
  } catch (error) {
    if (error instanceof ServerConnectError) return error;
    throw error;
  }
  throw new Error('the server let us in');
}

/** Sockets and timers that keep this process alive: none may be left of an attempt that failed. */
function resources(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((kind) => /Timeout|TCP|Pipe/.test(kind))
    .sort();
}

/** {@link resources} once those that are closing have closed: unchanged for some turns of the event loop. */
async function settledResources(): Promise<string[]> {
  let seen = resources();
  for (let unchanged = 0; unchanged < 50; unchanged++) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = resources();
    if (now.join() !== seen.join()) unchanged = 0;
    seen = now;
  }
  return seen;
}

/** Fails when `run` leaves a socket or timer behind. */
async function leavesNothing(t: Test, run: () => Promise<void>): Promise<void> {
  const before = await settledResources();
  await run();
  t.strictSame(await settledResources(), before, 'nothing is left open');
}

/** A listener that is no MySQL server. */
function stranger(t: Test, behave: (socket: net.Socket) => void): Promise<ServerAddress> {
  return listening(t, (socket) => behave(socket.resume()));
}

await forEachServer(t, async (t, server) => {
  t.test('over TCP and over the unix socket, with a schema and without', async (t) => {
    const addresses = [tcp(server)];
    if (server.socketPath !== null) addresses.push({ socketPath: server.socketPath });
    for (const address of addresses) {
      for (const schema of ['app', null]) {
        const session = await RawSession.open(options(address, { schema }));
        const [row] = (
          await session.must('SELECT CONNECTION_ID(), DATABASE(), VERSION(), @@collation_connection')
        ).rows;
        t.strictSame(row?.slice(0, 2), [String(session.connectionId), schema]);
        t.ok(session.info.versionText.endsWith(row?.[2] ?? '?'), session.info.versionText);
        t.equal(row?.[3], 'utf8mb4_general_ci');
        session.close();
      }
    }
  });

  t.test('what the greeting says about the server', async (t) => {
    const { channel, info } = await connectServer(options(tcp(server)));
    channel.destroy();
    t.equal(info.flavor, server.flavor);
    const [major, minor, patch] = server.version.split(/[.-]/).map(Number) as [number, number, number];
    t.equal(info.versionNumber, major * 10_000 + minor * 100 + patch);
    t.ok((info.capabilities & Capability.DeprecateEof) !== 0);
    t.ok(info.capabilities > 0);
  });

  t.test('a host name that has several addresses', async (t) => {
    const address = { host: 'localhost', port: server.port };
    const session = await RawSession.open(options(address));
    t.equal(await session.value('SELECT 1'), '1');
    session.close();
  });

  t.test('the connection attributes arrive', async (t) => {
    if (!server.isMysql) return;
    const session = await RawSession.open(options(tcp(server)));
    t.equal(
      await session.value(
        "SELECT ATTR_VALUE FROM performance_schema.session_account_connect_attrs WHERE PROCESSLIST_ID = CONNECTION_ID() AND ATTR_NAME = 'program_name'",
      ),
      'connect-test',
    );
    session.close();
  });

  t.test('a wrong password', async (t) => {
    const error = await refusal(connectServer(options(tcp(server), { password: 'not-it' })));
    t.match(error, { code: 'SERVER_CONNECT_FAILED', errno: 1045, sqlState: '28000', refused: 'credentials' });
    t.ok(error.fatalToWaiters);
    t.match(error.message, /^Access denied for user 'app'@'.*' \(using password: YES\)$/);
    t.notMatch(JSON.stringify(error) + error.stack, 'not-it');
  });

  t.test('an unknown user, and no password', async (t) => {
    const unknown = await refusal(connectServer(options(tcp(server), { user: 'nobody-here', password: '' })));
    t.match(unknown, { errno: 1045, refused: 'credentials', fatalToWaiters: true });
  });

  t.test('a locked account', async (t) => {
    const { user, password } = await server.createUser();
    await server.query(`ALTER USER '${user}'@'%' ACCOUNT LOCK`);
    const error = await refusal(connectServer(options(tcp(server), { user, password })));
    t.match(error, { errno: server.isMysql ? 3118 : 4151, refused: 'credentials', fatalToWaiters: true });
  });

  t.test('schemas: unknown, and not ours', async (t) => {
    const root = { user: 'root', password: ROOT_PASSWORD };
    const unknown = await refusal(connectServer(options(tcp(server), { ...root, schema: 'no_such_schema' })));
    t.match(unknown, { errno: 1049, sqlState: '42000', refused: 'schema', fatalToWaiters: true });
    t.equal(unknown.message, "Unknown database 'no_such_schema'");
    const foreign = await refusal(connectServer(options(tcp(server), { schema: 'mysql' })));
    t.match(foreign, { errno: 1044, refused: 'schema', fatalToWaiters: true });
  });

  t.test("the account's own limit of connections", async (t) => {
    const { user, password } = await server.createUser();
    await server.query(`ALTER USER '${user}'@'%' WITH MAX_USER_CONNECTIONS 1`);
    const { channel } = await connectServer(options(tcp(server), { user, password }));
    const error = await refusal(connectServer(options(tcp(server), { user, password })));
    t.match(error, { errno: 1226, refused: 'capacity', fatalToWaiters: false });
    channel.destroy();
  });

  t.test('nothing is left of attempts that fail', async (t) => {
    await leavesNothing(t, async () => {
      for (let i = 0; i < 5; i++) {
        await refusal(connectServer(options(tcp(server), { password: 'wrong' })));
        await refusal(connectServer(options({ host: '127.0.0.1', port: 1 })));
      }
    });
  });

  t.test('called off', async (t) => {
    const early = AbortSignal.abort(new Error('drained'));
    t.match(await refusal(connectServer(options(tcp(server), { signal: early }))), {
      refused: 'other',
      cause: { message: 'drained' },
    });
    await leavesNothing(t, async () => {
      const controller = new AbortController();
      const opening = refusal(connectServer(options(tcp(server), { signal: controller.signal })));
      setImmediate(() => controller.abort());
      t.match((await opening).message, 'called off');
    });
    const after = new AbortController();
    const { channel } = await connectServer(options(tcp(server), { signal: after.signal }));
    after.abort();
    t.notOk(channel.closed, 'a session that is open is no longer concerned');
    channel.destroy();
  });

  t.test('what cannot be asked for', async (t) => {
    for (const capability of [
      Capability.QueryAttributes,
      Capability.Compress,
      Capability.Ssl,
      Capability.MultiFactorAuth,
    ])
      await t.rejects(connectServer(options(tcp(server), { capabilities: capability })), RangeError);
    for (const collation of [0, 256, 1.5])
      await t.rejects(connectServer(options(tcp(server), { collation })), RangeError);
  });
});

await forEachServer(
  t,
  async (t, server) => {
    t.test('caching_sha2_password in full: by RSA over TCP, in clear over the unix socket', async (t) => {
      const relay = await RecordingRelay.start(t, server);
      const { user, password } = await server.createUser({ password: 'uncached secret' });
      const login = { user, password };
      (await connectServer(options(relay.address, login))).channel.destroy();
      const asked = relay.takeClientPackets();
      t.equal(asked[1]?.toString('hex'), '02', 'asks for the public key');
      t.equal(asked[2]?.length, 256, 'and sends the password encrypted with it');
      t.notOk(Buffer.concat(asked).includes(password));
      (await connectServer(options(relay.address, login))).channel.destroy();
      t.equal(relay.takeClientPackets().length, 1, 'cached from then on');
      if (server.socketPath === null) return;
      await server.query('FLUSH PRIVILEGES');
      const local = await RawSession.open(options({ socketPath: server.socketPath }, login));
      t.equal(await local.value('SELECT 1'), '1');
      local.close();
    });
    t.test('a wrong password, in full authentication', async (t) => {
      const { user } = await server.createUser();
      const error = await refusal(connectServer(options(tcp(server), { user, password: 'wrong' })));
      t.match(error, { errno: 1045, refused: 'credentials' });
    });
  },
  { flavors: ['mysql'] },
);

await forEachPrivateServer(
  t,
  async (t, server) => {
    t.test('a full server answers with an ERR in place of its greeting', async (t) => {
      const channels = [];
      let error: ServerConnectError | null = null;
      // One more than max_connections is for administrators.
      while (error === null && channels.length < 20) {
        try {
          channels.push((await connectServer(options(tcp(server)))).channel);
        } catch (refused) {
          error = refused as ServerConnectError;
        }
      }
      for (const channel of channels) channel.destroy();
      t.match(error, {
        errno: 1040,
        sqlState: '08004',
        refused: 'capacity',
        fatalToWaiters: false,
        message: 'Too many connections',
        address: `${server.host}:${server.port}`,
      });
    });

    t.test('a frozen server: the time limit covers the whole login', async (t) => {
      await server.kill('SIGSTOP');
      try {
        await leavesNothing(t, async () => {
          const error = await refusal(connectServer(options(tcp(server), { connectTimeoutMs: 50 })));
          t.match(error, { errno: 2003, refused: 'timeout', fatalToWaiters: false });
          t.match(error.message, /no answer within 50 ms/);
        });
      } finally {
        await server.kill('SIGCONT');
      }
    });

    t.test('a server that is down', async (t) => {
      await server.kill();
      const down = await refusal(connectServer(options(tcp(server))));
      t.match(down, {
        errno: 2003,
        refused: 'nobody',
        nobodyThere: true,
        fatalToWaiters: false,
        cause: { code: 'ECONNREFUSED' },
      });
      t.match(down.message, `Can't connect to server on '127.0.0.1:${server.port}' (connect ECONNREFUSED`);
      const names = await refusal(connectServer(options({ host: 'localhost', port: server.port })));
      t.match(names, { refused: 'nobody', message: /localhost:\d+' \(connect ECONNREFUSED/ });
      const local = await refusal(connectServer(options({ socketPath: server.socketPath })));
      t.match(local, { refused: 'nobody', address: server.socketPath });
      await server.start();
    });
  },
  { extraArgs: ['--max-connections=10'] },
);

await forEachPrivateServer(
  t,
  async (t, server) => {
    for (const user of ['root', APP_USER]) await server.query(`DROP USER '${user}'@'%'`);
    await server.query('FLUSH PRIVILEGES');
    server.forgetConnections();
    const error = await refusal(connectServer(options(tcp(server))));
    t.match(error, {
      errno: 1130,
      refused: 'credentials',
      fatalToWaiters: true,
      message: /is not allowed to connect/,
    });
  },
  { extraArgs: ['--skip-name-resolve'] },
);

t.test('peers that are no MySQL server', async (t) => {
  t.test('one that says nothing', async (t) => {
    const address = await stranger(t, () => {});
    const error = await refusal(connectServer(options(address, { connectTimeoutMs: 30 })));
    t.match(error, { refused: 'timeout' });
  });
  t.test('one that hangs up', async (t) => {
    const address = await stranger(t, (socket) => socket.end());
    t.match(await refusal(connectServer(options(address))), {
      refused: 'nobody',
      message: /closed the connection/,
    });
  });
  t.test('one that resets', async (t) => {
    const address = await stranger(t, (socket) => socket.resetAndDestroy());
    t.match(await refusal(connectServer(options(address))), { refused: 'nobody' });
  });
  const rubbish: [string, Buffer][] = [
    ['text', Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'.repeat(10))],
    ['an empty packet', Buffer.from([0, 0, 0, 0])],
    ['an old handshake', Buffer.from([2, 0, 0, 0, 9, 0])],
    ['a greeting cut short', Buffer.concat([Buffer.from([6, 0, 0, 0, 10]), Buffer.from('9.7\0x')])],
    ['a packet out of order', Buffer.concat([Buffer.from([6, 0, 0, 5, 10]), Buffer.from('9.7\0x')])],
    ['a truncated ERR', Buffer.from([2, 0, 0, 0, 0xff, 1])],
    ['random bytes', Buffer.from('4f00000000ffff00ff0a00ff'.repeat(20), 'hex')],
  ];
  for (const [name, bytes] of rubbish) {
    t.test(name, async (t) => {
      const address = await stranger(t, (socket) => socket.write(bytes));
      const error = await refusal(connectServer(options(address)));
      t.match(error, { errno: 2012, refused: 'other', fatalToWaiters: false });
      t.ok(error.cause instanceof Error);
    });
  }
});
