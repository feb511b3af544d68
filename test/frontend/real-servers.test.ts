/** What we say to clients, beside what the real servers say in the same place. */
import t from 'tap';
import { Greeter } from '../../src/frontend/greeter.js';
import { PasswordHasher } from '../../src/frontend/password-hasher.js';
import { LocalUsers } from '../../src/frontend/users.js';
import { Capability } from '../../src/protocol/constants.js';
import type { ServerInfo } from '../../src/session/server-info.js';
import {
  framed,
  type ParsedGreeting,
  parseGreeting,
  USUAL_CAPABILITIES,
} from '../protocol/support/client-side.js';
import { forEachServer, type TestServer } from '../support/servers.js';
import { startHarness } from './support/harness.js';
import { loginPayload, RawClient } from './support/raw-client.js';

async function serverGreeting(server: TestServer): Promise<ParsedGreeting> {
  const client = new RawClient(server);
  const greeting = await client.greeting();
  client.socket.destroy();
  return greeting;
}

function infoOf(server: TestServer, greeting: ParsedGreeting): ServerInfo {
  const { versionText, collation, capabilities } = greeting;
  return { flavor: server.flavor, versionText, versionNumber: 0, collation, capabilities };
}

t.test("our greeting agrees with the server's, field by field", async (t) => {
  await forEachServer(t, async (t, server) => {
    const theirs = await serverGreeting(server);
    const scramble = Buffer.from('abcdefghijklmnopqrst');
    const ours = parseGreeting(new Greeter(false).packet(infoOf(server, theirs), 7, scramble).subarray(4));
    for (const field of [
      'protocolVersion',
      'versionText',
      'collation',
      'status',
      'scrambleLength',
      'plugin',
    ] as const) {
      t.equal(ours[field], theirs[field], field);
    }
    t.same(ours.filler, theirs.filler);
    t.ok([...theirs.scramble].every((byte) => byte > 0 && byte < 0x80));
    t.equal(ours.connectionId, 7);
    t.same(ours.scramble, scramble);

    // Nothing is offered that the server can't do; MariaDB alone clears the first bit, for extended capabilities.
    const more = ours.capabilities & ~theirs.capabilities;
    t.equal(more, server.isMysql ? 0 : Capability.LongPassword);
    t.equal(theirs.extended.equals(Buffer.alloc(4)), server.isMysql);
    t.ok(ours.extended.equals(Buffer.alloc(4)));
  });
});

t.test("bad input gets the server's own answer", async (t) => {
  const cases: readonly (readonly [string, Buffer])[] = [
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a wrong sequence id', framed(Buffer.alloc(40), 2)],
    ['an empty packet', framed(Buffer.alloc(0), 1)],
    ['three bytes', framed(Buffer.from('abc'), 1)],
  ];
  await forEachServer(t, async (t, server) => {
    const { port } = await startHarness(t, { server: infoOf(server, await serverGreeting(server)) });
    for (const [what, bytes] of cases) {
      const answers: { sequenceId: number; error: string }[] = [];
      for (const client of [new RawClient(server), new RawClient({ port })]) {
        await client.greeting();
        client.socket.write(bytes);
        const { sequenceId, payload } = await client.expect();
        answers.push({ sequenceId, error: payload.toString('latin1') });
        await client.ended();
      }
      const [theirs, ours] = answers;
      t.equal(ours?.sequenceId, theirs?.sequenceId, `${what}: sequence id`);
      // Behind the server's words we say what is wrong.
      t.ok(ours?.error.startsWith(String(theirs?.error)), `${what}: ${theirs?.error.slice(4)}`);
    }
  });
});

t.test('so does a wrong password', async (t) => {
  await forEachServer(t, async (t, server) => {
    const { user } = await server.createUser();
    const users = new LocalUsers([{ name: user, secret: { password: 'secret' } }], new PasswordHasher());
    const { port } = await startHarness(t, { server: infoOf(server, await serverGreeting(server)), users });
    for (const password of ['wrong', '']) {
      const answers: string[] = [];
      for (const client of [new RawClient(server), new RawClient({ port })]) {
        client.send(
          loginPayload(await client.greeting(), user, password, { plugin: 'mysql_native_password' }),
          1,
        );
        let packet = await client.expect();
        // MySQL asks for its own method first; a password that is none of it is refused then.
        if (packet.payload[0] === 0xfe) {
          client.send(Buffer.alloc(password === '' ? 0 : 9), packet.sequenceId + 1);
          packet = await client.expect();
        }
        answers.push(packet.payload.toString('latin1').replace(/@'[^']*'/, '@host'));
        await client.ended();
      }
      t.equal(answers[1], answers[0]);
      t.match(
        answers[0],
        `Access denied for user '${user}'@host (using password: ${password === '' ? 'NO' : 'YES'})`,
      );
    }
  });
});

t.test('the collation of a login is its one byte, on the server as here', async (t) => {
  await forEachServer(t, async (t, server) => {
    const { user } = await server.createUser({ password: '' });
    for (const bytes of [45, 33 + 0x100]) {
      const client = new RawClient(server);
      const payload = loginPayload(await client.greeting(), user, '', {
        collation: bytes,
        capabilities: USUAL_CAPABILITIES | Capability.DeprecateEof,
      });
      client.send(payload, 1);
      t.equal((await client.expect()).payload[0], 0);
      client.send(
        Buffer.from(
          '\x03SELECT id FROM information_schema.collations WHERE collation_name = @@collation_connection',
        ),
        0,
      );
      await client.expect();
      await client.expect();
      const row = (await client.expect()).payload;
      t.equal(row.toString('latin1', 1), String(bytes & 0xff));
      client.socket.destroy();
    }
  });
});

t.test('a hash that MySQL stored is checked as MySQL does', async (t) => {
  await forEachServer(
    t,
    async (t, server) => {
      const password = 'pässwörd of some length, over a block: 0123456789';
      const { user } = await server.createUser({ password });
      const [row] = await server.query<{ hash_hex: string }>(
        'SELECT HEX(authentication_string) AS hash_hex FROM mysql.user WHERE user = ?',
        [user],
      );
      const stored = Buffer.from(String(row?.hash_hex), 'hex');
      const hash = {
        rounds: Number.parseInt(stored.toString('latin1', 3, 6), 16) * 1_000,
        salt: stored.subarray(7, 27),
        digest: stored.toString('latin1', 27),
      };
      const users = new LocalUsers([{ name: user, secret: { hash } }], new PasswordHasher());
      const { socketPath, logins } = await startHarness(t, {
        server: infoOf(server, await serverGreeting(server)),
        users,
      });
      for (const [given, first] of [
        ['wrong', 0xff],
        [password, 0],
      ] as const) {
        const client = new RawClient({ path: socketPath });
        client.send(loginPayload(await client.greeting(), user, given), 1);
        t.same((await client.expect()).payload, Buffer.of(1, 4));
        client.send(Buffer.from(`${given}\0`), 3);
        t.equal((await client.expect()).payload[0], first);
        client.socket.destroy();
      }
      t.equal(logins.length, 1);
    },
    { flavors: ['mysql'] },
  );
});
