import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import {
  NameAddresses,
  type NameChange,
  type Resolved,
  resolveName,
} from '../../src/servers/name-addresses.js';

/** A name server that has one A record for whatever it is asked, and no other. @returns its address and port */
async function nameServer(t: Test, address: string, ttl: number): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address: from }) => {
    const end = query.indexOf(0, 12) + 5;
    const question = query.subarray(12, end);
    const isA = query.readUInt16BE(end - 4) === 1;
    const header = Buffer.from([0, 0, 0x81, 0x80, 0, 1, 0, isA ? 1 : 0, 0, 0, 0, 0]);
    query.copy(header, 0, 0, 2);
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, ttl, 0, 4, ...address.split('.').map(Number)]);
    socket.send(Buffer.concat([header, question, ...(isA ? [record] : [])]), port, from);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

t.test('an address stands for itself, for ever', async (t) => {
  t.strictSame(await resolveName('192.0.2.7'), {
    addresses: ['192.0.2.7'],
    ttlSeconds: Number.POSITIVE_INFINITY,
  });
  t.strictSame((await resolveName('::1')).addresses, ['::1']);
});

t.test('a name that the DNS knows by the same address has its TTL', async (t) => {
  const { addresses, ttlSeconds } = await resolveName('localhost', [await nameServer(t, '127.0.0.1', 7)]);
  t.ok(addresses.includes('127.0.0.1'));
  t.equal(ttlSeconds, 7);
});

t.test('/etc/hosts comes first, and has no TTL', async (t) => {
  const { addresses, ttlSeconds } = await resolveName('localhost', [await nameServer(t, '192.0.2.9', 7)]);
  t.notOk(addresses.includes('192.0.2.9'));
  t.equal(ttlSeconds, null);
});

t.test('a name that nobody knows is an error', async (t) => {
  await t.rejects(resolveName('nobody.invalid', [await nameServer(t, '192.0.2.9', 7)]));
});

function watched(answers: (Resolved | Error)[]) {
  const changes: NameChange[] = [];
  const failures: unknown[] = [];
  let timer: { ms: number; callback: () => void } | null = null;
  const name = new NameAddresses({
    name: 'db',
    resolve: async () => {
      const next = answers.shift();
      if (next === undefined || next instanceof Error) throw next ?? new Error('no more answers');
      return next;
    },
    changed: (change) => changes.push(change),
    failed: (error) => failures.push(error),
    after: (ms, callback) => {
      timer = { ms, callback };
      return () => {
        timer = null;
      };
    },
  });
  const pass = async (): Promise<void> => {
    const due = timer;
    timer = null;
    due?.callback();
    await turn();
  };
  return { name, changes, failures, pass, wait: () => timer?.ms ?? null };
}

t.test(
  'it asks again when the answer is out of date, within bounds, and tells what has changed',
  async (t) => {
    const { name, changes, pass, wait } = watched([
      { addresses: ['a', 'b'], ttlSeconds: 30 },
      { addresses: ['a', 'b'], ttlSeconds: 0 },
      { addresses: ['b', 'c'], ttlSeconds: 86_400 },
      { addresses: ['b', 'c'], ttlSeconds: null },
      { addresses: ['1.2.3.4'], ttlSeconds: Number.POSITIVE_INFINITY },
    ]);
    await name.refresh();
    t.equal(wait(), 30_000);
    await pass();
    t.equal(wait(), 1000, 'not without end');
    await pass();
    t.equal(wait(), 60_000, 'a failover is not waited for all day');
    t.strictSame(name.addresses, ['b', 'c']);
    await pass();
    t.equal(wait(), 5000);
    await pass();
    t.equal(wait(), null);
    t.strictSame(changes, [
      { added: ['a', 'b'], removed: [] },
      { added: ['c'], removed: ['a'] },
      { added: ['1.2.3.4'], removed: ['b', 'c'] },
    ]);
  },
);

t.test('what was known stays while the name cannot be resolved, which is told once', async (t) => {
  const { name, changes, failures, pass, wait } = watched([
    { addresses: ['a'], ttlSeconds: 1 },
    new Error('one'),
    new Error('two'),
    { addresses: ['a'], ttlSeconds: 1 },
    new Error('three'),
  ]);
  await name.refresh();
  await pass();
  await pass();
  t.strictSame(name.addresses, ['a']);
  t.equal(wait(), 5000);
  await pass();
  await pass();
  t.match(failures, [{ message: 'one' }, { message: 'three' }]);
  t.equal(changes.length, 1);
});

t.test('one question serves all who ask meanwhile, and none is asked after the end', async (t) => {
  const answers = [
    { addresses: ['a'], ttlSeconds: 1 },
    { addresses: ['b'], ttlSeconds: 1 },
  ];
  const { name, wait, pass } = watched(answers);
  await Promise.all([name.refresh(), name.refresh()]);
  t.equal(answers.length, 1);
  const last = name.refresh();
  name.stop();
  await last;
  t.strictSame(name.addresses, ['a'], 'an answer that comes later is not heard');
  t.equal(wait(), null);
  await pass();
  await name.refresh();
  t.equal(answers.length, 0);
});
