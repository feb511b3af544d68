import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import t, { type Test } from 'tap';
import { connectServer } from '../../src/backend/connect.js';
import { PING, runInternal } from '../../src/backend/internal-commands.js';
import { ServerSession, type SessionLostError } from '../../src/backend/server-session.js';
import { ServerAccount, Upstream } from '../../src/backend/upstream.js';
import { ProfileRegistry } from '../../src/session/profile.js';
import { lenencString, okPayload, packet, plainOk, STATUS, u16, u32 } from '../support/packets.js';

const CAPABILITIES = 0x81fffef7;

function greeting(capabilities = CAPABILITIES, end = 200): Buffer {
  const payload = Buffer.concat([
    Buffer.from('\n5.5.5-10.11.19-MariaDB\0'),
    u32(7),
    Buffer.from('abcdefgh\0'),
    u16(capabilities & 0xffff),
    Buffer.of(45),
    u16(2),
    u16(capabilities >>> 16),
    Buffer.of(21),
    Buffer.alloc(10),
    Buffer.from('ijklmnopqrst\0mysql_native_password\0'),
  ]);
  return packet(0, payload.subarray(0, end));
}

const LOGGED_IN = packet(2, okPayload(plainOk(0)));

function definition(name: string): Buffer {
  const texts = ['def', '', '', '', name, ''].map((text) => lenencString(text));
  return Buffer.concat([...texts, Buffer.of(12, 45, 0, 0, 1, 0, 0, 0xfd, 0, 0, 0, 0, 0)]);
}

/** A result set of two columns; the rows' payloads are as given. */
function result(rows: readonly Buffer[]): Buffer {
  const payloads = [Buffer.of(2), definition('name'), definition('value'), ...rows, okPayload(plainOk(0xfe))];
  return Buffer.concat(payloads.map((payload, i) => packet(i + 1, payload)));
}

type Script = readonly (Buffer | ((write: (bytes: Buffer) => boolean) => void))[];

/** A server that says these things, one after each packet that it gets. */
async function listen(t: Test, script: Script): Promise<{ host: string; port: number }> {
  const server = createServer((socket) => {
    const left = script.values();
    const advance = (): void => {
      const next = left.next().value;
      if (next === undefined) return;
      if (typeof next === 'function') next((bytes) => socket.write(bytes));
      else socket.write(next);
    };
    socket.on('error', () => {});
    socket.on('data', advance);
    t.teardown(() => socket.destroy());
    advance();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

/** What comes of opening a session on it. */
async function opening(t: Test, script: Script, connectTimeoutMs = 10_000): Promise<Error> {
  const address = await listen(t, script);
  const options = { address, connectTimeoutMs, maxPreparedStatements: 10, attributes: {}, tls: null };
  const upstream = new Upstream(options, new ProfileRegistry());
  const session = upstream.open(new ServerAccount('app', () => 'secret'), null, 0);
  return session.then(
    () => {
      throw new Error('the session was opened');
    },
    (error: Error) => error,
  );
}

/** Writes for as long as anybody reads. */
function endless(bytes: Buffer): (write: (bytes: Buffer) => boolean) => void {
  return (write) => {
    const more = (): void => {
      for (let left = 64; left > 0; left--) if (!write(bytes)) break;
      timer = setTimeout(more, 1);
    };
    let timer = setTimeout(more, 0);
    t.teardown(() => clearTimeout(timer));
  };
}

t.test('a greeting that ends too early, without the flags of MySQL', async (t) => {
  const error = await opening(t, [greeting(CAPABILITIES & ~1, 53)]);
  t.match(error, { errno: 2012, sqlState: 'HY000', message: /packet ends too early/ });
});

t.test('a greeting that is longer than can be', async (t) => {
  const error = await opening(t, [Buffer.of(0xff, 0xff, 0xff, 0, 10)]);
  t.match(error, { errno: 2012, message: /a login packet of 16777219 bytes/ });
});

t.test('a row that ends in the middle of a value', async (t) => {
  const error = await opening(t, [greeting(), LOGGED_IN, result([Buffer.from('\x05name\x7fvalue')])]);
  t.match(error, {
    code: 'SERVER_SESSION_LOST',
    message: /the reply to an internal command cannot be read: packet ends too early/,
  });
});

t.test('a column definition that is none', async (t) => {
  const reply = [Buffer.of(1), Buffer.of(3, 0x64), okPayload(plainOk(0xfe))];
  const bytes = Buffer.concat(reply.map((payload, i) => packet(i + 1, payload)));
  const error = await opening(t, [greeting(), LOGGED_IN, bytes]);
  t.match(error, { code: 'SERVER_SESSION_LOST', message: /cannot be read/ });
});

t.test('rows without end', async (t) => {
  const head = result([]).subarray(0, -11);
  const row = packet(9, Buffer.concat([lenencString('x'.repeat(200)), lenencString('y'.repeat(2000))]));
  const rows = endless(Buffer.concat(Array.from({ length: 100 }, () => row)));
  const error = await opening(t, [
    greeting(),
    LOGGED_IN,
    (write) => {
      write(head);
      rows(write);
    },
  ]);
  t.match(error, { code: 'SERVER_SESSION_LOST', message: /reply to an internal command is too long/ });
});

t.test('more rows than anybody asks for, however small', async (t) => {
  const rows = Array.from({ length: 100_001 }, () => Buffer.of(0xfb, 0xfb));
  const error = await opening(t, [greeting(), LOGGED_IN, result(rows)]);
  t.match(error, { code: 'SERVER_SESSION_LOST', message: /reply to an internal command is too long/ });
});

t.test('results without end', async (t) => {
  const ok = packet(1, okPayload(plainOk(0, STATUS.autocommit | STATUS.moreResults)));
  const error = await opening(t, [
    greeting(),
    LOGGED_IN,
    endless(Buffer.concat(Array.from({ length: 1000 }, () => ok))),
  ]);
  t.match(error, { code: 'SERVER_SESSION_LOST', message: /reply to an internal command is too long/ });
});

t.test('an answer before its question', async (t) => {
  const two = Buffer.concat([LOGGED_IN, LOGGED_IN].map((ok) => Buffer.from(ok).fill(1, 3, 4)));
  const address = await listen(t, [greeting(), LOGGED_IN, two, two]);
  const { channel, info, connectionId } = await connectServer({
    ...{ address, user: 'app', password: 'secret', schema: null, capabilities: 0, collation: 45 },
    ...{ connectTimeoutMs: 10_000, attributes: {} },
  });
  const blank = new ProfileRegistry().initial({ variables: new Map() }, null, false);
  const session = new ServerSession(channel, info, connectionId, blank, 10);
  const second = await new Promise<SessionLostError | null>((resolve, reject) => {
    runInternal(session, [PING], (replies, lost) => {
      if (lost !== null) reject(lost);
      t.not(replies[0]?.ok, null, 'the first command has its reply');
      // As when the session is lent to the next client in the same turn.
      runInternal(session, [PING], (_, lost) => resolve(lost));
    });
  });
  t.match(second, { message: 'the server sent bytes behind the end of a reply' }, 'the second one has not');
  t.equal(session.closed, true);
});

t.test('silence after the login', async (t) => {
  const error = await opening(t, [greeting(), LOGGED_IN], 500);
  t.match(error, {
    code: 'SERVER_SESSION_LOST',
    message: /the server did not tell its state within 500 ms/,
  });
});
